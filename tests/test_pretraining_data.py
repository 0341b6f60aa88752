"""What the embedded model learned from holds neither a target's name nor a name beside a target's path."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from videostar.demo.coca_data import describe_batch, draw_batches, draw_scenes
from videostar.demo.language import read
from videostar.demo.pretrain import Example, PretrainingData, draw_pool, draw_uneven, tokenizer_texts
from videostar.demo.world import KNOWN, STEPS, TARGETS
from videostar.util.resources import EMBEDDED

LINKS = {"a", "an", "the", "over", "under", "out", "on", "of", "with", "u"}
NAMES = (*TARGETS, *STEPS.values())


@pytest.fixture(scope="module")
def data() -> PretrainingData:
    return PretrainingData(draw_pool(6_000, seed=0) + draw_uneven(3_000, seed=3), count=20_000, seed=1)


@pytest.fixture(scope="module")
def examples(data: PretrainingData) -> list[Example]:
    return [data[index] for index in range(len(data))]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def test_no_word_of_a_target_or_step_is_learned_from(examples: list[Example]) -> None:
    learned = set().union(*(words(f"{e.question} {e.answer}") for e in examples))
    assert len(learned) > 200
    for name in NAMES:
        assert not (words(name) - LINKS) & learned, name


def test_no_name_stands_beside_a_targets_path(data: PretrainingData, examples: list[Example]) -> None:
    targets = set(TARGETS.values())
    seen = {"describe": 0, "named": 0}
    for example in examples:
        if example.scene is None:
            continue
        path = data.scenes[example.scene].path
        if "the action is" in f"{example.question} {example.answer}".lower():
            seen["named"] += 1
            assert path not in targets
        elif path in targets:
            seen["describe"] += 1
    assert seen["named"] > 4_000
    assert seen["describe"] > 100, "targets' paths are described, without a name: the check above sees them"


def test_answers_are_true_of_their_scenes(data: PretrainingData, examples: list[Example]) -> None:
    shown = [example for example in examples[:2_000] if example.scene is not None]
    assert len(shown) > 1_000
    for example in shown:
        scene, said = data.scenes[example.scene], read(example.answer)
        assert (said.colour, said.shape, said.path) == (scene.colour, scene.shape, scene.path)


def test_what_hints_say_is_true_of_no_clip_but_by_chance(data: PretrainingData, examples: list[Example]) -> None:
    """Times and numbers are drawn, and what they are said of is made up: neither task is learned."""
    hits = {"when": 0, "count": 0}
    asked = {"when": 0, "count": 0}
    for example in examples:
        if example.task in hits and example.scene is not None:
            scene = data.scenes[example.scene]
            told = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", example.answer.rpartition(". ")[2])]
            turns = sum(a != b for a, b in itertools.pairwise(scene.path))
            asked[example.task] += 1
            hits[example.task] += tuple(told) in scene.leg_times if example.task == "when" else told == [turns]
            assert not words(example.question) & {"object", "bounces", "bounce"}
    assert min(asked.values()) > 500
    assert hits["when"] / asked["when"] < 0.03
    assert hits["count"] / asked["count"] < 0.15


def test_known_actions_are_learned_by_name(examples: list[Example]) -> None:
    named = {name for e in examples[:3_000] for name in KNOWN if e.task == "known" and e.answer.endswith(f"{name}.")}
    assert named == set(KNOWN)


def test_the_shipped_tokenizer_came_from_these_texts_alone(data: PretrainingData) -> None:
    """No token of the shipped vocabulary holds a target's word, so none was among the tokenizer's texts often."""
    vocabulary = json.loads((EMBEDDED / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    tokens = {token.strip("Ġ").lower() for token in vocabulary}
    for name in NAMES:
        assert not {word for word in words(name) - LINKS if len(word) > 3} & tokens, name
    texts = set().union(*(words(text) for text in itertools.islice(tokenizer_texts(data), 5_000)))
    assert len(texts) > 200
    assert not texts & {word for name in NAMES for word in words(name) - LINKS}


def test_the_evidence_model_learns_from_true_descriptions_alone() -> None:
    scenes = draw_scenes(900, seed=0)
    contents = [(scene.colour, scene.shape, scene.path) for scene in scenes]
    learned: set[str] = set()
    for step, batch in enumerate(draw_batches(scenes, steps=24, batch=64, seed=3)):
        assert len({contents[index] for index in batch}) == 64, "no text of a batch is true of two of its clips"
        items = list(enumerate(batch, start=64 * step))
        for (_, index), text in zip(items, describe_batch(scenes, items, seed=0), strict=True):
            claim = read(text)
            assert (claim.colour, claim.shape, claim.path) == contents[index]
            learned |= words(text)
    assert learned
    for name in (*NAMES, *KNOWN):
        assert not (words(name) - LINKS) & learned, name
