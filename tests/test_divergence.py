"""Whether a loss explodes: losses of real trainings of the embedded model, most of them on 130 answers of the demo."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from videostar.training.divergence import ExplodingLoss

LOSSES = json.loads((Path(__file__).parent / "data" / "losses.json").read_text())


def warnings(losses: list[float]) -> dict[int, str]:
    rule = ExplodingLoss()
    found = ((step, rule.add(step, loss)) for step, loss in enumerate(losses, 1))
    return {step: line for step, line in found if line}


@pytest.mark.parametrize("name", LOSSES["exploding"])
def test_an_exploding_loss_is_noticed_once_within_a_few_steps(name: str) -> None:
    ((step, line),) = warnings(LOSSES["exploding"][name]).items()
    assert 5 <= step <= 7
    assert f"by step {step}, from {LOSSES['exploding'][name][0]:.3g} at first" in line


@pytest.mark.parametrize("name", LOSSES["healthy"])
def test_a_healthy_loss_is_not(name: str) -> None:
    losses = LOSSES["healthy"][name]
    assert not warnings(losses)
    late = warnings(losses + LOSSES["exploding"]["learning rate 0.1"][3:])
    assert [step - len(losses) for step in late] == [3], "noticed late in a training, too"


def test_losses_of_different_sources_are_not_compared() -> None:
    """Answers about videos have a loss of 0.1, those of an instruction set one of 2.5, which come in turn."""
    rule = ExplodingLoss()
    sources = chain.from_iterable([("kept", 0.1)] * 7 + [("mix", 2.5)] * 7 for _ in range(4))
    assert not any(rule.add(step, loss, source) for step, (source, loss) in enumerate(sources, 1))
    noticed = [rule.add(step, 0.1 * step, "kept") for step in range(57, 67)]
    assert [line is not None for line in noticed] == [step == 59 for step in range(57, 67)]
