"""What counts as saying a value, rule by rule of the specification."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.labels import Reason, Verdict, parse_label
from videostar.util.errors import UserError

LABELS: dict[str, dict[str, Any]] = {
    "score": {"kind": "score", "value": 7.5, "tolerance": 0.5, "range": [0, 10]},
    "count": {"kind": "count", "value": 4, "of": "jumps"},
    "timestamp": {"kind": "timestamp", "seconds": 64, "duration": 128},
    "interval": {"kind": "interval", "start": 10, "end": 20, "duration": 40},
    "box": {"kind": "box", "xyxy": [0.1, 0.2, 0.5, 0.6], "scale": 1000},
}


def judge(kind: str, answer: str, **label: Any) -> Verdict:
    return parse_label({**LABELS[kind], **label}).judge(answer)


def test_the_tolerance_of_a_score() -> None:
    def accepts(answer: str, **label: Any) -> bool:
        return parse_label({"kind": "score", "value": 80, **label}).judge(answer).accepted

    assert accepts("Score: 84")
    assert not accepts("Score: 84.1")  # 5 % where nothing else is said
    assert accepts("Score: 76", tolerance=4)
    assert not accepts("Score: 75.9", tolerance=4)
    assert accepts("Score: 88", relative_tolerance=0.1)
    assert not accepts("Score: 89", relative_tolerance=0.1)
    assert accepts("Score: 88", relative_tolerance=0.1, tolerance=1)  # either suffices
    assert accepts("Score: 88", relative_tolerance=0.01, tolerance=8)
    assert accepts("Score: 80", tolerance=0)
    assert not accepts("Score: 80.1", tolerance=0)
    assert not accepts("Score: 84", tolerance=1)  # the default holds only where neither is given


def test_out_of_is_read_on_the_range() -> None:
    assert judge("score", "7.5/10").accepted
    assert judge("score", "Seven and a half out of ten").accepted
    assert not judge("score", "7.5/100").accepted
    assert judge("score", "75 out of 100", value=75, range=[0, 100]).accepted
    assert judge("score", "7.5 out of 10", range=None).accepted


def test_a_similarity_falls_with_the_distance() -> None:
    scores = [judge("score", f"Score: {value}", value=8).score for value in (8, 7.8, 7.5, 7, 5, 1)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1
    assert scores[2] == 0.5
    assert judge("count", "5 jumps").score == 0.5
    assert judge("interval", "from 10 to 15 seconds").score == 0.5
    assert judge("interval", "from 10 to 15 seconds").accepted
    assert judge("box", "[100, 200, 300, 600]").score == pytest.approx(0.5)


@pytest.mark.parametrize(
    "said",
    "64 s;64 seconds;01:04;1:04.0;1 minute and 4 seconds;1m4s;one minute and four seconds;00:01:04;64.0sec;1 min 4 s;"
    "the one minute four second mark;the 64-second mark;sixty-four seconds;1.0667 minutes;halfway through the video;"
    "50% of the way through the video;half of the video".split(";"),
)
def test_one_time_in_many_notations(said: str) -> None:
    assert judge("timestamp", said).accepted
    assert judge("timestamp", f"The glass falls at {said}.").accepted
    assert judge("timestamp", f"At 0:10 he sits. **Answer:** {said}").accepted
    assert not judge("timestamp", f"The glass falls at {said}.", seconds=20).accepted
    assert not judge("timestamp", f"The glass does not fall at {said}.").accepted


def test_a_share_needs_a_duration() -> None:
    assert judge("timestamp", "Normalized timestamp: 0.5").accepted
    assert not judge("timestamp", "Normalized timestamp: 0.5", duration=None).accepted
    assert not judge("timestamp", "Timestamp: 0.5").accepted
    assert judge("timestamp", "50% of the way through", duration=None).reason is Reason.UNPARSED


@pytest.mark.parametrize(
    "said",
    "from {a} to {b} seconds;{a} - {b};between {a} and {b} seconds;[{a}, {b}];({a}, {b});starts at {a} seconds and "
    'ends at {b} seconds;start: {a}, end: {b};{{"start": {a}, "end": {b}}};{a}s-{b}s;0:{a} – 0:{b};from 00:{a} until '
    "00:{b};{a} seconds to {b} seconds;begins at the {a} second mark and finishes at the {b} second mark".split(";"),
)
def test_an_interval_in_many_notations(said: str) -> None:
    assert judge("interval", said.format(a=10, b=20)).parsed == [10, 20]
    assert judge("interval", f"The event: {said.format(a=11, b=19)}").accepted
    assert not judge("interval", said.format(a=25, b=35)).accepted
    assert judge("interval", said.format(a=20, b=10)).reason is Reason.UNPARSED


def test_an_interval_by_its_length_and_by_the_ends_of_the_video() -> None:
    assert judge("interval", "It starts at 10 seconds and lasts 10 seconds.").parsed == [10, 20]
    assert judge("interval", "from the beginning until 15 seconds").parsed == [0, 15]
    assert judge("interval", "from 15 seconds until the end").parsed == [15, 40]
    assert judge("interval", "from 15 seconds until the end", duration=None).reason is Reason.UNPARSED


@pytest.mark.parametrize(
    "said",
    [
        "[100, 200, 500, 600]",
        "(100, 200, 500, 600)",
        "x1=100, y1=200, x2=500, y2=600",
        "<box>(100,200),(500,600)</box>",
        '{"bbox_2d": [100, 200, 500, 600]}',
        "[[100, 200], [500, 600]]",
        "top-left (100, 200), bottom-right (500, 600)",
    ],
)
def test_a_box_in_many_notations(said: str) -> None:
    assert judge("box", said).parsed == [0.1, 0.2, 0.5, 0.6]
    assert judge("box", f"The dog is at {said}.").accepted
    assert not judge("box", f"The dog is not at {said}.").accepted
    assert judge("box", said, scale=[1000, 2000]).parsed == [0.1, 0.1, 0.5, 0.3]


@pytest.mark.parametrize(
    "said",
    [
        "x=100, y=200, width=400, height=400",
        "cx=300, cy=400, w=400, h=400",
        "[500, 200, 100, 600]",
        "[100, 600, 500, 200]",
        "[100, 200, 500]",
        "on the left",
    ],
)
def test_what_is_no_box(said: str) -> None:
    assert judge("box", said).reason is Reason.UNPARSED


def test_counts_that_are_no_digits() -> None:
    for value, answer in [
        (1, "He jumps once."),
        (2, "He jumps twice."),
        (1, "a single jump"),
        (3, "He jumps three times."),
        (3, "Jumps: 3x"),
        (12, "a dozen jumps"),
        (0, "There are no jumps."),
        (5, "1, 2, 3, 4, 5"),
    ]:
        assert judge("count", answer, value=value).accepted, answer
        assert judge("count", answer, value=value + 1).reason is Reason.CONTRADICTED, answer


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("seven", 7), ("forty", 40), ("twenty-one", 21), ("twenty one", 21), ("a hundred", 100),
        ("fifteen hundred", 1500), ("two hundred five", 205), ("two hundred and five", 205),
        ("one hundred and one", 101),
        ("two thousand and twenty-four", 2024), ("one million two hundred thousand", 1_200_000), ("2 thousand", 2000),
        ("seven point five", 7.5), ("zero point zero five", 0.05), ("two hundred and a half", 200.5),
        ("two hundred and one half", 200.5), ("minus five", -5),
    ],
)  # fmt: skip
def test_numbers_in_words(words: str, value: float) -> None:
    assert parse_label({"kind": "score", "value": value, "tolerance": 0}).judge(f"The score is {words}.").accepted


@pytest.mark.parametrize(
    "said", ["the ones on the left jump", "several hundred jumps", "hundreds of jumps", "the second jump", "o jumps"]
)
def test_what_is_no_number_in_words(said: str) -> None:
    assert judge("count", said).reason is Reason.UNPARSED


def test_two_numbers_in_words_are_not_one() -> None:
    label = {"start": 100, "end": 200, "duration": None}
    assert judge("interval", "between one hundred and two hundred seconds", **label).accepted
    assert judge("interval", "between twenty and five hundred seconds", start=20, end=500, duration=None).accepted
    assert judge("count", "four, five jumps").parsed == 5
    assert judge("count", "twenty\nfive jumps").parsed == 20


VALUES = {
    "score": ("7.5", "3.0"),
    "count": ("4 jumps", "9 jumps"),
    "timestamp": ("64 seconds", "20 seconds"),
    "interval": ("10 to 20 seconds", "25 to 38 seconds"),
    "box": ("[100, 200, 500, 600]", "[600, 200, 900, 600]"),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "Answer: {}",
        "The answer is {}.",
        "**Final answer:** {}",
        "<answer>{}</answer>",
        "It might look like {other} at first. Answer: {}",
        "I first thought it was {other}, but the final answer is {}.",
        "The answer is {} rather than {other}.",
        "The answer is {}, not {other}.",
        "The answer is not {other} but {}.",
        "Either {other} or {}. I'd go with {}.",
        "{other}? No. Therefore, it is {}.",
        "The answer is {other}. Wait, no, it is {}.",
        "<think>Perhaps {other}. Or {}?</think>{}",
        "Probably {}.",
        "Is it {}? Yes, it is.",
    ],
)
def test_the_final_answer_decides(kind: str, form: str) -> None:
    right, wrong = VALUES[kind]
    assert judge(kind, form.format(right, right, right, other=wrong)).accepted
    assert not judge(kind, form.format(wrong, wrong, wrong, other=right)).accepted


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("", Reason.DEGENERATE),
        ("I'm sorry, but I cannot tell.", Reason.DEGENERATE),
        ("{}. " * 9, Reason.DEGENERATE),
        ("Hard to tell.", Reason.UNPARSED),
        ("Either {} or {other}.", Reason.HEDGED),
        ("It is {} or {other}.", Reason.HEDGED),
        ("It could be {}, it could be {other}.", Reason.HEDGED),
        ("It is not {}.", Reason.NEGATED),
        ("Is it {}?", Reason.UNPARSED),
        ("Answer: {other}", Reason.CONTRADICTED),
    ],
)
def test_reasons(kind: str, form: str, reason: Reason) -> None:
    right, wrong = VALUES[kind]
    verdict = judge(kind, form.replace("{other}", wrong).replace("{}", right))
    assert (verdict.accepted, verdict.reason) == (False, reason)


@pytest.mark.parametrize("kind", VALUES)
def test_a_looping_tail_and_an_echo(kind: str) -> None:
    right, wrong = VALUES[kind]
    label = parse_label(LABELS[kind])
    assert label.judge(f"The answer is {right}. " + "So it goes on. " * 12).accepted
    prompt = f"USER: <video>\nIs it {wrong}? Tell the value.\nASSISTANT:"
    assert label.judge(prompt, prompt).reason is Reason.DEGENERATE
    assert label.judge(f"{prompt} {right}", prompt).accepted


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"kind": "score", "value": float("nan")}, "finite"),
        ({"kind": "score", "value": 1, "tolerance": -1}, "greater than or equal to 0"),
        ({"kind": "score", "value": 1, "range": [10, 0]}, "lo < hi"),
        ({"kind": "score", "value": 1, "tolerence": 1}, "did you mean 'tolerance'"),
        ({"kind": "count", "value": 1.5}, "valid integer"),
        ({"kind": "count", "value": -1}, "greater than or equal to 0"),
        ({"kind": "timestamp", "seconds": -1}, "greater than or equal to 0"),
        ({"kind": "timestamp", "seconds": 9, "duration": 5}, "duration"),
        ({"kind": "interval", "start": 5, "end": 5}, "after `start`"),
        ({"kind": "interval", "start": 5}, "'end' is missing"),
        ({"kind": "box", "xyxy": [0.5, 0, 0.1, 1]}, "x1 < x2"),
        ({"kind": "box", "xyxy": [0, 0, 2, 1]}, "within"),
        ({"kind": "box", "xyxy": [0, 0, 1, 1], "scale": 0}, "greater than 0"),
    ],
)
def test_wrong_labels_are_explained(data: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse_label(data)


def any_label() -> st.SearchStrategy[dict[str, Any]]:
    number = st.floats(-1e6, 1e6)
    seconds = st.floats(0, 36000)
    share = st.floats(0, 1).map(lambda x: round(x, 4))
    pair = st.tuples(seconds, st.floats(0.01, 3600))
    corners = st.tuples(share, share, share, share).map(
        lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
    )
    scales = st.sampled_from([1, 100, 1000, (1280, 720)])
    return st.one_of(
        number.map(lambda x: {"kind": "score", "value": x}),
        st.integers(0, 10**6).map(lambda n: {"kind": "count", "value": n, "of": "jumps"}),
        seconds.map(lambda s: {"kind": "timestamp", "seconds": s}),
        pair.map(lambda p: {"kind": "interval", "start": p[0], "end": p[0] + p[1]}),
        st.tuples(corners.filter(lambda c: c[0] < c[2] and c[1] < c[3]), scales).map(
            lambda b: {"kind": "box", "xyxy": b[0], "scale": b[1]}
        ),
    )


@given(any_label())
@settings(max_examples=200)
def test_a_label_contains_its_own_words(data: dict[str, Any]) -> None:
    label = parse_label(data)
    for form in ("{}", "Answer: {}", "So the final answer is {}."):
        verdict = label.judge(form.format(label.words()))
        assert verdict.accepted, (label.words(), verdict)
        assert verdict.score == pytest.approx(1, abs=1e-3)


PIECES = st.sampled_from(
    "7 8.5 -3 1:04 99:99:99 1e999 NaN inf ٣ ½ 0.5 % / : , . ; ( ) [ ] { } - – or and not no either between from to at "
    "answer final score is so seconds minute half one hundred point dozen once twice x1 = <box> </think> \\boxed{ "
    "? ! \n \ud800 \u200b times jumps start end lasts until the beginning bbox_2d way through wait".split(" ")
)


@given(
    st.sampled_from(sorted(LABELS)),
    st.one_of(st.text(), st.lists(PIECES, max_size=40).map(" ".join), st.lists(PIECES, max_size=40).map("".join)),
    st.one_of(st.none(), st.text(max_size=20)),
)
@settings(max_examples=600)
def test_no_text_makes_a_label_raise(kind: str, answer: str, prompt: str | None) -> None:
    verdict = parse_label(LABELS[kind]).judge(answer, prompt)
    assert 0 <= verdict.score <= 1
    assert verdict.accepted == (verdict.reason is Reason.MATCHED)
    assert not verdict.accepted or verdict.score >= 0.5


@given(st.integers(0, 35999))
def test_a_time_is_read_back_from_every_notation(seconds: int) -> None:
    label = parse_label({"kind": "timestamp", "seconds": seconds, "tolerance": 0})
    minutes, rest = divmod(seconds, 60)
    hours, odd = divmod(minutes, 60)
    for said in (
        f"{seconds} s",
        f"{seconds}s",
        f"{minutes:02d}:{rest:02d}",
        f"{hours}:{odd:02d}:{rest:02d}",
        f"{minutes} minutes and {rest} seconds",
        f"{minutes}m{rest}s",
        f"{hours}h {odd}m {rest}s",
        f"{seconds}-second mark",
    ):
        assert label.judge(f"It happens at the {said}.").parsed == seconds, said


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize(
    "hostile",
    ["7 ", "7", "7,", "1:", "7 or ", "not 7 ", "one hundred ", "one hundred and ", "zero ", "point five ",
     "one million ", "thousand and twenty-", "answer: ", "[0.1, ", "from 1 to 2 seconds or ",
     "(((", "5 jumps, no, ", "is ", "final ", "a\n", "1/", "- "],
)  # fmt: skip
def test_a_long_answer_takes_no_second(kind: str, hostile: str) -> None:
    label = parse_label(LABELS[kind])
    text = "start " + hostile * (200_000 // len(hostile)) + " end"
    start = time.process_time()
    label.judge(text)
    assert time.process_time() - start < 2  # a fifth of a second, on a machine that does nothing else
