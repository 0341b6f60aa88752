"""Answers that were helped by a hint, without the traces of it.

To rationalise, the model is shown the label and asked why it holds. What it answers is stored as if nobody had told
it, so "as the label says" and the like must go; an answer that cannot be rid of them is not kept.
"""

from __future__ import annotations

import re


def _compiled(pattern: str) -> re.Pattern[str]:
    """Patterns below are written as they read; a space is any one white space, as runs of it are joined first."""
    return re.compile(pattern.replace(" ", r"\s"), re.IGNORECASE)


# The hint by its names. "The label" alone may be on a bottle, so it counts only together with what it tells.
_GIVEN = (
    "(?:given|provided|stated|supplied|labell?ed|mentioned|described|specified|indicated|annotated|identified|noted|"
    "known|told|said)"
)
_MADE_UP = r"(?:(?:given|provided|stated|supplied|correct|true|actual|reference|ground[- ]truth|video|action) )"
_SOURCE = (
    rf"(?:{_MADE_UP}*(?:label|hint|annotation|ground[- ]truth)|(?:question|prompt|instructions?|query)|"
    r"(?:given|provided|stated|supplied) (?:answer|action|information|caption|class|category|description|score))"
)
_TELLS = (
    "(?:(?:already|also|correctly|clearly|itself) )?(?:says?|said|states?|stated|indicates?|suggests?|implies|tells?|"
    "mentions?|mentioned|describes?|specifies|notes?|gives|gave|provides|provided|names|confirms?)"
)
_TRUTH = (
    r"(?:the )?(?:(?:correct|true|right|final|given|provided|actual) )?"
    r"(?:action|answer|label|activity|class|category|score)"
)
_REST = r"(?: [^,.;:!?()]*)?"

# Clauses that say where the rest was known from. They are taken out with their commas.
_CLAUSES = "|".join(
    [
        rf"(?:just )?(?:as|like) (?:(?:it )?(?:is|was) )?{_GIVEN} (?:(?:above|before|earlier) )?(?:in|by|with) "
        rf"the {_SOURCE}",
        rf"(?:just )?as (?:the|your|this) {_SOURCE} {_TELLS}(?: us| me)?",
        r"(?:just )?(?:as|like) (?:you|the user)(?: (?:have|had|already|just|correctly))* "
        r"(?:say|said|mention|mentioned|stated?|told me|noted?|noted|pointed out|provided|indicated|described|gave)",
        rf"(?:according to|(?:based|going) (?:up)?on|as per|in line with|in accordance with|consistent with|judging by|"
        rf"going by|(?:which|this|and) (?:matches|agrees with|fits|confirms|supports|is consistent with)|matching) "
        rf"(?:the|your|this) {_SOURCE}",
        rf"(?:given|knowing|considering|assuming|seeing|with the knowledge) (?:the fact )?that {_TRUTH} "
        rf"(?:is|was|has){_REST}",
        rf"(?:since|because|as) {_TRUTH} (?:(?:is|was|has been) {_GIVEN}|in the (?:question|prompt)){_REST}",
        rf"(?:since|because|as) the (?:(?:correct|true|right|given|provided) )?(?:answer|label) (?:is|was){_REST}",
        rf"(?:since|because|as|given that|knowing that) (?:we|i|you) "
        rf"(?:know|knew|was told|were told|are told|am told|said|told me|mentioned)(?: that)?{_REST}",
        rf"(?:since|because|as) (?:the|your) {_SOURCE} {_TELLS}{_REST}",
        rf"given the {_SOURCE}",
    ]
)
_CLAUSE = _compiled(rf"(?P<open>^|[,;(] ?| and | )\b(?:{_CLAUSES})\b(?P<close> ?[,;:)]|$|(?= ))")
# Openings of the same sense: what comes after them can stand by itself.
_OPENING = _compiled(
    rf"^(?:(?:the|your|this) {_SOURCE} {_TELLS}(?: us| me)? that\b|(?:we|i) (?:know|(?:was|were|am|are) told)"
    rf"(?: (?:by|from) the {_SOURCE})? that\b|you (?:have )?(?:said|told me|mentioned|stated) that\b|"
    rf"it (?:is|was) {_GIVEN} (?:in the {_SOURCE} )?that\b),? "
)
# A sentence in which any of this is left goes as a whole.
_BETRAYS = _compiled(
    rf"\b(?:{_MADE_UP}+(?:label|hint|annotation)\b|ground[- ]truth\b|the hint\b|(?:given|provided|supplied) answer\b|"
    rf"the label {_TELLS}\b|the label (?:is|was) (?:given|provided|correct|right|true|wrong)\b|"
    rf"(?:according to|based on|as per|given|from|matches|confirms) the (?:label|prompt|hint)\b(?! (?:on|of|at) )|"
    rf"{_GIVEN} (?:in|by) the (?:question|prompt|label|instructions?|user|hint)\b|"
    rf"the (?:question|prompt|instructions?) {_TELLS}\b|"
    r"(?:as|like) you (?:said|mentioned|stated|told|noted|described)\b|you (?:told me|gave me|provided)\b|"
    r"(?:i|we) (?:was|were|am|are|have been) (?:told|given the (?:label|answer|action))\b|"
    r"(?:the|an?) (?:action|activity|answer) (?:(?:is|was|has been|that was) )?"
    r"(?:given|provided|labell?ed|annotated) (?:as|to|in|by)\b|"
    r"(?:is|was|been) (?:given|labell?ed|annotated|provided) as\b|"
    rf"knowing (?:that )?{_TRUTH} (?:is|was)\b|in the prompt\b)"
)
# Without one of these words there is no trace of a hint, and the answer stays as it is.
_SUSPECT = _compiled(
    r"\b(?:label|labell?ed|hint|question|prompt|instructions?|annotat\w+|truth|given|provided|supplied|told|you|your|"
    r"know|knowing|since|because|considering|assuming|seeing|knowledge|action|answer)\b"
)
_SENTENCES = re.compile(r"(?<=[.!?])(?=\s)|(?=\n)")


def strip_hint(answer: str) -> str | None:
    """`answer` as if its label had not been given; None when that cannot be had, or nothing of substance is left."""
    if not _SUSPECT.search(answer):
        return answer if re.search(r"\w", answer) else None
    kept: list[str] = []
    for sentence in _SENTENCES.split(answer):
        told = _untold(sentence) if _SUSPECT.search(sentence) else sentence
        if told is not None:
            kept.append(told)
    text = "".join(kept).strip()
    if text == answer.strip():
        return answer
    return text if len(re.findall(r"\w+", text)) > 1 and not _BETRAYS.search(text) else None


def _untold(sentence: str) -> str | None:
    """One sentence without the clauses that betray the hint; None when it betrays it all the same."""
    joined = re.sub(r"[ \t]+", " ", sentence)
    body = joined.lstrip()
    margin = joined[: len(joined) - len(body)]
    core = body.rstrip(".!?")
    mark = body[len(core) :]
    changed = core
    for _ in range(3):  # one clause may have stood behind another
        before = changed
        changed = _CLAUSE.sub(_taken_out, _OPENING.sub("", changed)).strip(" ,;")
        if changed == before:
            break
    if changed == core:
        return None if _BETRAYS.search(core) else sentence
    changed = re.sub(r"^(?:so|and|then|but|that),? (?=\w)|\s+(?=[,;)])", "", changed)
    if _BETRAYS.search(changed) or len(re.findall(r"\w+", changed)) < 2:
        return None
    return margin + changed[:1].upper() + re.sub(r" {2,}", " ", changed[1:]) + (mark or ".")


def _taken_out(match: re.Match[str]) -> str:
    """What stays of a clause: the one comma that the rest still needs."""
    inside = match.end() < len(match.string)
    joins = ("," in match["open"] and not match["close"]) or (match["open"] == " and " and "," in match["close"])
    return "," if joins and inside else ""
