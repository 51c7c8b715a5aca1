"""Folders of pictures: order, what is passed over, one size, gaps, several series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from makers import number_in, numbered
from PIL import Image
from scipy.io import savemat

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import image_folder
from napari_usstrack.io.image_folder import natural_key
from napari_usstrack.io.registry import can_open, open_video


def picture(
    path: Path, number: int = 0, mode: str = "L", size: tuple[int, int] = (160, 96)
) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(numbered(number, *size)).convert(mode).save(path)
    return path


def folder_of(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        picture(folder / name, number)
    return folder


def order(folder: Path) -> list[int]:
    video = open_video(folder)
    return [number_in(frame) for frame in video.frames(range(len(video)))]


def refused(folder: Path) -> str:
    with pytest.raises(UsstrackError) as caught:
        open_video(folder)
    assert str(caught.value).endswith(".")
    return str(caught.value)


@pytest.mark.parametrize("ending", ["png", "PNG", "jpg", "jpeg", "tif", "tiff", "bmp"])
def test_kinds_of_pictures(tmp_path, ending: str) -> None:
    folder = folder_of(tmp_path / "clip", *(f"img{i}.{ending}" for i in range(12)))
    assert can_open(folder)
    video = open_video(str(folder))
    assert video.shape == (12, 96, 160)
    assert order(folder) == list(range(12))
    assert (video.info.name, video.info.path) == ("clip", str(folder))
    assert video.info.calibration.times_s is None
    (warning,) = video.info.warnings
    assert "--fps" in warning
    info = open_video(folder, fps=25).info
    assert (info.fps, info.warnings) == (pytest.approx(25), ())


def test_natural_order() -> None:
    names = ["b2", "B10", "b1", "a10", "a9", "a1c2", "a1C10", "img01", "img1", "1", "10", "2"]
    wanted = ["1", "2", "10", "a1c2", "a1C10", "a9", "a10", "b1", "b2", "B10", "img01", "img1"]
    assert sorted(names, key=natural_key) == wanted
    assert sorted(set(names), key=natural_key) == wanted


def test_order_of_frames_without_case(tmp_path) -> None:
    names = ["Img1.png", "img2.PNG", "IMG3.png", "img10.png", "img11.png"]
    assert order(folder_of(tmp_path / "clip", *names)) == [0, 1, 2, 3, 4]


def test_what_is_passed_over(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", "f1.png", "f2.png", "f3.png")
    picture(folder / ".f0.png")
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    folder_of(folder / "more.png", "f9.png")
    assert order(folder) == [0, 1, 2]


def test_can_open_needs_two_pictures(tmp_path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    assert not can_open(folder)
    assert "without pictures" in refused(folder)
    picture(folder / "a1.png")
    picture(folder / ".a2.png")
    (folder / "b.txt").write_text("x")
    assert not can_open(folder)
    assert "a1.png is a still image" in refused(folder)
    picture(folder / "a2.png")
    assert can_open(folder)


def test_another_size_is_named(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", *(f"{i}.png" for i in range(12)))
    picture(folder / "9.png", size=(150, 96))
    picture(folder / "10.png", size=(150, 90))
    message = refused(folder)
    assert "9.png has 150 x 96 px but 0.png has 160 x 96" in message
    assert "10.png" not in message


def test_grey_colour_and_palette_mix(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", "a1.png", "a2.png", "a3.png", "a4.png", "a5.png")
    picture(folder / "a2.png", 1, "RGB")
    picture(folder / "a3.png", 2, "P")
    picture(folder / "a4.png", 3, "RGBA")
    Image.new("RGB", (160, 96), (200, 60, 30)).save(folder / "a5.png")
    video = open_video(folder)
    for number in range(4):
        np.testing.assert_array_equal(video[number], numbered(number))
    assert abs(int(video[4][5, 5]) - 98.5) <= 1
    np.testing.assert_array_equal(video.colour(range(4, 5))[0, 5, 5], (200, 60, 30))


def test_deep_pictures_share_one_scaling(tmp_path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(3):
        deep = numbered(number).astype(np.uint16) * 100
        Image.fromarray(deep).save(folder / f"{number}.png")
    video = open_video(folder)
    assert any("uint16" in line for line in video.info.warnings)
    assert number_in(video[2]) == 2
    picture(folder / "3.png")
    assert "3.png holds other values than 0.png" in refused(folder)


def test_gaps_are_told(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", *(f"f{i:03}.png" for i in (1, 2, 3, 7, 8, 12)))
    video = open_video(folder)
    assert len(video) == 6
    assert "2 gaps in its numbering, the first from f003.png to f007.png" in video.info.warnings[0]


def test_every_nth_frame_is_no_gap(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", *(f"f{i}.png" for i in range(0, 100, 20)))
    assert len(open_video(folder).info.warnings) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("a1.png", "a2.png", "b1.png", "b2.png"),
        ("f1.png", "f1.jpg", "f2.png", "f2.jpg"),
        ("t1_f1.png", "t1_f2.png", "t2_f1.png", "t2_f2.png"),
        ("f1.png", "f01.png"),
    ],
)
def test_several_series(tmp_path, names: tuple[str, ...]) -> None:
    message = refused(folder_of(tmp_path / "clip", *names))
    assert "clip holds several series of pictures" in message
    assert sum(name in message for name in names) == 2


def test_a_constant_number_in_the_name(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", *(f"p6_{i}_30Hz.png" for i in (8, 9, 10)))
    assert order(folder) == [0, 1, 2]


def test_names_without_numbers(tmp_path) -> None:
    assert order(folder_of(tmp_path / "clip", "a.png", "b.png", "C.png")) == [0, 1, 2]


def test_pictures_are_read_when_asked_for(tmp_path, monkeypatch) -> None:
    video = open_video(folder_of(tmp_path / "clip", *(f"{i}.png" for i in range(9))))
    read: list[str] = []
    plain = image_folder.FolderStack._picture
    monkeypatch.setattr(
        image_folder.FolderStack,
        "_picture",
        lambda self, path: (read.append(path.name), plain(self, path))[1],
    )
    assert number_in(video[4]) == 4
    assert read == ["4.png"]


def test_damage_and_pages_are_named(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", "1.tif", "2.tif")
    (folder / "3.tif").write_text("no picture")
    assert "3.tif is damaged or not a picture" in refused(folder)
    pages = [Image.fromarray(numbered(i)) for i in range(3)]
    pages[0].save(folder / "3.tif", save_all=True, append_images=pages[1:])
    assert "3.tif holds 3 pages" in refused(folder)


def test_a_picture_cut_short_is_named_when_read(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", "1.png", "2.png", "3.png")
    data = (folder / "2.png").read_bytes()
    (folder / "2.png").write_bytes(data[: len(data) // 2])
    video = open_video(folder)
    assert number_in(video[2]) == 2
    with pytest.raises(UsstrackError, match=r"2\.png is damaged"):
        video[1]


def test_digest_follows_names_sizes_and_bytes(tmp_path, monkeypatch) -> None:
    folder = folder_of(tmp_path / "clip", *(f"{i}.bmp" for i in range(40)))
    for number, whole in ((77, 10**9), (78, 0)):
        monkeypatch.setattr(image_folder, "_WHOLE", whole)
        before = open_video(folder).info.digest
        assert len(before) == 32
        assert open_video(folder).info.digest == before
        (folder / "39.bmp").rename(folder / "41.bmp")
        renamed = open_video(folder).info.digest
        picture(folder / "41.bmp", number)
        changed = open_video(folder).info.digest
        assert len({before, renamed, changed}) == 3
        (folder / "41.bmp").rename(folder / "39.bmp")


def test_scale_from_a_file_beside_the_folder(tmp_path) -> None:
    folder = folder_of(tmp_path / "clip", "1.png", "2.png")
    savemat(tmp_path / "clip.mat", {"TVDdata": {"cmPerPixX": 0.01, "cmPerPixY": 0.02}})
    assert open_video(folder).info.spacing_mm == pytest.approx((0.1, 0.2))
