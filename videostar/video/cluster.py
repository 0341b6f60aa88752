"""The protocol of a cluster, whose nodes open videos instead of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.sampling import Sampling


class Measures(NamedTuple):
    """What is known of a good video once it was opened."""

    sha256: str  # hexadecimal, of its content
    seconds: float


class SampledClip(NamedTuple):
    """What is known of a clip without its pixels."""

    shape: tuple[int, ...]  # frames, height, width, 3
    still: bool  # nothing moves in it

    @classmethod
    def of(cls, clip: Clip) -> SampledClip:
        """That of `clip`."""
        return cls(clip.frames.shape, clip.still)


class VideoCluster(Protocol):
    """Nodes that see the videos under the same paths.

    Results come in any order. Videos for which the nodes' processes end again and again have none: they are left to
    this machine. Raises UserError if a node lacks a file or a folder, or room for frames.
    """

    def measure(self, videos: Sequence[Path], rate: float | None) -> Iterator[tuple[Path, Measures | BadVideo]]:
        """Each video with its measures. `rate`: pictures per second of videos that do not state it."""
        ...

    def sample(
        self, files: Sequence[tuple[Path, str, Sampling]]
    ) -> Iterator[tuple[tuple[Path, str, Sampling], SampledClip | BadVideo]]:
        """Each file (a video, its SHA-256, its frames) with what is known of its clip, which its node caches."""
        ...
