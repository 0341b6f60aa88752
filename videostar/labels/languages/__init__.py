"""What is known of languages: words for yes and no, denials, units and the like, from one file a language.

The keys are explained in `en.yaml`. A new file beside it is a new language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from videostar.util.yaml_files import load_mapping, validate

_FOLDER = Path(__file__).parent
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # all values are texts; some installations lack the fast one
_WORD = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]|[^\W_]+")  # scripts without spaces: a letter
_NO_SCRIPT = frozenset(["Modifier", "Combining", "Masculine", "Feminine", "Micro"])  # first words of names of letters


def _split(listed: object) -> object:
    """The words of a list with commas. Lists of YAML's would take four times as long to load."""
    if not isinstance(listed, str):
        return listed
    return [word for part in unicodedata.normalize("NFC", listed).split(",") if (word := part.strip())]


_Lower = Annotated[str, StringConstraints(to_lower=True)]
_Names = Annotated[tuple[str, ...], BeforeValidator(_split), Field(min_length=1)]
Words = Annotated[tuple[_Lower, ...], BeforeValidator(_split), Field(min_length=1)]


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
    common: Words
    yes: Words
    no: Words
    negations: Words
    negated_endings: Words
    not_done: Words
    harmless: Words
    maybe: Words
    undecided: Words
    questions: Words
    answer_cues: Words
    conclusions: Words
    corrections: Words
    or_: Words
    and_: Words
    rather: Words
    options: Words
    units: Units
    range: Range
    numbers: dict[Annotated[int, Field(ge=0)], Words]
    none: Words


@cache
def languages() -> Mapping[str, Language]:
    """The languages by the names of their files: "ar", "de", ... Raises UserError if a file is wrong."""
    return {path.stem: read_language(path) for path in sorted(_FOLDER.glob("*.yaml"))}


def read_language(path: Path) -> Language:
    """The language in the file at `path`. Raises UserError that names the file and the key if it is wrong."""
    return validate(load_mapping(path, _LOADER), Language, str(path))


@cache
def covered_scripts() -> frozenset[str]:
    """The scripts of all languages, by their names in Unicode: "Latin", "Han", ..."""
    return frozenset(script for language in languages().values() for script in language.scripts)


def uncovered_script(text: str) -> str | None:
    """The script of most words in `text` that no language has; None if there are none.

    Lone letters are no words: α in a Latin text is a symbol.

    >>> uncovered_script("кошка"), uncovered_script("un gato"), uncovered_script("angle α")
    ('Cyrillic', None, None)
    """
    if text.isascii():
        return None
    counts = Counter(script for script in _scripts_of_words(text) if script not in covered_scripts())
    return max(counts, key=counts.__getitem__, default=None)


def languages_of(text: str) -> tuple[Language, ...]:
    """The languages that `text` may be in, by its scripts, then by its common words. Short texts fit several.

    >>> [language.name for language in languages_of("La respuesta es una casa.")]
    ['Spanish']
    """
    scripts = Counter(_scripts(text))
    words = Counter(_WORD.findall(unicodedata.normalize("NFC", text).lower()))
    known = languages().values()
    fits = [(sum(scripts[s] for s in own.scripts), sum(words[word] for word in own.common)) for own in known]
    best = max(fits)
    return tuple(own for own, fit in zip(known, fits, strict=True) if fit == best and best[0])


def _scripts_of_words(text: str) -> list[str]:
    """The script of each letter that follows one of the same script."""
    return [script for before, script in pairwise(_scripts(text)) if script and script == before]


def _scripts(text: str) -> Iterator[str | None]:
    """The script of each character."""
    return map(_script, unicodedata.normalize("NFKC", text))


@lru_cache(maxsize=1 << 16)
def _script(character: str) -> str | None:
    """The script of a letter or its mark, by its name in Unicode; None for other characters."""
    if unicodedata.category(character)[0] not in "LM":
        return None
    name = unicodedata.name(character, "").partition(" ")[0].partition("-")[0].title()
    return {"Cjk": "Han", "Ideographic": "Han"}.get(name, name if name and name not in _NO_SCRIPT else None)
