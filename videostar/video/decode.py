"""From a video file to the pictures that are on screen at the sampled times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from videostar.video.clip import Clip
from videostar.video.container import check_size, open_file
from videostar.video.decode_all import all_pictures
from videostar.video.decode_selected import ROUNDING, decode_stretches, plan_stretches, wanted_ticks
from videostar.video.errors import BadVideo
from videostar.video.reader import VideoReader, open_reader
from videostar.video.rgb import target_size, to_rgb
from videostar.video.sampling import Sampling

_FEW = 4  # pictures: fewer that are equal may be so by chance
_FLAT = 8  # of 255: what encoding makes of one colour


def decode(path: Path, sampling: Sampling, sha256: str | None = None, *, threads: int = 1) -> Clip:
    """The pictures at the times of `sampling`, decoded by so many threads (0: one a core).

    A frame is the picture on screen at its time, with that picture's own time in `Clip.times`: when there are fewer
    pictures than frames, pictures repeat. They keep the display aspect, are turned upright and are never enlarged.
    With `sha256` (hexadecimal) the file must have that content. Raises BadVideo for whatever is wrong with the file.
    """
    with open_file(path) as file:
        if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise BadVideo("unreadable", "changed since it was checked")
        with open_reader(file, threads) as video:
            if not video.hides_damage:
                return _sampled(video, sampling)
            # Where damage shifts what is decoded, threads for rows of a picture begin at other places than one does.
            with ThreadPoolExecutor(1) as beside:
                again = beside.submit(_again, path, sampling)
                clip = _sampled(video, sampling)
                if not np.array_equal(again.result().frames, clip.frames):
                    raise BadVideo("damaged", "two ways of decoding it see other pictures")
                return clip


def _again(path: Path, sampling: Sampling) -> Clip:
    with open_file(path) as file, open_reader(file, slices=True) as video:
        return _sampled(video, sampling)


def _sampled(video: VideoReader, sampling: Sampling) -> Clip:
    times = sampling.times(video.seconds)
    scaled = _Scaled(video.aspect, sampling.max_pixels)
    shown = _planned(video, times, scaled) or [(at, scaled(picture)) for at, picture in _on_screen(video, times)]
    images = np.stack([image for _, image in shown])
    if scaled.seen >= _FEW and not scaled.moved:
        flat = int(np.ptp(images[0], axis=(0, 1)).max()) <= _FLAT
        raise BadVideo("blank" if flat else "frozen", f"the same picture at {scaled.seen} times")
    return Clip(images, tuple(at for at, _ in shown), video.fps, video.seconds)


class _Scaled:
    """Pictures as the model sees them, all as large as the first; the same picture is scaled once.

    `seen` counts pictures, and `moved` says whether any of them differs from the one before, at full size.
    """

    def __init__(self, aspect: float, max_pixels: int) -> None:
        self._aspect, self._max_pixels = aspect, max_pixels
        self._size: tuple[int, int] | None = None
        self._last: tuple[VideoFrame, np.ndarray] | None = None
        self.seen, self.moved = 0, False

    def __call__(self, picture: VideoFrame) -> np.ndarray:
        if self._last is None or self._last[0] is not picture:
            check_size(picture.width, picture.height)
            self._size = self._size or target_size(picture.width, picture.height, self._aspect, self._max_pixels)
            self.moved = self.moved or (self._last is not None and not _same(self._last[0], picture))
            self.seen += 1
            self._last = picture, to_rgb(picture, *self._size)
        return self._last[1]


def _same(one: VideoFrame, other: VideoFrame) -> bool:
    """Whether two pictures are equal in their first plane: of brightness, or all there is."""
    return memoryview(one.planes[0]) == memoryview(other.planes[0])


def _planned(video: VideoReader, times: Sequence[float], scaled: _Scaled) -> list[tuple[float, np.ndarray]] | None:
    """What is on screen at each time, seen by decoding no more than that takes; None where that does not do."""
    if not video.index.complete or video.start_ticks is None:
        return None
    wanted = wanted_ticks(video, times)
    images = {tick: scaled(picture) for tick, picture in decode_stretches(video, plan_stretches(video, wanted))}
    if len(images) < len(set(wanted)):  # packets without a picture of their own, or keyframes that are none
        return None
    return [(float((tick - video.start_ticks) * video.tick), images[tick]) for tick in wanted]


def _on_screen(video: VideoReader, times: Iterable[float]) -> Iterator[tuple[float, VideoFrame]]:
    """For each of the ascending times the last picture shown by then. Reads one picture further than the last time."""
    shown = all_pictures(video)
    now, following = next(shown), next(shown, None)
    for time in times:
        while following is not None and following[0] <= time + ROUNDING:
            now, following = following, next(shown, None)
        yield now
