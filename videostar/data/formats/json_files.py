"""Reads .jsonl and .json files: a JSON object a line, or an array of objects."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from videostar.data.columns import column_names
from videostar.data.formats.text_files import file_encoding
from videostar.data.rows import Item, Malformed, Source, Values, malformed, short
from videostar.util.errors import UserError

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_COLUMNS = re.compile(rb'\s*\{\s*"[^"]*"\s*:\s*\{\s*"\d+"\s*:')  # pandas' own form: {"video": {"0": ...
_NESTED = re.compile(rb'\s*\{\s*"[^"]*"\s*:\s*\[\s*\{')  # {"data": [{...
_FORMS = "write an array of objects [{...}, {...}], or one object a line"


def read_json_rows(source: Source) -> Iterator[Item]:
    """The rows of a file with one JSON object a line, or with one array of objects, whatever its ending."""
    path = source.path
    content = _encoded(source)
    with path.open("rb") as file:
        head = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip() if content is None else content[:64].lstrip()
    items = _array(path, content) if head.startswith(b"[") else _lines(path, content)
    for where, item in items:
        try:
            values = _object(item)
        except Malformed as error:
            yield malformed(where, error)
        else:
            keys = list(values)
            names = column_names(keys, source.columns)
            yield where, values if names == keys else dict(zip(names, values.values(), strict=True))


def _encoded(source: Source) -> bytes | None:
    """The file in UTF-8, if it is in another encoding; else None. Raises UserError if it cannot be read so."""
    path, encoding = source.path, file_encoding(source.path, source.encoding)
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig"):
        return None
    try:
        return path.read_text(encoding=encoding).encode("utf-8", "surrogatepass")
    except (UnicodeError, LookupError) as error:
        raise UserError(f"{path}: cannot be read as {encoding}: {error}; save it in UTF-8") from None


def _lines(path: Path, content: bytes | None) -> Iterator[tuple[str, Any]]:
    with path.open("rb") if content is None else io.BytesIO(content) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            nested = path.suffix.lower() == ".json" and _NESTED.match(line)
            if number == 1 and (line.strip() == b"{" or nested or _COLUMNS.match(line)):
                raise UserError(f"{path}: one JSON object for the whole file, not one a row; {_FORMS}")
            yield f"{path.name}:{number}", line


def _array(path: Path, content: bytes | None) -> Iterator[tuple[str, Any]]:
    try:
        items = json_list(path, content)
    except UserError:
        if path.suffix.lower() == ".json":
            raise
        yield from _lines(path, content)  # the first line of a .jsonl may be a bad row that is a list
    else:
        yield from ((f"{path.name}[{index}]", item) for index, item in enumerate(items))


def _object(item: Any) -> Values:
    """A row, from a line or from an item of an array."""
    try:
        value = parse_json(item) if isinstance(item, bytes) else item
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON in UTF-8: {short(str(error))}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{short(value)} is not a JSON object")
    return value


def load_json(path: Path, content: bytes | None = None) -> Any:
    """The value in a JSON file, or in its `content` in UTF-8. Raises UserError if it cannot be read."""
    try:
        return parse_json(path.read_bytes() if content is None else content)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}; copy the file again, or fix that line") from None


def json_list(path: Path, content: bytes | None = None) -> list[object]:
    """The list in a JSON file, see `load_json`. Raises UserError if there is none."""
    found = load_json(path, content)
    if not isinstance(found, list):
        raise UserError(f"{path}: not a JSON list; copy the official file again")
    return found


def parse_json(content: bytes) -> Any:
    """A JSON value. Raises ValueError, also for a key that is there twice and for text that cannot be written."""
    value = json.loads(content, object_pairs_hook=_unique)
    if _SURROGATE.search(content):
        json.dumps(value, ensure_ascii=False).encode()  # raises for a lone surrogate, which could not be written later
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice[:40]!r} is there twice")
    return found
