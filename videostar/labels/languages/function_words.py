"""Puts the function words of one language into English: cues, replies, denials and conjunctions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

from videostar.labels.languages.files import Language
from videostar.labels.languages.phrases import PLACES, Phrases, any_of, plain
from videostar.labels.languages.quantities import Quantities

_CLAUSE_ENDS = r"(?:[.!?;\n](?!\d)|(?<!\d),|,(?!\d)|:(?!\d))+\s*"
_MARKS = r"[\s\"'*()\[\]]*"

_COMMAS = re.compile(r",[ \t]*, but ")
_LAST_NO = re.compile(r"(?<= )no(?= [\s\"')]*$)")

_compiled = partial(re.compile, flags=re.IGNORECASE)


class FunctionWords:
    """The expressions of one language, compiled once."""

    def __init__(self, language: Language) -> None:
        own = language
        inline, opening, replies = _inline(own), _opening(own), _replies(own)
        self._inline = Phrases(own, inline)
        self._opening = Phrases(own, opening)
        self._replies = Phrases(own, replies)
        self._denials = Phrases(own, _denials(own))
        self._quantities = Quantities(own, {*inline, *opening, *own.range.from_beginning})
        self._denied = {*own.negations, *replies}

        listed = partial(any_of, own)
        copula, suffix = f"{plain(own.copulas)}?", f"{plain(own.suffixes)}?"
        cue = listed((*own.answers, *own.scores))
        self._opens = _compiled(rf"\s*(?:{listed((*own.and_, *own.but))}\s*)?({self._opening.expression})")
        self._reply = _compiled(
            rf"(?!{_MARKS}{cue}{_MARKS}$){_MARKS}(?P<cue>{cue}{suffix}{_MARKS}:?{_MARKS})?(?:{listed(own.claims)}{suffix}\s*)?"
            rf"(?P<reply>{self._replies.expression}){_MARKS}{copula}{_MARKS}$"
        )
        firm = {*own.harmless, *own.undecided, *own.maybe, *own.none}.difference(own.negated_endings)
        self._denial = _compiled(rf"{listed(firm)}|(?P<denial>{self._denial_expression(own, copula)})")
        self._concord = _compiled(
            rf"{listed({*own.negations}.difference(own.none))}(?=.{{0,80}}{listed(own.none)})" if own.spaced else "(?!)"
        )
        self._question = _compiled(rf"{listed(own.questions)}\s*$")
        self._clauses = _compiled(rf"({_CLAUSE_ENDS}|{listed(own.breaks)}|{listed(own.but)})")
        self._but = _compiled(listed(own.but))
        self._joints = {**dict.fromkeys(own.and_, " and "), **dict.fromkeys(own.or_, " or ")}
        beside = rf"[A-Za-z0-9{PLACES}]"
        self._joint = _compiled(
            rf"(?<={beside}) ?({plain(self._joints)})\s*(?=[\"(]?{beside})" if not own.spaced else "(?!)"
        )
        self._attached = _compiled(
            rf"(?<![^\W_])({plain(own.prefixes)})(?={plain({*inline, *opening, *replies, *_units(own)})})"
        )
        self._steps = [
            (_compiled(rf"({listed(own.not_done)}),"), r"\1"),
            (_compiled(rf"({cue})[\s,]+(?:(?!{cue}){listed((*own.conclusions, *own.fillers))}[\s,]*)+"), r"\1 "),
            (_compiled(rf"(?<=[A-Za-z0-9{PLACES}\")])\s*{plain(own.copulas)}(?={_MARKS}(?:[.!,]|$))"), ""),
            (_compiled(rf"(?<![A-Za-z])(?-i:([A-Z]))\s*{copula}\s*{listed(own.yes)}"), r" option \1 is correct "),
            (_compiled(rf"{listed(own.options)}\s*[:(\"]*\s*(?-i:([A-Z]))(?![A-Za-z])"), r" option \1 "),
        ]

    def _denial_expression(self, own: Language, copula: str) -> str:
        """An expression for what denies the words before it."""
        endings = self._denials.expression
        if own.denial == "after":
            return endings
        negation, shown = any_of(own, own.negations), any_of(own, own.shown)
        return rf"{endings}(?={_MARKS}{copula}{_MARKS}$)|{negation}(?:\s+\w+){{0,2}}\s+{shown}"

    def translate(self, text: str) -> str:
        """`text` with the function words, numbers and times in English."""
        text = self._quantities.translate(self._attached.sub(r"\1 ", text))
        for expression, english in self._steps:
            text = expression.sub(english, text)
        text = self._joint.sub(lambda m: self._joints[m[1].lower()], text)
        return _COMMAS.sub(", but ", "".join(self._translated(self._clauses.split(text))))

    def _translated(self, parts: list[str]) -> Iterator[str]:
        """The clauses and the marks between them, which take turns in `parts`."""
        for clause, mark in zip(parts[::2], [*parts[1::2], ""], strict=True):
            asks = self._question.search(clause) if ("." in mark or not mark.strip() or "?" in mark) else None
            if asks and asks.start():
                yield from (self._clause(clause[: asks.start()]), "? ")
            elif any(map(str.isalpha, mark)):
                yield from (self._clause(clause), ", but " if self._but.fullmatch(mark) else ", ")
            else:
                yield from (self._clause(clause), mark)

    def _clause(self, clause: str) -> str:
        opening = ""
        while not (reply := self._reply.match(clause)) and (match := self._opens.match(clause)):
            rest = clause[match.end() :]
            if match[1].lower() in self._denied and rest.strip():
                break  # it denies what follows, and does not take back what precedes
            opening, clause = f"{opening} {self._opening[match[1]]}", rest
        if reply:
            return f"{opening} {'answer is ' if reply['cue'] else ''}{self._replies[reply['reply']]} "
        translated, start = opening, 0
        for match in self._denial.finditer(clause):
            if match["denial"] and (denied := clause[start : match.start()]).strip():
                english = self._denials.get(match["denial"], "not")
                joined = self._in_place(denied).replace(" and ", f" and {english} ")
                translated, start = f"{translated} {english} {joined} , ", match.end()
        return translated + self._in_place(clause[start:])

    def _in_place(self, clause: str) -> str:
        """`clause` with its function words in English. Of two denials that mean one, as in Spanish, one stays."""
        return _LAST_NO.sub("none", self._inline.sub(self._concord.sub(" ", clause)))


def _inline(own: Language) -> dict[str, str]:
    """What stands in the place of a phrase within a clause."""
    quantifiers = set(own.none).intersection(own.negations)
    before = own.denial == "before"
    return {
        **dict.fromkeys(own.and_ if own.spaced else (w for w in own.and_ if len(w) > 1), " and "),
        **dict.fromkeys(own.or_ if before else (w for w in own.or_ if own.spaced or len(w) > 1), " or "),
        **dict.fromkeys(own.maybe, " maybe "),
        **dict.fromkeys(own.none, " nobody "),
        **dict.fromkeys(own.negations, " not "),
        **dict.fromkeys(quantifiers, " no "),
        **(dict.fromkeys((*own.not_done,), " pretends to ") if before else {}),
        **(dict.fromkeys(own.whether, " whether ") if before else {}),
        **dict.fromkeys(own.false_that, " it is false that "),
        **dict.fromkeys(own.only, " only "),
        **dict.fromkeys(own.in_total, " in total "),
        **dict.fromkeys(own.at_first, " at first I thought "),
        **dict.fromkeys(own.undecided, " it is not possible to determine "),
        **dict.fromkeys(own.scores, " final score is "),
        **dict.fromkeys(own.answers, " answer is "),
        **dict.fromkeys(own.harmless, " "),
    }


def _opening(own: Language) -> dict[str, str]:
    """What stands at the start of a clause."""
    return {
        **dict.fromkeys(own.corrections, "wait, actually "),
        **dict.fromkeys(own.conclusions, "therefore "),
        **(dict.fromkeys(own.questions, "whether ") if own.denial == "before" and own.spaced else {}),
    }


def _replies(own: Language) -> dict[str, str]:
    return {**dict.fromkeys(own.yes, "yes"), **dict.fromkeys(own.no, "no")}


def _units(own: Language) -> set[str]:
    """The words of units, and of the two ends of an interval."""
    return {word for _, words in (*own.units, *own.range) for word in words}


def _denials(own: Language) -> Mapping[str, str]:
    """What goes before the words that a phrase denies, where the phrase comes after them."""
    absent = dict.fromkeys(set(own.none).intersection(own.negated_endings), "there is no")
    if own.denial == "before":
        return {**dict.fromkeys(own.negated_endings, "not"), **absent}
    return {
        **dict.fromkeys(own.negated_endings, "not"),
        **absent,
        **dict.fromkeys(own.not_done, "pretends to"),
        **dict.fromkeys(own.whether, "whether"),
    }
