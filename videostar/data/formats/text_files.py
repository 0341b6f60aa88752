"""Reads text files: their encoding, and lists of classes."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from videostar.util.errors import UserError

_NUMBER_FIRST = re.compile(r"\W?(?P<number>\d{1,6})(?:\s*[,;:|=.)]\s*|\s+-\s+|\s+)(?P<name>\S.*)", re.ASCII)
_HEADER = re.compile(r"\b(?:id|idx|index|number|class|label|name)\b.*[,;:|\t ]", re.IGNORECASE)  # "id,name"
_NUMBER_LAST = re.compile(r"(?P<name>\S.*?)\s*[,;:|=\t]\s*(?P<number>\d{1,6})", re.ASCII)

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def file_encoding(path: Path, encoding: str | None = None) -> str:
    """The encoding by the mark at the beginning of a file, else `encoding`, else UTF-8.

    Raises UserError if the file is no text.
    """
    with path.open("rb") as file:
        head = file.read(64)
    marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if marked is None and encoding is None and len(head) > 7 and not (any(head[1:8:2]) and any(head[:8:2])):
        raise UserError(f"{path}: is no text in UTF-8; if it is UTF-16 without a mark, --set data.encoding=utf-16-le")
    return marked or encoding or "utf-8"


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a small text file that are not empty, with their numbers. Raises UserError if it cannot be read."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text in UTF-8: {error}") from None
    return [(number, line.strip()) for number, line in enumerate(content.split("\n"), start=1) if line.strip()]


def plain_classes(path: Path) -> list[str]:
    """The classes in a text file with one a line, which may have its number before it."""
    return list(numbered_classes(path)[0].values())


def numbered_classes(path: Path) -> tuple[Mapping[int, str], bool]:
    """The classes of such a file by number, and whether the file has the numbers; else they count from 0.

    Lines that begin with `#` are comments, and a line may have its number before or after the name ("0 walking",
    "walking,0"), below a line that names these columns. Raises UserError if a number is there twice.
    """
    lines = [line for _, line in read_lines(path) if not line.startswith("#")]
    for start in (0, 1) if lines and _HEADER.search(lines[0]) else (0,):
        for form in (_NUMBER_FIRST, _NUMBER_LAST):
            matches = [form.fullmatch(line) for line in lines[start:]]
            if not matches or not all(matches):
                continue
            found = [(int(match["number"]), match["name"]) for match in matches if match]
            twice = next(
                (number for number, count in Counter(number for number, _ in found).items() if count > 1), None
            )
            if twice is not None:
                raise UserError(f"{path}: two classes have the number {twice}; give each its own, or give no numbers")
            return dict(found), True
    return dict(enumerate(lines)), False
