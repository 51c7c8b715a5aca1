"""The Preferences page and the menu entries."""

from __future__ import annotations

from dataclasses import fields, replace

import npe2
import pytest

from napari_usstrack.core.video import VideoInfo
from napari_usstrack.pipelines import trackers
from napari_usstrack.widgets import commands
from napari_usstrack.widgets.layers import MOST_VERTICES, TAIL, marker_px
from napari_usstrack.widgets.preferences import (
    PAGES,
    PLUGIN,
    Preferences,
    PreferenceWatch,
    preferences,
)

MENUS = {
    "napari/layers/track": ["open", "track", "fill", "smooth"],
    "napari/layers/annotate": ["add_points"],
    "napari/file/io_utilities": ["export_csv", "save_project"],
}


@pytest.fixture
def manifest() -> npe2.PluginManifest:
    return npe2.PluginManifest.from_distribution(PLUGIN)


@pytest.fixture
def page(plugin_settings, npe2pm, manifest):
    """Our page as napari makes it, saved in a folder of this test."""
    from napari.settings import get_plugin_settings

    npe2pm.register(manifest)
    return get_plugin_settings(PLUGIN)


def test_defaults_are_those_of_the_manifest_and_of_the_code(manifest) -> None:
    pages = manifest.contributions.configurations
    stated = {
        name: setting.default
        for page in pages.values()
        for name, setting in page.properties.items()
    }
    assert Preferences(**stated) == Preferences()
    assert set(PAGES) == {item.name for item in fields(Preferences)}
    assert {(p, n) for p, page in pages.items() for n in page.properties} == {
        (page, name) for name, page in PAGES.items()
    }
    assert (Preferences().tail_frames, Preferences().most_vertices) == (TAIL, MOST_VERTICES)
    for width in (100, 640, 1280):
        info = VideoInfo(2, width, 480)
        assert Preferences().marker_px(info) == pytest.approx(marker_px(info))


@pytest.mark.parametrize("method", trackers.names())
def test_a_window_of_zero_leaves_the_method_alone(method: str) -> None:
    usual = dict(trackers.make(method).settings)
    usual.pop(trackers.FINGERPRINT, None)
    assert Preferences().options(method) == usual
    for window_px, used in ((1, 7), (61, 61), (301, 301)):
        chosen = Preferences(window_px=window_px).options(method)
        assert chosen == (usual | {"window": used} if "window" in usual else usual)
        trackers.make(method, chosen)


def test_the_methods_to_choose_from_are_those_there_are(manifest) -> None:
    method = manifest.contributions.configurations["tracking"].properties["method"]
    assert tuple(method.enum) == trackers.names()


def test_a_stored_choice_stays(plugin_settings, npe2pm, manifest, page) -> None:
    from napari.settings import get_plugin_settings

    assert preferences().method == trackers.DEFAULT
    page.tracking.method = "lucas-kanade"
    stored = page.config_path.read_text()
    assert "method: lucas-kanade" in stored
    again = type(page)(page.config_path)
    assert again.tracking.method == "lucas-kanade"
    assert get_plugin_settings(PLUGIN).tracking.method == preferences().method == "lucas-kanade"


def test_without_a_page_the_defaults_hold(plugin_settings) -> None:
    assert preferences() == Preferences()
    watch = PreferenceWatch()
    watch.close()
    watch.close()


def test_a_change_is_told_and_kept(page) -> None:
    watch = PreferenceWatch()
    told: list[Preferences] = []
    watch.changed.connect(told.append)
    page.display.tail_frames = 12
    page.person.author = "Ada"
    page.person.author = "Ada"
    meant = replace(Preferences(), tail_frames=12)
    assert told == [meant, replace(meant, author="Ada")]
    assert watch.now == preferences() == told[-1]
    assert "tail_frames: 12" in page.config_path.read_text()
    watch.close()
    page.display.tail_frames = 13
    assert len(told) == 2


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("tracking", "window_px", -1),
        ("tracking", "method", "magic"),
        ("display", "marker_percent", 11.0),
        ("display", "tail_frames", -1),
    ],
)
def test_values_out_of_range_are_refused(page, group: str, name: str, value) -> None:
    with pytest.raises(ValueError, match=name):
        setattr(getattr(page, group), name, value)
    assert preferences() == Preferences()


def test_every_menu_entry_is_a_command_that_can_be_found(manifest) -> None:
    menus = manifest.contributions.menus
    known = {command.id: command for command in manifest.contributions.commands}
    for menu, names in MENUS.items():
        assert [item.command for item in menus[menu]] == [f"{PLUGIN}.{name}" for name in names]
    for names in MENUS.values():
        for name in names:
            python_name = known[f"{PLUGIN}.{name}"].python_name
            assert callable(npe2.manifest.utils.import_python_name(python_name))
    assert set(menus) == set(MENUS)


def test_without_a_window_a_command_says_so(monkeypatch) -> None:
    monkeypatch.setattr(commands, "current_viewer", lambda: None)
    with pytest.raises(Exception, match="no napari window; open one first"):
        commands.track()


@pytest.mark.window
class TestInAWindow:
    """Menus and commands of a real window."""

    @pytest.fixture
    def viewer(self, make_napari_viewer):
        viewer = make_napari_viewer()
        yield viewer
        for dock in viewer.window.dock_widgets.values():
            if hasattr(dock, "close_benches"):
                dock.close_benches()

    @pytest.fixture
    def said(self, monkeypatch) -> list[str]:
        from napari_usstrack.widgets import main

        sentences: list[str] = []
        monkeypatch.setattr(commands, "show_error", sentences.append)
        monkeypatch.setattr(main, "show_error", sentences.append)
        return sentences

    def dock(self, viewer):
        return viewer.window.dock_widgets["USSTrack (napari-usstrack)"]

    def test_menus_and_palette_hold_our_entries(self, viewer) -> None:
        from napari._app_model import get_app_model

        npe2.PluginManager.instance().discover()
        app = get_app_model()
        for menu, names in MENUS.items():
            entries = [getattr(item, "command", None) for item in app.menus.get_menu(menu)]
            found = [entry.id for entry in entries if entry is not None]
            for name in names:
                assert f"{PLUGIN}.{name}" in found
                assert f"{PLUGIN}.{name}" in app.commands

    def test_a_command_opens_the_dock_once_and_brings_it_back(self, viewer) -> None:
        assert not viewer.window.dock_widgets
        commands.show()
        first = self.dock(viewer)
        first.parent().hide()
        commands.show()
        assert self.dock(viewer) is first
        assert len(viewer.window.dock_widgets) == 1
        assert not first.parent().isHidden()

    def test_without_a_clip_every_command_says_so(self, viewer, said) -> None:
        for name in ("add_points", "track", "fill", "export_csv", "save_project"):
            getattr(commands, name)()
            assert len(said) == 1, name
            assert said.pop().startswith("Open a clip first")

    def test_the_smoothing_panel_opens_through_a_menu_entry(self, viewer, said) -> None:
        commands.smooth()
        assert self.dock(viewer).smoothing_fold.button.isChecked()
        assert said == []

    def test_add_and_track_through_menu_entries(self, viewer, said, qtbot, clip_file) -> None:
        viewer.open(clip_file, plugin=PLUGIN)
        commands.add_points()
        dock = self.dock(viewer)
        assert dock.bench.pointing.placing
        dock.bench.labels.add([[0, 40.0, 48.0]])
        commands.track()
        qtbot.waitUntil(lambda: not dock.bench.session.busy, timeout=20_000)
        assert set(dock.bench.session.runs) == {"track"}
        commands.save_project()
        assert clip_file.with_name(f"{clip_file.name}.usstrack.json").exists()
        assert said == []
