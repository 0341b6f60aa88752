"""Templates of video paths: `{split}/{label}/{youtube_id}_{time_start:06d}.mp4`.

Only `{name}`, `{name:width}` and `{name:_}` (blanks become `_`) are allowed: attributes and indices of a value cannot
be reached.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from videostar.data.rows import Malformed, Values, short

_FIELD = re.compile(r"\{([A-Za-z_]\w*)(?::(0?[0-9]{1,2}d?|_))?\}", re.ASCII)


@dataclass(frozen=True)
class PathTemplate:
    """A template of a path. Raises ValueError if the text is none."""

    text: str

    def __post_init__(self) -> None:
        rest = _FIELD.sub("", self.text)
        if rest == self.text or "{" in rest or "}" in rest:
            raise ValueError(
                f"{self.text!r} is no path made from columns; write such as {{video}} or clips/{{id:06d}}.mp4"
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return tuple(dict.fromkeys(match[1] for match in _FIELD.finditer(self.text)))

    def fill(self, values: Values) -> str:
        """The path. Raises Malformed if a value is missing or is neither text nor number."""
        if self.text == "{video}":  # the usual template, filled a million times
            return _part(values, "video", "")
        return _FIELD.sub(lambda match: _part(values, match[1], match[2] or ""), self.text)


def _part(values: Values, name: str, width: str) -> str:
    value = values.get(name, None)
    if width == "_":
        return _part(values, name, "").replace(" ", "_")
    if isinstance(value, str) and not width.endswith("d"):
        return format(value.strip(), width)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        if name not in values:
            columns = ", ".join(map(str, list(values)[:8]))
            raise Malformed(
                f"no {name!r}, which the video's path is made from, only {columns}; --set columns.{name}=NAME"
            )
        raise Malformed(f"{name}, which the video's path is made from, is {short(value)}")
    try:
        return format(int(value), width) if width.endswith("d") else format(value, width)
    except (ValueError, OverflowError):
        raise Malformed(f"{name}, which the video's path is made from, is {short(value)}, not a whole number") from None
