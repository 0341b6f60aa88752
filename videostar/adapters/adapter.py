"""What an adapter is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from videostar.util.errors import UserError

#: The values of one row of a data set, by column.
Row = Mapping[str, Any]


class NoQuestion(UserError):
    """This row has nothing that the adapter could ask for: it is left out and counted."""


def given(row: Row, column: str) -> Any:
    """What stands in a column. Raises NoQuestion when nothing does."""
    value = row.get(column)
    if value in (None, "", []):
        raise NoQuestion(
            f"the row has no `{column}`, only {', '.join(row)}; --set columns.{column}=NAME says which column holds it"
        )
    return value


class LabelAdapter(ABC):
    """From a row to its label; the question comes from the file of prompts.

    Templates may name `label` (the label in words), every column of the row, and what `values` adds.
    """

    #: A file of `prompts/` by name, or a path beside the adapter's own file.
    prompts: str
    #: A row to try the adapter with: `videostar adapter check`.
    example: ClassVar[Row | None] = None

    @abstractmethod
    def label(self, row: Row) -> Mapping[str, Any]:
        """The label object of a row, such as `{"kind": "score", "value": 61.2}`.

        Raise NoQuestion for a row that is not to be asked about. An `action` without `among` is given the
        set of all actions of the data.
        """

    def values(self, row: Row) -> Row:
        """What templates may name beside the row's own columns."""
        del row
        return {}
