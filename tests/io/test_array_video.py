"""Arrays in memory, .npy, .npz and TIFF stacks."""

from __future__ import annotations

from pathlib import Path

import dask.array
import numpy as np
import pytest
import tifffile
from makers import numbered_stack

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.array_video import array_video
from napari_usstrack.io.pixels import grey_of
from napari_usstrack.io.registry import open_video

STACK = numbered_stack(7)
COLOURS = np.random.default_rng(0).integers(0, 256, (7, 20, 30, 3), dtype=np.uint8)


def all_frames(video) -> np.ndarray:
    return video.frames(range(len(video)))


def test_bytes_in_memory_are_not_copied() -> None:
    video = array_video(STACK, spacing_mm=(0.1, 0.2), fps=50, name="mine")
    assert np.shares_memory(all_frames(video), STACK)
    assert not all_frames(video).flags.writeable
    assert STACK.flags.writeable
    assert video.info.spacing_mm == (0.1, 0.2)
    assert video.info.fps == pytest.approx(50)
    assert (video.info.name, video.info.path, video.info.warnings) == ("mine", "", ())


def test_no_rate_means_no_times() -> None:
    calibration = array_video(STACK).info.calibration
    assert calibration.times_s is None
    assert calibration.spacing_mm is None


def test_times_start_at_zero() -> None:
    times = array_video(STACK, times_s=np.arange(7) ** 2 + 3.0).info.calibration.times_s
    np.testing.assert_array_equal(times, np.arange(7) ** 2)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("lazy", [False, True])
def test_colour_arrays(channels: int, lazy: bool) -> None:
    array = np.concatenate([COLOURS, COLOURS[..., :1]], axis=-1)[..., :channels]
    if lazy:
        array = dask.array.from_array(array, chunks=(2, 20, 30, channels))
    video = array_video(array)
    np.testing.assert_array_equal(all_frames(video), grey_of(COLOURS))
    np.testing.assert_array_equal(video.colour(range(2, 5)), COLOURS[2:5])


def test_dask_is_read_in_pieces() -> None:
    asked: list[int] = []

    def block(info: dict) -> np.ndarray:
        start = info[None]["array-location"][0][0]
        asked.append(start)
        return STACK[start : start + 1]

    lazy = dask.array.map_blocks(
        lambda block_info: block(block_info),
        chunks=((1,) * 7, (96,), (160,)),
        dtype=np.uint8,
        meta=np.empty((0, 0, 0), dtype=np.uint8),
    )
    video = array_video(lazy)
    asked.clear()
    np.testing.assert_array_equal(video[3:5], STACK[3:5])
    assert sorted(asked) == [3, 4]
    np.testing.assert_array_equal(all_frames(video), STACK)


def test_other_numbers_are_scaled_by_one_range() -> None:
    values = STACK.astype(np.float64) * 7 - 300
    values[2, 0, 0] = np.nan
    video = array_video(values)
    low, high = np.nanmin(values), np.nanmax(values)
    wanted = np.nan_to_num((values - low) / (high - low) * 255)
    assert np.abs(all_frames(video) - wanted).max() <= 0.51
    (warning,) = video.info.warnings
    assert "float64" in warning
    assert warning.endswith(".")


def test_dask_scaling_by_limits_or_samples() -> None:
    values = dask.array.from_array(STACK.astype(np.uint16) * 100, chunks=(1, 96, 160))
    by_limits = array_video(values, limits=(0, 51000))
    assert np.abs(all_frames(by_limits) - STACK / 2).max() <= 0.51
    sampled = array_video(values)
    assert all_frames(sampled).max() == 255
    assert "frames spread" in sampled.info.warnings[0]


def test_truth_values() -> None:
    video = array_video(STACK > 100)
    np.testing.assert_array_equal(all_frames(video), np.where(STACK > 100, 255, 0))
    assert video.info.warnings == ()


def test_digests() -> None:
    other = STACK.copy()
    other[3, 5, 5] += 1
    assert array_video(STACK).info.digest == array_video(STACK.copy()).info.digest
    assert array_video(STACK).info.digest != array_video(other).info.digest
    lazy = [dask.array.from_array(a, chunks=(1, 96, 160)) for a in (STACK, other)]
    assert array_video(lazy[0]).info.digest != array_video(lazy[1]).info.digest


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (STACK[0], "still image"),
        (STACK[:1], "still image"),
        (COLOURS[0], "still image"),
        (np.zeros((2, 3, 4, 5)), "shape"),
        (np.zeros((4, 0, 6)), "shape"),
        (np.zeros((2, 3, 4), dtype=complex), "complex"),
        (np.full((2, 3, 4), "a"), "not grey levels"),
    ],
)
def test_refuses_other_shapes(array: np.ndarray, words: str) -> None:
    with pytest.raises(UsstrackError, match=words):
        array_video(array)


@pytest.mark.parametrize(
    "options", [{"times_s": [0, 1]}, {"times_s": [0] * 7}, {"fps": 0}, {"spacing_mm": (0, 1)}]
)
def test_refuses_wrong_scale_or_times(options: dict) -> None:
    with pytest.raises(UsstrackError, match="scale or times"):
        array_video(STACK, **options)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_npy(tmp_path, dtype) -> None:
    path = tmp_path / "a.npy"
    np.save(path, STACK.astype(dtype) * dtype(1 if dtype == np.uint8 else 200))
    video = open_video(path)
    if dtype == np.uint8:
        np.testing.assert_array_equal(all_frames(video), STACK)
    else:
        scaled = (STACK.astype(float) - STACK.min()) * 255 / np.ptp(STACK)
        np.testing.assert_allclose(all_frames(video), scaled, atol=1)
    assert len(video.info.warnings) == (dtype != np.uint8)
    assert video.info.calibration.times_s is None


@pytest.mark.parametrize(("scale", "pair"), [(0.2, (0.2, 0.2)), ([0.2, 0.3], (0.2, 0.3))])
def test_npz(tmp_path, scale, pair) -> None:
    np.savez(tmp_path / "a.npz", frames=STACK, mm_per_px=scale, fps=40, tracks=np.zeros((3, 7, 2)))
    video = open_video(tmp_path / "a.npz")
    np.testing.assert_array_equal(all_frames(video), STACK)
    assert video.info.spacing_mm == pair
    assert video.info.fps == pytest.approx(40)
    assert video.info.calibration.spacing_source == "a.npz"


def test_npz_with_times(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", frames=STACK, times_s=np.arange(7) ** 2, fps=3)
    times = open_video(tmp_path / "a.npz").info.calibration.times_s
    np.testing.assert_array_equal(times, np.arange(7) ** 2)


def test_npz_with_a_sole_stack(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", clip=STACK, other=np.zeros((2, 2)))
    assert len(open_video(tmp_path / "a.npz")) == 7


@pytest.mark.parametrize("arrays", [{}, {"a": STACK, "b": STACK}, {"a": STACK[0]}])
def test_npz_without_frames(tmp_path, arrays: dict) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UsstrackError, match=r"a\.npz has no array called frames"):
        open_video(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_numpy_files(tmp_path, name: str) -> None:
    path = tmp_path / name
    path.write_text("not numpy at all")
    with pytest.raises(UsstrackError, match="damaged or not a numpy file"):
        open_video(path)
    (np.save if name == "a.npy" else np.savez)(path, STACK)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UsstrackError, match="damaged or not a numpy file"):
        open_video(path)


def test_pickled_arrays_are_not_loaded(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UsstrackError, match="not a numpy file"):
        open_video(tmp_path / "a.npy")


TIFFS = {
    "plain": {},
    "pages": {"contiguous": False, "metadata": None},
    "compressed": {"compression": "zlib"},
    "imagej": {"imagej": True},
    "ome": {"ome": True, "metadata": {"axes": "TYX"}},
    "white is zero": {"photometric": "miniswhite", "compression": "zlib"},
    "big endian": {"byteorder": ">"},
    "stripes": {"rowsperstrip": 16, "compression": "zlib"},
}


def write_tiff(path: Path, array: np.ndarray, **options) -> Path:
    if options.pop("contiguous", True):
        tifffile.imwrite(path, array, **options)
    else:
        with tifffile.TiffWriter(path) as file:
            for page in array:
                file.write(page, contiguous=False, **options)
    return path


@pytest.mark.parametrize("kind", TIFFS)
def test_tiff_stacks(tmp_path, kind: str) -> None:
    path = write_tiff(tmp_path / "a.tif", STACK, **TIFFS[kind])
    video = open_video(path)
    wanted = 255 - STACK if kind == "white is zero" else STACK
    np.testing.assert_array_equal(video[5], wanted[5])
    np.testing.assert_array_equal(all_frames(video), wanted)
    assert video.info.spacing_mm is None
    assert video.info.calibration.times_s is None
    assert video.info.warnings == ()


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_colour_tiff(tmp_path, options: dict) -> None:
    path = write_tiff(tmp_path / "a.tiff", COLOURS, photometric="rgb", **options)
    video = open_video(path)
    np.testing.assert_array_equal(all_frames(video), grey_of(COLOURS))
    np.testing.assert_array_equal(video.colour(range(1, 3)), COLOURS[1:3])


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_deep_tiff_is_scaled(tmp_path, options: dict) -> None:
    path = write_tiff(tmp_path / "a.tif", STACK.astype(np.uint16) * 100, **options)
    video = open_video(path)
    assert all_frames(video).max() == 255
    assert all_frames(video).min() == 0
    assert "uint16" in video.info.warnings[0]


def test_palette_tiff(tmp_path) -> None:
    table = np.zeros((3, 256), dtype=np.uint16)
    table[:] = np.arange(255, -1, -1) * 257
    path = write_tiff(tmp_path / "a.tif", STACK, photometric="palette", colormap=table)
    assert np.abs(all_frames(open_video(path)).astype(int) - (255 - STACK)).max() <= 1


@pytest.mark.parametrize(
    ("options", "spacing", "source"),
    [
        (
            {"imagej": True, "resolution": (5, 4), "metadata": {"unit": "mm"}},
            (0.2, 0.25),
            "ImageJ metadata",
        ),
        ({"imagej": True, "resolution": (50, 50), "metadata": {"unit": "cm"}}, (0.2, 0.2), None),
        ({"imagej": True, "resolution": (5, 5), "metadata": {"unit": "pixel"}}, None, None),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, None, None),
        (
            {
                "ome": True,
                "metadata": {
                    "axes": "TYX",
                    "PhysicalSizeX": 0.1,
                    "PhysicalSizeXUnit": "mm",
                    "PhysicalSizeY": 0.2,
                    "PhysicalSizeYUnit": "mm",
                },
            },
            (0.1, 0.2),
            "OME metadata",
        ),
    ],
)
def test_tiff_scale(tmp_path, options: dict, spacing, source) -> None:
    info = open_video(write_tiff(tmp_path / "a.tif", STACK, **options)).info
    assert info.spacing_mm == (spacing if spacing is None else pytest.approx(spacing))
    assert source is None or info.calibration.spacing_source == source


def test_tiff_with_too_many_axes(tmp_path) -> None:
    array = np.zeros((3, 2, 20, 30), dtype=np.uint8)
    path = write_tiff(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(UsstrackError, match="axes TCYX"):
        open_video(path)


def test_tiff_of_unequal_pages(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for size in (20, 30):
            file.write(np.zeros((size, 40), np.uint8), contiguous=False, metadata=None)
    with pytest.raises(UsstrackError, match="separate series"):
        open_video(tmp_path / "a.tif")


def test_damaged_tiff(tmp_path) -> None:
    path = tmp_path / "a.tif"
    path.write_text("not a picture")
    with pytest.raises(UsstrackError, match="not a TIFF file"):
        open_video(path)
    write_tiff(path, STACK, compression="zlib")
    with tifffile.TiffFile(path) as file:
        at = file.pages[3].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[at : at + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(UsstrackError, match=r"a\.tif is damaged"):
        np.asarray(open_video(path))


def test_simulated_clips(shared_clips) -> None:
    video = open_video(shared_clips / "lv-apical.npz")
    assert video.shape == (56, 320, 320)
    assert video.info.spacing_mm == pytest.approx((0.453125, 0.453125))
    assert video.info.fps == pytest.approx(55)
