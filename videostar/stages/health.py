"""Health figures of a round, from its ledger: signs of collapse, drift and leaks, and of a verification that is off."""

from __future__ import annotations

import math
import random
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from videostar.adapters.task import Question
from videostar.labels.box import Box
from videostar.labels.choice import Choice
from videostar.labels.fields import Fields
from videostar.labels.label import Label
from videostar.labels.languages.detection import languages_of, uncovered_script
from videostar.labels.paraphrase import Paraphrase
from videostar.labels.sequence import Steps
from videostar.labels.text import UNSPACED
from videostar.stages.ledger import Answer, read_answers
from videostar.stages.plan import AnswerPlan

#: By name; None: there is nothing to measure.
Figures = dict[str, float | None]

_BLOCK = 100  # kept answers in which distinct 3-grams are counted together
_FEWEST_WORDS = 5  # beside the label: a shorter answer has no explanation that could be repeated
_QUESTIONS = 10_000  # that are searched for their labels, at most
_OTHERS = 4  # labels of other questions that a question is searched for
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")  # scripts without spaces: letter by letter
_SENTENCE_END = re.compile(r"[.!?。！？]+(?:\s|$)|\n")


def measure_health(answers: Path, held_out: Iterable[Path], questions: Sequence[Question], plan: AnswerPlan) -> Figures:
    """The figures of the ledger at `answers`, of the training `questions`; `held_out` are ledgers of an evaluation.

    - coverage: share of the labels with a kept answer. kept: share of the questions with one.
    - rationalised: share of the kept answers that are. unverified: share of them that do not contain their label.
    - entropy: of the labels of kept answers, as a multiple of that of all questions (or of as many different labels, if
      that is smaller). answer_entropy: the same of the last sentences of direct answers.
    - distinct: distinct 3-grams among all 3-grams of 100 kept answers without their labels (distinct-n, Li et al.,
      2016), as a mean over such blocks, so that it does not depend on the size of the data.
    - near_duplicates: share of kept answers whose words, without those of the label, an earlier one has too, of those
      with at least five such words.
    - pass_at_1, pass_at_k: share of the questions whose first, or any, of k direct answers contains the label; unbiased
      (Chen et al., 2021). k is the number of tries; with one there is no pass_at_k.
    - words_mean, words_median: words of a kept answer.
    - drift: share of the model's answers in a language that neither their question nor their label is in.
    - overlap: share of the held-out questions with a video of a kept answer, by content.
    - label_in_question: share of the questions, at most 10,000, that contain their own label, beyond chance.

    Memory grows by about 100 bytes a question.
    """
    tally = _Tally()
    for answer in read_answers(answers):
        tally.add(answer)
    shown = (answer for path in held_out for answer in read_answers(path))
    return {
        **tally.figures(),
        "overlap": _overlap(tally.videos, shown),
        "label_in_question": label_in_question(questions, plan),
    }


class _Tally:
    """Counts over the answers of a ledger. Names and texts are kept as hashes, since there may be millions."""

    def __init__(self) -> None:
        self.labels = array("q")  # of each question
        self.videos = array("q")  # of each kept answer
        self._first = ""  # the kind that every question is asked for
        self._kept: Counter[str] = Counter()  # answers by kind
        self._kept_questions, self._kept_labels = array("q"), array("q")  # of each kept answer
        self._unverified = 0
        self._tried, self._right = array("q"), array("b")  # the question of each direct answer, and its verdict
        self._statements = array("q")  # the last sentences of direct answers
        self._explanations = array("q")  # kept answers without their labels
        self._lengths: Counter[int] = Counter()  # kept answers by their number of words
        self._written, self._drifted = 0, 0  # answers by the model
        self._languages: dict[str, frozenset[str]] = {}  # of questions and labels
        self._block: list[list[str]] = []
        self._distinct: list[float] = []  # of each block

    def add(self, answer: Answer) -> None:
        """Count one line of the ledger."""
        if answer.kind == "video":
            return
        self._first = self._first or answer.kind
        label = hash((answer.task, answer.label))
        if answer.kind == self._first and answer.number == 0:
            self.labels.append(label)
        if answer.kind == "direct":
            self._tried.append(hash(answer.question_id))
            self._right.append(answer.accepted)
            self._statements.append(hash(tuple(_words(_last_sentence(answer.answer)))))
        if answer.kind != "template":
            self._written += 1
            self._drifted += self._drifts(answer)
        if answer.kept:
            self._add_kept(answer, label)

    def _add_kept(self, answer: Answer, label: int) -> None:
        self._kept[answer.kind] += 1
        self._unverified += not answer.accepted
        self._kept_labels.append(label)
        self._kept_questions.append(hash(answer.question_id))
        self.videos.extend(map(_content, _contents(answer)))
        words = _words(answer.text)
        self._lengths[len(words)] += 1
        if answer.kind == "template":  # the same sentence for all, on purpose
            return
        rest = _without(words, answer.label)
        if len(rest) >= _FEWEST_WORDS:
            self._explanations.append(hash(tuple(rest)))
            self._block.append(rest)
        if len(self._block) == _BLOCK:
            self._end_block()

    def _end_block(self) -> None:
        grams = [gram for words in self._block for gram in zip(words, words[1:], words[2:], strict=False)]
        if grams:
            self._distinct.append(len(set(grams)) / len(grams))
        self._block = []

    def _drifts(self, answer: Answer) -> bool:
        own = _languages(answer.text) if answer.text else frozenset()
        return bool(own) and not own <= self._expected(answer.question) | self._expected(answer.label)

    def _expected(self, text: str) -> frozenset[str]:
        found = self._languages.get(text)
        if found is None:
            if len(self._languages) >= _QUESTIONS:
                self._languages.clear()
            found = self._languages[text] = _languages(text)
        return found

    def figures(self) -> Figures:
        """The figures of all answers so far."""
        if self._block and not self._distinct:  # a smaller block is more distinct, so it counts only alone
            self._end_block()
        kept, asked = self._kept.total(), len(self.labels)
        explained = len(self._explanations)
        lengths = np.array(sorted(self._lengths.items())).reshape(-1, 2)
        return {
            "coverage": _share(_unique(self._kept_labels), _unique(self.labels)),
            "kept": _share(_unique(self._kept_questions), asked),
            "rationalised": _share(self._kept["rationalised"], kept),
            "unverified": _share(self._unverified, kept),
            "entropy": _evenness(self._kept_labels, self.labels),
            "answer_entropy": _evenness(self._statements, self.labels),
            "distinct": sum(self._distinct) / len(self._distinct) if self._distinct else None,
            "near_duplicates": _share(explained - _unique(self._explanations), explained),
            **_passes(self._tried, self._right),
            "words_mean": _share(int((lengths[:, 0] * lengths[:, 1]).sum()), kept),
            "words_median": float(np.median(np.repeat(*lengths.T))) if kept else None,
            "drift": _share(self._drifted, self._written),
        }


def pass_at_k(tries: int, right: int, k: int) -> float:
    """The chance that one of `k` of the `tries` is right, if `right` of them are (Chen et al., 2021)."""
    return 1 - math.comb(tries - right, k) / math.comb(tries, k)


def _passes(questions: Iterable[int], right: Iterable[int]) -> Figures:
    _, places = np.unique(np.array(questions, dtype=np.int64), return_inverse=True)
    tries = np.bincount(places)
    passed = np.bincount(places, np.array(right, dtype=np.int64)).astype(np.int64)
    states = dict(sorted(Counter(zip(tries.tolist(), passed.tolist(), strict=True)).items()))
    k = int(tries.max(initial=1))

    def mean(of: int) -> float | None:
        enough = {state: count for state, count in states.items() if state[0] >= of}
        total = sum(enough.values())
        return sum(pass_at_k(*state, of) * count for state, count in enough.items()) / total if total else None

    return {"pass_at_1": mean(1), "pass_at_k": mean(k) if k > 1 else None}


def label_in_question(questions: Sequence[Question], plan: AnswerPlan) -> float | None:
    """Share of the questions, at most 10,000 evenly spaced ones, that contain their own label, as they are sent.

    The share that contains the label of a random question of the same task is subtracted: a phrase that all questions
    have, such as "yes if the light is on", contains the labels of some of them by chance. Options, steps to be ordered
    and forms to be filled in are part of a question, so labels of these kinds do not count. None if there are no
    others.
    """
    some = questions[:: math.ceil(len(questions) / _QUESTIONS)] if questions else ()
    tasks: dict[str, list[tuple[str, Label]]] = {}
    for question in some:
        label = question.label
        if not isinstance(label, Choice | Steps | Box | Fields):
            tasks.setdefault(question.task, []).append((plan.prompt(question, "direct"), label))
    own = sum(_contains(text, label) for asked in tasks.values() for text, label in asked)
    other = 0
    for asked in tasks.values() if own else ():
        draw = random.Random(0)
        labels = [label for _, label in asked]
        other += sum(_contains(text, label) for text, _ in asked for label in draw.choices(labels, k=_OTHERS))
    return _share(max(0, own - other / _OTHERS), sum(map(len, tasks.values())))


def _contains(question: str, label: Label) -> bool:
    """Whether a question states its label, or has its words; in "walking or running?" they are a choice."""
    words, own = _words(question), _words(label.words())
    if "or" not in words and any(words[at : at + len(own)] == own for at in range(len(words) - len(own) + 1)):
        return True
    # A question is always similar to its answer in meaning.
    return not isinstance(label, Paraphrase) and label.judge(question).accepted


def _overlap(videos: Iterable[int], held_out: Iterable[Answer]) -> float | None:
    trained = set(videos)
    shared = [any(_content(video) in trained for video in _contents(answer)) for answer in held_out]
    return _share(sum(shared), len(shared))


def _contents(answer: Answer) -> list[str]:
    return [shown.video_sha256 or shown.video for shown in answer.videos]


def _content(video: str) -> int:
    return hash(video)


def _evenness(items: Sequence[int], labels: Sequence[int]) -> float | None:
    """The entropy of `items`, as a multiple of that of `labels`, or of as many different items if that is smaller."""
    most = min(_entropy(labels), math.log2(len(items))) if items else 0.0
    return _entropy(items) / most if most else None


def _entropy(items: Iterable[int]) -> float:
    _, counts = np.unique(np.array(items, dtype=np.int64), return_counts=True)
    shares = np.sort(counts) / counts.sum()  # hashes, and so their order, differ between processes
    return float(-(shares * np.log2(shares)).sum())


def _unique(items: Iterable[int]) -> int:
    return len(np.unique(np.array(items, dtype=np.int64)))


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _without(words: Sequence[str], label: str) -> list[str]:
    """
    >>> _without(_words("A man opens a door: opening a door"), "opening a door")
    ['a', 'man', 'opens', 'a', 'door']
    """
    own = _words(label)
    rest: list[str] = []
    for word in words:
        rest.append(word)
        if own and rest[-len(own) :] == own:
            del rest[-len(own) :]
    return rest


def _last_sentence(text: str) -> str:
    """
    >>> _last_sentence("It moves up. The action is pacing.")
    'The action is pacing'
    """
    sentences = [part for part in _SENTENCE_END.split(text) if part.strip()]
    return sentences[-1] if sentences else ""


def _languages(text: str) -> frozenset[str]:
    script = uncovered_script(text)
    return frozenset([own.name for own in languages_of(text)] + ([script] if script else []))
