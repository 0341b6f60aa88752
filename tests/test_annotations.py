"""Readers: what each official format becomes, and that nothing in a file but a missing column ends a run."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from videostar.config import Data as DataSettings
from videostar.data.formats import FORMATS, read_rows
from videostar.data.formats.neighbours import with_neighbours
from videostar.data.formats.pickles import MAX_BYTES, load_plain_pickle
from videostar.data.manifest import DataManifest, find_manifest
from videostar.data.rows import Row, Skipped
from videostar.data.source import DataSource
from videostar.data.templates import PathTemplate
from videostar.util.errors import UserError
from videostar.util.files import Below
from videostar.util.resources import resource_names

FIXTURES = Path(__file__).parent / "data" / "annotations"


def read(name: str, root: Path | None = None) -> tuple[list[Row], list[Skipped]]:
    """The rows and what is set aside of the shipped manifest `name`, on its fixture or on `root`."""
    root = root or FIXTURES / name
    found = list(DataSource.find(DataSettings(name=name), root=str(root)).rows())
    return [row for row in found if isinstance(row, Row)], [row for row in found if isinstance(row, Skipped)]


def aside(rows: list[Skipped]) -> list[tuple[str, str]]:
    return [(row.where, row.reason) for row in rows]


def short(rows: list[Row]) -> list[tuple[str, str, str]]:
    return [(row.split, row.video[0], row.label) for row in rows]


def test_every_shipped_manifest_says_what_it_is() -> None:
    manifests = [find_manifest(name)[0] for name in resource_names("data_manifests")]
    used = set()
    for manifest in (found for found in manifests if not found.root.startswith("demo")):  # worlds are drawn
        used.add(manifest.format)
        assert manifest.title
        assert manifest.annotations
        if manifest.format not in ("csv", "jsonl", "parquet", "folder"):
            assert manifest.home.startswith("http")
            assert manifest.licence
    assert used == set(FORMATS) - {"json", "xlsx", "videos"}  # which are named by their files, and by `label`


def test_kinetics() -> None:
    rows, wrong = read("kinetics400")
    assert short(rows) == [
        ("train", "train/AAAAAAAAAA0_000059_000069.mp4", "abseiling"),
        ("train", "train/_AAAAAAAAA1_000005_000015.mp4", "air drumming"),
        ("test", "train/AAAAAAAAAA3_000100_000110.mp4", "zumba"),
    ]
    assert "val/AAAAAAAAAA3_000100_000110.mp4" in rows[2].video
    assert "abseiling/AAAAAAAAAA0_000059_000069.mp4" in rows[0].video
    assert rows[0].where == "train.csv:2"
    assert aside(wrong) == [("train.csv:4", "malformed row")]


def test_kinetics_with_other_headers_and_quotes() -> None:
    rows, wrong = read("kinetics600")
    assert [(row.split, row.label, row.values["time_start"]) for row in rows] == [
        ("train", "acting in play", 12),
        ("test", "yoga", 3),
    ]
    assert aside(wrong) == [("train.txt:3", "malformed row")]
    rows, wrong = read("kinetics700")
    assert [(row.split, row.label) for row in rows] == [("train", "testifying"), ("test", "washing feet")]
    assert aside(wrong) == [("train.csv:3", "malformed row")]


def test_ucf101() -> None:
    rows, wrong = read("ucf101")
    assert short(rows) == [
        ("train", "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "ApplyEyeMakeup"),
        ("train", "UCF-101/Archery/v_Archery_g08_c01.avi", "Archery"),
        ("test", "UCF-101/Archery/v_Archery_g01_c01.avi", "Archery"),
    ]
    assert aside(wrong) == [("trainlist01.txt:3", "malformed row"), ("trainlist01.txt:4", "unknown class")]
    assert "did you mean 'Archery'?" in wrong[1].detail


def test_hmdb51() -> None:
    rows, wrong = read("hmdb51")
    assert short(rows) == [
        ("train", "videos/brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "brush_hair"),
        ("test", "videos/brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_1.avi", "brush_hair"),
        ("train", "videos/wave/20060723sjffbartsinger_wave_f_cm_np1_ba_med_0.avi", "wave"),
    ]
    assert aside(wrong) == [("brush_hair_test_split1.txt:4", "malformed row")]


def test_something_something_v2() -> None:
    rows, wrong = read("something_something_v2")
    assert short(rows) == [
        ("train", "20bn-something-something-v2/1.webm", "Holding something next to something"),
        ("test", "20bn-something-something-v2/4.webm", "Folding something"),
    ]
    assert rows[0].values["description"] == "holding cup next to red pen"
    assert rows[0].values["template"] == "Holding [something] next to [something]"
    assert rows[0].values["placeholders"] == ["cup", "red pen"]
    name = "something-something-v2-train.json"
    assert aside(wrong) == [(f"{name}[1]", "malformed row"), (f"{name}[2]", "unknown class")]


def test_moments_in_time() -> None:
    rows, wrong = read("moments_in_time")
    assert short(rows) == [
        ("train", "training/clapping/yt-AAAAAAAAAAA_35.mp4", "clapping"),
        ("train", "training/adult+female+singing/getty-id1_4.mp4", "adult+female+singing"),
        ("test", "training/clapping/yt-BBBBBBBBBBB_1.mp4", "clapping"),
    ]
    assert rows[1].values["yes"] == 4
    assert "validation/clapping/yt-BBBBBBBBBBB_1.mp4" in rows[2].video
    assert aside(wrong) == [("trainingSet.csv:3", "malformed row")]


def test_activitynet() -> None:
    rows, wrong = read("activitynet")
    first = {"id": "AAAAAAAAAAA", "label": "Long jump", "split": "train", "start": 6.5, "end": 20.25, "duration": 82.73}
    assert rows[0].values == first
    assert short(rows) == [
        ("train", "v_AAAAAAAAAAA.mp4", "Long jump"),
        ("test", "v_BBBBBBBBBBB.mp4", "Playing accordion"),
    ]
    file = "activity_net.v1-3.min.json"
    assert aside(wrong) == [
        (f"{file}[AAAAAAAAAAA][1]", "malformed row"),
        (f"{file}[AAAAAAAAAAA][2]", "unknown class"),
        (f"{file}[DDDDDDDDDDD]", "malformed row"),
    ]


def test_charades() -> None:
    rows, wrong = read("charades")
    laptop, cooking = "Watching a laptop or something on a laptop", "Someone is cooking something"
    assert [row.values for row in rows] == [
        {"id": "46GP8", "duration": 24.83, "labels": [laptop, cooking]},
        {"id": "46GP8", "duration": 24.83, "label": laptop, "start": 11.9, "end": 21.2},
        {"id": "46GP8", "duration": 24.83, "label": cooking, "start": 0.0, "end": 12.6},
        {"id": "KRF68", "duration": 19.5, "label": laptop, "start": 11.0, "end": 19.4},
        {"id": "YSKX3", "duration": 20.0, "label": cooking, "start": 0.0, "end": 12.6},
        {"id": "YSKX3", "duration": 20.0, "label": cooking, "start": 14.0, "end": 17.0},
    ]
    assert rows[0].video[0] == "Charades_v1_480/46GP8.mp4"
    assert [row.split for row in rows] == ["train"] * 4 + ["test"] * 2
    places = ["Charades_v1_train.csv:4", "Charades_v1_train.csv:5", "Charades_v1_test.csv:2"]
    assert aside(wrong) == [(place, "malformed row") for place in places]


def test_star() -> None:
    rows, wrong = read("star")
    assert rows[0].values == {
        "id": "Interaction_T1_0",
        "category": "Interaction",
        "video_id": "AAAAA",
        "question": "Which object was tidied up by the person?",
        "options": {"A": "The closet.", "B": "The blanket.", "C": "The clothes.", "D": "The table."},
        "answer": "C",
        "label": "The clothes.",
        "start": 11.1,
        "end": 19.6,
    }
    assert [(row.split, row.video[0]) for row in rows] == [
        ("train", "Charades_v1_480/AAAAA.mp4"),
        ("test", "Charades_v1_480/BBBBB.mp4"),
    ]
    assert aside(wrong) == [("STAR_train.json[1]", "malformed row"), ("STAR_train.json[2]", "malformed row")]


def test_diving48() -> None:
    rows, wrong = read("diving48")
    assert short(rows) == [
        ("train", "rgb/-AAAAAAAAAA_00155.mp4", "Back+15som+05Twis+FREE"),
        ("test", "rgb/-BBBBBBBBBB_00001.mp4", "Back+15som+15Twis+FREE"),
    ]
    assert rows[0].values["end_frame"] == 48
    name = "Diving48_V2_train.json"
    assert aside(wrong) == [(f"{name}[1]", "malformed row"), (f"{name}[2]", "malformed row")]


def dive(**changes: Any) -> dict[str, Any]:
    return {
        "action_type": "407C",
        "dive_score": np.float64(61.2),
        "difficulty": 2.8,
        "steps_transit_frames": np.array([20.0, 40.0]),
        "frames_labels": np.array([12.0, 12.0, 27.0, 27.0, 5.0]),
        "sub-action_types": {12: "Inward", 27: "3.5 Soms.Tuck", 5: "Entry"},
        **changes,
    }


def pickled(value: Any, protocol: int, numpy_1: bool) -> bytes:
    """As numpy 1 or 2 writes it."""
    content = pickle.dumps(value, protocol)
    return content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray") if numpy_1 else content


@pytest.mark.parametrize(("protocol", "numpy_1"), [(2, True), (3, True), (3, False), (4, False)])
def test_finediving(tmp_path: Path, protocol: int, numpy_1: bool) -> None:
    dives = {
        ("Men3m_final", 0): dive(),
        # As in a few published dives: 22 in the frames is 23 among the names.
        ("Men3m_final", 1): dive(frames_labels=np.array([12, 22]), **{"sub-action_types": {12: "Inward", 23: "Tuck"}}),
        ("Men3m_final", 2): dive(frames_labels=np.array([1, 2])),
        ("Men3m_final", 3): dive(dive_score=np.array(["text", None], dtype=object)),
    }
    folder = tmp_path / "Annotations"
    folder.mkdir()
    (folder / "FineDiving_fine-grained_annotation.pkl").write_bytes(pickled(dives, protocol, numpy_1))
    keys = [("Men3m_final", number) for number in (0, 1, 2, 3, 4)]
    (folder / "train_split.pkl").write_bytes(pickled([*keys, 7], protocol, numpy_1))
    (folder / "test_split.pkl").write_bytes(pickled(keys[:1], protocol, numpy_1))
    rows, wrong = read("finediving", tmp_path)
    assert rows[0].values == {
        "competition": "Men3m_final",
        "dive": 0,
        "label": "407C",
        "score": 61.2,
        "difficulty": 2.8,
        "sub_actions": ["Inward", "3.5 Soms.Tuck", "Entry"],
    }
    assert rows[0].video[0] == "FINADiving_MTL_256s/Men3m_final/0.mp4"
    assert rows[1].values["sub_actions"] == ["Inward", "Tuck"]
    assert [row.split for row in rows] == ["train", "train", "test"]
    assert aside(wrong) == [(f"train_split.pkl[{index}]", "malformed row") for index in (2, 3, 4, 5)]


class Runs:
    """A pickle of this runs the call that it is made with."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    sign, path = tmp_path / "ran", tmp_path / "x.pkl"
    command = f"touch {sign}"
    evil: list[Any] = [
        Runs(os.system, command),
        Runs(eval, f"__import__('os').system({command!r})"),
        Runs(getattr, "", "join"),
        {("a", 1): dive(dive_score=Runs(os.system, command))},
        np.array([Runs(os.system, command)], dtype=object),
        Runs(np.load, str(sign)),
    ]
    for value in evil:
        path.write_bytes(pickle.dumps(value, protocol))
        with pytest.raises(UserError, match=r"x\.pkl: not a pickle of plain values"):
            load_plain_pickle(path)
    assert not sign.exists()


def test_a_pickle_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(UserError, match="too many"):
        load_plain_pickle(path)
    path.write_bytes(b"K\x01r\xff\xff\xff\xff.")  # one value, kept as the 4,294,967,295th
    assert load_plain_pickle(path) == 1


@contextmanager
def told_of(file: str) -> Iterator[None]:
    """Nothing but UserError may come out, and it names the file."""
    try:
        yield
    except UserError as error:
        assert f"{file}:" in str(error)  # noqa: PT017  (no error is as good)


NUMBERS = pickled({("a", 1): dive()}, 3, True)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.tuples(st.integers(0, len(NUMBERS) - 1), st.integers(0, 255)))
def test_any_bytes_are_values_or_one_clear_line(tmp_path: Path, junk: bytes | tuple[int, int]) -> None:
    if isinstance(junk, tuple):
        at, byte = junk
        junk = NUMBERS[:at] + bytes([byte]) + NUMBERS[at + 1 :]
    (tmp_path / "x.pkl").write_bytes(junk)
    with told_of("x.pkl"):
        load_plain_pickle(tmp_path / "x.pkl")


def plain(kind: str, folder: Path, **settings: Any) -> list[Row | Skipped]:
    manifest = DataManifest.model_validate({"format": kind, "rows": {"all": f"x.{kind}"}, **settings})
    return list(read_rows(manifest, Below(folder), "x.yaml"))


def parquet_bytes(folder: Path) -> bytes:
    table = pa.table({"video": ["a.mp4", "b.mp4"], "label": ["run", None], "start": [1, 2], "raw": [b"x", b"y"]})
    pq.write_table(table, folder / "x.parquet", compression="none")
    return (folder / "x.parquet").read_bytes()


STARTS = {"csv": b"video,label,start\na.mp4,run,1\n", "jsonl": b'{"video": "a.mp4", "label": "run"}\n'}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=80) | st.text(max_size=40).map(lambda text: text.encode("utf-16-le", "surrogatepass")))
def test_any_bytes_after_good_rows_cost_no_good_row(tmp_path: Path, kind: str, junk: bytes) -> None:
    (tmp_path / f"x.{kind}").write_bytes(STARTS[kind] + junk)
    found = plain(kind, tmp_path)
    assert isinstance(found[0], Row)
    assert found[0].label == "run"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=80))
def test_any_bytes_are_rows_or_one_clear_line(tmp_path: Path, kind: str, junk: bytes) -> None:
    (tmp_path / f"x.{kind}").write_bytes(junk)
    with told_of(f"x.{kind}"):
        plain(kind, tmp_path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
keys = st.sampled_from(["video", "label", "labels", "start", "end", "split"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(keys, values))
def test_any_json_object_is_a_row_or_skipped(tmp_path: Path, entry: dict[str, Any]) -> None:
    line = json.dumps(entry)
    assume(not re.match(r'\{"\w+": \{"\d+":', line))  # a table as pandas writes it, which is refused as a whole
    (tmp_path / "x.jsonl").write_text(line)
    assert len(plain("jsonl", tmp_path)) == 1


def test_parquet(tmp_path: Path) -> None:
    parquet_bytes(tmp_path)
    rows = plain("parquet", tmp_path)
    assert [row.values for row in rows if isinstance(row, Row)] == [
        {"video": "a.mp4", "label": "run", "start": 1.0},
        {"video": "b.mp4", "label": "", "start": 2.0},
    ]
    with pytest.raises(UserError, match="column 'raw' is of type binary"):
        plain("parquet", tmp_path, label="raw")


def test_a_folder_a_class(tmp_path: Path) -> None:
    for name in ("run/a.mp4", "run/b.MP4", "run/notes.txt", "run/.hidden.mp4", "walk/c.webm", ".git/d.mp4", "e.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows, wrong = read("folder", tmp_path)
    assert [(row.video, row.label) for row in rows] == [
        (("run/a.mp4",), "run"),
        (("run/b.MP4",), "run"),
        (("walk/c.webm",), "walk"),
    ]
    assert [(row.video, row.reason) for row in wrong] == [("e.mp4", "no class folder")]


def test_a_folder_a_split_and_class(tmp_path: Path) -> None:
    for name in ("train/run/a.mp4", "val/run/b.mp4", "other/run/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    rows, wrong = read("folder", tmp_path)
    assert short(rows) == [("train", "train/run/a.mp4", "run"), ("validation", "val/run/b.mp4", "run")]
    assert [(item.video, item.reason) for item in wrong] == [("other/run/c.mp4", "unknown split")]


def test_columns_and_classes_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("file,what,start,end\n7,run, 1.5,3\n8,runn,,\n9,run,soon,3\n")
    (tmp_path / "classes.txt").write_text("run\nwalk\n")
    own = {"video": "clips/{file:03d}.mp4", "label": "what", "files": {"classes": "classes.txt"}}
    first, second, third = plain("csv", tmp_path, **own)
    assert isinstance(first, Row)
    assert first.video == ("clips/007.mp4",)
    assert first.values == {"file": "7", "what": "run", "label": "run", "start": 1.5, "end": 3.0}
    assert isinstance(second, Skipped)
    assert second.detail == "'runn' is not in the official list; did you mean 'run'?"
    assert isinstance(third, Skipped)
    assert third.detail == "start is 'soon', not a number"


@pytest.mark.parametrize(
    "wrong", ["a.mp4", "{0}", "{}", "{a.b}", "{a[0]}", "{a!r}", "{a:{b}}", "{a:>9}", "{{a}}", "{a", ""]
)
def test_a_template_reaches_nothing_but_values(wrong: str) -> None:
    with pytest.raises(ValueError, match="no path made from columns"):
        PathTemplate(wrong)


def test_a_missing_file_says_which_and_where(tmp_path: Path) -> None:
    for name in set(resource_names("data_manifests")) - {"demo", "folder"}:
        with pytest.raises(UserError, match=rf"{name}\.yaml: rows {tmp_path}.*: no such file; .* "):
            read(name, tmp_path)
    (tmp_path / "Charades_v1_train.csv").write_text("id,actions,length\n")
    with pytest.raises(UserError, match="its classes file is not there"):
        read("charades", tmp_path)


def test_a_missing_column_says_which_and_where(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("label,id,time_start,time_end\n")
    (tmp_path / "val.csv").write_text("")
    with pytest.raises(UserError, match=r"train\.csv: no column 'youtube_id', only label, id, time_start, time_end"):
        read("kinetics400", tmp_path)


def test_a_wrong_json_file_is_one_line(tmp_path: Path) -> None:
    for content in (b"", b"\xff", b"{}", b"[" * 100_000, b'["\\ud800"]'):
        (tmp_path / "STAR_train.json").write_bytes(content)
        with pytest.raises(UserError, match=r"STAR_train\.json: "):
            read("star", tmp_path)


def test_a_format_that_is_not_there(tmp_path: Path) -> None:
    manifest = DataManifest.model_validate({"format": "jsn", "rows": {"all": "x"}})
    with pytest.raises(UserError, match=r"x\.yaml: format: did you mean 'json'"):
        list(read_rows(manifest, Below(tmp_path), "x.yaml"))


def test_the_action_before_and_the_one_after() -> None:
    times = {"open": (0.0, 2.0), "hold": (1.0, 9.0), "drink": (2.0, 5.0), "close": (6.0, 8.0)}
    actions = [{"label": label, "start": start, "end": end} for label, (start, end) in times.items()]
    told = {action["label"]: (action.get("previous"), action.get("next")) for action in with_neighbours(actions)}
    assert told == {"open": (None, "drink"), "hold": (None, None), "drink": ("open", "close"), "close": ("drink", None)}
