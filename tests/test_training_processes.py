"""A training in several processes, or killed and gone on with, gives the weights of an undisturbed one."""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from commands import Command, spawned
from peft import LoraConfig, get_peft_model
from PIL import Image
from safetensors.torch import load_file
from training_rows import without_clock, write_rows
from warm import Warm

from videostar.models.canary import CANARIES
from videostar.models.chat import IGNORED, Chat
from videostar.models.load import bare_model, load_model, load_processor
from videostar.models.refusals import Refusals
from videostar.pipeline_files import load_pipeline
from videostar.training.batches import Collator, prefetched
from videostar.training.kept_examples import KeptExamples
from videostar.training.log import read_log
from videostar.training.rows import RowClips, read_rows

WORDS = [3, 60, 5, 8, 40, 3, 12, 1, 25, 60, 4, 9]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, world: Path) -> Path:
    """A version of 12 rows, one of them without a video."""
    root = world.parent / "clips_and_labels"
    clips = [path.relative_to(root).as_posix() for path in sorted((root / "clips" / "train").glob("*.mp4"))]
    videos = [None if number == 2 else clips[number] for number in range(len(WORDS))]
    return write_rows(tmp_path_factory.mktemp("version") / "dataset", videos, WORDS)


@pytest.fixture
def train(videostar: Command, world: Path, rows: Path, tmp_path: Path) -> Any:
    """`train("out", "training.processes=2", ...)`: what came of training the LoRA `out` in six steps of five rows."""

    def run(out: str, *settings: str) -> Any:
        given = ["mix=null", "video.frames=4", "training.rank=8", "training.batch_size=5", "training.epochs=2"]
        given += ["training.gradient_accumulation=1"]
        sets = [word for setting in [*given, *settings] for word in ("--set", setting)]
        return videostar("train", rows, "--out", tmp_path / out, "--data", world, *sets)

    return run


def weights_of(lora: Path) -> torch.Tensor:
    weights = load_file(lora / "adapter_model.safetensors")
    return torch.cat([weights[name].flatten() for name in sorted(weights)])


def curve_of(lora: Path) -> list[dict[str, Any]]:
    return without_clock(lora.with_name(f"{lora.name}.training.jsonl").read_bytes())


def logged(log: Path) -> int:
    """The number of steps in a log; none if it is damaged."""
    try:
        return len(read_log(log))
    except ValueError:
        return 0


@contextmanager
def killing(warm: Warm, ready: Callable[[], bool], *, rank: bool = False) -> Iterator[None]:
    """Kills the command that runs meanwhile, or one of its training processes, as soon as `ready()`."""
    ended = threading.Event()

    def watch() -> None:
        while not ready():
            if ended.wait(0.002):
                return
        (command,) = psutil.Process(warm.pid).children()
        (spawned(command)[-1] if rank else command).kill()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
def test_a_killed_training_goes_on_at_its_step(train: Any, warm: Warm, world: Path, tmp_path: Path) -> None:
    """Killed at ten random steps, one after the other.

    A checkpoint whose steps are not in the log does not count, nor one that is damaged.
    """
    small = ("training.batch_size=1", "training.gradient_accumulation=1", "training.checkpoint_minutes=0")
    done = train("whole", *small)
    assert done.returncode == 0, done.stderr
    log = tmp_path / "killed.training.jsonl"
    for step in sorted(random.Random(0).sample(range(1, 24), 10)):
        with killing(warm, lambda step=step: logged(log) >= step):
            done = train("killed", *small)
        assert done.returncode == -9
        assert not (tmp_path / "killed").exists()
        # Two are kept; a third where it was killed after writing one and before the oldest was deleted.
        assert len(list((tmp_path / ".checkpoints-killed").glob("step-*"))) <= 3
        if step == 10:
            log.unlink()
        if step == 14:
            log.write_text('{"step": 1, "lo\n{}\n')
        if step == 17:
            newest = max((tmp_path / ".checkpoints-killed").glob("step-*"))
            (newest / "state.safetensors").write_bytes(b"torn")
    done = train("killed", *small)
    assert done.returncode == 0, done.stderr
    assert curve_of(tmp_path / "killed") == curve_of(tmp_path / "whole")
    for file in sorted((tmp_path / "whole").iterdir()):
        assert (tmp_path / "killed" / file.name).read_bytes() == file.read_bytes(), file.name
    assert not (tmp_path / ".checkpoints-killed").exists()


@pytest.mark.slow
def test_a_training_that_goes_on_decodes_no_clip_of_skipped_steps(train: Any, warm: Warm, tmp_path: Path) -> None:
    """The cache is empty then: it has the clips of the steps that are left, and those of the canaries."""
    cache = tmp_path / "cache"
    small = ("training.batch_size=1", "training.epochs=1", "training.checkpoint_minutes=0", f"cache.folder={cache}")
    with killing(warm, lambda: logged(tmp_path / "killed.training.jsonl") >= 8):
        assert train("killed", *small).returncode == -9
    done_steps = int(max((tmp_path / ".checkpoints-killed").glob("step-*")).name.removeprefix("step-"))
    assert len(list(cache.rglob("*.safetensors"))) == len(WORDS) - 1
    shutil.rmtree(cache / "frames")
    done = train("killed", *small)
    assert done.returncode == 0, done.stderr
    assert len(list(cache.rglob("*.safetensors"))) <= len(WORDS) - done_steps + CANARIES < len(WORDS) - 1


def test_a_known_clip_is_checked_again_if_still_ones_are_skipped_now(rows: Path, tmp_path: Path) -> None:
    """Its frames are the same, and it can no longer be shown."""
    still = tmp_path / "still"
    still.mkdir()
    for number in range(4):
        Image.linear_gradient("L").convert("RGB").save(still / f"{number}.png")
    row = replace(read_rows(rows, tmp_path)[0], videos=(still,))
    kept, skipped = (
        load_pipeline("demo", mix=None, settings=[f"video.still={how}", "video.frame_rate=4"])
        for how in ("keep", "skip")
    )
    clips = RowClips(kept)
    assert not clips.problems([row], Refusals(kept.spec, kept.video))
    assert len(clips.shapes) == 1
    again = RowClips(skipped, known=clips.shapes).problems([row], Refusals(skipped.spec, skipped.video))
    assert again[row].reason == "still"


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["false", "true"])
def test_two_processes_learn_what_one_does(train: Any, tmp_path: Path, shard: str) -> None:
    """The same first loss up to the rounding of float32 (to the bit on some processors), and the same weights.

    Every second step has one row, so that one of the processes has none.
    """
    several = ("training.processes=2", f"training.shard={shard}")
    for out, settings in {"one": (), "two": several}.items():
        done = train(out, "training.batch_size=11", *settings)
        assert done.returncode == 0, done.stderr
    one, two = (curve_of(tmp_path / out) for out in ("one", "two"))
    assert one[0]["loss"] == pytest.approx(two[0]["loss"], rel=1e-6)
    for a, b in zip(one, two, strict=True):
        for name in ("loss", "tokens", "input_tokens", "grad_norm", "learning_rate"):
            assert a[name] == pytest.approx(b[name], rel=1e-4)
    whole = weights_of(tmp_path / "one")
    assert (weights_of(tmp_path / "two") - whole).norm() < 1e-4 * whole.norm()
    assert json.loads(done.stdout)["steps"] == len(one)


@pytest.mark.slow
def test_a_killed_process_ends_the_others(train: Any, warm: Warm, tmp_path: Path) -> None:
    """Within seconds; then the same command goes on, even with one process."""
    settings = ("training.checkpoint_minutes=0", "training.epochs=6", "training.batch_size=2")
    log = tmp_path / "killed.training.jsonl"
    killed_at: list[float] = []

    def third_step() -> bool:
        if len(read_log(log)) < 3:
            return False
        killed_at.append(time.monotonic())
        return True

    with killing(warm, third_step, rank=True):
        done = train("killed", *settings, "training.processes=2")
    assert time.monotonic() - killed_at[0] < 20
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "videostar: training: process 1 of 2 was ended (SIGKILL); the same command goes on from the last checkpoint"
    )
    assert not [child for child in psutil.Process(warm.pid).children(recursive=True) if child.is_running()]
    before = read_log(log)[:2]
    done = train("killed", *settings)
    assert done.returncode == 0, done.stderr
    steps = read_log(log)
    assert steps[:2] == before  # with their times: these steps were not trained again
    assert [step["step"] for step in steps] == list(range(1, 37))


def test_batches_made_ahead_are_those_made_at_once(rows: Path, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process, in order; and a rank without rows has a batch that learns nothing."""
    settings = load_pipeline("demo", mix=None, settings=["video.frames=4"])
    clips, chat = RowClips(settings), Chat(load_processor(settings.spec))
    own = read_rows(rows, world.parent / "clips_and_labels")
    assert not clips.problems(own, Refusals(settings.spec, settings.video))
    model: Any = get_peft_model(bare_model(settings.spec), LoraConfig(target_modules=["q_proj"]))
    collator = Collator(chat, clips, model, own[0])
    order = [[5, 1], [], [11, 2, 7]]
    batches = {}
    monkeypatch.setattr("videostar.training.batches._WORKERS", 1)
    for workers, worth in ((0, 256), (1, 1)):
        monkeypatch.setattr("videostar.training.batches._WORTH", worth)
        batches[workers] = list(prefetched(own, order, collator, torch.device("cpu")))
    assert [len(batch["input_ids"]) for batch in batches[0]] == [2, 1, 3]
    assert (batches[0][1]["labels"] == IGNORED).all()
    for one, other in zip(batches[0], batches[1], strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other[name])), name


def test_examples_that_are_not_kept_are_those_that_are(
    rows: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row's features do not depend on the batch in which they are computed, or on whether there is room for them.

    With them the model computes what it does from pixels, of videos, pictures and rows of text.
    """
    settings = load_pipeline("demo", mix=None, settings=["video.frames=4"])
    clips, chat = RowClips(settings), Chat(load_processor(settings.spec))
    own = read_rows(rows, world.parent / "clips_and_labels")
    for number, colour in enumerate(("red", "blue")):
        Image.new("RGB", (64, 48 + 32 * number), colour).save(tmp_path / f"{colour}.png")
        own[number] = replace(own[number], pictures=(tmp_path / f"{colour}.png",), videos=own[number].videos[:number])
    assert not clips.problems(own, Refusals(settings.spec, settings.video))
    model: Any = get_peft_model(load_model(settings.spec), LoraConfig(target_modules=["q_proj"]))
    first = KeptExamples(chat, clips, model)
    monkeypatch.setattr("videostar.training.kept_examples._ROOM", 60_000)  # a few rows
    other = KeptExamples(chat, clips, model)
    for batch in ([3, 0, 7], [7, 1], [2, 3, 9, 0, 1], [0]):
        one, two = (examples.batch([own[row] for row in batch]) for examples in (first, other))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)
        shown = chat.examples([clips.turn(own[row]) for row in batch])
        assert shown.keys() == one.keys()
        assert all(torch.equal(one[name], shown[name]) for name in one if "pixel_values" not in name)
        expected = model(**shown).loss.item()
        with first.given():
            assert model(**one).loss.item() == pytest.approx(expected, rel=1e-6)
    assert 0 < len(other._kept) < len(first._kept) == 6
