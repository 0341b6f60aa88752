"""Samples in a file and questions as numbers are what they would be as objects."""

from __future__ import annotations

import math
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import made_of, questions_of
from hypothesis import given
from hypothesis import strategies as st

from videostar.adapters import load_adapter
from videostar.adapters.question_table import QuestionIndex, QuestionTable
from videostar.adapters.questions import Questions
from videostar.adapters.task import Question, Task
from videostar.data.hash_index import HashIndex
from videostar.data.measure_videos import MeasuredVideo
from videostar.data.sample_file import SampleFile
from videostar.data.samples import Sample
from videostar.util.errors import UserError

texts = st.text(max_size=12)
values = st.recursive(
    texts | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
seconds = st.floats(0, 1e4) | st.just(math.inf)
samples = st.builds(
    Sample,
    id=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    video=texts,
    label=texts,
    split=st.sampled_from(["train", "validation", "test"]),
    sha256=st.sampled_from(["", "0" * 64]),
    seconds=seconds,
    values=st.dictionaries(texts, values, max_size=4),
    row=texts,
    more=st.lists(st.builds(MeasuredVideo, texts, texts, seconds), max_size=2).map(tuple),
)


@given(st.lists(samples, max_size=8), st.data())
def test_samples_of_a_file_are_those_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, written: list[Sample], draw: st.DataObject
) -> None:
    found = SampleFile.of(written)
    assert list(found) == written
    assert [list(found[k].values) for k in range(len(found))] == [list(one.values) for one in written]  # in their order
    chosen = draw.draw(st.lists(st.integers(0, len(written) - 1), max_size=8)) if written else []
    some = found.select(np.array(chosen, np.uint32))
    assert list(some) == [some[k] for k in range(len(some))] == [written[k] for k in chosen]
    part = draw.draw(st.slices(len(chosen)))
    assert list(some[part]) == list(some)[part]
    assert list(found.without(chosen)) == [one for k, one in enumerate(written) if k not in chosen]
    path = tmp_path_factory.mktemp("saved") / "some.samples"
    some.save(path)
    assert list(SampleFile.open(path)) == list(some)


def test_an_index_beyond_the_end_is_an_error() -> None:
    found = SampleFile.of([made(0)])
    assert found[-1] == made(0)
    with pytest.raises(IndexError):
        found[1]


def made(number: int, video: str | None = None, **columns: Any) -> Sample:
    row = {"video": video or f"{number}.mp4", "label": f"walking {number % 3}", **columns}
    split: Any = ("train", "test", "validation")[number % 3]
    return Sample(f"{number:016x}", row["video"], row["label"], split, f"{number:064x}", 5.0, row, f"rows:{number}")


def asked_of(some: list[Sample], *adapters: str) -> Questions:
    return Questions(made_of(some), [Task.load(name, load_adapter(name)) for name in adapters], 0)


def test_questions_about_a_video_are_adjacent_at_its_first_place() -> None:
    videos = ["b.mp4", "a.mp4", "b.mp4", "c.mp4", "a.mp4", "b.mp4"]
    asked = asked_of([made(number, video, reference="so") for number, video in enumerate(videos)], "action", "text")
    order = [0, 2, 5, 1, 4, 3]
    expected = [
        *(f"rows:{number} {task}" for task in ("action", "text") for number in order[:3]),
        *(f"rows:{number} {task}" for task in ("action", "text") for number in order[3:5]),
        *(f"rows:3 {task}" for task in ("action", "text")),
    ]
    assert [f"{one.sample.row} {one.task}" for one in asked.all()] == expected
    only_train = [one for one in expected if one.split()[0] in ("rows:0", "rows:3")]
    assert [f"{one.sample.row} {one.task}" for one in asked.split("train")] == only_train


def test_parts_of_the_questions_are_the_same_questions(tmp_path: Path) -> None:
    every = questions_of(made_of([made(number) for number in range(2000)]))
    train = list(every.split("train"))
    assert [every.split("train")[k] for k in (0, 5, -1)] == [train[0], train[5], train[-1]]
    assert list(every.split("train")[600:1200:7]) == train[600:1200:7]
    some = every.some("train", slice(3, 9))
    assert list(some.split("train")) == train[3:9]
    assert not some.split("test")
    index = QuestionIndex(every.split("train"))
    assert [index[one.id] for one in train[::50]] == train[::50]
    with pytest.raises(KeyError):
        index[every.split("test")[0].id]

    def odd(question: Question) -> Question | None:
        return None if int(question.sample.id, 16) % 2 == 0 else question

    changed = every.changed("train", odd, {one.id for one in train[:10]})
    assert list(changed.split("train")) == [one for one in train[:10] if odd(one)]
    tables = every.table.save(tmp_path, "0"), QuestionTable.open(tmp_path, "0", every.table.tasks)
    assert list(tables[1].questions(every.split("train").indices)) == train
    assert tables[1].changed(every.split("train").indices) is None


def test_a_process_with_other_words_is_found_out(tmp_path: Path) -> None:
    asked = asked_of([made(number) for number in range(9)], "action")
    asked.table.save(tmp_path, "0")
    (other,) = asked_of([made(number) for number in range(9)], "text").table.tasks
    there = QuestionTable.open(tmp_path, "0", [other])
    assert there.changed(asked.split("test").indices) == made(1)


def test_hashes_find_what_is_repeated_and_shared() -> None:
    first, second = HashIndex(), HashIndex()
    for place, text in enumerate("abcabd"):
        first.add(place, text)
        second.add(place, text.upper() if place else "x")
    assert first.count == 4
    assert first.places(first.repeated()).tolist() == [0, 1, 3, 4]
    assert first.places(first.differing(second)).tolist() == [0, 3]  # beside "a" are "x" and "A"
    third = HashIndex()
    third.add(7, "d")
    third.add(8, "e")
    assert third.places(third.shared(first)).tolist() == [7]
    assert not len(first.places(first.shared(HashIndex())))


def test_a_row_takes_few_bytes_of_memory(tmp_path: Path) -> None:
    """A hundred thousand rows: samples, questions, both digests."""
    script = tmp_path / "read.py"
    script.write_text(
        "import resource, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_sample_file import made, made_of, questions_of\n"
        "def peak(rows):\n"
        "    asked = questions_of(made_of(made(number) for number in range(rows)))\n"
        "    assert asked.digest and sum(1 for _ in asked.split('train')) == -(-rows // 3)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)\n"
        "few = peak(1000)\n"
        "print((peak(100_000) - few) / 99_000)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100


def test_a_disk_without_room_for_the_rows_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        for count in (30, 3000):  # at the end, and meanwhile
            with pytest.raises(UserError, match=r"the rows cannot be written there .*; set TMPDIR to another folder"):
                SampleFile.of(made(number) for number in range(count))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(UserError, match="/nowhere: the rows cannot be written there"):
        SampleFile.of([])
