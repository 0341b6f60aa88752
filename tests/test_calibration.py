"""The confidence of answers, and the figures of how far it can be trusted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from answers import questions_about
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from videostar.engines.base import Request
from videostar.engines.transformers import TransformersEngine
from videostar.models.chat import Turn
from videostar.models.response import confidence
from videostar.pipeline_files import load_pipeline
from videostar.stages.calibration import calibration

stated = st.floats(0, 1).map(lambda value: round(value, 2))  # with ties


@given(st.lists(st.tuples(stated, st.booleans()), min_size=1, max_size=60))
def test_the_figures_agree_with_their_definitions(answers: list[tuple[float, bool]]) -> None:
    found = calibration(*zip(*answers, strict=True))
    assert found is not None
    p, right = np.array([one[0] for one in answers]), np.array([one[1] for one in answers])
    assert found["brier"] == pytest.approx(np.square(p - right).mean(), abs=1e-9)
    if 0 < right.sum() < len(right):
        u = mannwhitneyu(p[right], p[~right], method="asymptotic").statistic
        assert found["auroc"] == pytest.approx(u / (right.sum() * (~right).sum()), abs=1e-9)
    else:
        assert found["auroc"] is None
    bins = found["bins"]
    sizes = [one["n"] for one in bins]
    assert len(bins) == min(10, len(answers))
    assert sum(sizes) == found["n"] == len(answers)
    assert max(sizes) - min(sizes) <= 1
    assert [one["confidence"] for one in bins] == sorted(one["confidence"] for one in bins)
    ordered = sorted(answers, key=lambda one: one[0])
    error, start = 0.0, 0
    for size in sizes:
        part, start = ordered[start : start + size], start + size
        error += abs(sum(is_right for _, is_right in part) - sum(stated for stated, _ in part))
    assert found["ece"] == pytest.approx(error / len(answers), abs=1e-9)


def test_a_confidence_that_is_not_known() -> None:
    assert confidence(None, 3) is confidence(math.nan, 3) is confidence(0.0, 0) is None
    assert confidence(-math.inf, 3) == 0.0
    assert confidence(3 * math.log(0.5), 3) == 0.5


@pytest.mark.parametrize("seeds", [(), (5,)])
def test_confidence_is_the_mean_probability_at_temperature_1(
    world: Path, seeds: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the tokens that end an answer too, whatever its neighbours in the batch; of sampled answers likewise."""
    settings = load_pipeline("demo", mix=None, generation={"temperature": 0.5})
    asked = [Request(one.question, one.clips, seeds) for one in questions_about(world)[:12]]
    with TransformersEngine(settings) as engine:
        engine.use(None)
        chat, rows = engine.chat, []
        responses = chat.responses
        monkeypatch.setattr(chat, "responses", lambda tokens, *known: rows.extend(tokens) or responses(tokens, *known))
        replies = engine.answer(asked)
        assert len({len(row) for row in rows}) > 1
        for request, reply, row in zip(asked, replies, rows, strict=True):
            assert isinstance(reply, list)
            assert row[-1] == chat.tokenizer.eos_token_id
            batch = chat.continued(Turn(request.question, request.clips), row)
            with torch.inference_mode():
                likely = torch.log_softmax(engine.model(**batch).logits[0, -len(row) - 1 : -1], dim=-1)
            expected = math.exp(likely[torch.arange(len(row)), row].mean().item())
            assert reply[0].confidence == pytest.approx(expected, abs=1e-4)


def test_a_run_states_it_and_prints_how_far_it_can_be_trusted(finished: tuple[Path, str]) -> None:
    run, printed = finished
    figures = json.loads((run / "rounds/02/evaluation.json").read_text())
    lines = [json.loads(line) for line in (run / "rounds/02/evaluation.jsonl").read_text().splitlines()]
    assert figures["calibration"] == calibration(
        [line["confidence"] for line in lines], [line["accepted"] for line in lines]
    )
    assert all(line["confidence"] == round(line["confidence"], 4) for line in lines)
    assert figures["validation"]["calibration"]["n"] == figures["validation"]["n"]
    assert f"round 2, calibration: ECE {figures['calibration']['ece']:.1%}, Brier " in printed
