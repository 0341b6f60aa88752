"""Rows in, checked samples out: nothing in a row file ends a run, and ids do not depend on positions."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest
from data_sets import load as read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videostar.config import Data as DataSettings
from videostar.data.source import Data
from videostar.util.errors import UserError


@pytest.fixture
def clips(world: Path, tmp_path: Path) -> Path:
    """A folder with twelve good clips, a.mp4 to l.mp4."""
    sources = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))
    for name, source in zip("abcdefghijkl", sources, strict=False):
        shutil.copy(source, tmp_path / f"{name}.mp4")
    return tmp_path


def load(folder: Path, *rows: str, header: str = "video,label") -> Data:
    (folder / "my.csv").write_text("\n".join([header, *rows]) + "\n")
    return read(folder / "my.csv")


GOOD = [f"{name}.mp4,run" for name in "abcdefghijkl"]


def test_a_plain_csv_needs_nothing_else(clips: Path) -> None:
    data = load(clips, *GOOD)
    assert len(data.samples) == 12
    assert 1 <= len(data.split("test")) <= 6
    assert {sample.label for sample in data.samples} == {"run"}
    assert not data.skipped


def test_a_split_column_is_taken(clips: Path) -> None:
    data = load(clips, "a.mp4,run,train", "b.mp4,run,test", "c.mp4,run,val", header="video,label,split")
    for split, video in {"train": "a.mp4", "test": "b.mp4", "validation": "c.mp4"}.items():
        assert [sample.video for sample in data.samples if sample.split == split] == [video]


def test_bad_rows_are_skipped_with_their_reasons(clips: Path) -> None:
    (clips / "empty.mp4").touch()
    (clips / "text.mp4").write_text("no video")
    (clips / "inside").symlink_to("/etc")
    bad = {
        "gone.mp4,run": "missing",
        "empty.mp4,run": "empty",
        "text.mp4,run": "not a video",
        "../out.mp4,run": "missing",
        "/etc/passwd,run": "not a video",
        "inside/passwd,run": "not a video",
        "a.mp4,": "empty label",
        "a.mp4,run": "doubled",
        ",run": "no video",
    }
    data = load(clips, *GOOD, *bad)
    assert [(item.where, item.reason) for item in data.skipped] == [
        (f"my.csv:{number}", reason) for number, reason in enumerate(bad.values(), start=14)
    ]
    assert len(data.samples) == 12


def test_ids_stay_when_rows_move(clips: Path) -> None:
    there = {sample.video: sample.id for sample in load(clips, *GOOD).samples}
    moved = {sample.video: sample.id for sample in load(clips, "gone.mp4,run", *reversed(GOOD)).samples}
    assert moved == there


def test_a_limit_takes_the_first_of_each_split(clips: Path) -> None:
    everything = load(clips, *GOOD)
    few = read(clips / "my.csv", 1)
    assert [s.video for s in few.samples] == [everything.split(s.split)[0].video for s in few.samples]
    assert len(few.samples) == 2


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(cells, max_size=4), max_size=6))
def test_any_rows_at_all_are_samples_or_skipped(clips: Path, rows: list[list[str]]) -> None:
    made = io.StringIO()
    csv.writer(made).writerows(rows)
    data = load(clips, "a.mp4,run,train", "b.mp4,run,test", made.getvalue().rstrip("\r\n"), header="video,label,split")
    assert {sample.video for sample in data.samples} >= {"a.mp4", "b.mp4"}
    assert len(data.samples) + len(data.skipped) == 2 + sum(any(cell.strip() for cell in row) for row in rows)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_at_all_are_data_or_one_clear_line(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "my.csv").write_bytes(junk)
    with pytest.raises(UserError) as error:
        read(tmp_path / "my.csv")
    assert "\n" not in str(error.value)


def test_links_are_followed_and_a_loop_of_them_is_one_row_skipped(clips: Path) -> None:
    (clips / "again").symlink_to(clips)
    (clips / "link.mp4").symlink_to("b.mp4")
    (clips / "out.mp4").symlink_to("/etc/passwd")
    (clips / "loop").symlink_to("loop")
    rows = [*GOOD, "again/a.mp4,run", "link.mp4,run", "out.mp4,run", "loop,run", "loop/a.mp4,run"]
    (clips / "my.csv").write_text("\n".join(["video,label", *rows]) + "\n")
    data = read(DataSettings(name=str(clips / "my.csv"), leaks="keep"))
    assert [sample.video for sample in data.samples[12:]] == ["again/a.mp4", "link.mp4"]
    assert [item.reason for item in data.skipped] == ["not a video", "unreadable", "unreadable"]
