"""Saving layers through napari's own save, and reading the files back."""

from __future__ import annotations

import json
from dataclasses import replace

import npe2
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_usstrack import _writer
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Cells, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.display import DisplayClip
from napari_usstrack.io.project import Project, load, project_path, save
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.tables import read_points, sidecar_path
from napari_usstrack.session import Session
from napari_usstrack.widgets import build
from napari_usstrack.widgets.layers import LABELS, RUN_TRACKS, Placement, label_rows, run_rows
from napari_usstrack.widgets.saving import read_selection
from napari_usstrack.widgets.writing import RowWriter, look_of_run, write_tails

PLUGIN = "napari-usstrack"
GUESS = VideoInfo(12, 96, 80)
GEOMETRY = {"scale": (1, 1, 1)}


@pytest.fixture(autouse=True)
def plugins() -> None:
    """The installed plugins, as a window would find them."""
    npe2.PluginManager.instance().discover()


@pytest.fixture
def told(monkeypatch) -> list[str]:
    """The warnings shown."""
    sentences: list[str] = []
    monkeypatch.setattr(_writer, "show_warning", sentences.append)
    return sentences


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def video(clip_file):
    with open_video(clip_file) as opened:
        yield opened


def labels_of(info: VideoInfo, seed: int = 1) -> Tracks:
    """Two points, one in a group, with labels in some frames and one known absence."""
    xy = np.full((info.frame_count, 2, 2), np.nan)
    xy[[0, 7], 0] = np.random.default_rng(seed).uniform(5, 70, (2, 2))
    xy[3, 1] = np.pi, np.e
    cells = Cells.placed(xy, Source.MANUAL)
    source = cells.source.copy()
    source[11, 1] = Source.ABSENT
    points = (PointInfo("apex", group="wall", kind="line"), PointInfo("a, b", colour="#00c8ff"))
    return Tracks(cells.xy, cells.confidence, cells.visible, source, points=points, video=info)


def run_of(info: VideoInfo, names: tuple[str, ...] = ("apex", "a, b"), seed: int = 2) -> Tracks:
    draw = np.random.default_rng(seed)
    xy = draw.uniform(5, 70, (info.frame_count, len(names), 2))
    cells = Cells.placed(xy, Source.FLOW, confidence=draw.random(xy.shape[:2]).astype("f4"))
    return replace(
        Tracks.blank(info, [PointInfo(name) for name in names]),
        **{name: getattr(cells, name) for name in ("xy", "confidence", "visible", "source")},
    )


def features(tracks: Tracks, **columns) -> dict:
    rows = label_rows(tracks)
    return {"features": {"point": rows.features["point"], **columns}, "ndim": 3}


def add_labels(viewer: ViewerModel, tracks: Tracks, *, tagged: bool = True, **options):
    """A layer of labels as the dock makes it, or as anybody might."""
    rows = label_rows(tracks)
    mark = {"role": LABELS, "tracks": tracks, "placement": Placement()}
    return viewer.add_points(
        Placement().coordinates(rows.frames, rows.xy),
        name="labels",
        **features(tracks),
        metadata={"usstrack": mark} if tagged else {},
        **options,
    )


def add_tails(viewer: ViewerModel, run: Tracks, *, tagged: bool = True, shown: int | None = None):
    """A run as a Tracks layer that holds only its first frames."""
    rows = [
        (column, frame, *run.xy[frame, column][::-1])
        for column in range(run.shape[1])
        for frame in range(shown or run.shape[0])
    ]
    names = np.repeat(run.names, shown or run.shape[0])
    mark = {"role": RUN_TRACKS, "run": "track", "tracks": run, "placement": Placement()}
    return viewer.add_tracks(
        np.array(rows),
        name="clip track",
        features={"name": names},
        metadata={"usstrack": mark} if tagged else {},
    )


def same_places(found: Tracks, meant: Tracks) -> None:
    assert set(found.names) == set(meant.names)
    np.testing.assert_array_equal(found.select(meant.names).xy, meant.xy)


def test_a_labels_layer_round_trips_with_all_we_know(viewer, video, tmp_path, told) -> None:
    meant = labels_of(video.info)
    add_labels(viewer, meant)
    path = tmp_path / "labels.csv"
    saved = viewer.layers.save(str(path), plugin=PLUGIN)
    assert saved == [str(path), str(sidecar_path(path))]
    found = read_points(path, video.info)
    assert found.equals(meant)
    assert [(p.name, p.group, p.kind) for p in found.points] == [
        (p.name, p.group, p.kind) for p in meant.points
    ]
    assert json.loads(sidecar_path(path).read_text())["calibration"]["spacing_mm"] == [0.1, 0.1]
    assert told == []


@pytest.mark.parametrize("column", ["point", "name", "label"])
def test_any_points_layer_with_names_round_trips(viewer, tmp_path, told, column: str) -> None:
    places = np.column_stack([[0, 3, 11], np.random.default_rng(5).uniform(0, 70, (3, 2))])
    viewer.add_points(places, features={column: ["a", "b", "a"]}, name="mine")
    path = tmp_path / "mine.csv"
    npe2.write(path, list(viewer.layers), plugin_name=PLUGIN)
    found = read_points(path, GUESS)
    assert found.names == ("a", "b")
    np.testing.assert_array_equal(found.xy[[0, 11], 0], places[[0, 2]][:, [2, 1]])
    np.testing.assert_array_equal(found.xy[3, 1], places[1, [2, 1]])
    clip = json.loads(sidecar_path(path).read_text())["clip"]
    assert (clip["frame_count"], clip["name"]) == (12, "")
    assert len(told) == 1
    assert "is not known, so 12 frames" in told[0]


def test_points_without_names_are_numbered_in_each_frame(viewer, tmp_path, told) -> None:
    viewer.add_points([[0, 1.0, 2.0], [0, 3.0, 4.0], [5, 6.0, 7.0]])
    viewer.layers.save(str(tmp_path / "p.csv"), plugin=PLUGIN)
    assert read_points(tmp_path / "p.csv", GUESS).names == ("p1", "p2")


def test_a_tracks_layer_round_trips_without_naming_the_plugin(viewer, tmp_path, told) -> None:
    run = run_of(GUESS)
    add_tails(viewer, run, tagged=False)
    path = tmp_path / "tracks.csv"
    assert viewer.layers.save(str(path))
    found = read_points(path, GUESS)
    same_places(found, run.with_video(found.video))
    assert (found.source == Source.FLOW).all()


def test_unnamed_tracks_are_called_by_their_number(viewer, tmp_path, told) -> None:
    viewer.add_tracks([[4, 0, 1.5, 2.5], [4, 1, 2.5, 3.5], [9, 1, 0.0, 0.0]])
    viewer.layers.save(str(tmp_path / "t.csv"))
    found = read_points(tmp_path / "t.csv", GUESS)
    assert found.names == ("track 4", "track 9")
    np.testing.assert_array_equal(found.xy[:2, 0], [[2.5, 1.5], [3.5, 2.5]])


def test_a_layer_that_shows_a_window_is_saved_whole(viewer, video, tmp_path, told) -> None:
    run = run_of(video.info)
    add_tails(viewer, run, shown=4)
    viewer.layers.save(str(tmp_path / "t.csv"))
    assert read_points(tmp_path / "t.csv", video.info).equals(run)
    assert told == []


def test_clip_labels_and_tracks_become_a_project(viewer, video, clip_file, told) -> None:
    labels, run = labels_of(video.info), run_of(video.info)
    viewer.add_image(video, contrast_limits=(0, 255), name="clip")
    add_labels(viewer, labels)
    add_tails(viewer, run)
    path = project_path(clip_file)
    saved = viewer.layers.save(str(path))
    assert saved == [str(path), str(path.with_suffix(".nc"))]
    with Session.open(clip_file) as session:
        assert session.annotations.equals(labels)
        assert session.annotations.points == labels.points
        assert session.runs["track"].equals(run)
    assert told == []


@pytest.mark.parametrize("kinds", ["image points", "image tracks", "image points tracks"])
@pytest.mark.parametrize("ending", [".csv", ".usstrack.json"])
def test_layers_of_others_are_placed_on_the_clip_beside_them(
    viewer, video, clip_file, told, kinds: str, ending: str
) -> None:
    labels = labels_of(video.info)
    viewer.add_image(video, contrast_limits=(0, 255), name="clip")
    if "points" in kinds:
        add_labels(viewer, labels, tagged=False)
    run = run_of(video.info, ("base", "tip") if ending == ".csv" else labels.names)
    if "tracks" in kinds:
        add_tails(viewer, run, tagged=False)
    path = clip_file.with_name(f"{clip_file.name}{ending}")
    assert viewer.layers.save(str(path))
    if ending == ".csv":
        found = read_points(path, video.info)
        if "tracks" in kinds:
            np.testing.assert_array_equal(found.select(run.names).xy, run.xy)
    else:
        project = load(path, video.info)
        found = project.annotations
        if "tracks" in kinds:
            same_places(project.runs["clip track"], run)
    if "points" in kinds:
        np.testing.assert_array_equal(found.select(labels.names).xy, labels.xy)
    assert told == []


def test_nothing_is_silently_unsaved_when_two_images_are_selected(viewer, video, tmp_path) -> None:
    viewer.add_image(video, contrast_limits=(0, 255), name="one")
    viewer.add_image(video, contrast_limits=(0, 255), name="two")
    add_labels(viewer, labels_of(video.info), tagged=False)
    with pytest.raises(UsstrackError, match="'one' and 'two' are both selected"):
        viewer.layers.save(str(tmp_path / "p.usstrack.json"))
    assert list(tmp_path.glob("p.*")) == []


def test_our_layers_know_their_clip_among_several_images(viewer, video, tmp_path, told) -> None:
    viewer.add_image(video, contrast_limits=(0, 255))
    viewer.add_image(np.zeros((80, 96)))
    meant = labels_of(video.info)
    add_labels(viewer, meant)
    assert viewer.layers.save(str(tmp_path / "p.csv"))
    assert read_points(tmp_path / "p.csv", video.info).equals(meant)


def test_saving_again_keeps_runs_and_author_that_are_not_selected(viewer, video, clip_file) -> None:
    path = project_path(clip_file)
    old = Project(labels_of(video.info, 7), {"older": run_of(video.info)}, "Ada", 5, {"x": 1})
    save(old, path)
    meant = labels_of(video.info, 8)
    add_labels(viewer, meant)
    viewer.layers.save(str(path))
    project = load(path, video.info)
    assert project.annotations.equals(meant)
    assert project.runs["older"].equals(old.runs["older"])
    assert (project.author, project.last_edit, project.extra["x"]) == ("Ada", 5, 1)


def test_a_run_alone_leaves_the_labels_of_the_project(viewer, video, clip_file) -> None:
    path = project_path(clip_file)
    save(Project(labels_of(video.info), {}), path)
    add_tails(viewer, run_of(video.info))
    viewer.layers.save(str(path))
    assert load(path).annotations.equals(labels_of(video.info))


def test_an_open_project_is_not_written_over(viewer, video, clip_file) -> None:
    add_labels(viewer, labels_of(video.info))
    path = project_path(clip_file)
    with Session.open(clip_file), pytest.raises(UsstrackError, match="Save project in the dock"):
        viewer.layers.save(str(path))
    assert not path.exists()


def test_a_project_elsewhere_says_that_napari_will_not_find_it(viewer, video, tmp_path, told):
    add_labels(viewer, labels_of(video.info))
    viewer.layers.save(str(tmp_path / "other.usstrack.json"))
    assert told == [
        "other.usstrack.json is found by itself only as clip.npz.usstrack.json beside the clip."
    ]


def test_a_changed_layer_is_saved_as_it_is_now(viewer, video, tmp_path, told) -> None:
    meant = labels_of(video.info)
    layer = add_labels(viewer, meant)
    layer.data = np.concatenate([layer.data[:-1], [[5, 1.0, 2.0]]])
    viewer.layers.save(str(tmp_path / "l.csv"), plugin=PLUGIN)
    found = read_points(tmp_path / "l.csv", video.info)
    name = str(layer.features["point"].iloc[-1])
    np.testing.assert_array_equal(found.xy[5, found.column(name)], [2.0, 1.0])
    assert found.point("apex").kind == "line"
    assert "changed outside the dock" in told[0]


def test_other_scales_and_places_are_taken_into_account(viewer, video, tmp_path, told) -> None:
    grid = {"scale": (1 / 30, 0.1, 0.2), "translate": (0.0, 5.0, 7.0)}
    image = viewer.add_image(video, contrast_limits=(0, 255), **grid)
    world = np.array([image.data_to_world((3, 20.0, 30.0))])
    viewer.add_points(world, features={"point": ["a"]}, scale=(1, 1, 1))
    viewer.layers.save(str(tmp_path / "l.csv"))
    found = read_points(tmp_path / "l.csv", video.info)
    np.testing.assert_allclose(found.xy[3, 0], [30.0, 20.0], atol=1e-9)


def test_a_cropped_view_counts_from_the_full_frame(viewer, video, tmp_path, told) -> None:
    from napari_usstrack.core.coords import Crop

    shown = DisplayClip(video, Crop(10, 20, 50, 40))
    viewer.add_image(shown, contrast_limits=(0, 255), translate=(0, 20, 10))
    viewer.add_points([[2, 33.0, 44.0]], features={"point": ["a"]})
    viewer.layers.save(str(tmp_path / "l.csv"))
    np.testing.assert_array_equal(
        read_points(tmp_path / "l.csv", video.info).xy[2, 0], [44.0, 33.0]
    )


@pytest.mark.parametrize("first", [True, False])
def test_the_frame_axis_is_found_among_four(viewer, clip, tmp_path, told, first: bool) -> None:
    both = np.stack([clip.frames * 0, clip.frames], axis=1 if first else 0)
    viewer.add_image(both, name="views", contrast_limits=(0, 255))
    order = [0, 1] if first else [1, 0]
    rows = np.array([[0, 1, 10.5, 20.5], [9, 1, 11.5, 21.5]])[:, [*order, 2, 3]]
    viewer.add_points(rows, features={"point": ["a", "a"]})
    viewer.layers.save(str(tmp_path / "p.csv"))
    found = read_points(tmp_path / "p.csv", GUESS)
    np.testing.assert_array_equal(found.xy[[0, 9], 0], [[20.5, 10.5], [21.5, 11.5]])


def test_a_length_unit_gives_the_scale_of_a_lone_layer(viewer, tmp_path, told) -> None:
    viewer.add_points(
        [[0, 10.0, 20.0], [1, 11.0, 21.0]],
        features={"point": ["a", "a"]},
        scale=(1, 0.5, 0.25),
        units=("pixel", "mm", "mm"),
    )
    viewer.layers.save(str(tmp_path / "l.csv"), plugin=PLUGIN)
    row = (tmp_path / "l.csv").read_text().splitlines()[1].split(",")
    assert row[3:7] == ["20.0", "10.0", "5.0", "5.0"]


@pytest.mark.parametrize(
    ("rows", "columns", "sentence"),
    [
        ([[0, 1, 2], [0, 3, 4]], {"point": ["a", "a"]}, "point 'a' twice in frame 0"),
        ([[2.5, 1, 2]], {"point": ["a"]}, "at frame 2.5; frames are whole numbers"),
        ([[0, 200, 2]], {"point": ["a"]}, "outside the clip of 12 frames of 96 x 80 px"),
        ([[12, 1, 2]], {"point": ["a"]}, "lies at frame 12"),
        ([[0, 1, 2]], {"point": [" "]}, "a point without a name"),
        ([[0, 1, 2]], {"point": ["a"], "confidence": [87.0]}, "'confidence' outside 0 to 1"),
        ([[0, 1, 2]], {"point": ["a"], "confidence": ["high"]}, "'confidence' outside 0 to 1"),
        ([[1, 2]], {"point": ["a"]}, "has no frame axis|has 2 axes and the clip 3"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(
    viewer, video, tmp_path, rows: list, columns: dict, sentence: str
) -> None:
    viewer.add_image(video, contrast_limits=(0, 255), name="clip")
    viewer.add_points(rows, features=columns, name="odd")
    path = tmp_path / "odd.csv"
    with pytest.raises(UsstrackError, match=sentence) as refused:
        viewer.layers.save(str(path))
    assert str(refused.value).count(". ") == 0
    assert not path.exists()


def test_an_empty_layer_and_a_still_image_are_refused(viewer, tmp_path) -> None:
    layer = viewer.add_points(np.empty((0, 3)), ndim=3)
    with pytest.raises(UsstrackError, match="nothing to save"):
        viewer.layers.save(str(tmp_path / "none.csv"), plugin=PLUGIN)
    layer.data = [[0, 1.0, 2.0]]
    viewer.add_image(np.zeros((1, 40, 50)), name="still")
    with pytest.raises(UsstrackError, match="'still' is a still image"):
        viewer.layers.save(str(tmp_path / "none.csv"))


def test_a_project_needs_a_clip(viewer, tmp_path) -> None:
    viewer.add_points([[0, 1.0, 2.0]], features={"point": ["a"]})
    with pytest.raises(UsstrackError, match="A project belongs to a clip"):
        viewer.layers.save(str(tmp_path / "p.usstrack.json"))


def test_layers_of_two_clips_are_refused(viewer, video, tmp_path) -> None:
    add_labels(viewer, labels_of(video.info))
    add_labels(viewer, labels_of(replace(video.info, digest="another")))
    with pytest.raises(UsstrackError, match="belong to different clips"):
        viewer.layers.save(str(tmp_path / "p.csv"))


def test_the_same_point_in_two_layers_is_refused(viewer, video, tmp_path) -> None:
    viewer.add_image(video, contrast_limits=(0, 255))
    add_labels(viewer, labels_of(video.info), tagged=False)
    add_labels(viewer, labels_of(video.info), tagged=False)
    with pytest.raises(UsstrackError, match="both hold point 'apex' in frame 0"):
        viewer.layers.save(str(tmp_path / "p.csv"))


def test_two_runs_in_one_table_are_refused_and_in_a_project_kept(viewer, video, clip_file) -> None:
    add_tails(viewer, run_of(video.info))
    other = add_tails(viewer, run_of(video.info, seed=3))
    other.metadata["usstrack"]["run"] = "fill"
    with pytest.raises(UsstrackError, match="'track' and 'fill' both hold a point 'apex'"):
        viewer.layers.save(str(clip_file.with_suffix(".csv")))
    viewer.layers.save(str(project_path(clip_file)))
    assert set(load(project_path(clip_file)).runs) == {"track", "fill"}


def test_an_ending_added_by_us_replaces_nothing(viewer, video, tmp_path, told) -> None:
    add_labels(viewer, labels_of(video.info))
    layers = [layer.as_layer_data_tuple() for layer in viewer.layers]
    written = _writer.write_table(str(tmp_path / "trial"), layers)
    assert written[0] == str(tmp_path / "trial.csv")
    before = (tmp_path / "trial.csv").read_bytes()
    with pytest.raises(UsstrackError, match=r"trial\.csv exists already"):
        _writer.write_table(str(tmp_path / "trial"), layers)
    assert (tmp_path / "trial.csv").read_bytes() == before


@pytest.mark.parametrize("kind", ["points", "tracks"])
def test_what_the_dock_shows_of_a_run_is_saved_whole(viewer, video, tmp_path, told, kind) -> None:
    run = run_of(video.info)
    seen = run.select(["a, b"])
    points, tails = build.run_layers("clip", GEOMETRY, Placement(), seen, "track")
    RowWriter(points, Placement(), look_of_run).write(run_rows(seen, None, range(2, 6)))
    write_tails(tails, Placement(), seen, range(2, 6))
    layer = viewer.add_layer(points if kind == "points" else tails)
    tag = {**layer.metadata["usstrack"], "tracks": run, "placement": Placement()}
    layer.metadata = {"usstrack": tag}
    viewer.layers.save(str(tmp_path / "run.csv"), plugin=PLUGIN)
    assert read_points(tmp_path / "run.csv", video.info).equals(run)
    assert told == []
    if kind == "tracks":
        layer.color_by = "track_id"
    layer.data = layer.data + 0.25 * (np.arange(layer.data.shape[1]) == layer.data.shape[1] - 1)
    selection = read_selection([layer.as_layer_data_tuple()])
    assert "changed outside the dock" in selection.notes[0]
    assert int(selection.runs["track"].present.sum()) == len(layer.data)


def test_npe2_writes_hand_made_tuples(tmp_path, told) -> None:
    places = np.array([[0, 0.0, 1.5, 2.5], [0, 1.0, 1.25, 2.25]])
    npe2.write(tmp_path / "t.csv", [(places, {"name": "t"}, "tracks")])
    found = read_points(tmp_path / "t.csv", GUESS)
    np.testing.assert_array_equal(found.xy[:2, 0], [[2.5, 1.5], [2.25, 1.25]])


def test_attributes_may_be_missing_from_tuples(video, tmp_path, told) -> None:
    layers = [(video, {}, "image"), (np.array([[1, 2.5, 3.5]]), {}, "points")]
    npe2.write(tmp_path / "t.csv", layers)
    np.testing.assert_array_equal(read_points(tmp_path / "t.csv", video.info).xy[1, 0], [3.5, 2.5])
