"""Whether anything moves in a video, the same for every codec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videostar.video.clip import Clip
from videostar.video.errors import BadVideo

BLOCK = 8  # pixels: brightness is compared as its mean over blocks of this width and height

# Of 255: encoders at their default quality change the mean brightness of a block by at most 4, and 4 x 4 pixels that
# move change it by more than 8 if they are brighter or darker than their background by 33.
_MAX_NOISE = 8
_MAX_COLOUR_NOISE = 32  # the same of red, green and blue, which encoders change more
_MAX_FLAT_RANGE = 8  # of 255: encoding changes a single colour by less
# Fewer frames, or a shorter part of a video, may show no movement by chance.
_MIN_FRAMES, _MIN_SECONDS = 4, 0.99


class Movement:
    """Compares pictures with the first one."""

    def __init__(self) -> None:
        self.seen = False  # whether a picture differs from the first one by more than encoding may change it
        self._first: np.ndarray | None = None

    def add(self, brightness: np.ndarray) -> None:
        """Add the mean brightness of each block of a picture, 0 to 255 as int16 [rows, columns]."""
        if self._first is None:
            self._first = brightness
        if brightness.shape != self._first.shape or int(np.abs(brightness - self._first).max()) > _MAX_NOISE:
            self.seen = True


def make_clip(
    shown: Sequence[tuple[float, np.ndarray]], times: Sequence[float], moved: bool, fps: float, seconds: float
) -> Clip:
    """The clip of the frames `shown` at the sampled `times`. Raises BadVideo if all are of one and the same colour."""
    images = np.stack([image for _, image in shown])
    still = (
        not moved
        and len(times) >= _MIN_FRAMES
        and len(times) * (times[1] - times[0]) >= _MIN_SECONDS
        and not _changes_colour(images)
    )
    if still and int(np.ptp(images, axis=(0, 1, 2)).max()) <= _MAX_FLAT_RANGE:
        raise BadVideo("blank", f"the same colour everywhere at {len(times)} times")
    return Clip(images, tuple(at for at, _ in shown), fps, seconds, still)


def _changes_colour(images: np.ndarray) -> bool:
    """Whether frames, uint8 [frames, rows, columns, 3], differ in colour where their brightness does not."""
    count, rows, columns, _ = images.shape
    size = min(BLOCK, rows, columns)
    whole = images[:, : rows // size * size, : columns // size * size]
    means = whole.reshape(count, rows // size, size, columns // size, size, 3).mean((2, 4))
    return bool(np.abs(means - means[0]).max() > _MAX_COLOUR_NOISE)
