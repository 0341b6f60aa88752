"""Visual tokens that training drops: the rest are trained as if the model had never read the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import Command
from tiny_models import make
from torch.nn.functional import cross_entropy

from videostar.models.chat import IGNORED, Chat, Turn, without_prompts
from videostar.models.families import FAMILIES
from videostar.models.load import load_model, load_processor
from videostar.pipeline_files import load_pipeline
from videostar.training.drop_tokens import TokenDropper, draw, visual_marks
from videostar.video.clip import Clip

SEED, STEP, ROWS = 7, 1, [5, 0, 3, 9, 2]


def turns() -> list[Turn]:
    """Rows with one video, two, none, a picture, and several answers: of very different lengths."""
    noise = np.random.default_rng(0)
    one, two, three = (
        Clip(noise.integers(0, 256, (4, 64, 64, 3), np.uint8), (0.0, 1.0, 2.0, 3.0), fps=10.0, seconds=4.0)
        for _ in range(3)
    )
    picture = noise.integers(0, 256, (64, 64, 3), np.uint8)
    return [
        Turn("What?", [one], "It is a ball that moves to the left."),
        Turn("Which is longer, and why?", [one, two], "No."),
        Turn("Who?", answer="A text that begins before the others' videos end."),
        Turn("What is it?", answer="A ball.", pictures=(picture,)),
        Turn("What?", [three], "It rises.", later=(("And now?", "It falls."),)),
    ]


def losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The summed loss of each row."""
    logits, labels = logits[:, :-1], labels[:, 1:]
    lost = cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    return lost.sum(dim=1)


def read_by(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """What the language model is given of a batch."""
    given: dict[str, Any] = {}
    handle = model.get_decoder().register_forward_pre_hook(
        lambda _, args, inputs: given.update(inputs), with_kwargs=True
    )
    model(**batch)
    handle.remove()
    return given


def loss_without(model: Any, chat: Chat, turn: Turn, row: int) -> tuple[torch.Tensor, int]:
    """The loss of a row alone, whose tokens are picked one by one, and the number of tokens that were dropped."""
    batch = chat.examples([turn])
    labels = batch.pop("labels")[0]
    given = read_by(model, batch)
    visual = torch.isin(batch["input_ids"][0], visual_marks(model.config))
    dropped = draw(visual, 0.5, (SEED, STEP, row))
    assert not (dropped & ~visual).any()
    places, features = [], []
    seen = 0
    for place in range(len(labels)):
        if not dropped[place]:
            places.append(place)
            if visual[place]:
                features.append(seen)
        seen += bool(visual[place])
    positions = given.get("position_ids")
    inputs = {"inputs_embeds": torch.stack([given["inputs_embeds"][0, place] for place in places])[None]}
    if positions is None:
        inputs["position_ids"] = torch.tensor([places])
    else:
        inputs["position_ids"] = torch.stack([positions[:, 0, place] for place in places], dim=-1)[:, None]
    if given.get("visual_pos_masks") is not None:
        inputs["visual_pos_masks"] = visual[places][None]
        inputs["deepstack_visual_embeds"] = [layer[features] for layer in given["deepstack_visual_embeds"]]
    logits = model.lm_head(model.get_decoder()(**inputs).last_hidden_state)
    return losses(logits, labels[places][None])[0], int(dropped.sum())


@pytest.mark.parametrize("name", [name for name, facts in FAMILIES.items() if facts.drops])
def test_the_loss_is_that_of_the_tokens_that_stay(name: str, tmp_path: Path) -> None:
    settings = load_pipeline("demo", model=str(make(name, tmp_path / "model")), mix=None)
    model, chat = load_model(settings.spec), Chat(load_processor(settings.spec))
    batch = chat.examples(turns())
    whole_labels = batch["labels"]
    trimmed = without_prompts(batch)
    labels = trimmed.pop("labels")
    lengths: list[int] = []
    first = model.get_decoder().layers[0]
    first.register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    with torch.inference_mode():
        alone = [loss_without(model, chat, turn, row) for turn, row in zip(turns(), ROWS, strict=True)]
        plain = model(**trimmed).logits
        lengths.clear()
        with TokenDropper(model, 0.5, 4, SEED).step(STEP, ROWS, trimmed):
            dropped = losses(model(**trimmed).logits, labels)
        expected = torch.stack([loss for loss, _ in alone])
        torch.testing.assert_close(dropped, expected, rtol=1e-5, atol=1e-5)
        counts = torch.tensor([count for _, count in alone])
        assert [count > 0 for count in counts] == [True, True, False, True, True]
        assert lengths == [int((batch["attention_mask"].sum(dim=1) - counts).max())]
        assert lengths[0] < len(batch["input_ids"][0])

        # The same again: tokens that no other may look at.
        mask = batch["attention_mask"].clone()
        for place, row in enumerate(ROWS):
            visual = torch.isin(batch["input_ids"][place], visual_marks(model.config))
            mask[place][draw(visual, 0.5, (SEED, STEP, row))] = 0
        unseen = {**batch, "attention_mask": mask, "position_ids": read_by(model, batch).get("position_ids")}
        torch.testing.assert_close(losses(model(**unseen).logits, whole_labels), dropped, rtol=1e-5, atol=1e-5)

        # Nothing else is changed: a share of 0, every fourth step, and whatever comes after.
        for share, step in ((0.0, 1), (0.5, 4)):
            with TokenDropper(model, share, 4, SEED).step(step, ROWS, trimmed):
                assert torch.equal(model(**trimmed).logits, plain)
        assert torch.equal(model(**trimmed).logits, plain)


def test_the_draw_is_uniform_and_its_own_for_each_row_and_step() -> None:
    visual = torch.tensor([False] * 3 + [True] * 8 + [False])
    draws = torch.stack([draw(visual, 0.25, (0, step, row)) for step in range(50) for row in range(20)])
    assert set(draws.sum(dim=1).tolist()) == {2}
    shares = draws.float().mean(dim=0)
    assert shares[~visual].max() == 0
    assert shares[visual] == pytest.approx(0.25, abs=0.05)
    assert len({tuple(one.tolist()) for one in draws[:20]}) > 10
    assert draw(visual, 0.99, (0, 1, 0)).sum() == 7  # one stays
    assert not draw(torch.zeros(4, dtype=torch.bool), 0.5, (0, 1, 0)).any()


def test_another_family_is_refused_before_anything_is_made(videostar: Command, world: Path, tmp_path: Path) -> None:
    make("llava_onevision", tmp_path / "model")
    sets = [f"--set={setting}" for setting in ("mix=null", "training.drop_tokens=0.5")]
    for words in (("train", "."), ("cycle",)):
        done = videostar(*words, "--out", "new", "--data", world, "--model", "./model", *sets)
        assert done.returncode == 2
        assert (
            "training.drop_tokens: is known for qwen3_vl, qwen3_vl_moe, qwen2_5_vl, internvl, and model" in done.stderr
        )
        assert "is llava_onevision; remove it, or give another model" in done.stderr
    assert not (tmp_path / "new").exists()
