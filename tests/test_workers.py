"""Worker processes that die, hang or take too much: each costs its own file."""

from __future__ import annotations

import os
import shutil
import signal
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from videostar.util.files import digest
from videostar.video import workers as module
from videostar.video.cache import FrameCache
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.object_cache import ObjectCache
from videostar.video.pool import ClipPool, Prefetch
from videostar.video.probe import probe
from videostar.video.sampling import Sampling
from videostar.video.worker_server import MEMORY
from videostar.video.workers import Workers


def processes() -> list[psutil.Process]:
    """The worker processes of this one."""
    found = []
    for server in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # killed just now
            found += server.children() if "videostar.video.worker" in " ".join(server.cmdline()) else []
    return found


def test_a_call_that_kills_its_process_is_a_bad_video_and_no_other_is_touched() -> None:
    with Workers(2) as workers:
        calls = [workers.submit(workers.call, os.path.basename, f"x/{number}") for number in range(20)]
        killed = workers.submit(workers.call, signal.raise_signal, signal.SIGKILL)
        calls += [workers.submit(workers.call, os.path.basename, f"x/{number}") for number in range(20, 40)]
        assert [call.result() for call in calls] == [str(number) for number in range(40)]
        bad = killed.result()
    assert isinstance(bad, BadVideo)
    assert str(bad) == "unreadable: it crashes the process that opens it"


def test_a_file_whose_process_was_killed_by_chance_is_asked_for_again() -> None:
    with Workers(1) as workers:
        first = workers.submit(workers.call, os.getpid).result()
        os.kill(first, signal.SIGKILL)
        second = workers.submit(workers.call, os.getpid).result()
        assert second not in (first, os.getpid())


def test_processes_give_way_to_the_one_that_waits_for_them() -> None:
    with Workers(1) as workers:
        assert workers.submit(workers.call, os.nice, 0).result() == min(os.nice(0) + 10, 19)


def test_a_process_that_hangs_is_killed_and_costs_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with Workers(1) as workers:
        hung = psutil.Process(workers.submit(workers.call, os.getpid).result())
        monkeypatch.setattr(module, "SECONDS", 1.0)
        bad = workers.submit(workers.call, signal.raise_signal, signal.SIGSTOP).result()
        assert isinstance(bad, BadVideo)
        assert (bad.reason, bad.detail) == ("too slow", "not finished after 1 s")
        assert workers.submit(workers.call, os.getpid).result() != hung.pid
        assert psutil.wait_procs([hung], timeout=10)[1] == []


def test_a_call_that_takes_too_much_memory_is_a_bad_video() -> None:
    with Workers(1) as workers:
        bad = workers.submit(workers.call, bytearray, 2 * MEMORY).result()
        assert isinstance(bad, BadVideo)
        assert bad.reason == "too large"


def test_errors_of_the_system_are_raised_and_bad_videos_given(tmp_path: Path) -> None:
    with Workers(1) as workers:
        with pytest.raises(FileNotFoundError):
            workers.submit(workers.call, os.stat, tmp_path / "none").result()
        bad = workers.submit(workers.call, probe, tmp_path / "none").result()
        assert isinstance(bad, BadVideo)
        assert bad.reason == "missing"


def test_a_process_that_cannot_start_is_no_files_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROGRAM", "")  # which ends at once
    monkeypatch.setattr(module, "_server", module._Server())
    with Workers(1) as workers, pytest.raises(RuntimeError, match="before it was ready"):
        workers.submit(workers.call, os.getpid).result()


def test_the_end_waits_for_no_call_and_leaves_no_process() -> None:
    started = time.monotonic()
    with Workers(2) as workers:
        calls = [workers.submit(workers.call, time.sleep, 300) for _ in range(4)]
        while len(processes()) < 2:
            time.sleep(0.05)
        there = processes()
    assert time.monotonic() - started < 60
    for call in calls:
        with pytest.raises(CancelledError):
            call.result()
    assert psutil.wait_procs(there, timeout=10)[1] == []


def test_a_hung_decoder_costs_one_clip_and_a_full_cache_needs_none(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)  # one process
    videos = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:6]
    files = [(Path(shutil.copy(path, tmp_path)), digest(path), Sampling(4, 4096)) for path in videos]
    cache = FrameCache(tmp_path / "cache", 2**30, ObjectCache(tmp_path, 0))
    with ClipPool(cache) as pool:
        assert isinstance(pool.submit(*files[0]).result(), Clip)
        monkeypatch.setattr(module, "SECONDS", 5.0)
        for process in processes():
            process.suspend()
        clips = list(Prefetch(pool, files).get())
    assert [isinstance(clip, BadVideo) and clip.reason for clip in clips] == [False, "too slow", *[False] * 4]
    psutil.wait_procs(processes(), timeout=10)
    for path, _, _ in files:
        path.unlink()
    with ClipPool(cache) as pool:
        again = list(Prefetch(pool, [*files[:1], *files[2:]]).get())
        assert all(isinstance(clip, Clip) for clip in again)
        assert not processes()
