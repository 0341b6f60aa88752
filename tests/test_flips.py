"""Of files with flipped bits, nearly all whose pictures are wrong are found, in the codecs that videos come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from corpus import QUICK_AV1, QUICK_VP9
from films import film, waves

from videostar.video.decode import decode
from videostar.video.errors import BadVideo
from videostar.video.rgb import to_rgb
from videostar.video.sampling import Sampling, frame_times

FRAMES = 8
PIXELS = 448 * 448
FOUND = 0.95
BITS = (2, 10, 60)  # flipped in a file
PATCH = 16  # pixels a side: what a model sees as one

X265 = "log-level=none:pools=1:"
FILMS: dict[str, tuple[str, dict[str, str]]] = {
    "h264.mp4": ("libx264", {"g": "30", "bf": "2"}),
    "h264.mkv": ("libx264", {"g": "250", "crf": "30"}),
    "cavlc.mp4": ("libx264", {"x264-params": "cabac=0:keyint=24"}),
    "slices.ts": ("libx264", {"x264-params": "slices=4:keyint=12"}),
    "hevc.mp4": ("libx265", {"x265-params": X265 + "keyint=24", "preset": "superfast"}),
    "hevc.mkv": ("libx265", {"x265-params": X265 + "keyint=250:bframes=4", "preset": "superfast"}),
    "hevc.ts": ("libx265", {"x265-params": X265 + "keyint=12:open-gop=1", "preset": "superfast"}),
    "vp9.webm": ("libvpx-vp9", QUICK_VP9 | {"g": "24", "b": "900k"}),
    "vp9.mp4": ("libvpx-vp9", QUICK_VP9 | {"g": "250", "b": "400k"}),
    "av1.webm": ("libsvtav1", QUICK_AV1 | {"g": "30"}),
    "av1.mp4": ("libsvtav1", QUICK_AV1 | {"g": "250"}),
    "mpeg4.avi": ("mpeg4", {"g": "12", "b": "900k"}),
    "mpeg4.mp4": ("mpeg4", {"g": "250", "b": "600k", "bf": "2"}),
}


def visibly_wrong(images: np.ndarray | None, sound: np.ndarray) -> bool:
    """Whether a picture differs by 2 of 255 on average, or by 20 on a patch; None: there are no pictures."""
    if images is None or images.shape != sound.shape:
        return True
    off = np.abs(images.astype(int) - sound).mean(axis=3)
    frames, height, width = off.shape
    rows, columns = height // PATCH, width // PATCH
    patches = off[:, : rows * PATCH, : columns * PATCH].reshape(frames, rows, PATCH, columns, PATCH).mean(axis=(2, 4))
    return bool(off.mean(axis=(1, 2)).max() > 2 or patches.max() > 20)


def seen_without_checks(path: Path, seconds: float, shape: tuple[int, ...]) -> np.ndarray | None:
    """What a decoder shows that goes over errors, at the times of the samples."""
    pictures: dict[float, av.VideoFrame] = {}
    try:
        with av.open(str(path), metadata_errors="replace") as opened:
            for packet in opened.demux(opened.streams.video[0]):
                try:
                    pictures.update((picture.time or 0.0, picture) for picture in packet.decode())
                except av.FFmpegError:
                    continue
    except (av.FFmpegError, IndexError):  # no stream, or one that appears later
        pass
    if not pictures:
        return None
    times = sorted(pictures)
    at = [max([time for time in times if time - times[0] <= wanted + 0.001]) for wanted in frame_times(seconds, FRAMES)]
    return np.stack([to_rgb(pictures[time], shape[2], shape[1]) for time in at])


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, pytest.param(8, marks=pytest.mark.exhaustive)])  # for 13 films and 3 rates each
def test_nearly_all_files_with_wrong_pictures_are_found(tmp_path: Path, seeds: int) -> None:
    wrong: list[str] = []
    missed: list[str] = []
    for name, (codec, options) in FILMS.items():
        good = film(tmp_path / name, 48, codec, options, size=(256, 192), draw=waves)
        content = np.frombuffer(good.read_bytes(), np.uint8)
        sound = decode(good, Sampling(FRAMES, PIXELS))
        for bits in BITS:
            for seed in range(seeds):
                damaged = content.copy()
                for place in np.random.default_rng([bits, seed]).integers(0, 8 * len(content), bits):
                    damaged[place // 8] ^= 1 << (place % 8)
                path = tmp_path / f"{bits}-{seed}-{name}"
                path.write_bytes(damaged.tobytes())
                try:
                    images: Any = decode(path, Sampling(FRAMES, PIXELS)).frames
                except BadVideo:
                    if visibly_wrong(seen_without_checks(path, sound.seconds, sound.frames.shape), sound.frames):
                        wrong.append(path.name)
                else:
                    if visibly_wrong(images, sound.frames):
                        wrong.append(path.name)
                        missed.append(path.name)
                path.unlink()
    assert len(wrong) > 25 * seeds, "the damage is too slight to tell anything"
    assert len(missed) <= (1 - FOUND) * len(wrong), f"of {len(wrong)}: {missed}"
