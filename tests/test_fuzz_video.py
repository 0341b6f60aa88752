"""Thousands of broken files go through the worker processes: none crashes, hangs, leaks or raises anything new."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
import psutil
import pytest
from corpus import QUICK_AV1, QUICK_VP9, Make, new_program
from films import film, joined, sound

from videostar.config import Cache
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo, Reason
from videostar.video.pool import ClipPool
from videostar.video.sampling import Sampling

FRAMES = 4
PATIENCE = 60.0  # seconds for one file; a sound one takes 20 ms
AHEAD = 8  # files that are asked for at once
GROWTH = (
    48 * 2**20
)  # bytes by which the workers may grow over the last three quarters; one leaked picture a file is more


def small(codec: str = "libx264", **how: Any) -> Make:
    return partial(film, codec=codec, pictures=12, **how)


def with_sound(path: Path) -> None:
    folder = path.with_name("parts")
    folder.mkdir()
    joined(path, film(folder / "a.mp4", 12), sound(folder / "b.m4a", seconds=0.5))


MATERIAL: dict[str, Make] = {
    "h264.mp4": small(options={"bf": "2", "g": "6"}),
    "h264.mkv": small(options={"x264-params": "cabac=0:slices=2"}),
    "h264.ts": small(options={"x264-params": "open-gop=1:keyint=5"}),
    "h264.flv": small(),
    "fragments.mp4": small(muxing={"movflags": "frag_keyframe+empty_moov"}, options={"g": "4"}),
    "sound.mp4": with_sound,
    "programs.ts": new_program,
    "hevc.mp4": small("libx265", options={"x265-params": "log-level=none:pools=1:keyint=6"}),
    "vp9.webm": small("libvpx-vp9", options=QUICK_VP9),
    "vp8.webm": small("libvpx", options={"deadline": "realtime", "cpu-used": "8"}),
    "av1.mp4": small("libsvtav1", options=QUICK_AV1),
    "mpeg4.avi": small("mpeg4", options={"bf": "2"}),
    "mpeg2.mpg": small("mpeg2video", options={"bf": "2", "flags": "+ildct+ilme"}),
    "wmv2.asf": small("wmv2"),
    "mjpeg.mov": small("mjpeg", pixels="yuvj420p"),
    "colours.gif": small("gif", pixels="rgb8"),
    "ffv1.mkv": small("ffv1", pixels="yuva420p"),
    "prores.mov": small("prores_ks", pixels="yuva444p10le"),
}


def harmed(originals: list[bytes], number: int) -> bytes:
    """The broken file of that number, always the same."""
    rng = np.random.default_rng(number)
    content = bytearray(originals[number % len(originals)])
    for _ in range(rng.integers(1, 3)):
        place, length = int(rng.integers(len(content))), int(2 ** rng.uniform(0, 10))
        match rng.integers(7):
            case 0:  # anywhere
                for bit in rng.integers(0, 8 * len(content), length):
                    content[bit // 8] ^= 1 << (bit % 8)
            case 1:  # in the headers, which lie at either end
                edge = min(700, len(content))
                for at in rng.integers(-edge, edge, min(length, 20)):
                    content[at] = rng.integers(256)
            case 2:
                del content[max(1, place) :]
            case 3:
                del content[place : place + length]
            case 4:
                content[place : place + length] = rng.choice([b"\0", b"\xff"]) * length
            case 5:
                content[place:place] = content[place : place + length]
            case _:  # goes on as another film
                other = originals[int(rng.integers(len(originals)))]
                content[place:] = other[int(rng.integers(len(other))) :]
        if not content:
            content = bytearray(b"x")
    return bytes(content)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("originals")
    for name, make in MATERIAL.items():
        make(folder / name)
    return [(folder / name).read_bytes() for name in MATERIAL]


def workers() -> dict[int, psutil.Process]:
    """The processes below this one that decode; the others never hold a picture."""
    return {child.pid: child for child in psutil.Process().children(recursive=True)}


def held() -> tuple[int, int]:
    """Bytes in all the workers, and open files in them and here."""
    children = workers().values()
    memory = sum(child.memory_info().rss for child in children)
    return memory, sum(child.num_fds() for child in children) + psutil.Process().num_fds()


def outcomes(pool: ClipPool, folder: Path, originals: list[bytes], count: int) -> Iterator[Clip | BadVideo]:
    """What becomes of the broken files, in order. Fails when one takes too long or kills a worker."""
    asked: deque[tuple[Path, Future[Clip | BadVideo]]] = deque()
    for number in range(count + AHEAD):
        if number < count:
            path, content = folder / str(number), harmed(originals, number)
            path.write_bytes(content)
            asked.append((path, pool.submit(path, hashlib.sha256(content).hexdigest(), Sampling(FRAMES, 4096))))
        if number >= AHEAD:
            path, answer = asked.popleft()
            try:
                yield answer.result(PATIENCE)
            except TimeoutError:
                for worker in workers().values():
                    worker.kill()  # or the pool would wait for them
                pytest.fail(f"the file of number {path.name} takes more than {PATIENCE:.0f} s")
            path.unlink()


@pytest.mark.parametrize(
    "count", [pytest.param(2_500, marks=pytest.mark.slow), pytest.param(200_000, marks=pytest.mark.exhaustive)]
)
def test_broken_files_cost_nothing_but_themselves(originals: list[bytes], tmp_path: Path, count: int) -> None:
    found: Counter[str] = Counter()
    with ClipPool(Cache().frames()) as pool:
        each = outcomes(pool, tmp_path, originals, count)
        found.update(map(kind, islice(each, count // 4)))
        memory, files = held()
        began = set(workers())
        assert began
        found.update(map(kind, each))
        memory_after, files_after = held()
        assert set(workers()) == began, "a worker died"
    assert found.total() == count
    assert set(found) <= {"taken", *get_args(Reason)}
    assert min(found["taken"], found["unreadable"]) > count / 50, found  # neither all sound nor all hopeless
    assert memory_after - memory < GROWTH
    assert files_after <= files + AHEAD, "files stay open"


def kind(outcome: Clip | BadVideo) -> str:
    if isinstance(outcome, Clip):
        assert len(outcome.frames) == FRAMES
        return "taken"
    return outcome.reason
