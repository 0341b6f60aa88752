"""Reads .parquet files, with the names of categories and of the classes that Hugging Face `datasets` stores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from videostar.data.cells import plain_value
from videostar.data.columns import COLUMNS, column_names, require_columns
from videostar.data.rows import Item, Source
from videostar.util.errors import UserError

_BATCH = 4096  # rows that are read together


def read_parquet(source: Source) -> Iterator[Item]:
    """The rows of a .parquet file: its columns of text, numbers, times and categories, and lists and structs of them.

    Class numbers of a `ClassLabel` become the class's name. Of a video feature the path is read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, number = source.path, 0
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            kept = [field.name for field in schema if _is_plain(field.type) or _is_file(field.type)]
            names = column_names(kept, source.columns)
            _check_types(source, schema)
            require_columns(path, source.columns, names)
            named = dict(zip(kept, names, strict=True))
            classes = _class_names(schema.metadata, named)
            timed = [named[field.name] for field in schema if field.name in named and _is_time(field.type)]
            # Of a file's struct only the path: its bytes may be gigabytes.
            read = [
                f"{field.name}.path" if _is_file(field.type) else field.name for field in schema if field.name in kept
            ]
            for batch in file.iter_batches(batch_size=_BATCH, columns=read):
                for values in batch.to_pylist():
                    number += 1
                    row = dict(zip(names, values.values(), strict=True))
                    for name, of in classes.items():
                        row[name] = _named(row[name], of)
                    for name in timed:
                        row[name] = plain_value(row[name])
                    yield f"{path.name}:{number}", row
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as Parquet after row {number}: {error}; write it again") from None


def _class_names(metadata: Mapping[bytes, bytes] | None, columns: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """The names of classes by column, as `datasets` writes them into the metadata of a file."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    found = {}
    for column, feature in features.items():
        if isinstance(feature, dict) and "feature" in feature:  # a list of classes
            feature = feature["feature"]
        elif isinstance(feature, list) and feature:
            feature = feature[0]
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and column in columns:
            found[columns[column]] = list(feature.get("names") or ())
    return {column: names for column, names in found.items() if names}


def _named(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None  # -1: datasets' number for no class
    return value


def _check_types(source: Source, schema: Any) -> None:
    """Raises UserError for a column that would be read and has a type that is not."""
    for field in schema:
        name = column_names([field.name], source.columns)[0]
        if name in {*source.columns, *COLUMNS} and not (_is_plain(field.type) or _is_file(field.type)):
            raise UserError(f"{source.path}: the column {field.name!r} is of type {field.type}; write it as text")


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_plain(kind.value_type)
    if types.is_struct(kind):
        return all(_is_plain(field.type) for field in kind)
    checks = (
        *(types.is_string, types.is_large_string, types.is_string_view, types.is_integer, types.is_floating),
        *(types.is_boolean, types.is_null),
    )
    return any(check(kind) for check in checks) or _is_time(kind)


def _is_time(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_temporal(kind) or types.is_decimal(kind))


def _is_file(kind: Any) -> bool:
    """Whether a column is a feature of `datasets` with the bytes and the path of a file."""
    import pyarrow.types as types

    return types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}
