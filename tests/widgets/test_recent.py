"""Clips opened last; nothing is written outside the test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import recent


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """A home of our own, which must stay empty."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv(recent.DATA_DIR, str(tmp_path / "data"))
    yield home
    assert list(home.iterdir()) == []


@pytest.fixture
def clips(tmp_path) -> list[Path]:
    """Three clips that exist."""
    paths = [tmp_path / f"trial{i}.mp4" for i in range(1, 4)]
    for path in paths:
        path.touch()
    return paths


def names() -> list[str]:
    return [path.name for path in recent.recent_clips()]


def listed() -> str:
    return (recent.data_folder() / recent.FILE).read_text(encoding="utf-8")


def test_nothing_is_remembered_at_first() -> None:
    assert recent.recent_clips() == ()
    assert not recent.data_folder().exists()


def test_newest_first_and_each_once(clips) -> None:
    for clip in (*clips, clips[0]):
        recent.remember(clip)
    assert names() == ["trial1.mp4", "trial3.mp4", "trial2.mp4"]


def test_a_relative_path_is_found_from_anywhere(clips, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    recent.remember("trial1.mp4")
    recent.remember(clips[0])
    assert recent.recent_clips() == (clips[0],)


def test_only_twenty_are_kept(tmp_path) -> None:
    for i in range(23):
        (tmp_path / f"{i}.mp4").touch()
        recent.remember(tmp_path / f"{i}.mp4")
    assert names() == [f"{i}.mp4" for i in range(22, 2, -1)]


def test_missing_clips_are_not_offered_but_come_back(clips) -> None:
    for clip in clips:
        recent.remember(clip)
    clips[1].unlink()
    assert names() == ["trial3.mp4", "trial1.mp4"]
    recent.remember(clips[0])
    assert "trial2.mp4" in listed()
    clips[1].touch()
    assert names() == ["trial1.mp4", "trial3.mp4", "trial2.mp4"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1, 2]", b'{"clips": 3}', b'{"clips": [1, null, ""]}']
)
def test_a_damaged_list_is_an_empty_one(content, clips) -> None:
    recent.remember(clips[0])
    (recent.data_folder() / recent.FILE).write_bytes(content)
    assert recent.recent_clips() == ()
    recent.remember(clips[1])
    assert names() == ["trial2.mp4"]


def test_a_folder_that_cannot_be_made_is_told(monkeypatch, tmp_path, clips) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(recent.DATA_DIR, str(tmp_path / "file" / "data"))
    with pytest.raises(UsstrackError, match="cannot be written"):
        recent.remember(clips[0])


def test_without_the_variable_the_data_folder_is_the_users(monkeypatch) -> None:
    monkeypatch.delenv(recent.DATA_DIR)
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: Path("theirs"))
    assert recent.data_folder() == Path("theirs")


@pytest.fixture
def make_box(qtbot):
    from napari_usstrack.widgets.recent import RecentBox

    def make() -> RecentBox:
        box = RecentBox()
        qtbot.addWidget(box)
        return box

    return make


def test_box_hides_while_it_has_nothing_to_offer(make_box, clips) -> None:
    box = make_box()
    assert not box.box.isVisibleTo(box)
    box.add(clips[0])
    assert box.box.isVisibleTo(box)
    assert not box.isVisible()
    clips[0].unlink()
    box.refresh()
    assert not box.box.isVisibleTo(box)


def test_box_opens_what_is_chosen(make_box, clips) -> None:
    from qtpy.QtCore import Qt

    for clip in clips:
        recent.remember(clip)
    box = make_box()
    opened: list[str] = []
    box.opening.connect(opened.append)
    assert [box.box.itemText(i) for i in range(3)] == ["trial3.mp4", "trial2.mp4", "trial1.mp4"]
    assert box.box.itemData(1, Qt.ItemDataRole.ToolTipRole) == str(clips[1].parent)
    assert box.box.currentIndex() == -1
    box.box.activated.emit(1)
    assert opened == [str(clips[1])]
    assert box.box.currentIndex() == -1


def test_box_survives_a_list_that_cannot_be_written(make_box, clips, monkeypatch, tmp_path) -> None:
    box = make_box()
    (tmp_path / "file").touch()
    monkeypatch.setenv(recent.DATA_DIR, str(tmp_path / "file" / "data"))
    box.add(clips[0])
    assert box.box.count() == 0
