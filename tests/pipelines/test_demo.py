"""The demo on the embedded cine."""

from __future__ import annotations

import csv
from itertools import pairwise

import numpy as np
import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import finish
from napari_usstrack.io import project
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.sample import embedded_cine
from napari_usstrack.pipelines.demo import WALL, run_demo
from napari_usstrack.session import Session


@pytest.fixture(scope="module")
def steps():
    return []


@pytest.fixture(scope="module")
def made(tmp_path_factory, steps):
    return finish(run_demo(tmp_path_factory.mktemp("demo") / "new" / "folder"), steps.append)


def test_every_file_is_there(made):
    for path in (made.clip, made.points, made.csv, made.project, made.picture, made.film):
        assert path.stat().st_size > 100
    assert made.clip.read_bytes() == embedded_cine().read_bytes()
    assert not list(made.clip.parent.glob("*.part"))


def test_table_has_a_row_per_frame_and_point(made):
    with made.csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    frames, points = made.tracks.shape
    assert (frames, points) == (30, len(WALL))
    assert len(rows) == frames * points
    assert {row["point"] for row in rows} == set(WALL)
    assert all(row["x"] for row in rows)


def test_the_wall_is_followed_and_stays_on_the_picture(made):
    tracks = made.tracks
    assert tracks.visible.all()
    assert np.nanmedian(tracks.confidence) > 0.7
    np.testing.assert_array_equal(tracks.xy[0], list(WALL.values()))
    assert np.linalg.norm(tracks.xy - tracks.xy[0], axis=-1).max() > 3


def test_the_project_opens_to_the_same(made):
    opened = project.load(made.project, open_video(made.clip).info)
    assert opened.runs["track"].equals(made.tracks)
    with Session.open(made.clip) as session:
        assert session.runs["track"].equals(made.tracks)
        assert session.annotations.names == tuple(WALL)
        assert not session.unsaved


def test_the_film_has_as_many_frames(made):
    assert open_video(made.film).info.frame_count == 30


def test_progress_never_falls_and_ends_at_its_total(made, steps):
    assert len({step.total for step in steps}) == 1
    assert all(b.done >= a.done for a, b in pairwise(steps))
    assert steps[-1].done == steps[-1].total


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UsstrackError, match=r"taken cannot be written .*--output"):
        finish(run_demo(tmp_path / "taken"))


def test_running_again_replaces_the_files(made):
    before = made.csv.read_bytes()
    finish(run_demo(made.clip.parent))
    assert made.csv.read_bytes() == before
