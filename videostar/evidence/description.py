"""The part of an answer that describes the video, without the label: the label is what was verified already."""

from __future__ import annotations

from videostar.labels.answer import Answer
from videostar.labels.cues import ANSWER
from videostar.labels.label import Label
from videostar.labels.paraphrase import Paraphrase
from videostar.labels.statements import Strength, find_statements

_NAMED = rf"{ANSWER}|actions?|activity|labels?|class|category|score|number|count|total|steps?|event|times?"


def description(text: str, label: Label) -> str:
    """The sentences of an answer that neither announce its result nor contain the label; empty if there is none.

    If all sentences that announce nothing contain the label, they are the description: many a good one names what it
    shows ("A man is juggling three balls").
    """
    parsed = Answer(text)
    sentences = [parsed.cased[parsed.starts[first] : parsed.ends[stop - 1]] for first, stop in parsed.sentences]
    telling = [one for one in sentences if any(map(str.isalnum, one)) and not _announces(one)]
    without = [one for one in telling if not _contains(one, label)]
    return " ".join(without or telling)


def _announces(sentence: str) -> bool:
    statements = find_statements(Answer(sentence), _NAMED)
    return any(statement.strength >= Strength.EXPLICIT for statement in statements)


def _contains(sentence: str, label: Label) -> bool:
    if isinstance(label, Paraphrase):  # any description is similar to it
        return label.words().lower() in sentence.lower()
    return label.judge(sentence).accepted
