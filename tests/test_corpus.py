"""Every kind of file of corpus.py is taken with the right pictures, or refused for a reason that fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest
from corpus import KINDS, Kind
from films import digest, number_in

from videostar.video.clip import Clip
from videostar.video.decode import decode
from videostar.video.errors import BadVideo
from videostar.video.probe import probe
from videostar.video.sample import frame_times

FRAMES = 6
MEMORY = 300 * 2**20  # bytes by which no kind may make this process grow


def number_at(kind: Kind, first: int, seconds: float) -> int:
    """What the picture shows that is on screen so long after the first one."""
    if kind.stamps is None:
        return first + int(30 * seconds + 0.03)
    return first + max(n for n, at in enumerate(kind.stamps) if at - kind.stamps[0] <= 1000 * seconds + 1)


def check_pictures(kind: Kind, clip: Clip) -> None:
    width, height = kind.size
    assert clip.frames.shape == (FRAMES, height, width, 3)
    if kind.readable:
        shown = [number_in(np.rot90(frame, kind.turned)) for frame in clip.frames]
        times = frame_times(clip.seconds, FRAMES)
        first = shown[0] - number_at(kind, 0, times[0]) if kind.first is None else kind.first
        for number, time in zip(shown, times, strict=True):
            assert 0 <= number_at(kind, first, time) - number <= kind.gaps, (shown, time)


Outcome = TypeVar("Outcome")


def tried(use: Callable[[], Outcome]) -> Outcome | BadVideo:
    """Nothing but BadVideo may come out."""
    try:
        return use()
    except BadVideo as bad:
        return bad


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_taken_or_refused_as_it_should(tmp_path: Path, name: str) -> None:
    kind, path = KINDS[name], tmp_path / name
    kind.make(path)
    before = psutil.Process().memory_info().rss
    facts, clip = tried(lambda: probe(path)), tried(lambda: decode(path, FRAMES, 10**6))
    assert psutil.Process().memory_info().rss - before < MEMORY
    if isinstance(facts, BadVideo):
        assert isinstance(clip, BadVideo)
        assert facts.reason == clip.reason
    if isinstance(clip, BadVideo):  # perhaps of a picture that probe does not decode
        assert clip.reason in kind.reasons, clip
        return
    assert not isinstance(facts, BadVideo)
    assert kind.taken, f"taken: {facts}"
    assert facts.sha256 == digest(path)
    assert (facts.seconds, facts.fps) == (clip.seconds, clip.fps)
    check_pictures(kind, clip)
