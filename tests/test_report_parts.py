"""The parts of the report that are easier to check apart: marks of labels, charts, the choice of examples."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from videostar.report import charts, marks
from videostar.report.charts import Point, bar_chart, line_chart
from videostar.report.examples import Gallery, selected
from videostar.report.tally import Tally, confusion, label_rows
from videostar.stages.ledger import Answer

STYLE = (Path(charts.__file__).parent / "templates" / "report.css").read_text()


def answer(text: str, label: str = "", parsed: Any = None, **more: Any) -> Answer:
    about = {"question_id": "q", "kind": "direct", "video": "a.mp4", "task": "action", "group": label, "label": label}
    texts = {"question": "", "prompt": "", "answer": text, "text": text, "reason": "matched"}
    verdict = {"kept": True, "accepted": True, "score": 1.0, "parsed": parsed}
    return Answer(**{**about, **texts, **verdict, **more})


@pytest.mark.parametrize(
    ("text", "label", "parsed", "marked"),
    [
        ("So he is opening a door, I think.", "opening a door", "opening a door", ["opening a door"]),
        ("He opens the big door.", "opening a door", "opening a door", ["opens the big door"]),
        ("She ran a race.", "running a race", "running a race", ["ran a race"]),
        ("I count three jumps: 1, 2, 3", "3", 3, ["3"]),
        ("Twelve squats", "12", 12, ["Twelve"]),
        ("The score is 87.50 of 100.", "87.5", 87.5, ["87.50"]),
        ("From 0:05 to 12 s.", "", [5.0, 12.0], ["0:05", "12"]),
        ("Yes, there is.", "yes", True, ["Yes"]),
        ("First cut, then fry.", "", ["cut", "fry"], ["cut", "fry"]),
        ("Nothing of the kind.", "", {"a": 7}, []),
    ],
)
def test_the_label_is_marked(text: str, label: str, parsed: Any, marked: list[str]) -> None:
    parts = marks.parts(answer(text, label, parsed))
    assert parts[1::2] == marked
    assert "".join(parts) == text


@given(st.text(), st.one_of(st.none(), st.floats(), st.text(), st.booleans(), st.lists(st.floats(), max_size=3)))
def test_marks_keep_every_character(text: str, parsed: Any) -> None:
    assert "".join(marks.parts(answer(text, "a label", parsed))) == text
    assert marks.parts(answer(text, parsed=parsed, accepted=False)) == [text]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e9, 1e9)), min_size=1, max_size=50))
@example([(0.0, 0.0), (5e-324, 0.0)])
@example([(1e6, 0.0), (1e6 + 1e-9, 1.0)])
def test_lines_stay_inside_their_chart(values: list[tuple[float, float]]) -> None:
    chart = line_chart("", {"a": [Point(x, y) for x, y in sorted(values)]}, x_label="", y_label="")
    assert chart is not None
    places = [tuple(map(float, place)) for place in re.findall(r"[ML](\S+) (\S+)", chart.lines[0].path)]
    assert len(places) == len(values)
    assert all(chart.left <= x <= chart.right and 0 <= y <= chart.bottom for x, y in places)
    assert all(tick.text for tick in (*chart.x_ticks, *chart.y_ticks))
    assert 2 <= len(chart.y_ticks) <= 8


def test_a_long_line_is_thinned_and_a_chart_without_points_is_none() -> None:
    chart = line_chart("", {"a": [Point(x, math.sin(x)) for x in range(10_000)]}, x_label="", y_label="")
    assert chart is not None
    assert len(chart.lines[0].path.split("L")) <= 400
    assert line_chart("", {"a": [Point(1, math.nan)]}, x_label="", y_label="") is None
    assert bar_chart("", {"a": {"b": 0}}) is None


def test_bars_have_one_scale() -> None:
    chart = bar_chart("", {"a": {"x": 1, "y": 3}, "b": {"x": 2}})
    assert chart is not None
    widths = [[part.width for part in bar.parts] for bar in chart.bars]
    assert widths[0][1] == pytest.approx(3 * widths[0][0])
    assert widths[1][0] == pytest.approx(2 * widths[0][0])


def test_labels_are_counted_by_question_and_confusions_by_what_the_answer_names() -> None:
    tally = Tally()
    for number, (text, kept) in enumerate([("It is a jump.", True), ("It is a jump.", True), ("No idea.", False)]):
        for kind in ("direct", "rationalised")[: 1 if kept else 2]:
            line = answer(text, "jump", question_id=str(number), kind=kind, kept=kept, accepted=kept)
            tally.add(1, 0, line)
            tally.add(1, 0, replace(line, number=1))  # a second try
    for text, label, right in [("So, a jump.", "jump", True), ("So, a jump.", "run", False), ("Hm.", "run", False)]:
        tally.add(1, 2, answer(text, label, accepted=right, kept=right))
    rounds = [{"number": 1, "evaluate": {"per_label": {"run": {"accuracy": 0.0, "n": 2}}}}]
    first, second = label_rows(rounds, tally)
    assert (first["label"], first["accuracy"], first["n"], first["asked"]) == ("run", 0.0, 2, 0)
    assert (second["label"], second["asked"], second["kept"], second["direct"]) == ("jump", 3, 2, 2)
    assert second["yield"] == pytest.approx(2 / 3)
    found = confusion(tally)
    assert found is not None
    assert found.columns == ["jump", "run", "no label of the set"]
    counts = {label: [count for count, _ in cells] for label, cells in found.rows}
    assert counts == {"jump": [1, 0, 0], "run": [1, 0, 1]}


def test_examples_with_pictures_are_spread_over_labels_and_verdicts() -> None:
    gallery = Gallery()
    for number in range(300):
        label = "rare" if number == 0 else "often"
        line = answer("", label, question_id=str(number), kept=number != 7, accepted=number != 7)
        gallery.add(0, 1, 0, line)
    chosen = selected(gallery.items.values(), 10)
    assert len(chosen) == 10
    assert {"0", "7"} <= {item.question_id for item in chosen}


def test_a_share_of_many_questions_is_the_same_in_every_round() -> None:
    gallery = Gallery()
    gallery.share = 0.25
    for number in (1, 2):
        for question in range(400):
            gallery.add(0, number, 0, answer("", question_id=f"{question:04}"))
    assert 60 < len(gallery.items) < 140
    assert all(len(item.rows) == 2 for item in gallery.items.values())
    assert gallery.answers == 800


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1 for text, on the page and on cards."""
    blocks = STYLE.split("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--(\w+): (#\w{6})", blocks[scheme == "dark"].partition("* {")[0]))
    for text in ("ink", "quiet", "accent", "good", "bad"):
        for ground in ("page", "card"):
            first, second = sorted((_luminance(found[text]), _luminance(found[ground])))
            assert (second + 0.05) / (first + 0.05) >= 4.5, (text, ground)


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
