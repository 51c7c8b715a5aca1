"""Methods by name, settings as typed."""

from __future__ import annotations

import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.hybrid import Hybrid


def test_default_method():
    assert trackers.DEFAULT in trackers.names()
    assert trackers.make() == Hybrid()


def test_settings_as_values_and_as_text():
    values = {"window": 31, "epsilon_px": 0.05}
    assert trackers.make("lucas-kanade", values) == LucasKanade(window=31, epsilon_px=0.05)
    assert trackers.make("lucas-kanade", {k: str(v) for k, v in values.items()}) == LucasKanade(
        **values
    )


def test_the_settings_handed_over_are_not_touched():
    options = {"window": "31"}
    trackers.make("lucas-kanade", options)
    assert options == {"window": "31"}


def test_settings_in_force_make_the_same_method_again():
    made = trackers.make("lucas-kanade", {"window": 31, "patience": 3})
    assert trackers.make("lucas-kanade", made.settings) == made


def test_unknown_method_names_those_there_are():
    with pytest.raises(UsstrackError, match=r"There is no method 'magic'; choose.*lucas-kanade"):
        trackers.make("magic")


def test_unknown_setting_names_those_there_are():
    with pytest.raises(UsstrackError, match=r"'lucas-kanade' has no setting 'windw'.*window"):
        trackers.make("lucas-kanade", {"windw": 31})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", 3),
        ("window", 1000),
        ("window", "wide"),
        ("window", "31.5"),
        ("window", ""),
        ("window", None),
        ("levels", 0),
        ("epsilon_px", 0),
        ("epsilon_px", "nan"),
        ("lost_px", -1),
        ("lost_px", "nan"),
        ("patience", -1),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(name, value):
    with pytest.raises(
        UsstrackError, match=f"^Setting '{name}' of method 'lucas-kanade'"
    ) as caught:
        trackers.make("lucas-kanade", {name: value})
    assert "\n" not in str(caught.value)
    assert repr(value) in str(caught.value)
