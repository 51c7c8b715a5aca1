from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_usstrack.metrics.agreement import agreement, icc, repeatability

SCANS = "repeated scans"
# Six subjects, four judges: Shrout and Fleiss 1979, table 2.
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)
# Differences -1, 3, 1, 1.
PAIRS = np.array([[9.0, 10], [13, 10], [11, 10], [11, 10]])


def test_bias_and_limits_worked_by_hand():
    found = agreement(PAIRS, setting=SCANS)
    assert found.bias == 1.0
    sd = np.sqrt(8 / 3)  # deviations -2, 2, 0, 0
    assert_allclose([found.sd, found.low, found.high], [sd, 1 - 1.96 * sd, 1 + 1.96 * sd])
    assert found.mad == 6 / 4
    assert (found.subjects, found.setting) == (4, SCANS)


def test_swapping_the_columns_turns_bias_and_limits_round():
    there, back = agreement(PAIRS, setting=SCANS), agreement(PAIRS[:, ::-1], setting=SCANS)
    assert_allclose([back.bias, back.low, back.high], [-there.bias, -there.high, -there.low])
    assert back.mad == there.mad


def test_repeatability_worked_by_hand():
    found = repeatability(PAIRS, setting=SCANS)
    within = np.sqrt((1 + 9 + 1 + 1) / 4 / 2)
    assert_allclose(found.within_sd, within)
    assert_allclose(found.mdc95, 1.96 * np.sqrt(2) * within)
    assert_allclose(found.cov, within / (84 / 8))
    assert_allclose(repeatability(-PAIRS, setting=SCANS).cov, found.cov)


def test_detectable_change_equals_the_limits_without_bias_only():
    # Differences 1, -1, 2, -2: bias 0. The SD has n - 1 = 3 below, the mean square n = 4.
    even = np.array([[1.0, 0], [0, 1], [2, 0], [0, 2]])
    half = 0.5 * (agreement(even, setting=SCANS).high - agreement(even, setting=SCANS).low)
    assert_allclose(repeatability(even, setting=SCANS).mdc95, half * np.sqrt(3 / 4))
    shifted = even + [100, 0]
    assert_allclose(agreement(shifted, setting=SCANS).sd, agreement(even, setting=SCANS).sd)
    assert repeatability(shifted, setting=SCANS).mdc95 > 100


def test_published_test_retest_figures_give_the_published_change():
    # SD 1.55 without bias: about 3.0 strain points.
    d = 1.55 * np.array([1.0, -1.0])
    found = repeatability(np.stack([d, 0 * d], axis=1), setting=SCANS)
    assert_allclose(found.mdc95, 3.04, atol=0.005)


def test_within_subject_deviation_of_three_readings():
    # Variances 1 (1, 2, 3) and 4 (2, 4, 6).
    found = repeatability([[1, 2, 3], [6, 2, 4]], setting="repeated readings")
    assert_allclose(found.within_sd, np.sqrt(2.5))
    assert found.raters == 3


def test_icc_of_the_classic_table():
    found = icc(JUDGES, setting="repeated readings")
    # Published mean squares: 11.24 between targets, 32.49 between judges, 1.02 residual.
    assert_allclose(
        [found.ms_subjects, found.ms_raters, found.ms_error], [11.24, 32.49, 1.02], atol=0.005
    )
    assert_allclose([found.icc21, found.icc31], [0.29, 0.71], atol=0.005)
    assert (found.subjects, found.raters) == (6, 4)


def test_a_rater_who_reads_higher_lowers_agreement_and_not_consistency():
    apart = icc(JUDGES + np.array([0, 5, 0, 0]), setting=SCANS)
    plain = icc(JUDGES, setting=SCANS)
    assert_allclose(apart.icc31, plain.icc31)
    same = np.array([[1.0, 1], [2, 2], [4, 4]])
    assert icc(same, setting=SCANS).icc21 == 1
    assert icc(same + [0, 3], setting=SCANS).icc21 < 0.5
    assert_allclose(icc(same + [0, 3], setting=SCANS).icc31, 1)


def test_order_of_subjects_and_raters_does_not_matter():
    mixed = JUDGES[[3, 0, 5, 1, 4, 2]][:, [2, 0, 3, 1]]
    assert_allclose(icc(mixed, setting=SCANS).icc21, icc(JUDGES, setting=SCANS).icc21)
    assert_allclose(
        repeatability(mixed, setting=SCANS).within_sd,
        repeatability(JUDGES, setting=SCANS).within_sd,
    )


def test_a_subject_with_a_missing_value_is_left_out_whole():
    holed = np.vstack([PAIRS, [[np.nan, 500.0]], [[500.0, np.nan]]])
    assert agreement(holed, setting=SCANS) == agreement(PAIRS, setting=SCANS)
    assert repeatability(holed, setting=SCANS) == repeatability(PAIRS, setting=SCANS)
    assert icc(holed, setting=SCANS) == icc(PAIRS, setting=SCANS)


def test_too_few_subjects_give_nan():
    one = agreement([[3.0, 1.0]], setting=SCANS)
    assert (one.bias, one.mad) == (2, 2)
    assert np.isnan([one.sd, one.low, one.high]).all()
    none = [[np.nan, 1.0]]
    assert np.isnan(agreement(none, setting=SCANS).bias)
    assert np.isnan(repeatability(none, setting=SCANS).within_sd)
    assert np.isnan(icc([[3.0, 1.0]], setting=SCANS).icc21)
    assert np.isnan(icc(np.full((7, 3), 0.1), setting=SCANS).icc31)
    assert np.isnan(repeatability([[1.0, -1.0]], setting=SCANS).cov)


@pytest.mark.parametrize("measure", [agreement, repeatability, icc])
def test_another_table_or_setting_is_refused(measure):
    with pytest.raises(ValueError, match="setting"):
        measure(PAIRS, setting="")
    with pytest.raises(ValueError, match="subjects x raters"):
        measure(PAIRS[:, :1], setting=SCANS)
    with pytest.raises(ValueError, match="subjects x raters"):
        measure(PAIRS[:, 0], setting=SCANS)


def test_limits_are_of_two_raters():
    with pytest.raises(ValueError, match="two raters"):
        agreement(JUDGES, setting=SCANS)
