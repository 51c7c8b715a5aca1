"""Agreement and repeatability of measurements: subjects in rows, raters in columns.

A rater is whatever measured: a person, a program, a scan. A subject with a
missing (NaN) value is left out whole, and the number that is left is reported.
Every result carries its setting, because repeated readings of one scan agree
far better than repeated scans, and the two are easily mixed up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.metrics.pairs import Floats

Setting = Literal["repeated scans", "repeated readings", "against a reference"]
"""Hard case; easy case; a method in the first column and what it is judged by in the second."""


@dataclass(frozen=True)
class Agreement:
    """How two columns differ; all in the unit of the values.

    With d = first - second, over the complete subjects.

    Attributes
    ----------
    setting : str
    subjects : int
        Complete ones.
    bias : float
        mean(d).
    sd : float
        Standard deviation of d, n - 1 in the denominator. Without the bias,
        unlike `Repeatability.within_sd`.
    low, high : float
        95 % limits of agreement, mean(d) -+ 1.96 sd: where the difference of
        one more subject is expected, no confidence interval of the bias.
    mad : float
        Mean absolute difference, mean(abs(d)); not a median absolute
        deviation.
    """

    setting: Setting
    subjects: int
    bias: float
    sd: float
    low: float
    high: float
    mad: float


@dataclass(frozen=True)
class Repeatability:
    """How much one subject's values scatter.

    Attributes
    ----------
    setting : str
    subjects, raters : int
        Complete subjects; columns.
    within_sd : float
        Within-subject standard deviation: square root of the mean over
        subjects of the variance over raters (raters - 1 in the denominator).
        For two raters sqrt(mean(d^2) / 2); a bias between them is part of it.
    mdc95 : float
        Minimal detectable change, 1.96 sqrt(2) within_sd. Equals the
        half-width of the limits of agreement only without bias.
    cov : float
        Coefficient of variation, within_sd / abs(mean of all values), a
        share. Meaningless for values that cross 0.
    """

    setting: Setting
    subjects: int
    raters: int
    within_sd: float
    mdc95: float
    cov: float


@dataclass(frozen=True)
class ICC:
    """Intraclass correlations of single measures, two-way models.

    Attributes
    ----------
    setting : str
    subjects, raters : int
        Complete subjects (n); columns (k).
    icc21 : float
        ICC(2,1), raters random, absolute agreement:
        (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n). The usual
        choice: a rater who always reads higher lowers it.
    icc31 : float
        ICC(3,1), raters fixed, consistency:
        (MSR - MSE) / (MSR + (k - 1) MSE). Blind to such a rater.
    ms_subjects, ms_raters, ms_error : float
        Mean squares MSR, MSC and MSE of the two-way table.
    """

    setting: Setting
    subjects: int
    raters: int
    icc21: float
    icc31: float
    ms_subjects: float
    ms_raters: float
    ms_error: float


def agreement(table: ArrayLike, *, setting: Setting) -> Agreement:
    """Bias, limits of agreement and mean absolute difference of two columns.

    Parameters
    ----------
    table : array_like, shape (subjects, 2)
        NaN where missing; a subject with one is left out.
    setting : {"repeated scans", "repeated readings", "against a reference"}
        What the columns are.

    Returns
    -------
    Agreement
        Figures that need more complete subjects than there are are NaN: one
        for the bias, two for the limits.

    Raises
    ------
    ValueError
        For another shape or setting.

    Notes
    -----
    Bland and Altman, "Statistical methods for assessing agreement between two
    methods of clinical measurement" (Lancet 1986). The limits take one
    difference per subject; several beats of a subject are not several
    subjects.
    """
    values = _complete(table, setting)
    if values.shape[1] != 2:
        raise ValueError(f"agreement needs two raters, got {values.shape[1]}")
    d = values[:, 0] - values[:, 1]
    bias = float(d.mean()) if d.size else float("nan")
    sd = float(d.std(ddof=1)) if d.size > 1 else float("nan")
    return Agreement(
        setting=setting,
        subjects=len(d),
        bias=bias,
        sd=sd,
        low=bias - 1.96 * sd,
        high=bias + 1.96 * sd,
        mad=float(np.abs(d).mean()) if d.size else float("nan"),
    )


def repeatability(table: ArrayLike, *, setting: Setting) -> Repeatability:
    """Within-subject SD, minimal detectable change and coefficient of variation.

    Parameters
    ----------
    table : array_like, shape (subjects, raters)
        Two or more raters; NaN where missing, a subject with one is left out.
    setting : {"repeated scans", "repeated readings", "against a reference"}
        What the columns are.

    Returns
    -------
    Repeatability
        NaN without a complete subject; the coefficient of variation also
        where the mean is 0.

    Raises
    ------
    ValueError
        For another shape or setting.

    Notes
    -----
    Bland and Altman, "Measurement error" (BMJ 1996).
    """
    values = _complete(table, setting)
    subjects, raters = values.shape
    if subjects == 0:
        return Repeatability(setting, 0, raters, *[float("nan")] * 3)
    within = float(np.sqrt(values.var(axis=1, ddof=1).mean()))
    middle = abs(float(values.mean()))
    return Repeatability(
        setting=setting,
        subjects=subjects,
        raters=raters,
        within_sd=within,
        mdc95=1.96 * float(np.sqrt(2.0)) * within,
        cov=within / middle if middle > 0 else float("nan"),
    )


def icc(table: ArrayLike, *, setting: Setting) -> ICC:
    """Intraclass correlations ICC(2,1) and ICC(3,1).

    "ICC" without a model is six different numbers, so both stand here under
    their names. All depend on how much the subjects differ: the same raters
    score lower in a uniform group.

    Parameters
    ----------
    table : array_like, shape (subjects, raters)
        Two or more raters; NaN where missing, a subject with one is left out.
    setting : {"repeated scans", "repeated readings", "against a reference"}
        What the columns are.

    Returns
    -------
    ICC
        NaN with fewer than two complete subjects or where all values are
        alike. Can be negative.

    Raises
    ------
    ValueError
        For another shape or setting.

    Notes
    -----
    Shrout and Fleiss, "Intraclass correlations: uses in assessing rater
    reliability" (Psychological Bulletin 1979).
    """
    values = _complete(table, setting)
    n, k = values.shape
    if n < 2 or values.min() == values.max():
        return ICC(setting, n, k, *[float("nan")] * 5)
    rows = values.mean(axis=1, keepdims=True) - values.mean()
    columns = values.mean(axis=0, keepdims=True) - values.mean()
    rest = values - values.mean() - rows - columns
    msr = k * float((rows**2).sum()) / (n - 1)
    msc = n * float((columns**2).sum()) / (k - 1)
    mse = float((rest**2).sum()) / ((n - 1) * (k - 1))
    fixed = msr + (k - 1) * mse
    return ICC(
        setting=setting,
        subjects=n,
        raters=k,
        icc21=_ratio(msr - mse, fixed + k * (msc - mse) / n),
        icc31=_ratio(msr - mse, fixed),
        ms_subjects=msr,
        ms_raters=msc,
        ms_error=mse,
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _complete(table: ArrayLike, setting: Setting) -> Floats:
    if setting not in get_args(Setting):
        raise ValueError(f"setting must be one of {get_args(Setting)}, got {setting!r}")
    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"table must be subjects x raters (two or more), got {values.shape}")
    return values[~np.isnan(values).any(axis=1)]
