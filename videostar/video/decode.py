"""Decodes the pictures of a video that are on screen at the sampled times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from videostar.video.clip import Clip
from videostar.video.container import check_size, is_folder, open_file
from videostar.video.decode_all import all_pictures
from videostar.video.decode_selected import ROUNDING, decode_stretches, plan_stretches, wanted_ticks
from videostar.video.errors import BadVideo
from videostar.video.frame_folder import FrameFolder
from videostar.video.movement import Movement, make_clip
from videostar.video.reader import VideoReader, open_reader
from videostar.video.rgb import brightness, target_size, to_rgb
from videostar.video.sampling import Sampling


def decode(path: Path, sampling: Sampling, sha256: str | None = None, *, threads: int = 1) -> Clip:
    """The frames at the times of `sampling`, decoded by `threads` threads (0: one per core).

    A frame is the picture on screen at its time; `Clip.times` has the time at which that picture appeared. Pictures
    repeat if there are fewer of them than frames. Frames have the display aspect ratio, are upright and are never
    enlarged. `sha256`: the expected digest of the file (hexadecimal). Raises BadVideo if the file is bad or has another
    digest.
    """
    if is_folder(path):
        return sampling.accept(FrameFolder.open(path, sampling.rate).decode(sampling, sha256))
    with open_file(path) as file:
        if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise BadVideo("unreadable", "changed since it was checked")
        with open_reader(file, threads, rate=sampling.rate) as video:
            if not video.hides_damage:
                return sampling.accept(_sample(video, sampling))
            # Threads that decode rows of a picture start at other places than a single thread, so damage that shifts
            # the coded data gives other pictures.
            with ThreadPoolExecutor(1) as executor:
                by_slices = executor.submit(_decode_by_slices, path, sampling)
                clip = _sample(video, sampling)
                if not np.array_equal(by_slices.result().frames, clip.frames):
                    raise BadVideo("damaged", "two ways of decoding give different pictures")
                return sampling.accept(clip)


def _decode_by_slices(path: Path, sampling: Sampling) -> Clip:
    with open_file(path) as file, open_reader(file, slices=True, rate=sampling.rate) as video:
        return _sample(video, sampling)


def _sample(video: VideoReader, sampling: Sampling) -> Clip:
    times = sampling.times(video.seconds)
    scaler = _Scaler(video, sampling.max_pixels)
    shown = _decode_selected(video, times, scaler) or [(at, scaler(p)) for at, p in _decode_all(video, times)]
    return make_clip(shown, times, scaler.movement.seen, video.fps, video.seconds)


class _Scaler:
    """Scales pictures to frames, all of the size of the first; a picture that repeats is scaled once."""

    def __init__(self, video: VideoReader, max_pixels: int) -> None:
        self._video, self._max_pixels = video, max_pixels
        self._size: tuple[int, int] | None = None
        self._last: tuple[VideoFrame, np.ndarray] | None = None
        self.movement = Movement()

    def __call__(self, picture: VideoFrame) -> np.ndarray:
        if self._last is None or self._last[0] is not picture:
            check_size(picture.width, picture.height)
            self._size = self._size or target_size(picture.width, picture.height, self._video.aspect, self._max_pixels)
            if not self.movement.seen:
                self.movement.add(brightness(picture))
            self._last = picture, to_rgb(picture, *self._size, self._video.orientation)
        return self._last[1]


def _decode_selected(
    video: VideoReader, times: Sequence[float], scaler: _Scaler
) -> list[tuple[float, np.ndarray]] | None:
    """The time and frame of the picture on screen at each time, from the needed packets alone; None if unknown."""
    if not video.index.complete or video.start_ticks is None:
        return None
    wanted = wanted_ticks(video, times)
    images = {tick: scaler(picture) for tick, picture in decode_stretches(video, plan_stretches(video, wanted))}
    if len(images) < len(set(wanted)):  # some packets have no picture, or are not really keyframes
        return None
    return [(float((tick - video.start_ticks) * video.tick), images[tick]) for tick in wanted]


def _decode_all(video: VideoReader, times: Iterable[float]) -> Iterator[tuple[float, VideoFrame]]:
    """The last picture shown by each of the ascending times. Decodes one picture beyond the last time."""
    shown = all_pictures(video)
    now, following = next(shown), next(shown, None)
    for time in times:
        while following is not None and following[0] <= time + ROUNDING:
            now, following = following, next(shown, None)
        yield now
