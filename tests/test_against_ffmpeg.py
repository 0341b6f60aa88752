"""Real clips give the pictures that the `ffmpeg` program gives at the same times."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from videostar.video.decode import decode
from videostar.video.sampling import Sampling, frame_times

SAME_SCALER = "scale={}:{}:flags=bicubic+accurate_rnd+bitexact,format=rgb24"


def program(*words: object) -> bytes:
    done = subprocess.run([*map(str, words)], capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@cache
def shown_by_ffmpeg(path: Path, height: int, width: int) -> tuple[list[float], np.ndarray]:
    """When each picture is shown, in seconds from the first one, and all of them, scaled as ours are."""
    scaler = SAME_SCALER.format(width, height)
    raw = program(
        *("ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", scaler),
        *("-f", "rawvideo", "-"),
    )
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    if path.suffix == ".avi":  # knows no times of showing, only a rate
        rate = Fraction(asked(path, "stream=r_frame_rate")[0])
        return [float(number / rate) for number in range(len(pictures))], pictures
    times = [float(time) for time in asked(path, "frame=best_effort_timestamp_time")]
    assert len(pictures) == len(times)
    return [time - times[0] for time in times], pictures


def asked(path: Path, what: str) -> list[str]:
    words = ("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", what, "-of", "csv=p=0", path)
    return program(*words).decode().replace(",", "").split()


@pytest.mark.ffmpeg
@pytest.mark.shared
@pytest.mark.parametrize("frames", [1, 8, 33])
@pytest.mark.parametrize("name", ["test.avi", "part_0.mp4", "demo_spatiotemporal_det.mp4"])
def test_the_pictures_of_ffmpeg_at_the_same_times(shared: Path, name: str, frames: int) -> None:
    path = shared / "clips" / name
    clip = decode(path, Sampling(frames, 10**9))
    _, height, width, _ = clip.frames.shape
    times, pictures = shown_by_ffmpeg(path, height, width)
    for image, at, wanted in zip(clip.frames, clip.times, frame_times(clip.seconds, frames), strict=True):
        shown = max(number for number, time in enumerate(times) if time <= wanted + 0.001)
        assert at == pytest.approx(times[shown], abs=0.001)
        assert np.abs(image.astype(int) - pictures[shown]).mean() < 2
