"""Numbers as typed, clips and tracks as told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from fakes import INFO, labels

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Cells, Source, Tracks, named_points
from napari_usstrack.pipelines import describe
from napari_usstrack.pipelines.typed import rate_fps, spacing_mm

KNOWN = Calibration().with_rate(21, 10.0, "typed").with_spacing((0.1, 0.1), "DICOM region 1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0883", (0.0883, 0.0883)),
        ("0.08,0.1", (0.08, 0.1)),
        (" 0.08 , 0.1 ", (0.08, 0.1)),
        ("1e-2", (0.01, 0.01)),
    ],
)
def test_scale_as_typed(text, expected):
    assert spacing_mm(text) == expected


@pytest.mark.parametrize(
    "text", ["", "abc", "0", "-1", "nan", "inf", "0.1,", "1,2,3", "0.1,nan", "0.1;0.2", "1000"]
)
def test_a_scale_that_cannot_be(text):
    with pytest.raises(UsstrackError, match=r"^--mm-per-px cannot be") as caught:
        spacing_mm(text, "--mm-per-px")
    assert f"'{text}'" in str(caught.value)
    assert "mm per px" in str(caught.value)


@pytest.mark.parametrize(("text", "expected"), [("61", 61.0), ("29.97", 29.97)])
def test_rate_as_typed(text, expected):
    assert rate_fps(text) == expected


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf", "50,60"])
def test_a_rate_that_cannot_be(text):
    with pytest.raises(UsstrackError, match=r"^The frame rate cannot be"):
        rate_fps(text)


def test_facts_are_plain_values():
    facts = describe.facts(INFO.calibrated(KNOWN))
    assert json.loads(json.dumps(facts))["mm_per_px"] == [0.1, 0.1]
    assert facts["frames"] == 21
    assert facts["duration_s"] == pytest.approx(2.0)
    assert facts["fps"] == pytest.approx(10.0)
    assert facts["variable_rate"] is False
    assert facts["scale_source"] == "DICOM region 1"


def test_facts_of_an_unknown_clip_are_null():
    facts = describe.facts(INFO)
    assert facts["duration_s"] is None
    assert facts["fps"] is None
    assert facts["mm_per_px"] is None
    assert "NaN" not in json.dumps(facts)


def test_lines_tell_numbers_with_units():
    lines = dict(describe.lines(INFO.calibrated(KNOWN)))
    assert lines["frames"] == "21 of 60 x 40 px"
    assert lines["time"] == "first to last frame 2 s, 10 frames/s (constant; typed)"
    assert lines["scale"] == "0.1 mm per px (DICOM region 1)"
    uneven = INFO.calibrated(KNOWN.with_spacing((0.1, 0.2), "typed"))
    assert dict(describe.lines(uneven))["scale"] == "0.1 (x), 0.2 (y) mm per px (typed)"


def test_variable_rate_is_told():
    times = np.cumsum([0, *([0.1] * 19), 0.5])
    info = replace(INFO, calibration=Calibration(times_s=times, time_source="stamps"))
    assert "(mean, variable; stamps)" in dict(describe.lines(info))["time"]


def test_what_is_unknown_comes_with_its_remedy():
    lines = dict(describe.lines(INFO))
    assert "--fps" in lines["time"]
    assert "--mm-per-px" in lines["scale"]
    assert not [text for _, text in describe.lines(INFO, flags=False) if "--" in text]


def test_warnings_come_last():
    info = replace(INFO, warnings=("One.", "Two."))
    assert describe.lines(info)[-2:] == [("warning", "One."), ("warning", "Two.")]


def walked(info=INFO, **fields) -> Tracks:
    xy = np.zeros((21, 2, 2))
    xy[:, 0] = np.column_stack([np.minimum(np.arange(21), 15), np.zeros(21)])
    cells = Cells.placed(xy, Source.FLOW, **{"confidence": 0.5, **fields})
    arrays = {name: getattr(cells, name) for name in ("xy", "confidence", "visible", "source")}
    return Tracks(**arrays, points=named_points(["tip", "base"]), video=info)


def test_travel_in_px_and_mm():
    header, tip, base = describe.travel(walked())
    assert "px" in header
    assert tip.split() == ["tip", "15.0", "100", "0.50"]
    assert base.split() == ["base", "0.0", "100", "0.50"]
    header, tip, _ = describe.travel(walked(INFO.calibrated(KNOWN)))
    assert "mm" in header
    assert tip.split()[1] == "1.5"


def test_travel_tells_how_long_a_point_was_seen():
    seen = np.ones((21, 2), dtype=bool)
    seen[7:, 0] = False
    assert describe.travel(walked(visible=seen))[1].split()[2] == "33"


def test_travel_passes_over_points_without_position():
    lines = describe.travel(labels({"a": {3: (1, 1)}, "b": {}}))
    assert [line.split()[0] for line in lines] == ["point", "a"]


def test_lost_points_are_named():
    seen = np.ones((21, 2), dtype=bool)
    seen[20, 1] = False
    assert describe.lost_points(walked(visible=seen)) == ["base"]
    assert describe.lost_points(walked()) == []
