"""The times of packets: what they span, and whether they are those of one recording."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from videostar.video.errors import BadVideo

_BROADCAST = ("mpegts", "mpeg")  # formats whose clock may start anywhere, and which ffmpeg makes continuous
_REORDERED = 4  # pictures by which a derived clock may go back
_MAX_GAP = 10.0  # seconds without a picture


class Span:
    """The time from the first to the last packet of one stream, by the file's clock."""

    def __init__(self, step: float, tick: Fraction | None) -> None:
        """`step`: duration of a packet without one, in seconds. `tick`: seconds."""
        self._tick = tick or Fraction(1, 1_000_000)
        self._step = step / self._tick
        self._start, self._last, self._end = math.inf, -self._step, 0.0
        self.count = 0

    def add(self, at: int | None, length: int | None) -> None:
        """Add a packet's time and duration, in ticks; without a time it follows the packet before."""
        start = self._last + self._step if at is None else at
        self._start = min(self._start, start)
        self._last = max(self._last, start)
        self._end = max(self._end, start + (length or self._step))
        self.count += 1

    @property
    def start_seconds(self) -> float:
        """Seconds when the first packet is shown; infinite without packets."""
        return float(self._start * self._tick)

    @property
    def last_seconds(self) -> float:
        """Seconds when the last packet is shown."""
        return float(self._last * self._tick)

    @property
    def end_seconds(self) -> float:
        """Seconds when the last packet ends."""
        return float(self._end * self._tick)


def check_joined(times: np.ndarray, step: float, container: str) -> None:
    """Raises BadVideo if the clock of packets jumps, as it does in files that were appended to one another.

    `times`: when packets are decoded, in seconds; those of one recording never go back. In the formats of broadcasts a
    jump forward counts too if it is longer than all the rest. A single wrong time is no jump: two packets before and
    two after it must agree. `step`: usual seconds between two packets; `container`: ffmpeg's name of the format.
    """
    if len(times) < 4:
        return
    one, two, three, four = times[:-3], times[1:-2], times[2:-1], times[3:]
    back = np.minimum(one, two) - np.maximum(three, four)
    forward = np.minimum(three, four) - np.maximum(one, two)
    if back.max() > _REORDERED * step:
        place = int(back.argmax())
    elif container in _BROADCAST and forward.max() > max(_MAX_GAP, (times[-1] - times[0]) / 2):
        place = int(forward.argmax())
    else:
        return
    jump = f"its clock jumps from {times[place + 1]:.2f} to {times[place + 2]:.2f} s"
    how = "-i IN" if container in _BROADCAST else "-f concat -i LIST_OF_PARTS"
    raise BadVideo("joined", f"{jump}: it is made of several files; make one of them: ffmpeg {how} -c copy OUT.mp4")
