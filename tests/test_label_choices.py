"""What counts as saying labels, sequences, choices, yes or no, texts and fields; and what holds for every kind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.labels import KINDS, Reason, Verdict, parse_label
from videostar.util.errors import UserError

LABELS: dict[str, dict[str, Any]] = {
    "labels": {"names": ["clapping", "singing", "opening door"]},
    "sequence": {"steps": ["open door", "take milk", "close door"]},
    "choice": {"options": {"A": "The phone.", "B": "The red box.", "C": "Open the door."}, "answer": "B"},
    "boolean": {"value": True, "statement": "the person opens the door"},
    "text": {"reference": "A man opens a door."},
    "fields": {
        "fields": {"action": {"kind": "action", "name": "opening door"}, "correct": {"kind": "boolean", "value": True}}
    },
}
EVERY: dict[str, dict[str, Any]] = {
    **LABELS,
    "action": {"name": "juggling balls", "among": ["juggling balls", "juggling", "opening door"]},
    "score": {"value": 7.5, "range": [0, 10]},
    "count": {"value": 4, "of": "jumps"},
    "timestamp": {"seconds": 64, "duration": 128},
    "interval": {"start": 10, "end": 20, "duration": 40},
    "box": {"xyxy": [0.1, 0.2, 0.5, 0.6], "scale": 1000},
}
PIECES = [
    *(
        "not no or either the answer is yes no A B (B) C: 7 1e999 -0 nan inf 0.5 10 20 64 1:04 % / [ ] ( ) "
        ', . ? ! - { } : {"action": open opens door doors milk takes before after when once clapping singing phone red '
        "box \ud800 \udfff ４ é ß İ <box> </think> ** ``` man a four jumps juggling balls 99999999999999999999 1e-320"
    ).split(),
    "\n",
    "\0",
    "\u2028",
    " - ",
]


def judge(kind: str, answer: str, **label: Any) -> Verdict:
    return parse_label({"kind": kind, **LABELS[kind], **label}).judge(answer)


def accepts(kind: str, answer: str, **label: Any) -> bool:
    return judge(kind, answer, **label).accepted


def test_labels_are_a_share_of_the_names() -> None:
    assert accepts("labels", "She sings and claps as the door is opened.")
    two = judge("labels", "A choir is clapping and singing.")
    assert (two.accepted, two.score, two.reason) == (False, pytest.approx(2 / 3), Reason.MISSING)
    assert accepts("labels", "A choir is clapping and singing.", min_recall=0.6)
    assert accepts("labels", "They clap and sing but nobody opens the door.", min_recall=0.6)
    assert not accepts("labels", "They clap and sing but nobody opens the door.")
    assert judge("labels", "clapping", names=["clapping", "Clapping"]).score == 1.0


def test_the_set_over_again_chooses_none() -> None:
    among = ["clapping", "singing", "dancing", "rowing"]
    verdict = judge("labels", "clapping, singing, dancing, rowing", names=["clapping"], among=among)
    assert verdict.reason is Reason.HEDGED


@pytest.mark.parametrize(
    "answer",
    [
        "She opens the door, takes the milk and closes the door.",
        "Before she takes the milk, she opens the door. Then she closes it, I mean she closes the door.",
        "She closes the door after opening the door and taking the milk.",
        "open door -> take milk -> close door",
        "open door / take milk / close door",
        "1. open door\n2. take milk\n3. close door",
        "2. take milk\n3. close door\n1. open door",
        "As soon as she has opened the door, she takes the milk. Then she closes the door.",
        "She takes the milk. She had opened the door before that. She closes the door in the end.",
        "Before she closes the door, she takes the milk. Before she takes the milk, she opens the door.",
        "She closes the door when she has opened the door and taken the milk.",
    ],
)
def test_steps_in_their_order_of_time(answer: str) -> None:
    verdict = judge("sequence", answer)
    assert (verdict.score, verdict.reason) == (1.0, Reason.MATCHED)


def test_the_score_of_a_sequence_is_its_longest_run() -> None:
    wrong = judge("sequence", "She closes the door, takes the milk and opens the door.")
    assert (wrong.score, wrong.reason) == (pytest.approx(1 / 3), Reason.CONTRADICTED)
    part = judge("sequence", "She opens the door and closes the door.")
    assert (part.score, part.accepted) == (pytest.approx(2 / 3), False)
    assert accepts("sequence", "She opens the door and closes the door.", min_coverage=0.6)


@pytest.mark.parametrize(
    "answer",
    [
        "B",
        "(b)",
        "**B.**",
        "Option B",
        "b) the red box",
        "The red box.",
        "I would go with B.",
        "It is not A but B.",
        "A and C are wrong.",
        "The other options (A, C) are not supported.",
        "We can rule out A. Between B and C, B is the better fit.",
        "Neither A nor C fits.",
        "A red box, so B.",
    ],
)
def test_the_right_option_is_chosen(answer: str) -> None:
    assert judge("choice", answer).parsed == "B"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("A", Reason.CONTRADICTED),
        ("The phone.", Reason.CONTRADICTED),
        ("A or B", Reason.HEDGED),
        ("It is between A and B.", Reason.HEDGED),
        ("A man walks in.", Reason.UNPARSED),
        ("It is not B.", Reason.NEGATED),
        ("None of A, B and C is right.", Reason.UNPARSED),
    ],
)
def test_another_option_or_none_is_no_choice(answer: str, reason: Reason) -> None:
    assert judge("choice", answer).reason is reason


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("Yes.", True),
        ("I think so.", True),
        ("That's right.", True),
        ("It's true that the person opens the door.", True),
        ("The person opens the door.", True),
        ("No.", False),
        ("I do not think so.", False),
        ("That's wrong.", False),
        ("That is not right.", False),
        ("It's false that the person opens the door.", False),
        ("Nobody opens the door.", False),
        ("The person never opens the door.", False),
        ("Yes or no.", None),
        ("The sky is blue.", None),
    ],
)
def test_yes_and_no(answer: str, value: bool | None) -> None:
    assert judge("boolean", answer).parsed is value
    assert accepts("boolean", answer) is (value is True)
    assert accepts("boolean", answer, value=False) is (value is False)


def test_someone_is_any_subject() -> None:
    someone = {"statement": "someone knocks over the glass"}
    assert accepts("boolean", "A waiter knocks the glass over.", **someone)
    assert not accepts("boolean", "The cat knocks over the glass.", **someone)
    assert accepts("boolean", "No one knocks over the glass.", value=False, **someone)


def test_a_text_may_be_said_in_other_words() -> None:
    assert accepts("text", "The room is dark. A guy is opening the door.")
    assert not accepts("text", "A man does not open a door.")
    assert not accepts("text", "A dog sleeps on the grass.")
    said = judge("text", "A man walks through a door.", min_similarity=0.01)
    assert 0 < said.score < 1
    assert not accepts("text", "A guy is opening the door.", min_similarity=1.0)


def test_fields_are_read_by_name() -> None:
    assert accepts("fields", "Action: opening the door\nCorrect: yes")
    assert accepts("fields", '{"action": "opening the door", "correct": true}')
    half = judge("fields", "Action: opening the door\nCorrect: no")
    assert (half.accepted, half.score, half.reason) == (False, 0.5, Reason.CONTRADICTED)
    assert half.parsed == {"action": "opening door", "correct": False}
    wrong = judge("fields", "Action: closing the door\nCorrect: he is opening the door, yes")
    assert wrong.reason is Reason.MISSING  # the line of that name decides


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"kind": "labels", "names": []}, "'names' is"),
        ({"kind": "labels", "name": ["a"]}, "'names' is missing|unknown key 'name': did you mean 'names'"),
        ({"kind": "labels", "names": ["a"], "min_recall": 0}, "'min_recall' is 0"),
        ({"kind": "sequence", "steps": ["a", " "]}, "'steps.1' is empty"),
        ({"kind": "sequence", "steps": ["a"], "min_coverage": 1.5}, "'min_coverage' is 1.5"),
        (
            {"kind": "choice", "options": {"A": "x", "B": "y"}, "answer": "C"},
            "answer 'C' is not one of the options A, B",
        ),
        ({"kind": "choice", "options": {"A": "x"}, "answer": "A"}, "'options' is"),
        ({"kind": "choice", "options": {"A": "x", "a": "y"}, "answer": "A"}, "two options have the same letter"),
        ({"kind": "boolean", "value": "perhaps"}, "'value' is 'perhaps'"),
        ({"kind": "boolean", "value": True, "statment": "x"}, "unknown key 'statment': did you mean 'statement'"),
        ({"kind": "text", "reference": ""}, "'reference' is empty"),
        ({"kind": "text", "reference": "x", "min_similarity": 2}, "'min_similarity' is 2"),
        ({"kind": "fields", "fields": {}}, "'fields' is"),
        ({"kind": "fields", "fields": {"a": {"kind": "count", "value": 1, "off": "x"}}}, "fields.a.*unknown key 'off'"),
    ],
)
def test_wrong_labels_are_explained(data: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        parse_label(data)
    assert "\n" not in str(error.value)


def test_every_kind_is_held_to_what_follows() -> None:
    assert EVERY.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", EVERY)
def test_any_text_gets_a_verdict(kind: str) -> None:
    label = parse_label({"kind": kind, **EVERY[kind]})

    @settings(max_examples=10 if kind == "text" else 150)
    @given(
        text=st.text()
        | st.lists(st.sampled_from(PIECES)).map(" ".join)
        | st.lists(st.sampled_from(PIECES)).map("".join),
        prompt=st.none() | st.text(max_size=20),
    )
    def holds(text: str, prompt: str | None) -> None:
        verdict = label.judge(text, prompt)
        assert 0.0 <= verdict.score <= 1.0
        assert verdict.accepted == (verdict.reason is Reason.MATCHED)

    holds()


@pytest.mark.parametrize("kind", EVERY)
def test_its_own_words_say_a_label_and_their_denial_does_not(kind: str) -> None:
    label = parse_label({"kind": kind, **EVERY[kind]})
    assert label.judge(f"The answer is {label.words()}.").accepted
    assert label.judge(label.words()).accepted
    assert not label.judge(f"It is not {label.words()}.").accepted


@pytest.mark.parametrize("kind", EVERY)
def test_of_a_very_long_answer_the_ends_are_read(kind: str) -> None:
    label = parse_label({"kind": kind, **EVERY[kind]})
    said = f"The answer is {label.words()}."
    loop = "The camera shows the sky. " * 40_000
    assert label.judge(f"{said} {loop}").accepted
    assert label.judge(f"{loop} {said}").accepted
    assert label.judge(loop).reason is Reason.DEGENERATE
    assert label.judge(f"{label.words()}, " * 40_000).reason is Reason.DEGENERATE


@given(seconds=st.integers(0, 7200))
def test_a_time_is_said_by_its_words(seconds: int) -> None:
    label = parse_label({"kind": "timestamp", "seconds": seconds})
    assert label.judge(f"The answer is {label.words()}.").accepted
    assert not label.judge(f"It is not {label.words()}.").accepted


@given(keys=st.lists(st.sampled_from("ABCDEFGH"), min_size=2, unique=True), data=st.data())
def test_an_option_is_said_by_its_words(keys: list[str], data: st.DataObject) -> None:
    things = ["the phone", "a red box", "opening the door", "to see the dog", "He sits down.", "three", "milk", "a hat"]
    options = dict(zip(keys, data.draw(st.permutations(things)), strict=False))
    label = parse_label({"kind": "choice", "options": options, "answer": data.draw(st.sampled_from(keys))})
    assert label.judge(f"The answer is {label.words()}.").accepted
    assert not label.judge(f"It is not {label.words()}.").accepted
