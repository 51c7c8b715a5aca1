from __future__ import annotations

import json

import numpy as np
import pytest
from napari.layers import Tracks as TracksLayer

from napari_usstrack._reader import get_reader
from napari_usstrack._sample_data import echo_cine, heart, muscle, speckle
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.session import Session


def test_reader_takes_clips_and_leaves_the_rest(clip_file, tmp_path) -> None:
    assert get_reader(str(clip_file)) is not None
    assert get_reader([str(clip_file), str(clip_file)]) is not None
    assert get_reader(str(tmp_path / "table.csv")) is None
    assert get_reader([str(clip_file), str(tmp_path / "table.csv")]) is None


def test_reader_gives_a_lazy_grey_layer(clip_file, clip) -> None:
    ((data, options, kind),) = get_reader(str(clip_file))(str(clip_file))
    assert isinstance(data, ClipVideo)
    assert kind == "image"
    assert options["rgb"] is False
    assert options["contrast_limits"] == (0, 255)
    np.testing.assert_array_equal(data[3], clip.frames[3])


def test_reader_opens_the_clip_of_a_project(clip_file) -> None:
    with Session.open(clip_file) as session:
        session.place("a", 0, (10, 20))
        project = session.save()
    ((data, options, _),) = get_reader(str(project))(str(project))
    assert options["name"] == clip_file.name
    assert data.info.path == str(clip_file)


def test_reader_says_when_the_clip_of_a_project_is_missing(clip_file) -> None:
    with Session.open(clip_file) as session:
        session.place("a", 0, (10, 20))
        project = session.save()
    json.loads(project.read_text())
    clip_file.unlink()
    with pytest.raises(UsstrackError, match="not beside it"):
        get_reader(str(project))(str(project))


def test_samples_are_clips_without_a_place_on_disk() -> None:
    for layers in (echo_cine(), heart(), muscle(), speckle()):
        video, _, kind = layers[0]
        assert kind == "image"
        assert video.info.path == ""


@pytest.mark.parametrize("sample", [heart, muscle, speckle])
def test_true_motion_lies_over_its_clip(sample) -> None:
    (video, clip_options, _), (rows, truth_options, kind) = sample()
    assert kind == "tracks"
    assert np.isfinite(rows).all()
    assert (rows[:, 2:] > -0.6).all()
    assert (rows[:, 2:] < np.array(video.shape[1:]) - 0.4).all()
    TracksLayer(rows)
    for name in ("scale", "units"):
        assert truth_options[name] == clip_options[name]
