"""The same frames to the bit, by whatever strategy, in however many threads, and with every later version.

`data/films/` are clips of 40 pictures from the encoders of PyAV 18 (`films.waves`, 96 x 72).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from videostar.video.container import open_file
from videostar.video.decode import decode
from videostar.video.decode_all import all_pictures
from videostar.video.reader import open_reader
from videostar.video.rgb import to_rgb
from videostar.video.sampling import Sampling

FILMS = Path(__file__).parent / "data" / "films"
PIXELS = 48 * 36

GOLDEN = {
    ("av1.mp4", 4): "b565f0c86bf8045a",
    ("av1.mp4", 16): "ab2219308991db7a",
    ("h264-one-gop.mkv", 4): "b786bd74bd4df0eb",
    ("h264-one-gop.mkv", 16): "e36e2896fc542533",
    ("h264-open-gop.mp4", 4): "dd21bed7f0911e82",
    ("h264-open-gop.mp4", 16): "4eb08df00b4b5802",
    ("hevc.mp4", 4): "d82cf2a447db14d4",
    ("hevc.mp4", 16): "335c07dfdffefe68",
    ("mpeg2.ts", 4): "07aca4a591383213",
    ("mpeg2.ts", 16): "763ace2a883bfb0b",
    ("mpeg4-b-frames.avi", 4): "9ffa40c71f8a20ae",
    ("mpeg4-b-frames.avi", 16): "1655f77494dac8bd",
    ("vp9.webm", 4): "07b2da200b17998d",
    ("vp9.webm", 16): "dd5eefc2a4371d16",
}


def digest(images: np.ndarray) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()[:16]


def in_sequence(path: Path, times: tuple[float, ...], size: tuple[int, int]) -> np.ndarray:
    """The pictures of those times, out of all that are decoded from the first to the last."""
    with open_file(path) as file, open_reader(file) as film:
        shown = {round(at, 4): to_rgb(picture, *size) for at, picture in all_pictures(film)}
    return np.stack([shown[round(at, 4)] for at in times])


@pytest.mark.parametrize(("name", "frames"), GOLDEN)
def test_frames_are_those_of_every_strategy_and_version(name: str, frames: int) -> None:
    path = FILMS / name
    clip = decode(path, Sampling(frames, PIXELS))
    assert clip.frames.shape == (frames, 36, 48, 3)
    assert digest(clip.frames) == GOLDEN[name, frames]
    for threads in (0, 2, 3):
        again = decode(path, Sampling(frames, PIXELS), threads=threads)
        assert again.times == clip.times
        assert np.array_equal(again.frames, clip.frames)
    assert np.array_equal(in_sequence(path, clip.times, (48, 36)), clip.frames)
