"""The label of kind `fields`: several named labels, each judged on the part of the answer with its name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import zip_longest
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from videostar.labels.answer import Answer, parse_answer, reply_of, words
from videostar.labels.label import Label, Name
from videostar.labels.names import readable_name, squash
from videostar.labels.verdict import Reason, Verdict
from videostar.util.errors import UserError

_NOT = re.compile(r"\bnot\s+$")  # "it is not action: opening door"
_SEPARATORS = " \t|,;"


def _nested(value: Any) -> Any:
    from videostar.labels import parse_label  # not at the top, since that module imports this one

    if isinstance(value, Label):
        return value
    try:
        return parse_label(value)
    except UserError as error:
        raise ValueError(str(error)) from None


class Fields(Label):
    """Labels by name. An answer must contain all of them."""

    kind: Literal["fields"] = "fields"
    fields: Annotated[Mapping[Name, Annotated[SerializeAsAny[Label], BeforeValidator(_nested)]], Field(min_length=1)]

    def words(self) -> str:
        """Each field with its label in words: "action: opening door; correct: yes"."""
        return "; ".join(f"{readable_name(name)}: {label.words()}" for name, label in self.fields.items())

    @cached_property
    def _field_name(self) -> re.Pattern[str]:
        names = sorted(self.fields, key=len, reverse=True)
        spelled = "|".join(r"[\s_-]{0,3}".join(map(re.escape, words(name))) or re.escape(name) for name in names)
        return re.compile(
            rf"(?<!\w)({spelled})[\"'*_`]{{0,4}}[ \t]{{0,3}}(?:[:=|]|[-–—](?=[ \t])|(?=\n))[\"'*_`]{{0,4}}",
            re.IGNORECASE,
        )

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether the answer contains every label; `parsed` has what was read for each.

        A field is judged on its part of the answer (a key of a JSON object, or a line like "name: value"), or on all of
        the answer if there is no such part. The score is the mean of the fields' scores.
        """
        content = reply_of(answer, prompt)
        if parse_answer(content).empty:
            return Verdict.no(Reason.DEGENERATE)
        parts = _from_json(content) or dict(self._lines(content))
        verdicts = {name: label.judge(parts.get(squash(name), content)) for name, label in self.fields.items()}
        score = sum(v.score for v in verdicts.values()) / len(verdicts)
        parsed = {name: v.parsed for name, v in verdicts.items()}
        failed = next((v for v in verdicts.values() if not v.accepted), None)
        return Verdict.no(failed.reason, parsed, score) if failed else Verdict.yes(parsed, score)

    def judge_parsed(self, answer: Answer) -> Verdict:
        """The verdict on an answer as one text, without parts."""
        return self.judge(answer.cased)

    def _lines(self, text: str) -> Iterator[tuple[str, str]]:
        """Each field that a line names, with the rest of that line, or with the lines below it if it is a heading."""
        matches = list(self._field_name.finditer(text))
        for match, following in zip_longest(matches, matches[1:]):
            end = following.start() if following else len(text)
            below = text[match.end() : end].strip()
            line = text[match.end() : end].split("\n", 1)[0].strip(_SEPARATORS)
            opens = text[max(0, match.start() - 1) : match.start()] in ("", "\n", "#", "*", " ", "\t", "_")
            if line or (below and opens):
                denied = "not " if _NOT.search(text[max(0, match.start() - 8) : match.start()]) else ""
                yield squash(match[1]), denied + (line or below)


def _from_json(text: str) -> dict[str, str]:
    """The values of the JSON object in a text by their keys; empty without one."""
    start, end = text.find("{"), text.rfind("}")
    if not 0 <= start < end:
        return {}
    try:
        data = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return {}
    return {squash(key): _as_text(value) for key, value in data.items()} if isinstance(data, dict) else {}


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)
