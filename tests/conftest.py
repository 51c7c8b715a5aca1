"""Settings and fixtures of all tests; nothing here imports napari or torch at collection."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["NAPARI_ASYNC"] = "0"
os.environ.setdefault("QT_API", "pyqt6")
os.environ.setdefault("USSTRACK_DATA_DIR", tempfile.mkdtemp(prefix="usstrack-tests-"))

settings.register_profile(
    "usstrack",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("usstrack")

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if torch.cuda.is_available():
        return
    for item in marked:
        item.add_marker(pytest.mark.skip(reason="needs an accelerator, torch finds none"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


def _shared(name: str) -> Path:
    folder = ROOT.parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"no folder ../shared/{name} beside the repository")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings of heart, muscle, phantom and DICOM variants, kept outside the repository."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_clips() -> Path:
    """Small clips with known motion, kept outside the repository."""
    return _shared("clips")
