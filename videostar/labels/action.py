"""The label of kind `action`: the name of the action in a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal

from videostar.labels import inflections, lexicon
from videostar.labels.answer import Answer
from videostar.labels.cues import ANSWER
from videostar.labels.ellipsis import expand_ellipsis
from videostar.labels.label import Label, Name
from videostar.labels.mentions import REASONS, asserts_most, final_status, is_label_list, mention_status
from videostar.labels.names import readable_name, squash
from videostar.labels.patterns import Mention
from videostar.labels.statements import Statement, Strength, find_retractions, find_statements
from videostar.labels.status import ASSERTED, Status, is_guess
from videostar.labels.verdict import Reason, Verdict
from videostar.labels.vocabulary import LabelSet, find_mentions, index_by_first_form, label_set

_NOUNS = rf"{ANSWER}|action|activity|label|classification"
_MINOR = "class|category|gesture|exercise|movement|sport|choice|event|option"
_MAX_LINE = 60  # words
_SAYS_NOTHING = lexicon.PREPOSITIONS | frozenset(
    "taking happening being going occurring unfolding not never as follows what that which clear obvious unclear "
    "unknown evident visible simple easy difficult hard slow fast quick brief smooth continuous repetitive consistent "
    "performed shown done carried captured recorded filmed seen repeated executed set part typical common likely "
    "performing doing characterized characterised described depicted given similar shot complete completed finished "
    "finishing started starting continuing continued over interesting impressive dynamic intense controlled "
    "deliberate yes".split()
)


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

    def names_as_written(self) -> tuple[str, ...]:
        """The name, its aliases and the label set."""
        return (self.name, *self.aliases, *self.among)

    def judge_parsed(self, answer: Answer) -> Verdict:
        """Whether the answer says that this is the action.

        `parsed` is the name, or the name of another label of the set if the answer mentions both and concludes with it.

        >>> label = Action(name="ShavingBeard", among=("ShavingBeard", "BrushingTeeth"))
        >>> label.judge("It looks like shaving a beard, but the action is brushing teeth.").parsed
        'BrushingTeeth'
        """
        verdict = self._matcher.judge(answer)
        return Verdict.no(Reason.DEGENERATE) if verdict.reason is Reason.MISSING and answer.is_refusal else verdict


class _Matcher:
    """The patterns of a label and of the other labels of its set, compiled once."""

    def __init__(self, name: str, aliases: tuple[str, ...], among: tuple[str, ...]) -> None:
        self.name = name
        self.keys = {squash(n) for n in (name, *aliases)}
        self.others: LabelSet | None = label_set(among) if among else None
        names = self.others or label_set((name,))
        self._size = len(self.others.names) if self.others else 1
        self.starts = index_by_first_form([p for n in (name, *aliases) for p in names.own_patterns(n)])

    def judge(self, answer: Answer) -> Verdict:
        """Judges by the final answer if there is one, else by the whole text."""
        own = self._mentions(answer.words)
        if not own:
            answer = self._with_shared_objects(answer)
            own = self._mentions(answer.words)
        if not own:
            return Verdict.no(Reason.MISSING)
        corrected = self._judge_correction(answer)
        if corrected:
            return corrected
        bare = own[0].start == 0 and own[0].end == answer.sentences[0][1] - 1  # the name alone, then an explanation
        for statement in reversed(find_statements(answer, _NOUNS, _MINOR)):
            if bare and statement.strength is Strength.PASSING:
                continue
            verdict = self._judge_statement(answer.words[statement.first : statement.stop], statement)
            if verdict:
                return verdict
        return self._judge_last_line(answer) or self._judge_words(answer.words, own, find_retractions(answer))

    def _with_shared_objects(self, answer: Answer) -> Answer:
        """The answer with shared objects repeated, if it may then mention the label."""
        if self.starts.keys().isdisjoint(answer.words):
            return answer
        words = expand_ellipsis(answer.words, pronouns=True)
        return Answer(" ".join(words)) if len(words) > len(answer) else answer

    def _mentions(self, words: Sequence[str]) -> list[Mention]:
        return find_mentions(self.starts, words)

    def _others(self, words: Sequence[str]) -> dict[str, list[Mention]]:
        return self.others.find(words, exclude=self.keys) if self.others else {}

    def _judge_statement(self, words: Sequence[str], statement: Statement) -> Verdict | None:
        """The verdict on a final answer; None if it names no action, so that the rest of the text counts."""
        explicit = statement.strength >= Strength.EXPLICIT
        if explicit and not statement.labelled and not _names_action(words):
            return None
        own = self._mentions(words)
        if own:
            return self._judge_words(words, own)
        for other, mentions in self._others(words).items():
            if any(mention_status(words, m) in ASSERTED for m in mentions):
                return Verdict.no(Reason.CONTRADICTED, other)
        plain = [word for word in words if word[0].isalnum()]
        if (explicit and not _is_remark(plain)) or (statement.strength > Strength.PASSING and _states_action(plain)):
            return Verdict.no(Reason.CONTRADICTED)
        return None

    def _judge_correction(self, answer: Answer) -> Verdict | None:
        """The verdict on an answer that takes back what it said and then asserts only another label; else None."""
        for mark in find_retractions(answer)[-1:]:
            words = answer.words[mark:]
            for other, mentions in self._others(words).items():
                if any(mention_status(words, m) in ASSERTED for m in mentions) and not self._mentions(words):
                    return Verdict.no(Reason.CONTRADICTED, other)
        return None

    def _judge_last_line(self, answer: Answer) -> Verdict | None:
        """The verdict on a last line that is only another label; None if it is anything else."""
        first, stop = answer.sentences[-1]
        if not first or stop - first > _MAX_LINE or answer.words[first - 1] != "\n":
            return None
        words = answer.words[first:stop]
        length = sum(w != "." for w in words)
        for other, mentions in self._others(words).items():
            if any(m.end - m.start == length for m in mentions) and not self._mentions(words):
                return Verdict.no(Reason.CONTRADICTED, other)
        return None

    def _judge_words(self, words: Sequence[str], own: Sequence[Mention], retractions: Sequence[int] = ()) -> Verdict:
        """The verdict on `words`, which mention the label at `own`."""
        others = self._others(words)
        rival = [m for mentions in others.values() for m in mentions]
        own = [m for m in own if not any(m.within(o) for o in rival)]
        others = {n: kept for n, ms in others.items() if (kept := [o for o in ms if not any(o.within(m) for m in own)])}
        status, mention = final_status(words, own, retractions)
        if mention is None or status not in ASSERTED:
            return Verdict.no(REASONS.get(status, Reason.MISSING))
        reason = self._reason_against(words, mention, own, others, guessed=status is Status.SUPPOSED)
        return Verdict.no(reason) if reason else Verdict.yes(self.name)

    def _reason_against(
        self,
        words: Sequence[str],
        mention: Mention,
        own: Sequence[Mention],
        others: Mapping[str, Sequence[Mention]],
        *,
        guessed: bool,
    ) -> Reason | None:
        """Why the other labels that `words` mention count against an assertion at `mention`; None if they do not."""
        rival = [m for mentions in others.values() for m in mentions]
        if not rival:
            return None
        if is_label_list(words, [*own, *rival]) or asserts_most(words, others, self._size):
            return Reason.HEDGED
        later = [o for o in rival if o.start >= mention.end] if guessed and is_guess(words, mention.start) else []
        if any(mention_status(words, o) is Status.STATED for o in later):
            return Reason.CONTRADICTED
        identified = any(_is_identified(words, m) for m in rival) and not _is_identified(words, mention)
        return Reason.CONTRADICTED if identified else None


def _is_identified(words: Sequence[str], mention: Mention) -> bool:
    """Whether an answer says "this is X"."""
    start = mention.start - (words[mention.start - 1 : mention.start] in (["a"], ["an"], ["the"]))
    before = words[max(0, start - 3) : start]
    named = before[-2:] in (["this", "is"], ["that", "is"], ["it", "is"]) or before[-1:] in (["it's"], ["that's"])
    return named and mention_status(words, mention) is Status.STATED


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


def _names_action(words: Sequence[str]) -> bool:
    """Whether "the action is ..." goes on with an action, not with how it is done."""
    content = [t for t in words if t[0].isalnum() and t not in lexicon.ARTICLES]
    while content and (content[0] in lexicon.ADVERBS or content[0].endswith("ly")):
        content.pop(0)
    if not content or content[0] in _SAYS_NOTHING:
        return False
    described = [w for w in content[:4] if w not in ("and", "but", "very", "quite")]
    adjectives = (w.endswith("ed") or (inflections.is_adjective(w) and not inflections.is_noun(w)) for w in described)
    return not all(adjectives)
