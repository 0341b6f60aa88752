"""The label of kind `action`: the name of the action in a video."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal

from videostar.labels import lexicon
from videostar.labels.degenerate import MAX_CHARACTERS, answer_content, count_before_loop, is_refusal, strip_prompt
from videostar.labels.final_answer import FinalAnswer, final_answers, last_line
from videostar.labels.label import Label, Name
from videostar.labels.names import readable_name, squash
from videostar.labels.patterns import Mention
from videostar.labels.scripts import read_scripts
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
from videostar.labels.text import drop_reasoning, normalise, tokens
from videostar.labels.verdict import Reason, Verdict
from videostar.labels.vocabulary import LabelSet, find_mentions, index_by_first_form, label_set


class Action(Label):
    """An action."""

    kind: Literal["action"] = "action"
    name: Name
    aliases: tuple[Name, ...] = ()  # other names of the action
    among: tuple[Name, ...] = ()  # the label set that the action is from

    def words(self) -> str:
        """The name in separate words: ShavingBeard -> shaving beard."""
        return readable_name(self.name)

    @cached_property
    def _matcher(self) -> _Matcher:
        return _matcher(self.name, self.aliases, self.among)

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether `answer`, a reply to `prompt`, says that this is the action.

        `parsed` is the name, or the name of another label of the set if the answer mentions both and concludes with it.

        >>> label = Action(name="ShavingBeard", among=("ShavingBeard", "BrushingTeeth"))
        >>> label.judge("It looks like shaving a beard, but the action is brushing teeth.").parsed
        'BrushingTeeth'
        """
        if prompt:
            answer = strip_prompt(answer, prompt)
        answer = drop_reasoning(answer)
        if len(answer) > MAX_CHARACTERS:
            answer = answer_content(answer, None) or ""
        text = normalise(read_scripts(answer, (self.name, *self.aliases, *self.among)))
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
    """The patterns of a label and of the other labels of its set, compiled once."""

    def __init__(self, name: str, aliases: tuple[str, ...], among: tuple[str, ...]) -> None:
        self.name = name
        self.keys = {squash(n) for n in (name, *aliases)}
        self.others: LabelSet | None = label_set(among) if among else None
        names = self.others or label_set((name,))
        self.starts = index_by_first_form([p for n in (name, *aliases) for p in names.own_patterns(n)])

    def judge(self, text: str, words: Sequence[str]) -> Verdict:
        """Judges by the final answer if there is one, else by the whole text."""
        own = self._mentions(words)
        if not own:
            return Verdict.no(Reason.MISSING)
        for final in final_answers(text, words):
            verdict = self._judge_final(final)
            if verdict:
                return verdict
        line = last_line(text)
        return (line and self._judge_last_line(tokens(line))) or self._judge_words(words, own)

    def _mentions(self, words: Sequence[str]) -> list[Mention]:
        return find_mentions(self.starts, words)

    def _others(self, words: Sequence[str]) -> dict[str, list[Mention]]:
        return self.others.find(words, exclude=self.keys) if self.others else {}

    def _judge_final(self, final: FinalAnswer) -> Verdict | None:
        """The verdict on a final answer; None if it names no action, so that the rest of the text counts."""
        words = tokens(final.text)
        own = self._mentions(words)
        if own:
            return self._judge_words(words, own)
        for other, mentions in self._others(words).items():
            if any(mention_status(words, m) in ASSERTED for m in mentions):
                return Verdict.no(Reason.CONTRADICTED, other)
        if (final.explicit and not _is_remark(words)) or (final.binding and _states_action(words)):
            return Verdict.no(Reason.CONTRADICTED)
        return None

    def _judge_last_line(self, words: Sequence[str]) -> Verdict | None:
        """The verdict on a last line that is only another label; None if it is anything else."""
        length = sum(w != "." for w in words)
        for other, mentions in self._others(words).items():
            if any(m.end - m.start == length for m in mentions) and not self._mentions(words):
                return Verdict.no(Reason.CONTRADICTED, other)
        return None

    def _judge_words(self, words: Sequence[str], own: list[Mention]) -> Verdict:
        """The verdict on all of `words`, which mention the label at `own`."""
        others = self._others(words)
        rival = [m for mentions in others.values() for m in mentions]
        if rival:
            own = [m for m in own if not any(m.within(o) for o in rival)]
            rival = [o for o in rival if not any(o.within(m) for m in own)]
        reason = Reason.MISSING
        accepted: Mention | None = None
        supposed = False
        for mention in own:
            status = mention_status(words, mention)
            if status is Status.STATED or (status is Status.SUPPOSED and (supposed or accepted is None)):
                accepted, supposed = mention, status is Status.SUPPOSED
            elif status is Status.DENIED:
                reason = Reason.NEGATED
                if accepted and (supposed or is_correction(words, mention.start, mention.end)):
                    accepted = None
            elif status is Status.OPEN:
                reason = Reason.HEDGED
        if accepted is None:
            return Verdict.no(reason)
        if rival and is_label_list(words, [*own, *rival]):
            return Verdict.no(Reason.HEDGED)
        if supposed and count_guesses(words, accepted.start, accepted.end) > 1:
            return Verdict.no(Reason.HEDGED)
        if (is_overruled if supposed else is_retracted)(words, accepted.end):
            return Verdict.no(Reason.CONTRADICTED)
        if supposed and is_guess(words, accepted.start):
            later = [o for o in rival if o.start >= accepted.end]
            if any(mention_status(words, o) is Status.STATED for o in later):
                return Verdict.no(Reason.CONTRADICTED)
        return Verdict.yes(self.name)


@lru_cache(maxsize=4096)
def _matcher(name: str, aliases: tuple[str, ...], among: tuple[str, ...]) -> _Matcher:
    return _Matcher(name, aliases, among)


def _states_action(words: Sequence[str]) -> bool:
    """Whether a conclusion states an action: "the man is bowling", "this is bowling"."""
    for word, following in pairwise(words):
        if word in lexicon.BE or word in ("he's", "she's", "it's", "they're"):
            return following.endswith("ing") and len(following) > 4
    return False


def _is_remark(words: Sequence[str]) -> bool:
    """Whether the words after "the action is" are a remark ("a common exercise") or a long description."""
    has_article = words[:1] == ["a"] or words[:1] == ["an"]
    return len(words) > 12 or (has_article and not any(w.endswith("ing") for w in words))


def is_label_list(words: Sequence[str], mentions: Sequence[Mention]) -> bool:
    """Whether the answer is a list of labels and little else. `mentions`: those of all labels."""
    covered = {k for mention in mentions for k in range(mention.start, mention.end)}
    word_indices = [k for k, word in enumerate(words) if word[0].isalnum()]
    rest = {words[k] for k in word_indices if k not in covered}
    return len(covered) >= 0.8 * len(word_indices) and rest.isdisjoint(("and", "then"))
