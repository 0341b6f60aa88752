"""The base class of label-to-prompt adapters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from videostar.util.errors import UserError

#: The values of one row of a data set, by column.
Row = Mapping[str, Any]


class NoQuestion(UserError):
    """The adapter has no question about this row, which is skipped and counted."""


def given(row: Row, column: str) -> Any:
    """The value in a column. Raises NoQuestion if it is missing or empty."""
    value = row.get(column)
    if value in (None, "", []):
        raise NoQuestion(
            f"the row has no `{column}`, only {', '.join(row)}; --set columns.{column}=NAME says which column holds it"
        )
    return value


class LabelAdapter(ABC):
    """From a row to its label; the question comes from the prompt file.

    Templates may use `label` (the label in words), every column of the row, and the keys of `values`.
    """

    #: A file of `prompts/` by name, or a path beside the adapter's own file.
    prompts: str
    #: A row for `videostar adapter check`.
    example: ClassVar[Row | None] = None

    @abstractmethod
    def label(self, row: Row) -> Mapping[str, Any]:
        """The label object of a row, such as `{"kind": "score", "value": 61.2}`.

        Raise NoQuestion for a row without a question. An `action` without `among` gets the set of all actions of the
        data.
        """

    def values(self, row: Row) -> Row:
        """Further values for templates, beside the row's own columns."""
        del row
        return {}
