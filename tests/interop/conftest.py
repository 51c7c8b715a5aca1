"""Files of other programs, and clips they belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_usstrack.core.video import VideoInfo

HERE = Path(__file__).resolve().parent


@pytest.fixture
def stored() -> Path:
    """What DUSTrack 1.3.2 wrote; see written_by_dustrack.py."""
    return HERE / "dustrack-1.3.2"


@pytest.fixture
def info() -> VideoInfo:
    return VideoInfo(frame_count=100, width=700, height=500, name="trial1.mp4")


@pytest.fixture
def put(tmp_path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return write
