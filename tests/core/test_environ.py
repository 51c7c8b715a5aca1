from __future__ import annotations

import os

import pytest

from napari_usstrack.core.environ import OPENCV_SETS, preserved

KEPT, NEW, GONE, OTHER = (f"USSTRACK_TEST_{name}" for name in ("KEPT", "NEW", "GONE", "OTHER"))


@pytest.fixture
def variables(monkeypatch):
    monkeypatch.setenv(KEPT, "before")
    monkeypatch.setenv(GONE, "before")
    monkeypatch.delenv(NEW, raising=False)
    monkeypatch.setenv(OTHER, "before")


def disturb() -> None:
    os.environ[KEPT] = "after"
    os.environ[NEW] = "after"
    del os.environ[GONE]
    os.environ[OTHER] = "after"


@pytest.mark.usefixtures("variables")
def test_named_variables_come_back_and_others_stay_changed():
    with preserved(KEPT, NEW, GONE):
        disturb()
    assert os.environ[KEPT] == "before"
    assert os.environ[GONE] == "before"
    assert NEW not in os.environ
    assert os.environ[OTHER] == "after"


@pytest.mark.usefixtures("variables")
def test_also_after_an_error():
    def fail() -> None:
        with preserved(KEPT, NEW, GONE):
            disturb()
            raise ImportError

    with pytest.raises(ImportError):
        fail()
    assert os.environ[KEPT] == "before"
    assert NEW not in os.environ


def test_variable_never_set():
    with preserved(NEW):
        pass
    assert NEW not in os.environ


def test_opencv_leaves_qt_alone():
    before = {name: os.environ.get(name) for name in OPENCV_SETS}
    with preserved(*OPENCV_SETS):
        import cv2  # noqa: F401
    assert {name: os.environ.get(name) for name in OPENCV_SETS} == before
