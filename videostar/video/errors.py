"""Why a file cannot be used as a video."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "missing",
    "empty",
    "not a video",
    "no video stream",
    "unreadable",
    "ends early",
    "damaged",
    "blank",
    "frozen",
    "not in the video",
    "too long",
    "too large",
    "too slow",
]


class BadVideo(Exception):
    """The file, not the program, is at fault: skip it and report it.

    `reason` is one of a few fixed words to count by; `detail` is one line for a person.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)  # both, so that it survives pickling between processes
        self.reason: Reason = reason
        self.detail = " ".join(detail.split())

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
