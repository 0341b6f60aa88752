"""Descriptions of scenes: `describe` writes them, and `read` reads them back, so that true answers can be counted.

The embedded model learns this language in its pretraining. The cycle itself never uses this module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from videostar.demo.world import COLOURS, DIRECTIONS, SHAPES, STEPS, TARGETS, Motion, Scene
from videostar.labels.numbers import format_number

DESCRIBE_QUESTIONS: tuple[str, ...] = (
    "Describe the video.",
    "What do you see?",
    "What moves here, and how?",
    "Tell me what the object does.",
)
TIMED_QUESTIONS: tuple[str, ...] = (
    "Describe the video with times.",
    "What does the object do, and when?",
    "Tell me when the object does what.",
)
_DESCRIPTIONS: tuple[str, ...] = (
    "{thing} {0}, then {1}, then {2}.",
    "There is {thing}. First it {0}, then it {1}, and then it {2}.",
    "We see {thing} that first {0}, then {1}, and finally {2}.",
)


_T = TypeVar("_T")


def one_of(things: Sequence[_T], rng: np.random.Generator) -> _T:
    """A random element of `things`."""
    return things[int(rng.integers(len(things)))]


def motion(direction: str) -> str:
    """The words for the motion of one leg, such as `moves up`."""
    return "stays still" if direction == "still" else f"moves {direction}"


def describe(scene: Scene, rng: np.random.Generator, *, timed: bool = False) -> str:
    """A true description of `scene`, of one or two sentences; with `timed` it has the seconds of every leg."""
    article = "an" if scene.colour[0] in "aeiou" else "a"
    legs = [motion(leg) for leg in scene.path]
    if timed:
        times = [f"from {format_number(start)} to {format_number(end)}" for start, end in scene.leg_times]
        legs = [f"{leg} {time}" for leg, time in zip(legs, times, strict=True)]
        legs[-1] += " seconds"
    text = one_of(_DESCRIPTIONS, rng).format(*legs, thing=f"{article} {scene.colour} {scene.shape}")
    return text[0].upper() + text[1:]


@dataclass(frozen=True)
class Claim:
    """The statements of an answer about a clip; None if there is no readable one."""

    colour: str | None
    shape: str | None
    path: Motion | None


_COLOUR = re.compile(rf"\b({'|'.join(COLOURS)})\b")
_SHAPE = re.compile(rf"\b({'|'.join(SHAPES)})\b")
_MOTION = re.compile(rf"\bmoves ({'|'.join(d for d in DIRECTIONS if d != 'still')})\b|\bstays (still)\b")


def read(answer: str) -> Claim:
    """The first colour and shape in an answer, and its path if it states exactly three motions."""
    colour, shape = _COLOUR.search(answer), _SHAPE.search(answer)
    legs = [a or b for a, b in _MOTION.findall(answer)]
    path: Motion | None = (legs[0], legs[1], legs[2]) if len(legs) == 3 else None
    return Claim(colour and colour[1], shape and shape[1], path)


_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
_SYLLABLES = ("C", "CV", "CVC", "VC", "CCV", "CVCC", "V")
_LINKS = ("", "", "", "a ", "an ", "the ", "over a ", "under the ", "with a ", "on the ", "out of the ")


def made_up_name(rng: np.random.Generator) -> str:
    """An action's name in words that do not exist, of random syllables or letters, without any word of a target."""
    words = [_made_up_word(rng) for _ in range(rng.choice([1, 2, 3], p=[0.3, 0.5, 0.2]))]
    if rng.uniform() < 0.7:
        words[0] += "ing"
    if len(words) > 1:
        words[1] = _LINKS[rng.integers(len(_LINKS))] + words[1]
    name = " ".join(words)
    return made_up_name(rng) if set(re.findall(r"\w+", name)) & _TARGET_WORDS else name


def _made_up_word(rng: np.random.Generator) -> str:
    if rng.uniform() < 0.3:
        letters = _VOWELS + _CONSONANTS
        word = "".join(letters[i] for i in rng.integers(len(letters), size=rng.integers(3, 9)))
        return word if rng.uniform() < 0.8 else f"{word[:2]}-{word[2:]}"
    pattern = "".join(_SYLLABLES[i] for i in rng.integers(len(_SYLLABLES), size=rng.integers(1, 4)))
    word = "".join(
        _VOWELS[rng.integers(5)] if kind == "V" else _CONSONANTS[rng.integers(len(_CONSONANTS))] for kind in pattern
    )
    return word if len(word) > 2 else _made_up_word(rng)


_LINK_WORDS = {"a", "an", "the", "over", "under", "with", "on", "out", "of"}
#: Further names that pretraining avoids: replacements, if the model cannot copy one of the targets.
_RESERVE = (
    *("climbing stairs", "casting a net", "peeking outside", "starting a race", "tossing a ball"),
    *("opening a drawer", "mowing a lawn", "feeding ducks", "folding laundry", "boiling an egg"),
    *("climb", "dive", "north", "south", "advance", "pause", "rest", "head", "linger", "mount", "lower"),
)
_TARGET_WORDS = {
    word for name in (*TARGETS, *STEPS.values(), *_RESERVE) for word in re.findall(r"\w+", name)
} - _LINK_WORDS
