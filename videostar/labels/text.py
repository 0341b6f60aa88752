"""Normalises free text: one kind of quote and dash, no markup, no accents, a line break only where something ends."""

from __future__ import annotations

import html
import re
import unicodedata

# Letters of scripts without spaces between words: Thai to Burmese, Khmer, kana and Han.
UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Marks that belong to such a letter: vowels and tones in Thai, the voicing of kana.
UNSPACED_MARKS = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u3099\u309a"
SENTENCE_ENDS = frozenset(".!?\n")

_MARKS = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼ´`′", "'"),
        **dict.fromkeys('“”„‟«»″"', '"'),
        **dict.fromkeys("‐‑‒﹣－−", "-"),
        **dict.fromkeys("–—―", " - "),
        **dict.fromkeys("\u2028\u2029\x0b\x0c\x1c\x1d\x1e\x85•▪●■◦", "\n"),
        **dict.fromkeys("→⇒⟶➔➜➡", " > "),
        **dict.fromkeys("×✕✖", " x "),
        "⁄": "/",
        "÷": "/",
        "≈": " = ",
        "…": ". ",
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
    }
)
_KEPT_MARK = re.compile(f"[{UNSPACED_MARKS}]")
_TAG = re.compile(r"<(/?)([A-Za-z]\w{0,30})(?:\s[^<>\n]{0,80})?/?>")
_INLINE = frozenset("b i u em strong span sub sup box ref time timestamp point".split())
_EDGES = frozenset("start end begin start_time end_time starttime endtime".split())
_MINUTES = re.compile(r"(?<!\d)(\d{1,3})' ?(\d\d)\"")  # 1'15"
_ROLE_TAG = re.compile(r"<\|[^|<>\n]{0,40}\|>")
_ENTITY = re.compile(r"&(?:[a-z]{2,6}|#\d{1,5});")
# LaTeX: an answer in a box, a fraction, text in a formula; then its other marks go.
_BOXED = re.compile(r"\\boxed\s{0,3}\{((?:[^{}\n]|\{[^{}\n]*\}){0,200})\}")
_FRACTION = re.compile(r"\\d?frac\{([\d.]{1,12})\}\{([\d.]{1,12})\}")
_COMMANDS = re.compile(r"\\(?:text|mathrm|mathbf|textbf|left|right|quad|[()\[\],;! ]|%)|\\+(?![a-zA-Z])")
_OPERATORS = {"times": "*", "cdot": "*", "approx": "=", "circ": "°", "div": "/", "rightarrow": ">", "to": ">"}
_LATEX = re.compile(rf"\\({'|'.join(_OPERATORS)})\b")
# SoccerJuggling, BMXRiding. The letter precedes the look-arounds, so that the search can skip to capitals.
_CAMEL = re.compile(r"[A-Z](?:(?<=[a-z].)(?=[a-z])|(?<=[A-Z].)(?=[a-z]{2}))")
_BLANK_LINES = re.compile(r"\n\s*")
_BULLET = re.compile(
    r"\n(?:[-+>#|*](?=[\s*>#|-])[ \t]*|\*+[ \t]|#+[ \t]*|[ \t]+|\(?\d{1,3}[.)][ \t]{1,4}(?=[*_\"']{0,4}[^\W\d_]))+"
)
_DECORATION = re.compile(r"(?<!\d)\*+(?=\S)|(?<=\S)\*+(?!\d)|[\"_#$`\\]+|~~+|(?<!\d)~(?!\d)|(?<!\w)'+|'+(?!\w)")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_DASH = re.compile(r"\s++-++\s++(?![\d<.~])|-{2,}")
_ARROW = re.compile(r"[-=]{1,3}>")
_DECIMAL_COMMA = re.compile(r"(?<=:\d\d),(?=\d{3}(?![\d:]))")  # 00:00:05,000
_DECORATED = re.compile(r"[*\"_#$`\\~']")  # a search for these is ten times as fast as the substitution
# The full stop of an abbreviation. The search can skip to full stops.
_ABBREVIATION = re.compile(
    r"\.(?:(?<=\bca.)|(?<=\bvs.)|(?<=\bmr.)|(?<=\bdr.)|(?<=\bmrs.)|(?<=\bfig.)|(?<=\bi\.e.)|(?<=\be\.g.)|(?<=\bresp.)|"
    r"(?<=\bapprox.)|(?<=\bno.)(?=\s?\d)|(?:(?<=\bsec.)|(?<=\bsecs.)|(?<=\bmin.)|(?<=\bmins.)|(?<=\bpts.))(?=\s*(?-i:[\da-z])))",
    re.IGNORECASE,
)
_HALF_DAY = re.compile(r"\b([ap])\.m\.?", re.IGNORECASE)
_MIN_WRAPPED = 40  # characters: a shorter line without a final mark is an item of a list, not a wrapped sentence


def normalise(text: str) -> str:
    """`text` without accents, markup and typographic marks, in its own case.

    A line break stays where it ends a sentence or an item of a list.

    >>> normalise("**Answer:** “ShavingBeard”")
    'Answer: Shaving Beard'
    """
    if not text.isascii():
        text = text.translate(_MARKS)
        text = "".join(
            c
            for c in unicodedata.normalize("NFKD", text)
            if unicodedata.category(c) not in ("Mn", "Cf", "Cs", "Co") or _KEPT_MARK.match(c)
        ).translate(_MARKS)
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text).replace(" & ", " and ")
    if "<" in text:
        text = _TAG.sub(_untag, _ROLE_TAG.sub("\n", text))
    if "'" in text:
        text = _MINUTES.sub(r"\1:\2", text)
    if "\\" in text:
        text = _unlatex(text)
    text = split_camel_case(text)
    if "\n" in text or "\r" in text:
        text = _lines(text)
    if _DECORATED.search(text):
        text = _DECORATION.sub("", text.replace("_", " "))
    if ">" in text:
        text = _ARROW.sub(" > ", text)
    if ":" in text:
        text = _DECIMAL_COMMA.sub(".", text)
    if "-" in text:
        text = _DASH.sub(" ; ", _HYPHEN.sub(" ", text))
    if ".m" in text or ".M" in text:
        text = _HALF_DAY.sub(r"\1m", text)
    return _ABBREVIATION.sub("", text)


def split_camel_case(text: str) -> str:
    """`text` with a space between the words of CamelCase names."""
    return _CAMEL.sub(r" \g<0>", text)


def _untag(match: re.Match[str]) -> str:
    if len(match[2]) == 1 and match[2].isupper():
        return f" {match[2]} "  # a letter in brackets
    if match[2].lower() in _EDGES:
        return " " if match[1] else f" {match[2]}: "
    if match[2].lower() in _INLINE:
        return " "
    if match[2].lower() != "answer":
        return "\n"
    return "\n" if match[1] else "\nAnswer: "


def _unlatex(text: str) -> str:
    text = _BOXED.sub(r"\nAnswer: \1\n", text)
    text = _LATEX.sub(lambda match: _OPERATORS[match[1]], _FRACTION.sub(r"\1/\2", text))
    return _COMMANDS.sub(" ", text).replace("{", " ").replace("}", " ")


def _lines(text: str) -> str:
    """`text` without the marks of lists and headings, and with wrapped lines joined."""
    text = _BLANK_LINES.sub("\n", "\n" + text.replace("\r\n", "\n").replace("\r", "\n").strip())
    lines = _BULLET.sub("\n", text).split("\n")
    joined = [lines[0]]
    for before, line in zip(map(str.rstrip, lines), lines[1:], strict=False):
        wrapped = len(before) >= _MIN_WRAPPED and line[:1].islower() and before[-1] not in ".:;!?"
        joined.append((" " if wrapped else "\n") + line)
    return "".join(joined).strip()
