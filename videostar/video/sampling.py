"""Chooses the times at which a video is sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from videostar.video.clip import Clip
from videostar.video.errors import BadVideo


@dataclass(frozen=True)
class Sampling:
    """The number, size and part of a video of the frames to sample. Raises ValueError if a number is not positive."""

    frames: int  # at most
    max_pixels: int  # of each frame
    fps: float | None = None  # sampled frames per second of video; there are at least two frames if `frames` allows it
    span: tuple[float, float] | None = None  # seconds from the first picture; None: the whole video
    rate: float | None = None  # pictures per second of a video that does not state it; ignored for others
    still: Literal["keep", "skip"] = "keep"  # videos in which nothing moves; does not change the frames of others

    def __post_init__(self) -> None:
        if self.frames < 1 or self.max_pixels < 1 or (self.fps is not None and not self.fps > 0):
            raise ValueError(f"not positive: {self}")

    @property
    def key(self) -> str:
        """A key for caches; samplings with equal keys give equal frames."""
        rate = "" if self.fps is None else f"-{self.fps!r}fps"
        span = "" if self.span is None else f"-{self.span[0]!r}to{self.span[1]!r}"
        stated = "" if self.rate is None else f"-at{self.rate!r}"
        return f"{self.frames}x{self.max_pixels}{rate}{span}{stated}"

    def accept(self, clip: Clip) -> Clip:
        """`clip`. Raises BadVideo if nothing moves in it and such videos are to be skipped."""
        if clip.still and self.still == "skip":
            raise BadVideo("still", f"nothing moves at {len(clip.times)} times; --set video.still=keep uses it")
        return clip

    def times(self, seconds: float) -> tuple[float, ...]:
        """The times to sample in a video of `seconds`, ascending. Raises BadVideo if the span is not in the video."""
        if self.span is None:
            return frame_times(seconds, self._count(seconds))
        start, end = max(0.0, self.span[0]), min(seconds, self.span[1])
        if start >= end:
            span = f"{self.span[0]:.2f} to {self.span[1]:.2f} s"
            raise BadVideo("not in the video", f"its label's interval, {span}; it has {seconds:.2f} s")
        return tuple(start + at for at in frame_times(end - start, self._count(end - start)))

    def _count(self, seconds: float) -> int:
        return self.frames if self.fps is None else min(self.frames, max(2, round(seconds * self.fps)))


def frame_times(seconds: float, frames: int) -> tuple[float, ...]:
    """The centres of `frames` equal parts of a video of `seconds`, in seconds from the first picture.

    Times rather than picture numbers, so that variable frame rates and dropped pictures change nothing. Raises
    ValueError if a number is not positive.

    >>> frame_times(8.0, 4)
    (1.0, 3.0, 5.0, 7.0)
    """
    if frames < 1 or not 0 < seconds < float("inf"):
        raise ValueError(f"cannot choose {frames} frames from {seconds} seconds")
    return tuple(seconds * ((2 * i + 1) / (2 * frames)) for i in range(frames))
