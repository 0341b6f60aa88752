"""Foils: texts that differ from an answer in one fact, such as another colour, number or direction."""

from __future__ import annotations

import re
import zlib
from functools import cache

_MOTIONS = ("moves up", "moves down", "moves left", "moves right", "stays still")
#: Words of which one replaces another. Of those that are in several groups, the longest phrase counts.
_GROUPS: tuple[tuple[str, ...], ...] = (
    _MOTIONS,
    tuple(phrase.replace("moves", "move").replace("stays", "stay") for phrase in _MOTIONS),
    tuple(phrase.replace("moves", "moving").replace("stays", "staying") for phrase in _MOTIONS),
    ("up", "down", "left", "right"),
    ("upwards", "downwards"),
    ("forwards", "backwards"),
    ("forward", "backward"),
    ("clockwise", "counterclockwise"),
    ("red", "green", "blue", "yellow", "purple", "orange", "black", "white", "brown", "pink", "grey"),
    ("circle", "square", "triangle", "cross", "rectangle", "star"),
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    ("opens", "closes"),
    ("opening", "closing"),
    ("pushes", "pulls"),
    ("pushing", "pulling"),
    ("enters", "leaves"),
    ("entering", "leaving"),
    ("picks up", "puts down"),
    ("picking up", "putting down"),
    ("lifts", "lowers"),
    ("lifting", "lowering"),
    ("starts", "stops"),
    ("before", "after"),
    ("inside", "outside"),
    ("into", "out of"),
    ("onto", "off"),
    ("man", "woman"),
    ("boy", "girl"),
    ("men", "women"),
)
_MOST = 32  # foils of a text


def foils(text: str) -> list[str]:
    """The text with one word replaced by another of its group, at most 32 in the order of its words.

    >>> foils("He opens the red box.")[:2]
    ['He closes the red box.', 'He opens the green box.']
    """
    others, pattern = _others()
    made = []
    for match in pattern.finditer(text):
        for other in others[match[0].lower()]:
            word = other.capitalize() if match[0][0].isupper() else other
            made.append(text[: match.start()] + word + text[match.end() :])
    return made[:_MOST]


def one_foil(text: str) -> str:
    """One of the foils, drawn by the text alone; empty if there is none."""
    made = foils(text)
    return made[zlib.crc32(text.encode("utf-8", "surrogatepass")) % len(made)] if made else ""


@cache
def _others() -> tuple[dict[str, list[str]], re.Pattern[str]]:
    """The words that replace each word, and a pattern for all of them, long phrases first."""
    others: dict[str, list[str]] = {}
    for group in _GROUPS:
        for word in group:
            others.setdefault(word, [other for other in group if other != word])
    names = "|".join(sorted(map(re.escape, others), key=len, reverse=True))
    return others, re.compile(rf"\b(?:{names})\b", re.IGNORECASE)
