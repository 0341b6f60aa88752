"""Every kind of file of corpus.py is taken with the right pictures, or refused for a reason that fits."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest
from commands import Command
from corpus import KINDS, Kind
from films import digest, film, number_in

from videostar.config import Cache
from videostar.video.clip import Clip
from videostar.video.decode import decode
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipPool, Prefetch
from videostar.video.probe import probe
from videostar.video.sampling import Sampling, frame_times

FRAMES = 6
PIXELS = 10**6
MEMORY = 300 * 2**20  # bytes by which no kind may make this process grow

Outcome = TypeVar("Outcome")
Corpus = Callable[[str], Path]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The file of a kind, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("corpus")

    @cache
    def file(name: str) -> Path:
        KINDS[name].make(folder / name)
        return folder / name

    return file


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


def tried(use: Callable[[], Outcome]) -> Outcome | BadVideo:
    """Nothing but BadVideo may come out."""
    try:
        return use()
    except BadVideo as bad:
        return bad


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_taken_or_refused_as_it_should(corpus: Corpus, name: str) -> None:
    kind, path = KINDS[name], corpus(name)
    before = psutil.Process().memory_info().rss
    facts, clip = tried(lambda: probe(path)), tried(lambda: decode(path, Sampling(FRAMES, PIXELS)))
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


FEW = [
    "h264-b-frames.mp4",
    "vp9.webm",
    "turned-90.mp4",
    "2x2.mp4",
    "hls.mp4",
    "cut-50-h264.mkv",
    "sound.mp4",
    "huge.mov",
]


def test_worker_processes_give_the_same_and_live_on(corpus: Corpus) -> None:
    files = [(path, digest(path), Sampling(FRAMES, PIXELS)) for path in map(corpus, FEW)]
    with ClipPool(Cache().frames()) as pool:
        outcomes = list(Prefetch(pool, files).get())
    for (path, _, _), outcome in zip(files, outcomes, strict=True):
        alone = tried(partial(decode, path, Sampling(FRAMES, PIXELS)))
        if isinstance(alone, BadVideo):
            assert isinstance(outcome, BadVideo)
            assert str(outcome) == str(alone)  # and not that a process died of it
        else:
            assert isinstance(outcome, Clip)
            assert outcome.times == alone.times
            assert np.array_equal(outcome.frames, alone.frames)


def test_check_sets_aside_what_the_corpus_says(corpus: Corpus, videostar: Command, tmp_path: Path) -> None:
    for name in FEW:
        shutil.copy(corpus(name), tmp_path / name)
    film(tmp_path / "held-out.mp4", 30)
    refused = [tried(partial(probe, corpus(name))) for name in FEW]
    expected = Counter(bad.reason for bad in refused if isinstance(bad, BadVideo))
    assert problems(videostar, tmp_path, [*FEW, "held-out.mp4"]) == dict(expected)


def problems(videostar: Command, root: Path, names: Sequence[str]) -> dict[str, int]:
    """What `videostar check` counts for videos of one class, of which the last one is held out."""
    rows = [f"{name},run,{'test' if name == names[-1] else 'train'}" for name in names]
    (root / "my.csv").write_text("\n".join(["video,label,split", *rows]) + "\n")
    done = videostar("check", root / "my.csv", "--json")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return {
        problem["what"]: problem["count"] for problem in json.loads(done.stdout)["problems"] if problem["loses_data"]
    }
