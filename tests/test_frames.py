"""`videostar frames`: a contact sheet of what a model is shown of a video."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from commands import Command
from films import joined
from ordinary_data import HEIGHT, WIDTH, told, write_clip, write_film
from PIL import Image

# The colours of the quarters, row by row, and how players show them for each display matrix (a, b, c, d).
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
NAMES = {"R": RED, "G": GREEN, "B": BLUE, "Y": YELLOW}
ORIENTATIONS = {
    (1, 0, 0, 1): "RGBY",
    (-1, 0, 0, 1): "GRYB",  # mirrored left-right
    (1, 0, 0, -1): "BYRG",  # mirrored upside-down
    (-1, 0, 0, -1): "YBGR",  # turned by 180 degrees
    (0, 1, -1, 0): "BRYG",  # turned by 90 degrees, clockwise
    (0, -1, 1, 0): "GYRB",  # turned by 90 degrees, anticlockwise
    (0, 1, 1, 0): "RBGY",  # mirrored in the diagonal from top left
    (0, -1, -1, 0): "YGBR",  # mirrored in the other diagonal
}


def quarters(at: int, count: int = 24) -> np.ndarray:
    """A red, green, blue and yellow quarter, and a white block in the middle that goes right."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, colour in enumerate((RED, GREEN, BLUE, YELLOW)):
        row, column = divmod(number, 2)
        image[row * HEIGHT // 2 :, column * WIDTH // 2 :] = colour
    left = at * (WIDTH - 8) // (count - 1)
    image[HEIGHT // 2 - 4 : HEIGHT // 2 + 4, left : left + 8] = 255
    return image


def coloured(path: Path, codec: str = "libx264", pixels: str = "yuv420p") -> Path:
    return write_film(path, map(quarters, range(24)), codec=codec, pixels=pixels)


def cells(videostar: Command, video: Path, *arguments: object, count: int = 4) -> list[np.ndarray]:
    """The frames on the sheet, in a row, each without the strip with its time."""
    out = video.parent / "sheet.png"
    done = videostar("frames", video, "--out", out, "--frames", count, *arguments)
    assert done.returncode == 0, done.stderr
    sheet = np.asarray(Image.open(out).convert("RGB"))
    assert sheet.shape[1] % count == 0
    return [cell[:-20] for cell in np.split(sheet, count, axis=1)]


def look(cell: np.ndarray) -> str:
    """The colours of the quarters, row by row."""
    height, width, _ = cell.shape
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 8, 7 * width // 8)]
    return "".join(min(NAMES, key=lambda name: np.abs(cell[place].astype(int) - NAMES[name]).sum()) for place in places)


def block(cell: np.ndarray) -> float:
    """Where the white block is, from left to right."""
    return float(np.flatnonzero((cell.min(axis=2) > 190).any(axis=0)).mean() / cell.shape[1])


def test_the_sheet_shows_equal_cells_upright_and_in_order(videostar: Command, tmp_path: Path) -> None:
    shown = cells(videostar, coloured(tmp_path / "a.mp4"))
    assert {cell.shape for cell in shown} == {(3 * HEIGHT, 3 * WIDTH, 3)}  # enlarged so that times can be read
    assert [look(cell) for cell in shown] == ["RGBY"] * 4
    places = [block(cell) for cell in shown]
    assert places == sorted(places)
    assert places[0] < 0.25
    assert places[-1] > 0.75


def test_a_cell_has_the_pixels_that_a_model_is_shown(videostar: Command, tmp_path: Path) -> None:
    from videostar.video.decode import decode
    from videostar.video.sampling import Sampling

    video = write_clip(tmp_path / "a.mp4", size=(320, 240))
    shown = cells(videostar, video, "--set", "video.max_pixels=40000")
    assert np.array_equal(shown, decode(video, Sampling(4, 40000)).frames)
    printed = videostar("frames", video, "--out", "sheet.png", "--frames", 4, "--set", "video.max_pixels=40000").stdout
    for fact in ("320x240", "2.00 s", "12 fps", "h264", "4 frames of 231x173", "0.25 0.75 1.25 1.75"):
        assert fact in printed


def test_settings_decide_how_many_frames_there_are(videostar: Command, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "a.mp4")
    for arguments, frames in (((), 8), (("--pipeline", "lvlm"), 16), (("--set", "video.frames=5"), 5)):
        done = videostar("frames", video, "--out", "sheet.png", *arguments)
        assert f"{frames} frames of" in done.stdout
        sheet = Image.open(tmp_path / "sheet.png")
        assert sheet.size == (4 * 192, -(-frames // 4) * (144 + 20))


def test_what_cannot_be_shown_is_one_line(videostar: Command, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "a.mp4")
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 99)
    assert "none.mp4: missing: no such file" in told(videostar, "frames", "none.mp4", "--out", "sheet.png")
    assert "noise.mp4: not a video" in told(videostar, "frames", "noise.mp4", "--out", "sheet.png")
    assert "no folder nowhere" in told(videostar, "frames", video, "--out", "nowhere/sheet.png")
    assert ".png" in told(videostar, "frames", video, "--out", "sheet.jpg")
    assert "video.frames" in told(videostar, "frames", video, "--out", "sheet.png", "--frames", 0)
    (tmp_path / "folder.png").mkdir()
    assert "folder.png" in told(videostar, "frames", video, "--out", "folder.png")
    assert not (tmp_path / "sheet.png").exists()


def patched(video: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The mp4 with another matrix in its track header, with the shift that keeps the picture on screen."""
    content = bytearray(video.read_bytes())
    a, b, c, d = matrix
    shift = (WIDTH * (a < 0) + HEIGHT * (c < 0), WIDTH * (b < 0) + HEIGHT * (d < 0))
    place = content.index(b"tkhd") + 4 + 40
    numbers = [value << 16 for value in (a, b)], [value << 16 for value in (c, d)], [value << 16 for value in shift]
    content[place : place + 36] = struct.pack(">9i", *numbers[0], 0, *numbers[1], 0, *numbers[2], 1 << 30)
    video.write_bytes(content)
    return video


@pytest.mark.parametrize(("matrix", "expected"), ORIENTATIONS.items())
def test_mirrored_and_turned_films_are_shown_as_players_do(
    videostar: Command, tmp_path: Path, matrix: tuple[int, int, int, int], expected: str
) -> None:
    for name in ("a.mp4", "a.mov"):
        shown = cells(videostar, patched(coloured(tmp_path / name), matrix))
        assert [look(cell) for cell in shown] == [expected] * 4
        turned = matrix[0] == 0
        assert shown[0].shape[0] > shown[0].shape[1] if turned else shown[0].shape[0] < shown[0].shape[1]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("b.mp4", "libvpx-vp9"), ("c.webm", "libvpx")]
)
def test_every_container_and_decoder_keeps_the_orientation(
    videostar: Command, tmp_path: Path, name: str, codec: str
) -> None:
    film = tmp_path / name
    with av.open(str(film), "w") as out:
        stream = out.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.set_display_matrix([0, 1 << 16, 0, 1 << 16, 0, 0, 0, 0, 1 << 30])
        for at in range(24):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(quarters(at), format="rgb24")))
        out.mux(stream.encode())
    assert [look(cell) for cell in cells(videostar, film)] == ["RBGY"] * 4


def test_an_orientation_in_the_coded_pictures_is_used(videostar: Command, tmp_path: Path) -> None:
    plain, film = coloured(tmp_path / "plain.ts"), tmp_path / "a.ts"
    with av.open(str(plain)) as source, av.open(str(film), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        insert = BitStreamFilterContext("h264_metadata=display_orientation=insert:flip=horizontal", stream)
        for packet in source.demux(stream):
            if packet.size:
                for changed in insert.filter(packet):
                    changed.stream = copy
                    out.mux(changed)
    assert [look(cell) for cell in cells(videostar, film)] == ["GRYB"] * 4


def picture(path: Path, codec: str = "mjpeg", size: tuple[int, int] = (32, 32), count: int = 1) -> Path:
    """A film of one picture, or of as many."""
    image = np.full((*size[::-1], 3), 90, np.uint8)
    pixels = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
    return write_film(path, [image] * count, codec=codec, pixels=pixels)


def two_tracks(folder: Path) -> Iterator[tuple[str, Path]]:
    """Films beside a track that is no film, which comes first."""
    film, film_mkv = coloured(folder / "film.mp4"), coloured(folder / "film.mkv")
    yield "one small picture", joined(folder / "a.mp4", picture(folder / "p.mp4"), film)
    yield "one large picture", joined(folder / "b.mp4", picture(folder / "l.mp4", size=(640, 480)), film)
    yield "one coded as a film", joined(folder / "c.mp4", picture(folder / "h.mp4", "libx264", (640, 480)), film)
    yield "in Matroska", joined(folder / "d.mkv", picture(folder / "m.mkv", size=(640, 480)), film_mkv)
    yield "a PNG", joined(folder / "e.mov", picture(folder / "g.mov", "png", (640, 480)), coloured(folder / "f.mov"))
    yield "thumbnails", joined(folder / "f.mp4", picture(folder / "t.mp4", "libx264", (16, 16), 24), film)
    yield "a film of JPEGs", joined(folder / "g.mp4", picture(folder / "j.mp4", size=(640, 480), count=24), film)


def test_the_film_is_shown_and_never_a_picture_beside_it(videostar: Command, tmp_path: Path) -> None:
    for name, video in two_tracks(tmp_path):
        assert [look(cell) for cell in cells(videostar, video)] == ["RGBY"] * 4, name


def test_of_two_films_the_default_or_the_larger_one_is_shown(videostar: Command, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "other.mkv", 1)
    first = joined(tmp_path / "first.mkv", coloured(tmp_path / "a.mkv"), other)
    assert [look(cell) for cell in cells(videostar, first)] == ["RGBY"] * 4
    small = write_clip(tmp_path / "small.mkv", 1, size=(48, 36))
    larger = joined(tmp_path / "larger.mkv", small, coloured(tmp_path / "b.mkv"))
    assert [look(cell) for cell in cells(videostar, larger)] == ["RGBY"] * 4


def test_a_video_is_not_written_over_nor_sought_on_the_web(videostar: Command, clips: Path, tmp_path: Path) -> None:
    film = (clips / "0000.mp4").rename(tmp_path / "film.png")
    content = film.read_bytes()
    assert "the video itself" in told(videostar, "frames", film, "--out", film)
    assert film.read_bytes() == content
    assert "a URL" in told(videostar, "frames", "https://example.org/a.mp4", "--out", "s.png")
    assert videostar("frames", f"file://{clips}/0001.mp4", "--out", "s.png").returncode == 0
