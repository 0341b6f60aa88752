"""The error for files that cannot be used as a video."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "missing",
    "empty",
    "not a video",
    "no video stream",
    "no frame rate",
    "joined",
    "unreadable",
    "ends early",
    "damaged",
    "blank",
    "still",
    "not in the video",
    "too long",
    "too large",
    "too slow",
    "refused by the model",
]


class BadVideo(Exception):
    """A video file is bad and must be skipped; the program is not at fault.

    `reason` is one of a few fixed phrases to count by, `detail` is a line for the user.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)  # both, so that the error can be pickled
        self.reason: Reason = reason
        self.detail = " ".join(detail.split())

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
