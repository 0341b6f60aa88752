"""Which moments of a video to look at."""

from __future__ import annotations

from dataclasses import dataclass

from videostar.video.errors import BadVideo


@dataclass(frozen=True)
class Sampling:
    """What is looked at of a video. Raises ValueError for what cannot be."""

    frames: int  # at most
    max_pixels: int  # of each
    fps: float | None = None  # at most so many frames a second, but two where there may be two
    span: tuple[float, float] | None = None  # seconds from the first picture; None: all

    def __post_init__(self) -> None:
        if self.frames < 1 or self.max_pixels < 1 or (self.fps is not None and not self.fps > 0):
            raise ValueError(f"cannot look at {self}")

    @property
    def key(self) -> str:
        """Equal keys, equal samplings."""
        rate = "" if self.fps is None else f"-{self.fps!r}fps"
        span = "" if self.span is None else f"-{self.span[0]!r}to{self.span[1]!r}"
        return f"{self.frames}x{self.max_pixels}{rate}{span}"

    def times(self, seconds: float) -> tuple[float, ...]:
        """The moments to look at in a video of so many seconds. Raises BadVideo when there is none in the span."""
        if self.span is None:
            return frame_times(seconds, self._count(seconds))
        start, end = max(0.0, self.span[0]), min(seconds, self.span[1])
        if start >= end:
            said = f"{self.span[0]:.2f} to {self.span[1]:.2f} s"
            raise BadVideo("not in the video", f"its label's interval, {said}; it has {seconds:.2f} s")
        return tuple(start + at for at in frame_times(end - start, self._count(end - start)))

    def _count(self, seconds: float) -> int:
        return self.frames if self.fps is None else min(self.frames, max(2, round(seconds * self.fps)))


def frame_times(seconds: float, frames: int) -> tuple[float, ...]:
    """The centres of `frames` equal shares of `seconds`, both positive, in seconds from the first picture.

    By time and not by counting pictures, so that a variable frame rate or a dropped picture shifts nothing.
    Raises ValueError for a duration or a count that is not positive.
    """
    if frames < 1 or not 0 < seconds < float("inf"):
        raise ValueError(f"cannot choose {frames} frames from {seconds} seconds")
    return tuple(seconds * ((2 * i + 1) / (2 * frames)) for i in range(frames))
