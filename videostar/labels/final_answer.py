"""Finds the explicit final answer of a text about an action; what precedes it was only considered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from videostar.labels import lexicon
from videostar.labels.text import tokens

_SCOPE = 400  # characters after a cue that are read
_MAX_CUES = 20  # of more, only the last are read

# "The action is ..." is an answer; "the sport is ..." may be a remark, so these need a colon or a "final".
_NOUNS = frozenset("answer action activity label prediction conclusion verdict guess classification".split())
_MINOR_NOUNS = frozenset("class category gesture exercise movement sport choice event".split())
_CHOOSE = "(?:say|go with|go for|call|pick|choose|classify|on|it|this|as|that)"
_ANY = "|".join(sorted(_NOUNS | _MINOR_NOUNS))
_FINAL = "(?:final|correct|best|most likely|predicted|overall|main|my)"
_IS = (
    r"(?:is|was|must be|would be|should be|seems to be|appears to be|has to be|will be|could be|might be|may be|"
    r"can be (?:described|classified|labell?ed|identified) as|remains|therefore|thus|namely)"
)
# A noun and "is" or a colon, with "that is being performed in this clip" and the like between them. There is one
# expression for each noun, since a search that starts with a plain word is several times as fast as alternatives.
_CUES = {
    noun: re.compile(
        rf"{noun}(?<=\b{noun})\b(?:(?:\s+(?!is\b)\w[\w']*){{0,8}}?\s*"
        rf"(?:\b{_IS}\b\s*(?P<colon>[:=]?)|(?P<mark>[:=]))|(?P<dash>\s*;))"
    )
    for noun in _NOUNS | _MINOR_NOUNS
}
_HEADING = re.compile(rf"(?:^|\n)[ \t]*(?:(?:{_FINAL}|the) +){{0,2}}(?:{_ANY})[ \t]*[:;]?[ \t]*(?=\n)")
# Phrases of a conclusion by a word that each contains; a caret stands for the start of a sentence.
_PHRASES = {
    **{word: f"^{word}" for word in ("so", "therefore", "thus", "hence", "overall", "consequently")},
    "conclusion": "^in conclusion",
    "summary": "^in summary",
    "sum": "^to sum up",
    "result": "^as a result",
    **{word: rf"\b{word} that" for word in ("concluding", "confirm", "confirms", "deduce")},
    "conclude": r"^to conclude|\bconclude that",
    **{word: rf"\b{word}(?: (?:would|will|choose|settle))?(?: {_CHOOSE})+" for word in ("i", "i'd", "i'll")},
    **{
        word: rf"\b{word} as"
        for word in ("classified", "labeled", "labelled", "categorized", "categorised", "identified")
    },
}
_START = r"(?:^|(?<=[.!?;:\n])[ \t]{0,3})"
_CONCLUSIONS = {word: re.compile(rf"(?:{phrase.replace('^', _START)})\b[, ]+") for word, phrase in _PHRASES.items()}
# A phrase with one of these may only be a remark, after which the description goes on.
_LOOSE = frozenset("so overall summary sum result".split())
_ONE_OF_MANY = frozenset(
    "first second third fourth next another other previous initial following each every some any no possible candidate "
    "potential one alternative earlier".split()
)
_SAYS_NOTHING = lexicon.PREPOSITIONS | frozenset(
    "taking happening being going occurring unfolding not never as follows what that which clear obvious unclear "
    "unknown evident visible simple easy difficult hard slow fast quick brief smooth continuous repetitive consistent "
    "performed shown done carried captured recorded filmed seen repeated executed set part typical common likely "
    "performing doing characterized characterised described depicted given similar shot complete completed finished "
    "finishing started starting continuing continued over interesting impressive dynamic intense controlled "
    "deliberate yes".split()
)


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """The text of a final answer, and how explicit it is."""

    text: str
    explicit: bool  # it is called the answer or the action
    binding: bool  # it is explicit or a conclusion ("therefore"); "so" or "overall" may only go on with a description


def final_answers(normalised: str, words: Sequence[str]) -> Iterator[FinalAnswer]:
    """The final answers of a normalised text, from the last one to the first. `words` are the tokens of the text."""
    answers: list[tuple[int, FinalAnswer]] = []
    vocabulary = set(words)
    for noun in _CUES.keys() & vocabulary:
        for match in _CUES[noun].finditer(normalised):
            final = _answer_after_cue(normalised, match, minor=noun in _MINOR_NOUNS)
            if final:
                answers.append((match.end(), final))
    if "\n" in normalised and not _CUES.keys().isdisjoint(vocabulary):
        for match in _HEADING.finditer(normalised):
            answers.append((match.end(), FinalAnswer(_line(normalised, match.end()), True, True)))
    for word in _CONCLUSIONS.keys() & vocabulary:
        for match in _CONCLUSIONS[word].finditer(normalised):
            answers.append((match.end(), FinalAnswer(_sentence(normalised, match.end()), False, word not in _LOOSE)))
    for _, final in sorted(answers, key=lambda f: -f[0])[:_MAX_CUES]:
        if final.text:
            yield final


def last_line(normalised: str) -> str | None:
    """The last of several lines, which may be a bare answer; None if there is one line or the last is long."""
    head, _, line = normalised.rstrip().rpartition("\n")
    return line if head.strip() and len(line) < _SCOPE else None


def _answer_after_cue(text: str, match: re.Match[str], *, minor: bool) -> FinalAnswer | None:
    """The final answer after a cue like "the answer is" or "answer:"; None if the cue does not announce one."""
    before = text[max(0, match.start() - 30) : match.start()]
    words = before.split()
    if words and words[-1] in _ONE_OF_MANY:
        return None
    opens = not before.strip(" ,") or before.rstrip(" ")[-1] in "\n.,:;"
    if minor and not (opens and (match["mark"] or match["dash"])) and not re.search(rf"{_FINAL} $", before):
        return None
    if match["dash"] and not opens:
        return None
    if match["mark"] or match["colon"] or match["dash"]:
        return FinalAnswer(_line(text, match.end()), True, True)
    rest = _sentence(text, match.end())
    return FinalAnswer(rest, True, True) if _names_action(rest) else None


def _line(text: str, start: int) -> str:
    return text[start : start + _SCOPE].lstrip().split("\n", 1)[0].strip()


def _sentence(text: str, start: int) -> str:
    return re.split(r"[.!?](?=\s|$)|\n", text[start : start + _SCOPE], maxsplit=1)[0].strip()


def _names_action(text: str) -> bool:
    """Whether "the action is ..." goes on with an action, not with how it is done."""
    words = [t for t in tokens(text) if t[0].isalnum()]
    content = [t for t in words if t not in lexicon.ARTICLES]
    while content and (content[0] in lexicon.ADVERBS or content[0].endswith("ly")):
        content.pop(0)
    if not content or content[0] in _SAYS_NOTHING:
        return False
    described = [w for w in content[:4] if w not in ("and", "but", "very", "quite")]
    return not all(w.endswith("ed") or (lexicon.is_adjective(w) and not lexicon.is_noun(w)) for w in described)
