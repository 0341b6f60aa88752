"""A video that was measured is opened again only when it has changed; a finished run is not loaded again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command
from data_sets import load as read
from opens import Opens

from videostar.config import Cache
from videostar.data.source import Data
from videostar.runs.manifest import read_manifest
from videostar.video.probe_cache import probe_cache_path


@pytest.fixture
def clips(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with four clips and their rows, and no index yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sources = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))
    rows = ["video,label,split"]
    for name, source in zip("abcd", sources, strict=False):
        shutil.copy(source, tmp_path / f"{name}.mp4")
        rows.append(f"{name}.mp4,run,{'test' if name == 'd' else 'train'}")
    (tmp_path / "my.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def opens(clips: Path) -> Iterator[Opens]:
    """Which videos are opened from now on."""
    with Opens(clips) as opens:
        yield opens


def load(folder: Path) -> Data:
    return read(folder / "my.csv")


def test_a_video_is_opened_once_and_again_when_it_has_changed(clips: Path, opens: Opens) -> None:
    before = load(clips)
    assert opens.names() == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    assert list(load(clips).samples) == list(before.samples)
    assert opens.names() == []
    times = (clips / "a.mp4").stat()
    shutil.copy(clips / "b.mp4", clips / "a.mp4")
    os.utime(clips / "a.mp4", ns=(times.st_atime_ns, times.st_mtime_ns))  # as careful copies do
    opens.names()
    after = load(clips)
    assert opens.names() == ["a.mp4"]
    assert after.samples[0].sha256 == before.samples[1].sha256


def test_bad_videos_are_looked_at_every_time(clips: Path, opens: Opens) -> None:
    (clips / "a.mp4").write_text("no video")
    opens.names()
    for _ in range(2):
        assert [item.reason for item in load(clips).skipped] == ["not a video"]
        assert "a.mp4" in opens.names()


@pytest.mark.parametrize("junk", [b"no index", b""])
def test_a_damaged_index_is_made_anew(clips: Path, opens: Opens, junk: bytes) -> None:
    before = load(clips)
    probe_cache_path(Cache().home).write_bytes(junk)
    assert list(load(clips).samples) == list(before.samples)
    load(clips)
    opens.names()
    assert list(load(clips).samples) == list(before.samples)
    assert opens.names() == []


def test_an_index_that_cannot_be_written_is_no_error(clips: Path, opens: Opens) -> None:
    before = load(clips)
    probe_cache_path(Cache().home).unlink()
    probe_cache_path(Cache().home).mkdir()
    assert list(load(clips).samples) == list(before.samples)
    assert len(opens.names()) == 8


def test_a_finished_run_is_gone_on_with_without_its_videos(
    finished: tuple[Path, str], world: Path, tmp_path: Path, videostar: Command
) -> None:
    run = shutil.copytree(finished[0], tmp_path / "run")
    source = world.parent / "clips_and_labels"
    (tmp_path / "rows").mkdir()
    for name in ("train.csv", "validation.csv", "test.csv"):
        shutil.copy(source / name, tmp_path / "rows")
    arguments = ("cycle", "--resume", run / "manifest.json", "--root", tmp_path / "rows")
    done = videostar(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rpartition("report: ")[0] == finished[1].rpartition("report: ")[0]  # whose folder differs
    assert read_manifest(run / "manifest.json").sources == read_manifest(finished[0] / "manifest.json").sources

    answers = run / "rounds" / "02" / "answers.jsonl"
    whole = answers.read_bytes()
    answers.write_bytes(whole[:-1])
    assert "differs from what stage 02/generate wrote" in videostar(*arguments).stderr
    answers.write_bytes(whole)

    rows = (tmp_path / "rows" / "train.csv").read_text().splitlines(keepends=True)
    shutil.copytree(source, tmp_path / "rows", dirs_exist_ok=True)
    (tmp_path / "rows" / "train.csv").write_text("".join(rows[:-1]))
    assert "the data (rows, labels or prompts) has changed since the run began" in videostar(*arguments).stderr
