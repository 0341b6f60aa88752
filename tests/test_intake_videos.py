"""Videos as people have them: each is used, or skipped with a reason that names the cause and the way out."""

from __future__ import annotations

import struct
import tarfile
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from commands import Command
from ordinary_data import HEIGHT, WIDTH, checked, picture, told, write_clip, write_film, write_rows
from PIL import Image


def report(videostar: Command, folder: Path, videos: list[str], *arguments: object) -> dict[str, Any]:
    """What `check` reports for these videos, with a good one in train and another in test."""
    for number in (100, 101):
        write_clip(folder / f"good{number}.mp4", number)
    rows = [f"train,{video},walking" for video in ["good100.mp4", *videos]]
    data = write_rows(folder / "my.csv", "split,video,label", *rows, "test,good101.mp4,walking")
    return checked(videostar, data, *arguments)


def reasons(videostar: Command, folder: Path, videos: list[str], *arguments: object) -> dict[str, str]:
    """The reason and detail for each of these videos that is skipped."""
    found = report(videostar, folder, videos, *arguments)
    skipped = {row["video"]: f"{row['reason']}: {row['detail']}" for row in found["skipped"]}
    assert set(skipped) <= set(videos)
    assert found["usable"] == len(videos) + 2 - len(skipped)
    return skipped


STILL = {
    "h264.mp4": ("libx264", {}),
    "hevc.mkv": ("libx265", {}),
    "vp8.webm": ("libvpx", {}),
    "vp9.webm": ("libvpx-vp9", {}),
    "av1.mp4": ("libsvtav1", {}),
    "mpeg4.avi": ("mpeg4", {}),
    "mpeg2.mpg": ("mpeg2video", {"rate": 25}),
    "wmv.asf": ("wmv2", {}),
    "mjpeg.mov": ("mjpeg", {"pixels": "yuvj420p"}),
    "colours.gif": ("gif", {"pixels": "rgb8"}),
    "large.mp4": ("libx264", {"size": (640, 480)}),
}


def test_a_film_in_which_nothing_moves_is_a_choice_for_every_codec(videostar: Command, tmp_path: Path) -> None:
    for number, (name, (codec, how)) in enumerate(STILL.items()):
        size = how.pop("size", (WIDTH, HEIGHT))
        write_film(tmp_path / name, [picture(number, 5, size)] * 60, codec=codec, **how)
    names = list(STILL)
    found = report(videostar, tmp_path, names, "--pictures")
    assert not found["skipped"]
    (note,) = [problem for problem in found["problems"] if problem["what"] == "nothing moves"]
    assert (note["count"], note["loses_data"]) == (len(STILL), False)
    assert "video.still=skip" in note["examples"][0]
    # The frames are in the cache now, and the setting still counts.
    skipped = reasons(videostar, tmp_path, names, "--pictures", "--set", "video.still=skip")
    assert set(skipped) == set(STILL)
    assert all("nothing moves" in why and "video.still=keep" in why for why in skipped.values())
    assert not report(videostar, tmp_path, names, "--pictures", "--set", "video.still=keep")["skipped"]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (640, 480)])
def test_a_tiny_thing_that_moves_is_a_movement(
    videostar: Command, tmp_path: Path, codec: str, size: tuple[int, int]
) -> None:
    def thing(at: int) -> np.ndarray:
        image = picture(3, 0, size)
        image[20:24, 2 * at : 2 * at + 4] = 255
        return image

    name = "thing.mp4" if codec == "libx264" else "thing.avi"
    write_film(tmp_path / name, map(thing, range(24)), codec=codec)
    assert not reasons(videostar, tmp_path, [name], "--pictures", "--set", "video.still=skip")


def test_files_of_which_a_part_would_be_shown(videostar: Command, tmp_path: Path) -> None:
    write_clip(tmp_path / "whole.gif", 20, codec="gif", pixels="rgb8")
    gif = (tmp_path / "whole.gif").read_bytes()
    (tmp_path / "half.gif").write_bytes(gif[: len(gif) // 2])
    one, two = (write_clip(tmp_path / f"{number}.mp4", number).read_bytes() for number in (21, 22))
    (tmp_path / "both.mp4").write_bytes(one + two)
    skipped = reasons(videostar, tmp_path, ["whole.gif", "half.gif", "21.mp4", "both.mp4"])
    assert {video: why.split(":")[0] for video, why in skipped.items()} == {
        "half.gif": "ends early",
        "both.mp4": "joined",
    }


def test_a_change_of_colour_alone_is_a_movement(videostar: Command, tmp_path: Path) -> None:
    red, green = ((200, 0, 0), (0, 102, 0))  # of the same brightness
    light = [np.full((HEIGHT, WIDTH, 3), red if at < 12 else green, np.uint8) for at in range(24)]
    write_film(tmp_path / "light.mp4", light)
    dot = [np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(24)]
    for at in range(12, 24):
        dot[at][20:24, 2 * at : 2 * at + 4] = 255
    write_film(tmp_path / "dot.mp4", dot)
    assert not reasons(videostar, tmp_path, ["light.mp4", "dot.mp4"], "--pictures", "--set", "video.still=skip")


def test_frames_named_by_their_times(videostar: Command, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for at in range(24):
        Image.fromarray(picture(3, at)).save(tmp_path / "frames" / f"{round(at / 12, 2)}.png")
    done = videostar("frames", "frames", "--out", "s.png", "--frames", 4, "--set", "video.frame_rate=12")
    assert done.returncode == 0, done.stderr
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    left = [int((cell[:-20] >= 250).all(2).any(0).argmax()) for cell in np.split(sheet, 4, axis=1)]
    assert left == sorted(left)
    assert left[0] < left[3]


def test_a_film_of_one_colour_is_never_used(videostar: Command, tmp_path: Path) -> None:
    for name, codec in (("black.mp4", "libx264"), ("black.webm", "libvpx-vp9"), ("black.avi", "mpeg4")):
        write_film(tmp_path / name, [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 24, codec=codec)
        assert "blank" in reasons(videostar, tmp_path, [name], "--pictures")[name]
        assert "blank" in told(videostar, "frames", name, "--out", "sheet.png")


def frame_folder(folder: Path, name: str = "{:05}.jpg", number: int = 7, count: int = 24, **how: Any) -> Path:
    """The pictures of a clip as files of a folder."""
    folder.mkdir(parents=True)
    for at in range(count):
        Image.fromarray(picture(number, at, **how)).save(folder / name.format(at + 1), quality=95)
    return folder


RATE = ("--set", "video.frame_rate=12")


def left_of_block(image: np.ndarray) -> int:
    """Where the white block is."""
    return int(np.flatnonzero((image.min(axis=2) > 240).any(axis=0))[0])


@pytest.mark.parametrize("name", ["{:05}.jpg", "{}.PNG", "frame-{}.webp", "img_2_{}.bmp", "{:03}.jpeg"])
def test_a_folder_of_frames_is_a_video_at_a_stated_rate(videostar: Command, tmp_path: Path, name: str) -> None:
    folder = frame_folder(tmp_path / "frames", name)
    for other in ("Thumbs.db", "readme.txt", "._" + name.format(1)):
        (folder / other).write_bytes(b"other")
    (folder / "more.jpg").mkdir()
    assert not reasons(videostar, tmp_path, ["frames"], *RATE)
    assert not reasons(videostar, tmp_path, ["frames"], "--pictures", *RATE)
    assert not reasons(videostar, tmp_path, ["frames"], "--rows-only", *RATE)
    done = videostar("frames", "frames", "--out", "sheet.png", "--frames", 4, *RATE)
    assert "64x48, 2.00 s, 12 fps" in done.stdout
    assert "0.25 0.75 1.25 1.75" in done.stdout
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[:-20]
    assert [left_of_block(cell) // 3 for cell in np.split(sheet, 4, axis=1)] == pytest.approx([6, 18, 30, 42], abs=1)


def test_frames_without_a_rate_say_what_to_do(videostar: Command, tmp_path: Path) -> None:
    frame_folder(tmp_path / "frames")
    for how in ((), ("--rows-only",), ("--pictures",)):
        why = reasons(videostar, tmp_path, ["frames"], *how)["frames"]
        assert "24 pictures" in why
        assert "--set video.frame_rate=" in why
    assert "video.frame_rate" in told(videostar, "frames", "frames", "--out", "sheet.png")


def test_the_rate_is_in_the_data_manifest_or_in_the_settings(videostar: Command, tmp_path: Path) -> None:
    frame_folder(tmp_path / "frames")
    write_clip(tmp_path / "good.mp4", 1)
    # The interval ends at 1.9 s: at 12 pictures a second it is in the video, at 24 not.
    rows = ("split,video,label,start,end", "train,frames,walking,0,1.9", "test,good.mp4,walking,0,1.9")
    write_rows(tmp_path / "my.csv", *rows)
    manifest = write_rows(tmp_path / "my.yaml", "rows: {all: my.csv}", "frame_rate: 12")
    within = ("--set", "video.within=label")
    assert checked(videostar, manifest, "--pictures", *within)["usable"] == 2
    assert checked(videostar, manifest, "--pictures", *within, "--set", "video.frame_rate=12.5")["usable"] == 2
    found = checked(videostar, manifest, "--pictures", *within, "--set", "video.frame_rate=40")
    assert [row["reason"] for row in found["skipped"]] == ["interval outside the video"]
    assert "frame_rate" in told(videostar, "check", manifest, "--set", "video.frame_rate=0")


def test_a_folder_is_measured_again_once_it_has_changed(videostar: Command, tmp_path: Path) -> None:
    folder = frame_folder(tmp_path / "frames")
    copy = frame_folder(tmp_path / "copy")
    copied = [path.rename(copy / f"x{path.name}") for path in sorted(copy.iterdir())]
    assert len(copied) == 24

    def same() -> list[str]:
        found = report(videostar, tmp_path, ["frames", "copy"], *RATE)
        return [each["what"] for each in found["problems"] if each["what"].startswith("same content")]

    assert same() == ["same content in train"]
    Image.fromarray(picture(9, 3)).save(folder / "00004.jpg", quality=95)
    assert not same()
    Image.fromarray(picture(7, 3)).save(folder / "00004.jpg", quality=95)
    assert same()
    (folder / "00002.jpg").unlink()
    assert not same()


def test_a_folder_that_is_no_video_says_why(videostar: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sizes = frame_folder(tmp_path / "sizes", "{}.png")
    Image.fromarray(picture(7, 5, (66, 48))).save(sizes / "6.png")
    series = frame_folder(tmp_path / "series", "img_{}.jpg")
    Image.fromarray(picture(7, 5)).save(series / "flow_6.jpg")
    twice = frame_folder(tmp_path / "twice", "{}.jpg")
    Image.fromarray(picture(7, 5)).save(twice / "6.png")
    text = frame_folder(tmp_path / "text", "{}.jpg")
    (text / "6.jpg").write_text("no picture")
    gif = frame_folder(tmp_path / "gif", "{}.jpg")
    Image.fromarray(picture(7, 5)).save(gif / "6.jpg", format="GIF")
    half = frame_folder(tmp_path / "half", "{}.png")
    (half / "6.png").write_bytes((half / "6.png").read_bytes()[:200])
    empty = frame_folder(tmp_path / "zero", "{}.png")
    (empty / "6.png").write_bytes(b"")
    bomb = frame_folder(tmp_path / "bomb", "{}.png")
    Image.new("1", (20000, 20000)).save(bomb / "6.png")
    names = ["empty", "sizes", "series", "twice", "text", "gif", "half", "zero", "bomb"]
    why = reasons(videostar, tmp_path, names, "--pictures", "--set", "video.frames=24", *RATE)
    assert {name: line.partition(":")[0] for name, line in why.items()} == {
        **dict.fromkeys(("empty", "sizes", "series", "twice"), "not a video"),
        **dict.fromkeys(("text", "gif", "half", "zero"), "damaged"),
        "bomb": "too large",
    }
    assert "without pictures" in why["empty"]
    assert "6.png has 66 x 48" in why["sizes"]
    assert "flow_6.jpg" in why["series"]
    assert all("6." in why[name] for name in ("text", "gif", "half", "zero", "bomb"))


def test_frames_are_turned_as_their_exif_data_say(videostar: Command, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for at in range(24):
        exif = Image.Exif()
        exif[0x0112] = 5  # mirrored in the diagonal from top left
        Image.fromarray(picture(7, at).transpose(1, 0, 2)).save(folder / f"{at}.jpg", quality=95, exif=exif)
    done = videostar("frames", "frames", "--out", "sheet.png", "--frames", 4, *RATE)
    assert "frames of 64x48" in done.stdout
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[:-20]
    assert left_of_block(sheet[:, :192]) // 3 == pytest.approx(6, abs=1)


def test_16_bit_and_transparent_frames_look_as_they_should(videostar: Command, tmp_path: Path) -> None:
    for name, image in {
        "grey16": Image.fromarray(picture(7, 5)[..., 0].astype(np.uint16) * 256),
        "clear": Image.fromarray(np.dstack([picture(7, 5), np.full((HEIGHT, WIDTH), 128, np.uint8)])),
        "palette": Image.fromarray(picture(7, 5)).quantize(64),
    }.items():
        (tmp_path / name).mkdir()
        for at in range(2):
            image.save(tmp_path / name / f"{at}.png")
        videostar("frames", name, "--out", "sheet.png", "--frames", 1, *RATE)
        shown = np.asarray(Image.open(tmp_path / "sheet.png"))[:-20:3, ::3].astype(int)
        expected = picture(7, 5).astype(int)
        if name == "grey16":
            expected = expected[..., :1].repeat(3, -1)
        if name == "clear":
            expected = expected // 2
        assert np.abs(shown - expected).mean() < 4, name


RAW = {
    "a.h264": "libx264",
    "a.264": "libx264",
    "a.hevc": "libx265",
    "a.265": "libx265",
    "a.m2v": "mpeg2video",
    "a.m1v": "mpeg1video",
    "a.m4v": "mpeg4",
    "a.obu": "libsvtav1",
}
MUXERS = {"264": "h264", "265": "hevc", "m1v": "mpeg1video", "m2v": "mpeg2video"}


def test_raw_streams_are_used_at_a_stated_rate(videostar: Command, tmp_path: Path) -> None:
    for name, codec in RAW.items():
        rate = 25 if codec.startswith("mpeg") else 12
        write_clip(tmp_path / name, 7, codec=codec, rate=rate, container=MUXERS.get(name[2:], name[2:]))
    why = reasons(videostar, tmp_path, list(RAW))
    assert set(why) == set(RAW)
    assert all("raw" in line and "--set video.frame_rate=" in line for line in why.values()), why
    assert not reasons(videostar, tmp_path, list(RAW), "--pictures", *RATE)
    for name in RAW:
        done = videostar("frames", name, "--out", "sheet.png", "--frames", 4, *RATE)
        assert "64x48, 2.00 s, 12 fps" in done.stdout, name
        assert "0.25 0.75 1.25 1.75" in done.stdout, name
        sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[:-20]
        places = [left_of_block(cell) // 3 for cell in np.split(sheet, 4, axis=1)]
        assert places == pytest.approx([6, 18, 30, 42], abs=2), name


CAMERAS: dict[str, dict[str, Any]] = {
    "a.mts": {"container": "mpegts"},
    "b.vob": {"codec": "mpeg2video", "rate": 25},
    "c.3gp": {},
    "d.3g2": {"codec": "mpeg4"},
    "e.mxf": {"codec": "mpeg2video", "rate": 25},
    "f.MOV": {},
    "g.m4v": {"container": "mp4"},
    "h.ivf": {"codec": "libvpx-vp9"},
    "i.wmv": {"codec": "wmv2", "container": "asf"},
    "j.dv": {"codec": "dvvideo", "rate": 25, "size": (720, 576)},
    "k.y4m": {"codec": "rawvideo", "container": "yuv4mpegpipe"},
}


def test_camera_files_are_used(videostar: Command, tmp_path: Path) -> None:
    for name, how in CAMERAS.items():
        write_clip(tmp_path / name, 7, **how)
    plain = (tmp_path / "a.mts").read_bytes()
    packets = [plain[at : at + 188] for at in range(0, len(plain), 188)]
    (tmp_path / "l.m2ts").write_bytes(b"".join(struct.pack(">I", 300 * n) + each for n, each in enumerate(packets)))
    names = [*CAMERAS, "l.m2ts"]
    assert not reasons(videostar, tmp_path, names, "--pictures")
    for name in names:
        done = videostar("frames", name, "--out", "sheet.png", "--frames", 4)
        rate = CAMERAS.get(name, {}).get("rate", 12)
        assert f"{24 / rate:.2f} s, {rate} fps" in done.stdout, done.stdout + done.stderr
        sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[:-20]
        places = [left_of_block(cell) for cell in np.split(sheet, 4, axis=1)]
        assert places == sorted(set(places)), name


def continued(folder: Path, name: str, **how: Any) -> Path:
    """Two segments of one recording in one file, each with its packets counted from 0."""
    parts = []
    for number in range(2):
        with av.open(str(folder / f"part{number}-{name}"), "w") as out:
            stream = out.add_stream(how["codec"], rate=25, options={"g": "12"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for at in range(25 * number, 25 * number + 25):
                frame = av.VideoFrame.from_ndarray(picture(7, at), format="rgb24")
                frame.pts, frame.time_base = at + how.get("gap", 0) * number, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        parts.append((folder / f"part{number}-{name}").read_bytes())
    (folder / name).write_bytes(b"".join(parts))
    return folder / name


JOINED: dict[str, dict[str, Any]] = {
    "a.ts": {"codec": "mpeg2video", "rate": 25},
    "b.ts": {},
    "c.mpg": {"codec": "mpeg2video", "rate": 25},
    "d.vob": {"codec": "mpeg2video", "rate": 25},
    "e.mkv": {},
    "f.webm": {"codec": "libvpx-vp9"},
}


def test_files_that_were_appended_to_one_another_are_called_joined(videostar: Command, tmp_path: Path) -> None:
    for name, how in JOINED.items():
        one = write_clip(tmp_path / f"one-{name}", 7, **how)
        (tmp_path / name).write_bytes(one.read_bytes() * 2)
    continued(tmp_path, "gap.ts", codec="libx264", gap=10_000)
    names = [*JOINED, *(f"one-{name}" for name in JOINED), "gap.ts"]
    why = reasons(videostar, tmp_path, names, "--pictures")
    assert set(why) == {*JOINED, "gap.ts"}
    assert all(line.startswith("joined: ") and "ffmpeg" in line for line in why.values()), why


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_joined_segments_of_one_recording_are_one_film(videostar: Command, tmp_path: Path, codec: str) -> None:
    continued(tmp_path, "a.ts", codec=codec)
    assert not reasons(videostar, tmp_path, ["a.ts"], "--pictures", "--set", "video.frames=50")
    done = videostar("frames", "a.ts", "--out", "sheet.png", "--frames", 4)
    seconds = float(done.stdout.split(" s, 25 fps")[0].split()[-1])
    assert seconds == pytest.approx(2, abs=0.1)  # a segment begins where the other one's last pictures are decoded
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[:-20]
    places = [left_of_block(cell) // 3 for cell in np.split(sheet, 4, axis=1)]
    assert places == pytest.approx([12, 36, 8, 32], abs=5)  # it comes back after 52 pixels


@pytest.mark.parametrize("name", ["a.ts", "b.mpg"])
def test_a_clock_that_runs_over_is_no_joint(videostar: Command, tmp_path: Path, name: str) -> None:
    with av.open(str(tmp_path / name), "w") as out:
        stream = out.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for at in range(50):
            frame = av.VideoFrame.from_ndarray(picture(7, at), format="rgb24")
            frame.pts, frame.time_base = at + 25 * (2**33 // 90000 - 1), Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    assert not reasons(videostar, tmp_path, [name], "--pictures")
    done = videostar("frames", name, "--out", "sheet.png", "--frames", 4)
    assert "2.00 s, 25 fps" in done.stdout, done.stdout


def other_files(folder: Path) -> dict[str, str]:
    """Files in place of videos, and a word that their detail must have."""
    size = f"oid sha256:{'0' * 64}\nsize 1234\n"
    texts = {
        "pointer.mp4": (f"version https://git-lfs.github.com/spec/v1\n{size}", "git lfs pull"),
        "page.mp4": ("\n\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "web page"),
        "page.webm": ("\ufeff<HTML>\n<HEAD></HEAD>\n</HTML>", "web page"),
        "xhtml.mp4": ('<?xml version="1.0"?>\n<!-- saved -->\n<html xmlns="x"></html>', "web page"),
        "error.mp4": ('{"error": {"code": 403}}', "JSON"),
        "error.mkv": ('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
        "list.mp4": ("#EXTM3U\n#EXTINF:1,\ngood100.mp4\n#EXT-X-ENDLIST\n", "playlist"),
        "ffconcat.mp4": ("ffconcat version 1.0\nfile good100.mp4\n", "playlist"),
        "note.mp4": ("to do: download\n", "text"),
    }
    for name, (text, _) in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    found = {name: word for name, (_, word) in texts.items()}
    for kind in ("jpeg", "png", "webp", "bmp", "tiff", "avif"):
        Image.fromarray(picture(1, 0)).save(folder / f"{kind}.mp4", format=kind)
        found[f"{kind}.mp4"] = "picture"
    (folder / "zeros.mp4").write_bytes(bytes(9999))
    for name, mode in (("a.tar.mp4", "w"), ("b.tgz.mp4", "w:gz")):
        with tarfile.open(folder / name, mode) as archive:  # type: ignore[call-overload]
            archive.add(folder / "note.mp4")
        found[name] = "archive"
    with zipfile.ZipFile(folder / "c.zip.mp4", "w") as opened:
        opened.write(folder / "note.mp4")
    return found | {"zeros.mp4": "zeros", "c.zip.mp4": "archive"}


def test_what_is_in_place_of_a_video_is_named(videostar: Command, tmp_path: Path) -> None:
    words = other_files(tmp_path)
    why = reasons(videostar, tmp_path, list(words))
    assert set(why) == set(words)
    assert {name: line for name, line in why.items() if not line.startswith("not a video: ")} == {}
    assert {name: line for name, line in why.items() if words[name] not in line} == {}


def test_a_very_wide_video_breaks_nothing(videostar: Command, tmp_path: Path) -> None:
    write_clip(tmp_path / "wide.mp4", 7, size=(2048, 8))
    write_clip(tmp_path / "tall.mp4", 8, size=(8, 2048))
    why = reasons(videostar, tmp_path, ["wide.mp4", "tall.mp4"], "--pictures")
    assert all("wide" in line or "tall" in line or "shape" in line for line in why.values())
    assert videostar("frames", "wide.mp4", "--out", "sheet.png").returncode == 0


def test_broken_videos_among_good_ones(videostar: Command, tmp_path: Path) -> None:
    write_clip(tmp_path / "whole.mp4", 1)
    write_clip(tmp_path / "three.mp4", 2, 3)
    write_clip(tmp_path / "one.mp4", 3, 1)
    write_clip(tmp_path / "moving.gif", 4, codec="gif", pixels="rgb8")
    half = write_clip(tmp_path / "half.mp4", 5).read_bytes()
    (tmp_path / "half.mp4").write_bytes(half[: len(half) // 2])
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(9999))
    names = ["whole.mp4", "three.mp4", "one.mp4", "moving.gif", "half.mp4", "empty.mp4", "noise.mp4", "gone.mp4"]
    for how in ((), ("--pictures",), ("--pictures", "--set", "video.still=skip")):
        why = reasons(videostar, tmp_path, names, *how)
        assert {name: line.partition(":")[0] for name, line in why.items()} == {
            "half.mp4": "not a video",
            "empty.mp4": "empty",
            "noise.mp4": "not a video",
            "gone.mp4": "missing",
        }
