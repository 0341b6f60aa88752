"""Which moments of a video to look at."""

from __future__ import annotations


def frame_times(seconds: float, frames: int) -> tuple[float, ...]:
    """The centres of `frames` equal shares of `seconds`, both positive, in seconds from the first picture.

    By time and not by counting pictures, so that a variable frame rate or a dropped picture shifts nothing.
    Raises ValueError for a duration or a count that is not positive.
    """
    if frames < 1 or not 0 < seconds < float("inf"):
        raise ValueError(f"cannot choose {frames} frames from {seconds} seconds")
    return tuple(seconds * ((2 * i + 1) / (2 * frames)) for i in range(frames))
