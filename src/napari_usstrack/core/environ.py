"""Environment variables put back after an import that changes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

OPENCV_SETS = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR", "LD_LIBRARY_PATH")
"""Variables that ``import cv2`` points at its own bundled libraries."""


@contextmanager
def preserved(*names: str) -> Iterator[None]:
    """Restore the named environment variables on leaving the block."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
