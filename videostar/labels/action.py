"""The label of kind `action`: the name of what is done in a video."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict

from videostar.labels import lexicon
from videostar.labels.degenerate import MAX_CHARACTERS, answer_content, count_before_loop, is_refusal, strip_prompt
from videostar.labels.field_types import Name
from videostar.labels.final_answer import FinalAnswer, final_answers, last_line
from videostar.labels.names import readable_name, squash
from videostar.labels.patterns import Mention
from videostar.labels.status import (
    ASSERTED,
    Status,
    count_guesses,
    is_correction,
    is_guess,
    is_overruled,
    is_retracted,
    mention_status,
)
from videostar.labels.text import normalise, tokens
from videostar.labels.verdict import Reason, Verdict
from videostar.labels.vocabulary import LabelSet, find_mentions, index_by_first_form, label_set


class Action(BaseModel):
    """An action by its name, other names for it, and the set of labels that it is one of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["action"] = "action"
    name: Name
    aliases: tuple[Name, ...] = ()
    among: tuple[Name, ...] = ()

    def words(self) -> str:
        """The name as people say it: ShavingBeard -> shaving beard."""
        return readable_name(self.name)

    @cached_property
    def _matcher(self) -> _Matcher:
        return _matcher(self.name, self.aliases, self.among)

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether `answer` says that this is the action; `prompt` is what it was asked with."""
        if prompt:
            answer = strip_prompt(answer, prompt)
        if len(answer) > MAX_CHARACTERS:
            answer = answer_content(answer, None) or ""
        text = normalise(answer)
        words = tokens(text)
        count, looping = count_before_loop(words)
        if looping or not any(word[0].isalnum() for word in words):
            return Verdict.no(Reason.DEGENERATE)
        if count < len(words):
            words = words[:count]
            text = " ".join(words)
        verdict = self._matcher.judge(text, words)
        if verdict.reason is Reason.MISSING and is_refusal(text):
            return Verdict.no(Reason.DEGENERATE)
        return verdict


class _Matcher:
    """What is compiled once for a label: its own patterns, and the index of the others."""

    def __init__(self, name: str, aliases: tuple[str, ...], among: tuple[str, ...]) -> None:
        self.name = name
        self.keys = {squash(n) for n in (name, *aliases)}
        self.others: LabelSet | None = label_set(among) if among else None
        names = self.others or label_set((name,))
        self.starts = index_by_first_form([p for n in (name, *aliases) for p in names.own_patterns(n)])

    def judge(self, text: str, words: Sequence[str]) -> Verdict:
        """Judges by the final answer if there is one, else by everything that is said."""
        found = self._mentions(words)
        if not found:
            return Verdict.no(Reason.MISSING)
        for final in final_answers(text, words):
            verdict = self._final(final)
            if verdict:
                return verdict
        line = last_line(text)
        return (line and self._line(tokens(line))) or self._whole(words, found)

    def _mentions(self, words: Sequence[str]) -> list[Mention]:
        return find_mentions(self.starts, words)

    def _others(self, words: Sequence[str]) -> dict[str, list[Mention]]:
        return self.others.find(words, exclude=self.keys) if self.others else {}

    def _final(self, final: FinalAnswer) -> Verdict | None:
        """The verdict on a final answer; None when it settles nothing, so that what was said elsewhere counts."""
        words = tokens(final.text)
        found = self._mentions(words)
        if found:
            return self._whole(words, found)
        for other, said_at in self._others(words).items():
            if any(mention_status(words, m) in ASSERTED for m in said_at):
                return Verdict.no(Reason.CONTRADICTED, other)
        if (final.explicit and not _remarks(words)) or (final.binding and _states(words)):
            return Verdict.no(Reason.CONTRADICTED)
        return None

    def _line(self, words: Sequence[str]) -> Verdict | None:
        """The verdict on a last line that is nothing but another label."""
        length = sum(w != "." for w in words)
        for other, said_at in self._others(words).items():
            if any(m.end - m.start == length for m in said_at) and not self._mentions(words):
                return Verdict.no(Reason.CONTRADICTED, other)
        return None

    def _whole(self, words: Sequence[str], found: list[Mention]) -> Verdict:
        """The verdict on what is said in `words`, where the label is mentioned at `found`."""
        others = self._others(words)
        longer = [m for said_at in others.values() for m in said_at]
        if longer:
            found = [m for m in found if not any(m.within(o) for o in longer)]
            longer = [o for o in longer if not any(o.within(m) for m in found)]
        reason = Reason.MISSING
        accepted: Mention | None = None
        supposed = False
        for mention in found:
            meant = mention_status(words, mention)
            if meant is Status.STATED or (meant is Status.SUPPOSED and (supposed or accepted is None)):
                accepted, supposed = mention, meant is Status.SUPPOSED
            elif meant is Status.DENIED:
                reason = Reason.NEGATED
                if accepted and (supposed or is_correction(words, mention.start, mention.end)):
                    accepted = None
            elif meant is Status.OPEN:
                reason = Reason.HEDGED
        if accepted is None:
            return Verdict.no(reason)
        if longer and is_label_list(words, [*found, *longer]):
            return Verdict.no(Reason.HEDGED)
        if supposed and count_guesses(words, accepted.start, accepted.end) > 1:
            return Verdict.no(Reason.HEDGED)
        if (is_overruled if supposed else is_retracted)(words, accepted.end):
            return Verdict.no(Reason.CONTRADICTED)
        if supposed and is_guess(words, accepted.start):
            later = [o for o in longer if o.start >= accepted.end]
            if any(mention_status(words, o) is Status.STATED for o in later):
                return Verdict.no(Reason.CONTRADICTED)
        return Verdict.yes(self.name)


@lru_cache(maxsize=4096)
def _matcher(name: str, aliases: tuple[str, ...], among: tuple[str, ...]) -> _Matcher:
    return _Matcher(name, aliases, among)


def _states(words: Sequence[str]) -> bool:
    """Whether a conclusion states an action: "the man is bowling", "this is bowling"."""
    for word, following in pairwise(words):
        if word in lexicon.BE or word in ("he's", "she's", "it's", "they're"):
            return following.endswith("ing") and len(following) > 4
    return False


def _remarks(words: Sequence[str]) -> bool:
    """Whether what is called the action is a remark about it ("a common exercise") or a whole story."""
    named = words[:1] == ["a"] or words[:1] == ["an"]
    return len(words) > 12 or (named and not any(w.endswith("ing") for w in words))


def is_label_list(words: Sequence[str], places: Sequence[Mention]) -> bool:
    """Whether the answer is a list of labels and hardly anything else."""
    covered = {k for mention in places for k in range(mention.start, mention.end)}
    spoken = [k for k, word in enumerate(words) if word[0].isalnum()]
    rest = {words[k] for k in spoken if k not in covered}
    return len(covered) >= 0.8 * len(spoken) and rest.isdisjoint(("and", "then"))
