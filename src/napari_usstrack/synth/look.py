"""How a scanner shows what it hears: gain, compression, noise, artefacts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shadow:
    """A wedge without sound behind a rib, bone or gas.

    Attributes
    ----------
    beam : float
        Its middle as a share of the width, 0 left to 1 right.
    width : float
        Its width as a share of the width.
    from_mm : float
        Depth at which it begins.
    loss_db : float
        How much weaker echoes are inside.
    softness : float
        Width over which its sides fade, as a share of the width.
    """

    beam: float
    width: float
    from_mm: float
    loss_db: float
    softness: float = 0.02


@dataclass(frozen=True)
class Look:
    """Settings of the scanner, and what spoils the picture.

    Attributes
    ----------
    dynamic_range_db : float
        Range of echoes between black and white.
    gain_db : float
        Raises every echo.
    gain_steps_db : tuple of float
        Depth gain at equal distances from skin to the deepest sample.
    gamma : float
        Grey curve: grey is raised to this power; above 1 darkens mid grey.
    noise_db : float
        Electronic noise at half depth, relative to an echo of 0 dB.
    noise_rise_db : float
        How much stronger noise is at the deepest sample than at the skin.
    clutter_db, clutter_mm : float
        Reverberation near the probe that stays while tissue moves, and the
        depth over which it falls by 60 %.
    haze_db : float
        Weak veil over the whole picture, slowly changing.
    shadows : tuple of Shadow
        Wedges without sound.
    dropout_db : float
        Largest random loss of signal in patches fixed to the probe.
    persistence : float
        Share of the former picture in the next one, 0 to 1.
    smoothing_mm, smoothing_beams : float
        Standard deviations of the scanner's smoothing of the envelope, mm
        along the beam and beams across; along the beam at least half a px of
        the picture in all, so that speckle is not sampled too coarsely.
    block_quality : float
        Loss of block compression: step of the coarsest quantiser in grey
        levels; 0 for none.
    """

    dynamic_range_db: float = 60.0
    gain_db: float = 0.0
    gain_steps_db: tuple[float, ...] = (0.0,)
    gamma: float = 1.0
    noise_db: float = -55.0
    noise_rise_db: float = 12.0
    clutter_db: float = -300.0
    clutter_mm: float = 20.0
    haze_db: float = -300.0
    shadows: tuple[Shadow, ...] = ()
    dropout_db: float = 0.0
    persistence: float = 0.0
    smoothing_mm: float = 0.0
    smoothing_beams: float = 0.0
    block_quality: float = 0.0
