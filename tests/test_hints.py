"""Hints are taken out of answers, and ordinary sentences are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.hints import strip_hint

PIECES = (
    "as the label says , given that answer is it because you told me skiing . he runs ( ) provided prompt in".split()
)


@pytest.mark.parametrize(
    ("answer", "stripped"),
    [
        ("As the label says, a man is rowing.", "A man is rowing."),
        ("A man is rowing, as the provided label indicates.", "A man is rowing."),
        ("Given that the answer is rowing, one can see two oars.", "One can see two oars."),
        ("Since the action is given as rowing, there must be a boat.", "There must be a boat."),
        ("The provided label is rowing. Two men pull at the oars.", "Two men pull at the oars."),
        ("The oars, as stated in the question, are in the water.", "The oars are in the water."),
        ("He rows (as you mentioned) up the river.", "He rows up the river."),
        ("According to the label, he rows.\nThe water is calm.", "He rows.\nThe water is calm."),
        ("Knowing that the action is rowing, look at the oars!", "Look at the oars!"),
        ("The label says that he rows on a lake.", "He rows on a lake."),
        ("He rows, which matches the given label.", "He rows."),
    ],
)
def test_hints_are_taken_out(answer: str, stripped: str) -> None:
    assert strip_hint(answer) == stripped


@pytest.mark.parametrize(
    "answer", ["", " \n", "As the label says.", "The given label is correct.", "This is labeled as rowing.", "..."]
)
def test_nothing_is_left(answer: str) -> None:
    assert strip_hint(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        "The label on the bottle is red.",
        "Given that she holds a racket, this is tennis.",
        "The label reads Cola.",
        "He labels the box.",
        "The teacher asks a question, and a pupil is given the answer.",
        "As he jumps, the crowd cheers, because he is fast.",
        "The action is rowing, since two oars are in the water.",
        "So the answer is rowing.",
        "She follows the instructions and looks at the label.",
        "As you can see, he rows.",
    ],
)
def test_ordinary_text_is_left_alone(answer: str) -> None:
    assert strip_hint(answer) == answer


@settings(max_examples=300)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join)))
def test_stripping_twice_is_stripping_once(answer: str) -> None:
    once = strip_hint(answer)
    assert once is None or strip_hint(once) == once
