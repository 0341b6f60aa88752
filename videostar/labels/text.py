"""Normalises free text and splits it into words, for labels that are names or sentences."""

from __future__ import annotations

import re
import unicodedata
from typing import TypeVar

from videostar.labels.scripts import UNSPACED, UNSPACED_MARKS

T = TypeVar("T")

# Tokens that end a sentence. `normalise` keeps a line break only where it ends something.
SENTENCE_ENDS = frozenset(".!?\n")

_QUOTES = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼ´`′", "'"),
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‐‑‒﹣-", "-"),
        **dict.fromkeys("–—―−", " - "),
        "\u2028": "\n",
        "\u2029": "\n",
        "…": ".",
        **dict.fromkeys("→⇒⟶➔➜➡", ","),
        "•": "\n",
    }
)
# The tags around reasoning: <think>, </Thinking>, <|thought|>, ◁think▷.
_THOUGHT = re.compile(
    r"[<◁]\s?\|?\s?(/?)\s?(?:think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad|reflection)(?:\s[^<>\n]{0,80})?\s?\|?[>▷]",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(/?)([A-Za-z]\w{0,30})[^<>\n]{0,80}>")
# SoccerJuggling, BMXRiding. The letter precedes the look-arounds, so that the search can skip to capitals.
_CAMEL = re.compile(r"[A-Z](?:(?<=[a-z].)(?=[a-z])|(?<=[A-Z].)(?=[a-z]{2}))")
_BLANK_LINES = re.compile(r"\n\s*")
_BULLET = re.compile(r"\n(?:[-*+>#|.)\s]|\d{1,3}[.)](?=\s))+")
_MARKS = re.compile(r'[*"`#{}\[\]~$\\]+')
_DASH = re.compile(r"\s-+\s|--+")
_QUOTE = re.compile(r"(?<!\w)'+|'+(?!\w)")
_TOKEN = re.compile(r"[a-z']+|[.!?;:,()/\n=]|\d+(?:\.\d+)?[a-z]*")  # three times as fast as the one for all scripts
# A letter of a script without spaces is a token of its own, so that names are found within a sentence.
_TOKEN_OF_ANY_SCRIPT = re.compile(
    rf"[{UNSPACED}][{UNSPACED_MARKS}]*|(?:(?![{UNSPACED}])[^\W\d_]|')+|[.!?;:,()/\n=]|"
    rf"\d+(?:\.\d+)?(?:(?![{UNSPACED}])[^\W\d_])*"
)
_KEPT_MARK = re.compile(f"[{UNSPACED_MARKS}]")
_MIN_WRAPPED = 40  # characters: a shorter line without a final mark is an item of a list, not a wrapped sentence


def normalise(text: str) -> str:
    """`text` in lower case, without accents, markup and typographic marks.

    A line break stays where it ends a sentence or an item of a list.

    >>> normalise("**Answer:** “ShavingBeard”")
    'answer: shaving beard'
    """
    if not text.isascii():
        text = text.translate(_QUOTES)
        text = "".join(
            c
            for c in unicodedata.normalize("NFKD", text)
            if unicodedata.category(c) not in ("Mn", "Cf", "Cs") or _KEPT_MARK.match(c)
        ).translate(_QUOTES)
    if "<" in text:
        text = _TAG.sub(_untag, text)
    text = split_camel_case(text)
    if "\n" in text or "\r" in text:
        text = _lines(text)
    text = _MARKS.sub("", text.replace("_", " ").replace(" & ", " and "))
    if "-" in text:
        text = _DASH.sub(" ; ", text)
    if "'" in text:
        text = _QUOTE.sub("", text)
    return text.casefold()


def drop_reasoning(answer: str) -> str:
    """The last part of `answer` outside of `<think>` and `</think>`; empty if the last `<think>` is never closed.

    What precedes a `</think>` without a `<think>` is reasoning too, since a prompt may open it.

    >>> drop_reasoning("<think>Is he walking?</think>He runs."), drop_reasoning("<think>He runs, because")
    ('He runs.', '')
    """
    parts, start, inside = [], 0, False
    for tag in _THOUGHT.finditer(answer):
        if not tag[1]:
            parts += [] if inside else [answer[start : tag.start()]]
        elif not inside:
            parts = []
        start, inside = tag.end(), not tag[1]
    if inside:
        return ""
    parts.append(answer[start:])
    return next((part for part in reversed(parts) if any(map(str.isalnum, part))), "")


def split_camel_case(text: str) -> str:
    """`text` with a space between the words of CamelCase names."""
    return _CAMEL.sub(r" \g<0>", text)


def tokens(normalised: str) -> list[str]:
    """The words, numbers and marks of a normalised text, in order. A hyphen separates words."""
    return (_TOKEN if normalised.isascii() else _TOKEN_OF_ANY_SCRIPT).findall(normalised)


def words(text: str) -> list[str]:
    """The words and numbers of any text, normalised, without marks."""
    return [t for t in tokens(normalise(text)) if t[0].isalnum()]


def both_ends(items: list[T], limit: int) -> list[T]:
    """All `items`, or the first and the last half of `limit` if there are more."""
    return items if len(items) <= limit else items[: limit // 2] + items[-limit // 2 :]


def _untag(match: re.Match[str]) -> str:
    return "\nAnswer: " if match[2].lower() == "answer" and not match[1] else "\n"


def _lines(text: str) -> str:
    """`text` without the marks of lists and headings, and with wrapped lines joined."""
    text = _BLANK_LINES.sub("\n", "\n" + text.replace("\r\n", "\n").replace("\r", "\n").strip())
    lines = _BULLET.sub("\n", text).split("\n")
    joined = [lines[0]]
    for before, line in zip(map(str.rstrip, lines), lines[1:], strict=False):
        wrapped = len(before) >= _MIN_WRAPPED and line[:1].islower() and before[-1] not in ".:;!?"
        joined.append((" " if wrapped else "\n") + line)
    return "".join(joined).strip()
