"""The frame cache: the same frames at every use, whoever else uses it, and never more of them than it may hold."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from commands import Command
from opens import Opens

from videostar.util.files import digest
from videostar.video.cache import FrameCache
from videostar.video.clip import Clip
from videostar.video.decode import decode
from videostar.video.errors import BadVideo
from videostar.video.folder_quota import FolderQuota
from videostar.video.object_cache import ObjectCache
from videostar.video.sampling import Sampling
from videostar.video.workers import Workers

ENDLESS = 2**40


def frame_cache(folder: Path, limit: int) -> FrameCache:
    return FrameCache(folder, limit, ObjectCache(folder / "videos", ENDLESS))


@pytest.fixture(scope="session")
def videos(world: Path) -> list[tuple[Path, str]]:
    """24 clips and their digests."""
    paths = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:24]
    return [(path, digest(path)) for path in paths]


def same(one: Clip | BadVideo, other: Clip) -> bool:
    return isinstance(one, Clip) and np.array_equal(one.frames, other.frames) and one.times == other.times


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def on_disk(folder: Path) -> int:
    """Bytes of the files in the folders below `folder`, while none comes or goes."""
    with (folder / ".bytes").open("rb") as count:
        fcntl.flock(count, fcntl.LOCK_EX)
        sizes: dict[int, int] = {}
        for path in folder.glob("*/*"):
            with suppress(FileNotFoundError):  # renamed
                facts = path.stat()
                sizes[facts.st_ino] = -(-facts.st_size // 4096) * 4096
        return sum(sizes.values())


def test_cached_frames_are_those_decoded_and_need_no_video(videos: list[tuple[Path, str]], tmp_path: Path) -> None:
    path = Path(shutil.copy(videos[0][0], tmp_path / "a.mp4"))
    sha256 = videos[0][1]
    direct = decode(path, Sampling(5, 4096))
    first = frame_cache(tmp_path / "cache", ENDLESS).clip(path, sha256, Sampling(5, 4096))
    path.unlink()
    later = frame_cache(tmp_path / "cache", ENDLESS).clip(path, sha256, Sampling(5, 4096))
    for clip in (first, later):
        assert np.array_equal(clip.frames, direct.frames)
        assert (clip.times, clip.fps, clip.seconds) == (direct.times, direct.fps, direct.seconds)
    assert first.key == later.key != ""
    with pytest.raises(BadVideo, match="missing"):  # another sampling is another entry
        frame_cache(tmp_path / "cache", ENDLESS).clip(path, sha256, Sampling(6, 4096))


def test_a_damaged_entry_is_found_and_made_again(videos: list[tuple[Path, str]], tmp_path: Path) -> None:
    cache = frame_cache(tmp_path, ENDLESS)
    good = cache.clip(*videos[0], Sampling(4, 4096))
    (entry,) = entries(tmp_path)
    cache.clip(*videos[0], Sampling(3, 4096))
    (other,) = set(entries(tmp_path)) - {entry}
    whole = entry.read_bytes()
    retold = whole.replace(b'"fps": ', b'"fps": 1')[: len(whole)]
    assert retold != whole
    for damage in (b"", b"junk", whole[:-10], whole + b"x", retold, other.read_bytes()):
        entry.write_bytes(damage)
        assert cache.read(videos[0][1], Sampling(4, 4096)) is None
        assert same(cache.clip(*videos[0], Sampling(4, 4096)), good)
        assert entry.read_bytes() == whole
    for place in range(0, len(whole), len(whole) // 40):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        entry.write_bytes(flipped)
        found = cache.read(videos[0][1], Sampling(4, 4096))
        assert found is None or same(found, good), place
    assert entries(tmp_path) == sorted([entry, other])


def test_a_video_that_changed_is_not_cached(videos: list[tuple[Path, str]], tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="unreadable: changed since it was checked"):
        frame_cache(tmp_path, ENDLESS).clip(videos[1][0], videos[0][1], Sampling(4, 4096))
    assert not entries(tmp_path)


def test_the_least_recently_used_go_first(videos: list[tuple[Path, str]], tmp_path: Path) -> None:
    for path, sha256 in videos[:10]:
        frame_cache(tmp_path, ENDLESS).make(path, sha256, Sampling(4, 4096))
    full = frame_cache(tmp_path, on_disk(tmp_path))
    for age, (_, sha256) in enumerate(videos[:10]):
        (entry,) = tmp_path.rglob(f"{sha256}*")
        os.utime(entry, (10**9 - age, 10**9 - age))  # the later ones were used earlier
    assert full.read(videos[9][1], Sampling(4, 4096)) is not None
    full.make(*videos[10], Sampling(4, 4096))
    left = [number for number, (_, sha256) in enumerate(videos) if full.read(sha256, Sampling(4, 4096)) is not None]
    assert {0, 9, 10} <= set(left)
    assert left == [*range(len(left) - 2), 9, 10]
    assert len(left) < 11


def test_an_entry_that_went_is_made_again(videos: list[tuple[Path, str]], tmp_path: Path) -> None:
    good = [decode(path, Sampling(4, 4096)) for path, _ in videos]
    cache = frame_cache(tmp_path, 150_000)
    for _ in range(2):
        for (path, sha256), clip in zip(videos, good, strict=True):
            assert same(cache.clip(path, sha256, Sampling(4, 4096)), clip)
    assert 0 < len(entries(tmp_path)) < len(videos)


def test_what_is_larger_than_the_whole_cache_is_not_kept(videos: list[tuple[Path, str]], tmp_path: Path) -> None:
    assert same(
        frame_cache(tmp_path, 4096).clip(*videos[0], Sampling(4, 4096)), decode(videos[0][0], Sampling(4, 4096))
    )
    assert not entries(tmp_path)


def asked(workers: Workers, cache: FrameCache, videos: list[tuple[Path, str]], times: int) -> Iterator[Future[Clip]]:
    for number in range(times):
        for path, sha256 in videos[number:] + videos[:number]:
            yield workers.submit(workers.call, cache.clip, path, sha256, Sampling(4, 4096))


def test_processes_that_write_and_read_at_once_stay_below_the_limit(
    videos: list[tuple[Path, str]], tmp_path: Path
) -> None:
    good = {sha256: decode(path, Sampling(4, 4096)) for path, sha256 in videos}
    for path, sha256 in videos[:8]:
        frame_cache(tmp_path, ENDLESS).make(path, sha256, Sampling(4, 4096))
    limit = on_disk(tmp_path)
    cache = frame_cache(tmp_path, limit)
    made = 0
    with Workers(4) as workers:
        for future, (_, sha256) in zip(list(asked(workers, cache, videos, 3)), videos * 9, strict=False):
            while not future.done():
                assert on_disk(tmp_path) <= limit
                found = cache.read(sha256, Sampling(4, 4096))  # while others make room
                assert found is None or any(same(found, clip) for clip in good.values())
            clip = future.result()
            assert any(same(clip, other) for other in good.values())
            made += 1
    assert made == 3 * len(videos)
    assert on_disk(tmp_path) <= cache.used() <= limit
    assert not [path for path in tmp_path.glob("*/*") if path.suffix != ".safetensors"]


def test_processes_that_make_the_same_entry_at_once(videos: list[tuple[Path, str]], tmp_path: Path) -> None:
    cache = frame_cache(tmp_path, ENDLESS)
    good = decode(videos[0][0], Sampling(4, 4096))
    with Workers(4) as workers:
        made = [workers.submit(workers.call, cache.make, *videos[0], Sampling(4, 4096)) for _ in range(12)]
        assert all(same(future.result(), good) for future in made)
    assert len(entries(tmp_path)) == 1
    assert len(list(tmp_path.glob("*/*"))) == 1
    found = cache.read(videos[0][1], Sampling(4, 4096))
    assert found is not None
    assert same(found, good)


def put(folder: Path, name: str, size: int, used: int) -> Path:
    """A file last used at `used` seconds."""
    path = folder / "aa" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (used, used))
    return path


def test_room_counts_what_was_there_before_and_what_crashes_left(tmp_path: Path) -> None:
    files = [put(tmp_path, name, 4096, used) for used, name in enumerate(("old-format", ".making-1", "new", "newer"))]
    quota = FolderQuota(tmp_path, 5 * 4096)
    assert quota.used() == 4 * 4096
    assert quota.reserve(tmp_path / "bb" / "next", 1)
    assert quota.used() == 5 * 4096
    assert all(file.exists() for file in files)
    assert quota.reserve(tmp_path / "bb" / "last", 4096)  # one too many: a tenth of the limit is freed
    assert [file.exists() for file in files] == [False, False, True, True]
    assert quota.used() == on_disk(tmp_path)
    assert not quota.reserve(tmp_path / "bb" / "large", 6 * 4096)
    assert not (tmp_path / "bb" / "large").exists()


@pytest.mark.parametrize("count", [b"", b"no number", b"12 34"])
def test_a_damaged_count_is_made_anew(tmp_path: Path, count: bytes) -> None:
    put(tmp_path, "a", 5000, 1)
    quota = FolderQuota(tmp_path, ENDLESS)
    assert quota.reserve(tmp_path / "bb" / "b", 100)
    (tmp_path / ".bytes").write_bytes(count)
    assert quota.used() == 8192 + 4096


def results(run: Path) -> dict[str, str]:
    """Digests of what a run answered and learned."""
    found = [*run.rglob("answers.jsonl"), *run.rglob("evaluation.jsonl"), *run.rglob("adapter_model.safetensors")]
    return {str(path.relative_to(run)): digest(path) for path in found}


@pytest.mark.slow
def test_a_run_opens_a_video_to_measure_it_to_sample_it_and_for_its_report(
    finished: tuple[Path, str], world: Path, quick: Path, videostar: Command, tmp_path: Path
) -> None:
    root = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "world")  # which nothing else opens
    clips = root / "clips"
    given = ("--pipeline", quick, "--root", root, "--set", f"mix.data={root / 'mix.jsonl'}", "--cache", "cache")
    with Opens(clips / "train", clips / "test") as asked, Opens(clips / "mix") as mixed:
        done = videostar("cycle", *given, "--rounds", 1, "--out", "run")
        assert done.returncode == 0, done.stderr
        opened, opened_mix = asked.names(), mixed.names()
    there = [path.name for part in ("train", "test") for path in (clips / part).glob("*.mp4")]
    assert opened == sorted(there * 3)
    assert {opened_mix.count(name) for name in opened_mix} == {2}
    same = {name: found for name, found in results(finished[0]).items() if not name.startswith("rounds/02")}
    assert results(tmp_path / "run") == same
    assert entries(tmp_path / "cache" / "frames")


@pytest.mark.slow
def test_a_cache_that_is_too_small_costs_time_and_changes_nothing(
    finished: tuple[Path, str], quick: Path, videostar: Command, tmp_path: Path
) -> None:
    small = ("--cache", tmp_path / "cache", "--set", "cache.gb=0.0005")
    done = videostar("generate", "--pipeline", quick, "--out", "alone", *small)
    assert done.returncode == 0, done.stderr
    assert "--set cache.gb=1 keeps all" in done.stderr
    assert digest(tmp_path / "alone" / "answers.jsonl") == results(finished[0])["rounds/01/answers.jsonl"]
    assert 0 < on_disk(tmp_path / "cache" / "frames") <= 500_000
    # A run that is gone on with may have another cache, and more or less of it.
    run = shutil.copytree(finished[0], tmp_path / "run")
    done = videostar("cycle", "--resume", run / "manifest.json", *small)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rpartition("report: ")[0] == finished[1].rpartition("report: ")[0]  # whose folder differs
