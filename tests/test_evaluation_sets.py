"""Held-out sets of their own in every round, `evaluation.sets`: what is asked, measured, noticed and refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from ordinary_data import checked, told, write_clip, write_rows
from warm import Warm

DOORS = {"title": "Doors", "rows": {"all": "doors.jsonl"}, "format": "jsonl", "adapters": ["boolean"]}
#: TempCompass' files by their published form: videos, temporal aspects, questions whose options are lines.
QUESTIONS: dict[str, dict[str, Any]] = {
    "multi-choice": {
        "11": {
            "direction": [
                {"question": "Where does it go?\nA. left\nB. right\n C. up", "answer": "B. right"},
                {"question": "Which way?\nA. right\nB. left", "answer": "C. down"},  # no option
            ],
            "order": [{"question": "What comes first?\nA. a ball\nB. a box\nC.Both at once", "answer": "C.Both at once"}],
        }
    },
    "yes_no": {"11": {"speed": [{"question": "Is it fast?", "answer": "no"}, {"question": "Is it?", "answer": "maybe"}]}},
    "caption_matching": {
        "11_reverse": {
            "direction": [
                {"question": "Which fits?\nOption 1: It goes right.\nOption 2: It goes left.", "answer": "Option 1: It goes right."}
            ]
        }
    },
    "captioning": {"11": {"speed": [{"question": "Information A: ...\nGenerated Caption:", "answer": "B. slow"}]}},
}


@pytest.fixture(scope="module")
def tempcompass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("TempCompass")
    for name, content in QUESTIONS.items():
        write_rows(folder / "questions" / f"{name}.json", json.dumps(content, indent=4))
    for number, name in enumerate(("11", "11_reverse")):
        write_clip(folder / "videos" / f"{name}.mp4", number)
    return folder


def test_tempcompass_is_checked_in_its_official_files(videostar: Command, tempcompass: Path) -> None:
    report = checked(videostar, "tempcompass", "--root", tempcompass)
    assert report["labels"] == {"B. right": 1, "C. Both at once": 1, "no": 1, "A. It goes right.": 1}
    assert {name: counts["rows"] for name, counts in report["splits"].items()} == {"train": 0, "validation": 0, "test": 4}
    assert [(row["where"], row["reason"]) for row in report["skipped"]] == [
        ("multi-choice.json[11][direction][1]", "malformed row"),
        ("yes_no.json[11][speed][1]", "malformed row"),
        ("captioning.json", "caption generation"),
    ]
    assert {problem["what"] for problem in report["problems"]} == {"malformed row", "caption generation"}
    for name, rows in (("multi_choice", 2), ("yes_no", 1), ("caption_matching", 1)):
        assert checked(videostar, f"tempcompass_{name}", "--root", tempcompass, "--rows-only")["usable"] == rows
    assert "no usable train video" in told(videostar, "cycle", "--data", "tempcompass", "--root", tempcompass)
