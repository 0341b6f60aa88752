"""The words of a language that decide what an answer means, from one file a language.

The keys are explained in `en.yaml`. A new file beside it is a new language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from videostar.util.yaml_files import load_mapping, validate

_FOLDER = Path(__file__).parent
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # all values are texts; some installations lack the fast one


def _split(listed: object) -> object:
    """The words of a list with commas. Lists of YAML's would take four times as long to load."""
    if not isinstance(listed, str):
        return listed
    return [word for part in unicodedata.normalize("NFC", listed).split(",") if (word := part.strip())]


_Lower = Annotated[str, StringConstraints(to_lower=True)]
_Names = Annotated[tuple[str, ...], BeforeValidator(_split), Field(min_length=1)]
MaybeWords = Annotated[tuple[_Lower, ...], BeforeValidator(_split)]  # some languages need none
Words = Annotated[MaybeWords, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.rstrip("_"))


class Units(_Section):
    """The words of units, and of what is counted."""

    millisecond: Words
    second: Words
    minute: Words
    hour: Words
    percent: Words
    point: Words
    time: Words
    person: Words
    thing: Words
    measure: Words


class Range(_Section):
    """How a language gives the start and the end of an interval."""

    spans: Words  # with ".." for each of the two times
    start: Words
    end: Words
    duration: Words
    from_beginning: Words
    to_end: Words


class Language(_Section):
    """The words of a language in lower case, composed (NFC)."""

    name: Annotated[str, Field(min_length=1)]
    scripts: _Names
    spaced: bool
    prefixes: MaybeWords
    suffixes: MaybeWords
    denial: Literal["before", "after"]
    common: Words
    letters: MaybeWords
    yes: Words
    no: Words
    claims: Words
    false_that: MaybeWords
    negations: Words
    negated_endings: Words
    shown: MaybeWords
    not_done: Words
    harmless: Words
    maybe: Words
    undecided: Words
    questions: Words
    whether: Words
    turns: Words
    at_first: Words
    answers: Words
    scores: Words
    conclusions: Words
    corrections: Words
    or_: Words
    and_: Words
    but: Words
    breaks: MaybeWords
    copulas: MaybeWords
    options: Words
    units: Units
    range: Range
    fillers: Words
    more_than: Words
    ordinals: MaybeWords
    out_of: MaybeWords
    maximum: Words
    only: Words
    in_total: Words
    counters: bool
    numbers: dict[Annotated[int, Field(ge=0)], Words]
    not_counted: MaybeWords
    none: Words
    not_even: MaybeWords

    def any_of(self, phrases: Iterable[str]) -> str:
        """A regular expression for any of these phrases, the longest first, as whole words if spaces separate words."""
        listed = sorted(set(phrases), key=len, reverse=True)
        if not listed:
            return "(?!)"
        body = f"(?:{'|'.join(map(_escaped, listed))})"
        if not self.spaced:
            return body
        before = f"(?<![^\\W_])(?:{'|'.join(self.prefixes)})?" if self.prefixes else r"(?<![^\W_])"
        after = f"(?=(?:{'|'.join(self.suffixes)})?(?![^\\W_]))" if self.suffixes else r"(?![^\W_])"
        return f"{before}{body}(?:(?<=')|{after})"


def _escaped(phrase: str) -> str:
    return re.escape(phrase).replace(r"\ ", r"\s+").replace(r"\*", r"[^\W\d_]*")


@cache
def languages() -> Mapping[str, Language]:
    """The languages by the names of their files: "ar", "de", ... Raises UserError if a file is wrong."""
    return {path.stem: read_language(path) for path in sorted(_FOLDER.glob("*.yaml"))}


def read_language(path: Path) -> Language:
    """The language in the file at `path`. Raises UserError that names the file and the key if it is wrong."""
    return validate(load_mapping(path, _LOADER), Language, str(path))
