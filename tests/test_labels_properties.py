"""What holds for every text: a verdict, and the plain forms of saying and denying."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.labels import Reason, parse_label

NAMES = ["juggling balls", "ShavingBeard", "kick_ball", "tai chi", "playing guitar", "Opening something", "archery"]
SAYING = ["The person is {}.", "Answer: {}", "The video shows someone {}.", "This is {}.", "So the action is {}."]
DENYING = ["The person is not {}.", "This isn't {}.", "There is no {} here.", "Nobody is {}.", "It is never {}."]
WORDS = "not no or either the action is answer : ? . , so juggling balls ball guitar playing could be \n with".split(
    " "
)

names = st.sampled_from(NAMES)


def said(name: str) -> str:
    words = parse_label({"kind": "action", "name": name}).words()
    return words.replace("something", "the door")


@settings(max_examples=300)
@given(
    text=st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join)), prompt=st.none() | st.text(), name=names
)
def test_any_text_gets_a_verdict(text: str, prompt: str | None, name: str) -> None:
    verdict = parse_label({"kind": "action", "name": name, "among": NAMES}).judge(text, prompt)
    assert verdict.accepted == (verdict.reason is Reason.MATCHED) == (verdict.score == 1.0)


@settings(max_examples=50)
@given(name=st.text(min_size=1).filter(str.strip), text=st.text())
def test_any_name_makes_a_label(name: str, text: str) -> None:
    label = parse_label({"kind": "action", "name": name, "aliases": [name + " up"], "among": [name, "x " + name]})
    assert label.judge(text).score in (0.0, 1.0)
    assert isinstance(label.words(), str)


@given(name=names, form=st.sampled_from(SAYING))
def test_saying_it_is_accepted(name: str, form: str) -> None:
    assert parse_label({"kind": "action", "name": name}).judge(form.format(said(name))).accepted


@given(name=names, form=st.sampled_from(DENYING))
def test_denying_it_is_not(name: str, form: str) -> None:
    assert not parse_label({"kind": "action", "name": name}).judge(form.format(said(name))).accepted


@given(
    name=names,
    form=st.sampled_from(SAYING + DENYING),
    space=st.sampled_from(["  ", "\t", " \t "]),
    change=st.sampled_from([str.upper, str.lower, str.title]),
    mark=st.sampled_from(["**{}**", "*{}*", "__{}__", "`{}`", "# {}", "> {}"]),
)
def test_looks_do_not_matter(name: str, form: str, space: str, change: object, mark: str) -> None:
    label = parse_label({"kind": "action", "name": name})
    plain = form.format(said(name))
    assert callable(change)
    for variant in (plain.replace(" ", space), change(plain), mark.format(plain), f"\n\n{plain}\n "):
        assert label.judge(variant).accepted == label.judge(plain).accepted
