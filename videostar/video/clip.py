"""What a model sees of a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clip:
    """Sampled frames and when they are shown."""

    frames: np.ndarray  # uint8 [frames, height, width, 3], RGB
    times: tuple[float, ...]  # presentation time of each frame, seconds from the first picture
    fps: float  # frames per second of the file, on average
    seconds: float  # duration of the file
    key: str = ""  # equal keys, equal frames; empty: not known
