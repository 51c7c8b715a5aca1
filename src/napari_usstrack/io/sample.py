"""The real clip that ships with a dependency."""

from __future__ import annotations

from pathlib import Path


def embedded_cine() -> Path:
    """Path of the apical echo cine inside the installed pydicom package.

    Thirty frames of 320 x 240 px, part of pydicom under the MIT licence.
    """
    from pydicom.data import get_testdata_file

    return Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
