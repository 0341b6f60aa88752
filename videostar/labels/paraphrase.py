"""The label of kind `text`: a sentence that an answer must paraphrase."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal

from videostar.labels.agreement import agreement_status
from videostar.labels.conclusion import final_part
from videostar.labels.degenerate import is_refusal
from videostar.labels.encoder import Array, load_encoder, model_folder
from videostar.labels.label import ContentLabel, Name, Share
from videostar.labels.status import Status
from videostar.labels.text import both_ends, normalise
from videostar.labels.verdict import Reason, Verdict

_MAX_SENTENCES = 32  # that are compared: of more, the first and the last
_ENDS = re.compile(r"[.!?]+(?=\s|$)|\n|;\s")
_MAX_CHARACTERS = 600  # of a sentence that are compared


class Paraphrase(ContentLabel):
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
    def _embedded(self) -> Array:
        return load_encoder()([self.reference])

    @cached_property
    def _span(self) -> int:
        """The number of sentences of the reference, up to 4: as many of an answer are also compared as one."""
        return max(1, min(len(_sentences(self.reference)), 4))

    def judge_content(self, content: str) -> Verdict:
        """Whether `content` paraphrases the reference; `parsed` is its closest sentence."""
        text = normalise(content)
        final = final_part(text)
        verdict = self._closest(final) if final and len(final.split()) > 2 else None
        verdict = verdict or self._closest(text)
        if verdict is None or (verdict.reason is Reason.MISSING and is_refusal(text)):
            return Verdict.no(Reason.DEGENERATE)
        return verdict

    def _closest(self, text: str) -> Verdict | None:
        sentences = _sentences(text)
        if self._span > 1:
            sentences += [". ".join(sentences[k : k + self._span]) for k in range(len(sentences) - self._span + 1)]
        sentences = both_ends(sentences, _MAX_SENTENCES)
        if not sentences:
            return None
        similarities = (load_encoder()(sentences) @ self._embedded[0]).clip(0.0, 1.0)
        best = max(range(len(sentences)), key=similarities.__getitem__)
        score = round(float(similarities[best]), 4)
        if score < self.min_similarity:
            return Verdict.no(Reason.MISSING, sentences[best], score)
        status = agreement_status(self.reference, sentences[best])
        if status is Status.STATED or status is Status.SUPPOSED:
            return Verdict.yes(sentences[best], score)
        return Verdict.no(Reason.HEDGED if status is Status.OPEN else Reason.NEGATED, sentences[best])


def _sentences(text: str) -> list[str]:
    """The sentences of a text, without questions and sentences without words."""
    sentences, start = [], 0
    for match in _ENDS.finditer(text):
        if "?" not in match[0]:
            sentences.append(text[start : match.start()])
        start = match.end()
    sentences.append(text[start:])
    return [s.strip()[:_MAX_CHARACTERS] for s in sentences if sum(map(str.isalpha, s)) > 1]
