"""The label of kind `text`: a sentence that an answer is to say in its own words."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from videostar.labels.agreement import agreement_status
from videostar.labels.conclusion import final_part
from videostar.labels.degenerate import answer_content, is_refusal
from videostar.labels.encoder import Array, load_encoder, model_folder
from videostar.labels.field_types import Name, Share
from videostar.labels.status import Status
from videostar.labels.text import normalise
from videostar.labels.verdict import Reason, Verdict

_SENTENCES = 32  # so many are compared, from both ends of an answer
_ENDS = re.compile(r"[.!?]+(?=\s|$)|\n|;\s")
_LENGTH = 600  # characters of one sentence


class Paraphrase(BaseModel):
    """A reference, of which some sentence of an answer is to be a paraphrase.

    Alike is what all-MiniLM-L6-v2 embeds close by; a closed set of rules then sees to negation, opposites, counts and
    changed roles. They know the common words only: a contradiction in rare ones passes for a paraphrase.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["text"] = "text"
    reference: Name
    min_similarity: Share = 0.6

    def model_post_init(self, context: object, /) -> None:
        """A missing package is told before hours are spent."""
        model_folder()

    def words(self) -> str:
        """The reference without its full stop."""
        return self.reference.rstrip(".")

    @cached_property
    def _embedded(self) -> Array:
        return load_encoder()([self.reference])

    @cached_property
    def _span(self) -> int:
        """How many sentences the reference has: so many of an answer are read as one."""
        return max(1, min(len(_sentences(self.reference)), 4))

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether a sentence of `answer` says the same; `parsed` is the one that comes closest."""
        kept = answer_content(answer, prompt)
        if kept is None:
            return Verdict.no(Reason.DEGENERATE)
        text = normalise(kept)
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
        if len(sentences) > _SENTENCES:
            sentences = sentences[: _SENTENCES // 2] + sentences[-_SENTENCES // 2 :]
        if not sentences:
            return None
        similarities = (load_encoder()(sentences) @ self._embedded[0]).clip(0.0, 1.0)
        best = max(range(len(sentences)), key=similarities.__getitem__)
        score = round(float(similarities[best]), 4)
        if score < self.min_similarity:
            return Verdict.no(Reason.MISSING, sentences[best], score)
        meant = agreement_status(self.reference, sentences[best])
        if meant is Status.STATED or meant is Status.SUPPOSED:
            return Verdict.yes(sentences[best], score)
        return Verdict.no(Reason.HEDGED if meant is Status.OPEN else Reason.NEGATED, sentences[best])


def _sentences(text: str) -> list[str]:
    """The sentences of a text that say something; a question does not."""
    found, start = [], 0
    for match in _ENDS.finditer(text):
        if "?" not in match[0]:
            found.append(text[start : match.start()])
        start = match.end()
    found.append(text[start:])
    return [s.strip()[:_LENGTH] for s in found if sum(map(str.isalpha, s)) > 1]
