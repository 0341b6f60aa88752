"""The final line of an answer: what a prompt file asks a model to write last, such as `Answer: <letter>`."""

from __future__ import annotations

import re
from functools import cache

_LEAD = re.compile(r"([^\s:：{}][^\n:：{}]*)[:：]")


def lead_of(line: str) -> str:
    """The words that the line begins with, and their colon: `Answer:`. Raises ValueError if there are none."""
    found = _LEAD.match(line)
    if found is None or "\n" in line.strip():
        raise ValueError(
            f"{line!r}: write one line that begins with a fixed word and a colon, such as Answer: <letter>"
        )
    return found[0]


def request_for(line: str) -> str:
    """The sentence that asks for the line; it is put at the end of a question."""
    return f'\nEnd with a line "{line}".'


def without_final_line(answer: str, lead: str) -> str:
    """`answer` up to its last line that begins with `lead`; all of it if there is no such line.

    >>> without_final_line("He opens the door.\\n**Answer:** B", "Answer:")
    'He opens the door.'
    """
    start = len(answer)
    for found in _beginning(lead).finditer(answer):
        start = found.start()
    return answer[:start].rstrip() if start < len(answer) else answer


@cache
def _beginning(lead: str) -> re.Pattern[str]:
    """Finds `lead` where a line or a sentence begins, with the marks of Markdown or quotes around it."""
    marks = r"(?:[^\w\n]|_){0,8}"  # so few, since a text of marks alone would take quadratic time otherwise
    words = r"\s+".join(map(re.escape, lead[:-1].split()))
    return re.compile(rf"(?:^|(?<=[.!?。！？])[^\S\n]{{1,8}}){marks}{words}{marks}?[:：]", re.MULTILINE | re.IGNORECASE)
