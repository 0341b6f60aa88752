"""Reads text files of lines, such as lists of classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from videostar.util.errors import UserError

_NUMBERED = re.compile(r"(\d+)[\s,;:]+(\S.*)", re.ASCII)


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
    """The classes of such a file by number, and whether the file has the numbers; else they count from 0."""
    names = [line for _, line in read_lines(path)]
    matches = [_NUMBERED.fullmatch(name) for name in names]
    numbered = {int(match[1]): match[2] for match in matches if match}
    if names and len(numbered) == len(names):
        return numbered, True
    return dict(enumerate(names)), False
