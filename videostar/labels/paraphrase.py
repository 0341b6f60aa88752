"""The label of kind `text`: a sentence that an answer must paraphrase."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from videostar.labels.agreement import agreement_status
from videostar.labels.answer import Answer, both_ends, parse_answer, replies_in
from videostar.labels.encoder import Encode, embed_reference, load_encoder, model_folder
from videostar.labels.label import UNDECIDED_REASONS, Label, Name, Share
from videostar.labels.statements import Strength, find_statements
from videostar.labels.status import Status
from videostar.labels.verdict import Reason, Verdict

_MAX_SENTENCES = 32  # that are compared: of more, the first and the last
_ENDS = re.compile(r"[.!?]+(?=\s|$)|\n|;\s")
_MAX_CHARACTERS = 600  # of a sentence that are compared


class Paraphrase(Label):
    """A reference text that a sentence of the answer must paraphrase.

    A sentence is similar if all-MiniLM-L6-v2 embeds it close to the reference. Rules (`agreement.py`) then reject
    negations, opposites, other counts and swapped roles. They know common words only: a contradiction in rare words
    passes for a paraphrase.
    """

    kind: Literal["text"] = "text"
    reference: Name
    min_similarity: Share = 0.6  # cosine

    def model_post_init(self, context: object, /) -> None:
        """Raises UserError early, when the label is read, if the encoder's package is missing."""
        model_folder()

    def words(self) -> str:
        """The reference without its full stop."""
        return self.reference.rstrip(".")

    @cached_property
    def _span(self) -> int:
        """The number of sentences of the reference, up to 4: as many of an answer are also compared as one."""
        return max(1, min(len(_sentences(self.reference)), 4))

    def judge_parsed(self, answer: Answer) -> Verdict:
        """Whether the answer paraphrases the reference; `parsed` is its closest sentence."""
        return self.judge_sentences(answer, self.sentences(answer), load_encoder())

    def sentences(self, answer: Answer) -> list[str]:
        """The sentences to compare: those of the final answer, if there is one."""
        starts = [s.first for s in find_statements(answer) if s.strength >= Strength.EXPLICIT]
        final = answer.text[answer.starts[starts[-1]] :] if starts else ""
        found = self._sentences(final) if len(final.split()) > 2 else []
        return found or self._sentences(answer.text)

    def _sentences(self, text: str) -> list[str]:
        found = _sentences(text)
        if self._span > 1:
            found += [". ".join(found[k : k + self._span]) for k in range(len(found) - self._span + 1)]
        return both_ends(found, _MAX_SENTENCES)

    def judge_sentences(self, answer: Answer, sentences: Sequence[str], encode: Encode) -> Verdict:
        """The verdict on the `sentences` of an answer, which `encode` embeds."""
        verdict = self._closest(sentences, encode) if sentences else None
        if verdict is None or (verdict.reason is Reason.MISSING and answer.is_refusal):
            return Verdict.no(Reason.DEGENERATE)
        return verdict

    def _closest(self, sentences: Sequence[str], encode: Encode) -> Verdict:
        similarities = (encode(sentences) @ embed_reference(self.reference)).clip(0.0, 1.0)
        best = max(range(len(sentences)), key=similarities.__getitem__)
        score = round(float(similarities[best]), 4)
        if score < self.min_similarity:
            return Verdict.no(Reason.MISSING, sentences[best], score)
        status = agreement_status(self.reference, sentences[best])
        if status is Status.STATED or status is Status.SUPPOSED:
            return Verdict.yes(sentences[best], score)
        return Verdict.no(Reason.HEDGED if status is Status.OPEN else Reason.NEGATED, sentences[best])


def judge_paraphrases(cases: Sequence[tuple[Paraphrase, str, str | None]]) -> list[Verdict]:
    """`label.judge(answer, prompt)` for each label, answer and prompt, with one call of the encoder."""
    parsed = [[parse_answer(reply) for reply in replies_in(answer, prompt)] for _, answer, prompt in cases]
    compared = [
        [[] if answer.empty else label.sentences(answer) for answer in answers]
        for (label, _, _), answers in zip(cases, parsed, strict=True)
    ]
    every = list(dict.fromkeys(sentence for some in compared for sentences in some for sentence in sentences))
    vectors = dict(zip(every, load_encoder()(every), strict=True)) if every else {}
    verdicts = []
    for (label, _, _), answers, some in zip(cases, parsed, compared, strict=True):
        for answer, sentences in zip(answers, some, strict=True):
            verdict = label.judge_sentences(answer, sentences, lambda own: np.stack([vectors[one] for one in own]))
            if verdict.reason not in UNDECIDED_REASONS:
                break
        verdicts.append(verdict)
    return verdicts


def _sentences(text: str) -> list[str]:
    """The sentences of a text, without questions and sentences without words."""
    sentences, start = [], 0
    for match in _ENDS.finditer(text):
        if "?" not in match[0]:
            sentences.append(text[start : match.start()])
        start = match.end()
    sentences.append(text[start:])
    return [s.strip()[:_MAX_CHARACTERS] for s in sentences if sum(map(str.isalpha, s)) > 1]
