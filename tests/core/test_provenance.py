from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.provenance import Step, digest, software_version
from napari_usstrack.core.tracks import PointInfo, Source
from napari_usstrack.core.video import VideoInfo

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
def test_content_decides_not_identity_or_order(value):
    copy = json.loads(json.dumps(value))
    assert digest(value) == digest(copy)
    if isinstance(value, dict):
        assert digest(value) == digest(dict(reversed(value.items())))


@given(plain, plain)
def test_other_content_other_digest(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) == same


def test_form():
    made = digest("a", 1)
    assert len(made) == 32
    assert set(made) <= set("0123456789abcdef")


def test_same_in_another_process_with_another_hash_seed():
    code = (
        "from napari_usstrack.core.provenance import digest; import sys;"
        "sys.stdout.write(digest({'x', 'y', 'z'}, {'b': 1, 'a': (2, 3.5)}, range(4)))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert ran.stdout == digest({"x", "y", "z"}, {"b": 1, "a": (2, 3.5)}, range(4))


def test_parts_do_not_run_together():
    apart = [("ab", "c"), ("a", "bc"), ("abc",), (["ab", "c"],), (b"ab", b"c"), (b"ab\0c",), ()]
    assert len({digest(*parts) for parts in apart}) == len(apart)


def test_arrays_count_with_type_and_shape():
    base = np.arange(6)
    others = [
        base,
        base.reshape(2, 3),
        base.reshape(3, 2),
        base.astype(np.int32),
        base.astype(float),
        base[::-1],
        base + (base == 5),
    ]
    assert len({digest(array) for array in others}) == len(others)
    assert digest(base.reshape(2, 3).T) == digest(np.ascontiguousarray(base.reshape(2, 3).T))


def test_long_arrays_inside_other_values_count_in_full():
    times = np.arange(5000) / 50
    later = times.copy()
    later[2500] += 1e-9
    assert digest({"times": times}) != digest({"times": later})
    assert digest([times]) != digest([later])
    calibrations = Calibration(times_s=times), Calibration(times_s=later)
    assert digest(calibrations[0]) != digest(calibrations[1])
    infos = [VideoInfo(5000, 8, 6, calibration) for calibration in calibrations]
    assert digest(infos[0]) != digest(infos[1])


def test_numpy_scalars_count_as_their_value():
    assert digest(np.int64(3)) == digest(3) != digest("3")
    assert digest(np.float32(0.5)) == digest(0.5)
    assert digest(Source.FLOW) == digest(4)


def test_dataclasses_count_by_type_and_content():
    point = PointInfo("a")
    assert digest(point) == digest(PointInfo("a"))
    assert digest(point) != digest(replace(point, colour="#000000"))
    assert digest(point) != digest(dict(vars(point)))


def test_mappings_of_any_kind():
    assert digest(MappingProxyType({"a": 1})) == digest({"a": 1})
    step = Step("track", "flow", settings={"levels": [1, 2]}, software="1")
    assert digest(step) == digest(Step("track", "flow", settings={"levels": [1, 2]}, software="1"))
    assert digest(step) != digest(replace(step, settings={"levels": [2, 1]}))


def test_paths_count_alike_on_all_systems():
    assert digest(PurePosixPath("a/b.mp4")) == digest(PureWindowsPath("a\\b.mp4"))


@pytest.mark.parametrize("thing", [object(), len, {"inside": object()}, np.array([object()])])
def test_what_cannot_be_told_is_refused(thing):
    with pytest.raises(TypeError, match="cannot make a digest of"):
        digest(thing)


def test_step_goes_to_json_and_back():
    settings = {"window": 21, "levels": [0, 1], "nested": {"a": None}}
    step = Step("fill", "lucas-kanade", 3, settings, inputs="abc", software="0.1.0")
    assert Step.from_dict(json.loads(json.dumps(step.to_dict()))) == step


def test_step_from_unknown_fields_is_refused():
    with pytest.raises(TypeError):
        Step.from_dict({"name": "fill", "method": "flow", "colour": "red"})


def test_step_settings_are_an_own_read_only_copy():
    settings = {"window": 21}
    step = Step("fill", "flow", settings=settings)
    settings["window"] = 5
    assert step.settings["window"] == 21
    with pytest.raises(TypeError):
        step.settings["window"] = 5
    step.to_dict()["settings"]["window"] = 5
    assert step.settings["window"] == 21


def test_step_travels_between_processes():
    step = Step("fill", "flow", 2, {"window": 21}, inputs="abc")
    assert pickle.loads(pickle.dumps(step)) == step


def test_step_knows_the_installed_version():
    assert Step("fill", "flow").software == software_version() != "unknown"
