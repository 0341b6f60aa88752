"""What counts as saying an action, rule by rule of the specification."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from videostar.labels import Reason, parse_label
from videostar.labels.action import Action
from videostar.labels.names import squash
from videostar.util.errors import UserError

STROKES = ("swimming", "swimming backstroke", "diving", "rowing")


def accepts(name: str, answer: str, **label: object) -> bool:
    return parse_label({"kind": "action", "name": name, **label}).judge(answer).accepted


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sawing wood", "Behind the barn he sawed a thick piece of wood."),
        ("playing trumpet", "A soldier plays his dented old trumpet."),
        ("peeling apples", "Ten apples are being peeled for the pie."),
        ("putting on shoes", "She puts her winter shoes on."),
        ("folding clothes", "The clothes were quickly folded and put away."),
        ("tearing up paper", "He tears the paper up."),
        ("Closing something", "The nurse closes the curtain."),
        ("eat meal/snack", "They eat a meal on the train."),
        ("shot put", "Shot put!"),
        ("driving car", "A grandmother drove a tiny red electric car."),
        ("drinking beer", "He drinks a glass of beer."),
        ("reading book", "Long into the night, she read her book."),
    ],
)
def test_any_inflection_and_what_may_stand_between(name: str, answer: str) -> None:
    assert accepts(name, answer)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("playing trumpet", "He plays cards next to a trumpet."),
        ("washing feet", "She washes the dog, which licks her feet."),
        ("shaking hands", "He shakes the tree with both hands."),
        ("fencing", "They paint the wooden fence."),
        ("boxing", "A box of pears stands on the shelf."),
        ("swimming", "A towel lies next to the swimming pool."),
        ("cat", "catching cattle in a category"),
        ("pull ups", "He pulls up his socks."),
    ],
)
def test_other_objects_and_other_words_do_not_count(name: str, answer: str) -> None:
    assert not accepts(name, answer)


def test_the_final_answer_decides() -> None:
    story = "At first it might be rowing, as the boat moves. {}"
    for final in ("So the action is diving.", "Answer: diving", "Therefore, the man is diving.", "**Label:** Diving"):
        assert accepts("diving", story.format(final), among=STROKES)
        assert not accepts("rowing", story.format(final), among=STROKES)
    assert accepts("rowing", "The action is fast and smooth. Two men are rowing.", among=STROKES)


@pytest.mark.parametrize(
    "answer",
    [
        "Nobody is knitting here.",
        "She is not knitting.",
        "She never knits.",
        "Rather than knitting, she sleeps.",
        "She talks without knitting.",
        "Knitting is not what happens.",
        "She is neither knitting nor sewing.",
        "There is no knitting.",
        "She doesn't sew, weave or knit.",
        "I see anything but knitting.",
    ],
)
def test_denied_is_not_said(answer: str) -> None:
    verdict = parse_label({"kind": "action", "name": "knitting"}).judge(answer)
    assert (verdict.accepted, verdict.reason) == (False, Reason.NEGATED)


@pytest.mark.parametrize(
    "answer",
    [
        "She is not only knitting but also singing.",
        "No doubt this is knitting.",
        "She isn't sleeping but knitting.",
        "She never stops knitting.",
        "A woman with no glasses is knitting.",
        "She isn't asleep; she is knitting.",
        "It is none other than knitting.",
    ],
)
def test_a_denial_of_something_else_is_none(answer: str) -> None:
    assert accepts("knitting", answer)


@pytest.mark.parametrize(
    "answer",
    [
        "It is either knitting or crocheting.",
        "Knitting, sewing or crocheting.",
        "It could be knitting, it could be sewing.",
        "Knitting or sewing, I cannot say.",
        "One of these: knitting, sewing, crocheting.",
    ],
)
def test_undecided_is_not_said(answer: str) -> None:
    assert not accepts("knitting", answer)


@pytest.mark.parametrize("hedge", ["Probably {}.", "It appears to be {}.", "This might be {}.", "It looks like {}."])
def test_one_candidate_may_be_uncertain(hedge: str) -> None:
    assert accepts("knitting", hedge.format("knitting"))


def test_asking_is_not_saying() -> None:
    assert not accepts("knitting", "Is she knitting?")
    assert not accepts("knitting", "Is she knitting? No, she is not.")
    assert accepts("knitting", "Is she knitting? Yes.")


@pytest.mark.parametrize("cue", ["fails to", "pretends to", "is about to", "almost", "nearly", "is preparing to"])
def test_what_does_not_happen_is_not_said(cue: str) -> None:
    assert not accepts("jump", f"The boy {cue} jump.")


@pytest.mark.parametrize(
    "spelling", ["SoccerJuggling", "soccer_juggling", "SOCCER-JUGGLING", "**Soccer** juggling", "ＳＯＣＣＥＲ juggling"]
)
def test_spelling_does_not_matter(spelling: str) -> None:
    assert accepts("SoccerJuggling", f"The action is {spelling}.")
    assert accepts(spelling.strip("*"), "The boy does soccer juggling.")


def test_loops_refusals_and_echoes_are_degenerate() -> None:
    label = parse_label({"kind": "action", "name": "skiing"})
    prompt = "USER: <video>\nIs he skiing? ASSISTANT:"
    for answer in ("", " \n", "skiing " * 30, "I'm sorry, I cannot watch videos."):
        assert label.judge(answer).reason is Reason.DEGENERATE
    assert label.judge(prompt, prompt).reason is Reason.DEGENERATE
    assert label.judge(prompt + " He is skiing.", prompt).accepted
    assert label.judge("He is skiing. " + "The snow is white. " * 20 + "The sn").accepted


def test_the_longer_name_wins() -> None:
    assert accepts("swimming backstroke", "She is swimming backstroke.", among=STROKES)
    assert not accepts("swimming", "She is swimming backstroke.", among=STROKES)
    assert accepts("swimming", "She is swimming.", among=STROKES)


def test_a_qualifier_counts_only_where_labels_differ_by_it() -> None:
    assert accepts("curling (sport)", "They are curling.")
    games = ("passing ball (in game)", "passing ball (not in game)")
    assert not accepts(games[0], "They are passing the ball.", among=games)
    assert accepts(games[0], "They are passing the ball (in game).", among=games)
    assert not accepts(games[0], "They are passing the ball (not in game).", among=games)


def test_words_says_the_label() -> None:
    names = {
        "ShavingBeard": "shaving beard",
        "kick_ball": "kick ball",
        "shooting goal (soccer)": "shooting goal (soccer)",
        "BMX": "BMX",
        "Applying sunscreen": "applying sunscreen",
        "Back+15som+05Twis+FREE": "Back+15som+05Twis+FREE",
    }
    assert {name: Action(name=name).words() for name in names} == names


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"kind": "actoin", "name": "a"}, "did you mean 'action'"),
        ({"name": "a"}, "without `kind`"),
        ({"kind": "action", "name": " "}, "'name' is empty"),
        ({"kind": "action"}, "'name' is missing"),
        ({"kind": "action", "name": "a", "alias": ["b"]}, "unknown key 'alias': did you mean 'aliases'"),
        ({"kind": "action", "name": "a", "aliases": 3}, "'aliases' is 3"),
    ],
)
def test_wrong_labels_are_explained(data: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        parse_label(data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "hostile", ["the action is ", "not knitting or ", "knitting ", "- \n", "(((", "a\n", "<a ", "knitting, "]
)
def test_a_megabyte_takes_no_second(hostile: str) -> None:
    label = parse_label({"kind": "action", "name": "knitting", "among": ["knitting", "sewing"]})
    label.judge("warm up")
    text = hostile * (10**6 // len(hostile))
    start = time.process_time()
    label.judge(text)
    assert time.process_time() - start < 3  # one second, on a machine that does nothing else


@pytest.mark.shared
def test_a_label_is_said_by_its_own_sentences_and_by_no_others(shared: Path) -> None:
    forms = [
        "The person is {}.",
        "The action is {}.",
        "The video shows someone {}.",
        "So the answer is {}.",
        "{}",
        "In this clip a person can be seen {}.",
        "Answer: {}",
        "This is a video of {}.",
    ]
    draw = random.Random(0)
    own = own_total = wrong = wrong_total = 0
    for file in sorted((shared / "label_sets").iterdir()):
        names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        names = names[1:] if file.suffix == ".csv" else names
        labels = [Action(name=name, among=tuple(names)) for name in names]
        for label in draw.sample(labels, min(25, len(labels))):
            for form in forms:
                own_total += 1
                own += label.judge(form.format(label.words())).accepted
            for other in draw.sample(labels, min(30, len(labels))):
                if squash(other.name) != squash(label.name):
                    wrong_total += 1
                    wrong += label.judge(draw.choice(forms).format(other.words())).accepted
    assert own / own_total >= 0.995
    assert wrong / wrong_total <= 0.0002
