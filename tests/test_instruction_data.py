"""`mix.data` in the forms that others keep: every usable row is trained on, every other row is skipped and counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from commands import Command
from hypothesis import given
from hypothesis import strategies as st
from ordinary_data import told, write_rows
from PIL import Image
from tiny_models import CHATML, MAKERS, make
from training_rows import write_rows as write_version

from videostar.config import ModelSpec
from videostar.config.training import Mix, MixSource
from videostar.data.rows import Skipped
from videostar.models.chat import IGNORED, Chat, Turn, without_prompts
from videostar.models.families import FAMILIES
from videostar.models.load import load_model, load_processor
from videostar.pipeline_files import load_pipeline
from videostar.training.instructions import read_instructions
from videostar.training.log import read_log
from videostar.training.mix import _refusal
from videostar.training.rows import Row
from videostar.video.clip import Clip

ASKED, ANSWER = "What is shown?", "A white block that goes right."


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def plain(question: str = ASKED, answer: str = ANSWER, video: str | None = "0001.mp4") -> dict[str, Any]:
    return {"messages": [user(question), assistant(answer)], "videos": [video] if video else []}


@dataclass
class Trained:
    """What `videostar train` printed, and its mean loss before the first step: that of the base model on all rows."""

    mixed: int
    skipped: int
    tokens: float
    loss: float
    stderr: str


@pytest.fixture
def train(videostar: Command, clips: Path) -> Callable[..., Any]:
    """`train(rows)` trains one step on one kept answer and an instruction set of these rows (or lines, or a file)."""
    version = write_version(clips / "version", ["0000.mp4"], [4])
    data = write_rows(clips / "good.csv", "video,label", *(f"{number:04}.mp4,walking" for number in range(4)))
    numbers = iter(range(100))

    def run(rows: list[Any] | Path, *, fails: bool = False, model: str = "embedded") -> Any:
        number = next(numbers)
        path = rows if isinstance(rows, Path) else clips / f"mix{number}.jsonl"
        if not isinstance(rows, Path):
            write_rows(path, *(row if isinstance(row, str) else json.dumps(row) for row in rows))
        out = clips / f"lora{number}"
        sets = (f"mix.data={path}", "mix.weight=100", "training.epochs=1", "video.frames=2", f"model={model}")
        words = ("train", version, "--data", data, "--out", out, *(word for one in sets for word in ("--set", one)))
        if fails:
            return told(videostar, *words)
        done = videostar(*words)
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        (step,) = read_log(out.with_name(f"{out.name}.training.jsonl"))
        return Trained(facts["mixed"], facts["skipped"], step["tokens"], step["loss"], done.stderr)

    return run


#: The same row in each form.
FORMS: dict[str, dict[str, Any]] = {
    "parts with the path": {
        "messages": [user([{"type": "video", "video": "0001.mp4"}, {"type": "text", "text": ASKED}]), assistant(ANSWER)]
    },
    "parts without a path": {
        "messages": [
            user([{"type": "video"}, {"type": "text", "text": ASKED}]),
            assistant([{"type": "text", "text": ANSWER}]),
        ],
        "videos": ["0001.mp4"],
    },
    "a video's address": {
        "messages": [
            user([{"type": "video_url", "video_url": {"url": "0001.mp4"}}, {"type": "text", "text": ASKED}]),
            assistant(ANSWER),
        ]
    },
    "a mark before": plain(f"<video>{ASKED}"),
    "a mark after": plain(f"{ASKED}<video>"),
    "one video as text": {**plain(), "videos": "0001.mp4"},
    "LLaVA": {
        "id": 7,
        "video": "0001.mp4",
        "conversations": [{"from": "human", "value": f"<video>\n{ASKED}"}, {"from": "gpt", "value": ANSWER}],
    },
    "LLaVA, marked as an image": {
        "video": "0001.mp4",
        "conversations": [{"from": "human", "value": f"<image>\n{ASKED}"}, {"from": "gpt", "value": ANSWER}],
    },
    "ShareGPT": {
        "videos": ["0001.mp4"],
        "conversations": [{"from": "user", "value": ASKED}, {"from": "assistant", "value": ANSWER}],
    },
    "ms-swift": {"query": f"<video>{ASKED}", "response": ANSWER, "history": [], "videos": ["0001.mp4"]},
    "Alpaca": {"instruction": ASKED, "input": "", "output": ANSWER, "video": "0001.mp4"},
    "a question and an answer": {"question": ASKED, "answer": ANSWER, "video": "0001.mp4"},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_row_in_every_form(clips: Path, form: str) -> None:
    path = write_rows(clips / "mix.jsonl", json.dumps(FORMS[form]))
    assert list(read_instructions(path)) == [Row(ASKED, ANSWER, (clips / "0001.mp4",), where="mix.jsonl:1")]


def test_marks_change_nothing(train: Callable[..., Trained]) -> None:
    known = train([plain()])
    assert (known.mixed, known.skipped) == (1, 0)
    for form in ("a mark before", "a mark after", "LLaVA"):
        found = train([FORMS[form]])
        assert (found.mixed, found.skipped, found.tokens) == (1, 0, known.tokens)
        assert found.loss == pytest.approx(known.loss, rel=1e-6)


def test_places(train: Callable[..., Trained], clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clips / "one two").mkdir()
    (clips / "0001.mp4").rename(clips / "one two" / "0001.mp4")
    relative = train([plain(video="one two/0001.mp4")])
    address = (clips / "one two" / "0001.mp4").as_uri()
    assert "%20" in address
    (clips / "sets").mkdir()
    below = write_rows(clips / "sets" / "mix.jsonl", json.dumps(plain(video="../one two/0001.mp4")))
    for found in (
        train([plain(video=str(clips / "one two" / "0001.mp4"))]),
        train([plain(video=address)]),
        train(below),
    ):
        assert (found.mixed, found.loss) == (1, pytest.approx(relative.loss, rel=1e-6))


@pytest.mark.parametrize("ending", ["json", "parquet", "JSONL"])
def test_files(train: Callable[..., Trained], clips: Path, ending: str) -> None:
    rows = [plain(), plain("<video>Which colours?", "White."), FORMS["parts with the path"]]
    known = train(rows)
    path = clips / f"rows.{ending}"
    if ending == "parquet":
        # One column cannot hold texts and lists of parts.
        as_parts = [{"type": "video", "video": None, "text": None}, {"type": "text", "video": None, "text": ASKED}]
        turns = [[user(as_parts), assistant([{"type": "text", "video": None, "text": ANSWER}])]] * 3
        pq.write_table(pa.table({"messages": turns, "videos": [["0001.mp4"]] * 3, "extra": [b"1", b"2", b"3"]}), path)
        known = train([plain()] * 3)
    elif ending == "json":
        path.write_text("\ufeff" + json.dumps(rows, indent=1), encoding="utf-8")
    else:
        path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(json.dumps(row) for row in rows).encode())
    found = train(path)
    assert (found.mixed, found.skipped) == (3, 0)
    assert found.loss == pytest.approx(known.loss, rel=1e-6)


def test_several_turns_and_a_system_turn(train: Callable[..., Trained]) -> None:
    turns = [user(ASKED), assistant(ANSWER), user("And now?"), assistant("It stops.")]
    rows = [
        {"messages": turns, "videos": ["0001.mp4"]},
        {"messages": [{"role": "system", "content": "Be brief."}, *turns[:2]], "videos": ["0002.mp4"]},
        plain(),
    ]
    found = train(rows)
    assert (found.mixed, found.skipped) == (3, 0)
    one, two, three = (train([row]) for row in rows)
    assert one.tokens > two.tokens == three.tokens
    assert two.loss != pytest.approx(train([plain(video="0002.mp4")]).loss, rel=1e-6)


def test_histories_and_system_columns(clips: Path) -> None:
    turns = [user(ASKED), assistant(ANSWER), user("And now?"), assistant("It stops.")]
    rows = [
        {"messages": [{"role": "system", "content": "Be brief."}, *turns]},
        {"messages": turns, "system": "Be brief."},
        {"query": "And now?", "response": "It stops.", "history": [[ASKED, ANSWER]], "system": "Be brief."},
        {"conversations": [{"from": "system", "value": "Be brief."}, *turns]},
    ]
    path = write_rows(clips / "mix.jsonl", *map(json.dumps, rows))
    known = Row(ASKED, ANSWER, (), system="Be brief.", later=(("And now?", "It stops."),))
    assert [replace(row, where="") for row in read_instructions(path)] == [known] * 4


#: Keys and values of rows.
WORDS = (
    "messages conversations role content from value user human assistant gpt system type text video image videos "
    "images path url query response history instruction input output span loss weight video_start <video> file:// ~"
).split()

#: A bad row, and what its reason names.
BAD: list[tuple[Any, str]] = [
    ('{"messages": [', "malformed row: not JSON"),
    ("[1, 2]", "malformed row"),
    ({"text": "Once upon a time"}, "no messages, conversations, query and response"),
    ({"messages": []}, "no messages"),
    ({"messages": [user(ASKED)]}, "no answer: no turn of the assistant"),
    ({"messages": [assistant(ANSWER)]}, "turns do not go user, assistant"),
    ({"messages": [user(ASKED), assistant(ANSWER), user("And?")]}, "turns do not go user, assistant"),
    ({"messages": [user(ASKED), {"role": "tool", "content": "3"}, assistant(ANSWER)]}, "a turn of 'tool'"),
    (plain(answer=""), "no answer: its text is empty"),
    (plain(answer="  "), "no answer: its text is empty"),
    ({"query": ASKED, "response": None}, "no answer: its text is empty"),
    (plain(question="", video=None), "no question"),
    (plain(answer=5), "the content of a turn is 5"),  # type: ignore[arg-type]
    ({"messages": "What?"}, "its turns are not a list"),
    ({**plain(), "videos": 7}, "a video or picture is 7, not a path"),
    ({**plain(), "videos": [["0001.png", "0002.png"]]}, "a video or picture is a list"),
    ({**plain(), "audios": ["a.wav"]}, "sound"),
    (plain(video="gone.mp4"), "missing: .*gone.mp4: no such file"),
    (plain(video="https://example.org/a.mp4"), "https://example.org/a.mp4' is not on this disk"),
    ({**plain(), "images": ["one.png"]}, "videos and pictures: 1 videos and 1 pictures"),
    (plain("<video><video>What?"), "2 <video> and 0 <image> marks for 1 videos"),
    (plain("<video>What?", video=None), "1 <video> and 0 <image> marks for 0 videos"),
    (plain(answer="It is <video>."), "in another turn"),
    (plain("<video>0001.mp4</video>What?"), "marks: its text has '</video>'"),
    (plain("<|vision_start|><|video_pad|><|vision_end|>What?"), "its text has '<|vision_start|>'"),
    ({**plain(video=None), "video_path": "0001.mp4"}, "a file in the column 'video_path'"),
    (
        {"messages": [user("Hm?"), assistant("Yes."), user("<video>And?"), assistant("No.")], "video": "0001.mp4"},
        "marks",
    ),
    ({**plain(), "span": [2.0, 1.0]}, "its span is 2 to 1 s"),
    ({"messages": [user(ASKED), {**assistant(ANSWER), "loss": False}]}, "has no loss"),
    ({**plain(video=None), "images": ["gone.png"]}, "gone.png: no such file"),
]

#: The same, of rows whose form is right.
UNUSABLE: list[tuple[Any, str]] = [
    (plain(video="damaged.mp4"), "damaged.mp4: not a video"),
    ({**plain(), "span": [7.0, 9.0]}, "not in the video"),
    (plain("word " * 9000), "too long: it takes"),
    ({**plain(video=None), "images": ["damaged.mp4"]}, "unreadable: no picture that Pillow reads"),
]


def test_bad_rows_among_good_ones(train: Callable[..., Trained], clips: Path) -> None:
    (clips / "damaged.mp4").write_bytes(b"noise" * 500)
    known = train([plain(), plain()])
    assert "skipped" not in known.stderr
    bad = [*BAD, *UNUSABLE]
    found = train([plain(), *(row for row, _ in bad), plain()])
    assert (found.mixed, found.skipped) == (2, len(bad))
    assert found.loss == pytest.approx(known.loss, rel=1e-6)
    (line,) = [line for line in found.stderr.splitlines() if "skipped" in line]
    assert f"{len(bad)} of {len(bad) + 2} rows are skipped" in line
    assert re.search(r"\d+ malformed row", line)
    assert "the first is mix1.jsonl:2: malformed row: not JSON" in line


def test_the_reason_of_every_bad_row(clips: Path) -> None:
    rows = [row if isinstance(row, str) else json.dumps(row) for row, _ in BAD]
    found = list(read_instructions(write_rows(clips / "bad.jsonl", *rows)))
    for number, (item, (_, why)) in enumerate(zip(found, BAD, strict=True), start=1):
        assert isinstance(item, Skipped)
        assert item.where == f"bad.jsonl:{number}"
        assert re.search(why, f"{item.reason}: {item.detail}"), (item, why)


def test_a_file_without_a_usable_row(train: Callable[..., str], clips: Path) -> None:
    (clips / "damaged.mp4").write_bytes(b"noise" * 500)
    for number, (row, why) in enumerate([BAD[0], *UNUSABLE]):
        line = train([row], fails=True)
        assert f"mix.data: {clips / f'mix{number}.jsonl'}: none of its rows can be used; the first is " in line
        assert re.search(why, line), line


@pytest.mark.parametrize("name", ["rows.csv", "", "gone.jsonl", "broken.json", "broken.parquet"])
def test_a_wrong_file(train: Callable[..., str], clips: Path, name: str) -> None:
    if name.startswith("broken"):
        (clips / name).write_text("[" * 50)
    elif name == "rows.csv":
        write_rows(clips / name, "query,response", "What?,That.")
    line = train(clips / name, fails=True)
    assert f"mix.data: {clips / name}: " in line
    assert "cannot be read" in line if "broken" in name else "give a .jsonl, .json or .parquet file of messages" in line


def test_a_run_reads_the_instruction_set_first(videostar: Command, clips: Path) -> None:
    """Before a video is opened."""
    data = write_rows(clips / "good.csv", "video,label", *(f"{number:04}.mp4,walking" for number in range(4)))
    path = write_rows(clips / "mix.jsonl", json.dumps(plain(video="gone.mp4")))
    words = ("cycle", "--data", data, "--out", "run", "--set", f"mix.data={path}", "--cache", clips / "cache")
    line = told(videostar, *words)
    assert not (clips / "cache").exists()
    assert "mix.jsonl: none of its rows can be used; the first is mix.jsonl:1: missing" in line


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(WORDS) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
        max_leaves=12,
    )
)
def test_no_row_ends_the_reading(record: Any) -> None:
    with TemporaryDirectory() as folder:
        path = write_rows(Path(folder) / "mix.jsonl", json.dumps(record), json.dumps(plain(video=None)))
        *_, last = read_instructions(path)
    assert isinstance(last, Row)


def test_a_home_folder(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(clips))
    (clips / "sets").mkdir()
    path = write_rows(clips / "sets" / "mix.jsonl", json.dumps(plain(video="~/0001.mp4")))
    (row,) = read_instructions(path)
    assert isinstance(row, Row)
    assert row.videos == (clips / "0001.mp4",)
    assert MixSource(data="~/sets/mix.jsonl").path == path


def test_a_part_of_a_video(clips: Path) -> None:
    """As qwen-vl-utils has it."""
    part = {"type": "video", "video": "0001.mp4", "video_start": 0.5, "video_end": 1.5}
    path = write_rows(clips / "mix.jsonl", json.dumps({"messages": [user([part, {"text": ASKED}]), assistant(ANSWER)]}))
    (row,) = read_instructions(path)
    assert isinstance(row, Row)
    assert (row.question, row.span) == (ASKED, (0.5, 1.5))


def test_pictures(train: Callable[..., Trained], clips: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(clips / "one.png")
    Image.fromarray(255 - pixels).save(clips / "two.jpg")
    row = {"image": "one.png", "conversations": [{"from": "human", "value": f"<image>\n{ASKED}"}]}
    row["conversations"] += [{"from": "gpt", "value": ANSWER}]
    one = train([row])
    assert (one.mixed, one.skipped) == (1, 0)
    assert train([{**plain(video=None), "images": ["one.png"]}]).loss == pytest.approx(one.loss, rel=1e-6)
    assert train([{**plain(video=None), "images": ["two.jpg"]}]).loss != pytest.approx(one.loss, rel=1e-6)
    both = train([row, plain(), {**plain(video=None), "images": ["one.png", "two.jpg"]}, plain(video=None)])
    assert (both.mixed, both.skipped) == (4, 0)


@pytest.fixture(scope="module", params=MAKERS)
def family(request: pytest.FixtureRequest) -> str:
    if request.param == "smolvlm":
        pytest.importorskip("num2words", reason="SmolVLM's processor needs num2words")
    return str(request.param)


@pytest.fixture(scope="module")
def spec(family: str, tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return load_pipeline("demo", model=str(make(family, tmp_path_factory.mktemp("models") / family)), mix=None).spec


def film(seed: int) -> Clip:
    frames = np.random.default_rng(seed).integers(0, 255, (4, 48, 64, 3)).astype(np.uint8)
    return Clip(frames, (0.25, 0.75, 1.25, 1.75), 12.0, 2.0)


CHAT = Turn("What is it?", [film(0)], "A ball.", system="Be brief.", later=(("And now?", "It stops."), ("Why?", "So.")))


def test_the_answers_of_all_turns_are_learned_and_nothing_else(spec: ModelSpec) -> None:
    chat = Chat(load_processor(spec))
    assert chat.refusal(CHAT) == ""
    batch = chat.examples([CHAT, Turn("Hm?", answer="Yes.")])
    ids, labels = batch["input_ids"], batch["labels"]
    end = chat.tokenizer.eos_token_id
    learned = ids[0][labels[0] != IGNORED]
    assert torch.equal(labels[labels != IGNORED], ids[labels != IGNORED])
    assert (learned == end).sum() == 3
    assert chat.decode([[token for token in learned.tolist() if token != end]]) in (
        ["A ball.It stops.So."],
        ["A ball. It stops. So."],
    )
    assert chat.decode(labels[1:][labels[1:] != IGNORED][None]) == ["Yes."]
    # The whole is what the template writes of the chat.
    messages = chat._asked(replace(CHAT, clips=()))
    for question, answer in (("", "A ball."), *CHAT.later):
        messages += [{"role": "user", "content": chat._content(question)}] if question else []
        messages += [{"role": "assistant", "content": chat._content(answer)}]
    written = chat.tokenizer(chat._rendered(messages), add_special_tokens=False)["input_ids"]
    alone = chat.examples([replace(CHAT, clips=())])["input_ids"][0].tolist()
    assert written[: len(alone)] == alone
    assert torch.isfinite(load_model(spec)(**without_prompts(batch)).loss)


def test_pictures_beside_clips_are_each_as_alone(spec: ModelSpec, family: str) -> None:
    chat = Chat(load_processor(spec))
    pictures = film(1).frames[:2]
    turns = [
        Turn("What is it?", [film(0)], "A ball."),
        Turn("What is it?", answer="A cube.", pictures=(pictures[0],)),
        Turn("Hm?", answer="Yes."),
        Turn("Which?", answer="Both.", pictures=tuple(pictures)),
    ]
    if family not in FAMILIES or not FAMILIES[family].pictures:
        assert "pictures are not used" in _refusal(False, False, True, spec, chat)
        return
    assert [chat.refusal(turn) for turn in turns] == [""] * 4
    model = load_model(spec)
    with torch.inference_mode():
        together = model(**chat.examples(turns))
        for row, turn in enumerate(turns):
            alone = model(**chat.examples([turn])).logits[0]
            torch.testing.assert_close(together.logits[row, : len(alone)], alone, rtol=1e-4, atol=1e-4)
        other = model(**chat.examples([replace(turns[1], pictures=(pictures[1],))])).logits[0]
    assert (together.logits[1, : len(other)] - other).abs().max() > 1e-3


#: Chat templates, and why rows are skipped with them.
TEMPLATES = {
    "drops the system turn": (
        "{% for message in messages if message.role != 'system' %}" + CHATML.split("%}", 1)[1],
        "takes no system turn",
    ),
    "refuses the system turn": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML,
        "System role not supported",
    ),
    "writes lists as Python": (
        CHATML.replace("{% for part", "{% if message.role == 'system' %}{{ message.content }}{% else %}{% for part", 1)
        .replace("<|im_end|>", "{% endif %}<|im_end|>", 1),
        "takes no system turn",
    ),
    "writes the last turns alone": (
        CHATML.replace("in messages", "in messages[(messages | length - 2 if messages[-1].role != 'user' else -1):]"),
        "changes the turns before a question",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_chat_template_that_cannot_write_a_row(train: Callable[..., Trained], tmp_path: Path, name: str) -> None:
    template, why = TEMPLATES[name]
    model = make("qwen3_vl", tmp_path / "model")
    (model / "chat_template.jinja").write_text(template.replace("VIDEO", "<|vision_start|><|video_pad|><|vision_end|>"))
    turns = [user(ASKED), assistant(ANSWER), user("And now?"), assistant("It stops.")]
    special = turns if "turns before" in why else [{"role": "system", "content": "Be brief."}, *turns[:2]]
    found = train([plain(), {"messages": special}], model=str(model))
    assert (found.mixed, found.skipped) == (1, 1)
    assert re.search(f"1 of 2 rows are skipped .1 chat template.; the first is .*{why}", found.stderr), found.stderr


def test_names_of_sources_are_their_own() -> None:
    """A file called kept.jsonl must not be taken for the kept answers, nor one file for another."""
    files = ("a/kept.jsonl", "x.jsonl", "x-2.jsonl", "b/x.jsonl", "several.json")
    named = Mix.model_validate([{"data": file} for file in files]).named
    assert [source.data for source in named.values()] == list(files)
    assert list(named) == ["kept-2", "x", "x-2", "x-3", "several-2"]


def test_sources_take_turns_or_share_steps(videostar: Command, clips: Path, tmp_path: Path) -> None:
    """Alternating, each step is of one source and kind, with its frames; a source may be restricted to one kind."""
    data = write_rows(clips / "good.csv", "video,label", *(f"{number:04}.mp4,walking" for number in range(4)))
    version = write_version(clips / "kept", ["0001.mp4"], [5])
    talk = write_rows(clips / "talk.jsonl", *(json.dumps(plain(video=None)) for _ in range(6)))
    both = write_rows(clips / "both.jsonl", *(json.dumps(plain(video=one)) for one in ["0001.mp4", None] * 3))
    sources = f"[{{data: {talk}, weight: 6}}, {{data: {both}, weight: 6, kind: video, frames: 2}}]"
    steps = {}
    for schedule in ("alternate", "interleave"):
        mix = f"mix={{sources: {sources}, schedule: {schedule}}}"
        words = ("train", version, "--data", data, "--out", tmp_path / schedule)
        sets = (mix, "training.epochs=1", "video.frames=4", "training.batch_size=2", "training.gradient_accumulation=1")
        done = videostar(*words, *(word for one in sets for word in ("--set", one)))
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert facts["mixed"] == 9
        steps[schedule] = read_log(tmp_path / f"{schedule}.training.jsonl")
    turns = [step["source"] for step in steps["alternate"]]
    assert turns == ["talk", "both", "kept", "talk", "both", "talk"]
    assert None in [step["source"] for step in steps["interleave"]]
    assert sum(step["tokens"] for step in steps["alternate"]) == sum(step["tokens"] for step in steps["interleave"])
    assert max(step["padding"] for step in steps["alternate"]) < 0.1
