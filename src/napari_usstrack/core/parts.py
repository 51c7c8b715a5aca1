"""Long work put together from parts that report as one."""

from __future__ import annotations

from typing import TypeVar

from napari_usstrack.core.tracker import Progress, Work

T = TypeVar("T")


def part(work: Work[T], before: int, size: int, total: int) -> Work[T]:
    """Run work as `size` units of `total`, after `before` units by others."""
    try:
        while True:
            try:
                progress = next(work)
            except StopIteration as stop:
                return stop.value
            yield Progress(before + size * progress.done // max(progress.total, 1), total)
    finally:
        work.close()
