"""Videos as people have them: each is used, or skipped with a reason that names the cause and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Command
from ordinary_data import HEIGHT, WIDTH, checked, picture, told, write_clip, write_film, write_rows


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


def test_a_film_of_one_colour_is_never_used(videostar: Command, tmp_path: Path) -> None:
    for name, codec in (("black.mp4", "libx264"), ("black.webm", "libvpx-vp9"), ("black.avi", "mpeg4")):
        write_film(tmp_path / name, [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 24, codec=codec)
        assert "blank" in reasons(videostar, tmp_path, [name], "--pictures")[name]
        assert "blank" in told(videostar, "frames", name, "--out", "sheet.png")
