"""Questions, answers and clips as model inputs, in one place for generation and training.

Prompts and answers are tokenised separately and joined, so that training sees exactly the tokens of generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import torch
from jinja2 import TemplateError
from transformers.video_utils import VideoMetadata

from videostar.models.response import Response, confidence
from videostar.util.errors import UserError
from videostar.video.clip import Clip

IGNORED = -100  # the label that the loss skips


@dataclass(frozen=True)
class Turn:
    """A question, the clips that it is about (if any), and the answer (if there is one); in training, also more."""

    question: str
    clips: Sequence[Clip] = ()
    answer: str | None = None
    system: str = ""  # the system turn before the question
    later: tuple[tuple[str, str], ...] = ()  # the questions and answers that follow
    pictures: tuple[np.ndarray, ...] = ()  # shown with the question: uint8 [height, width, 3], RGB


class Chat:
    """Builds batches for one processor (transformers' `ProcessorMixin` with a chat template)."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        added = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        # Some tokenizers do not mark the placeholder of a video as special.
        marks = {getattr(processor, name, None) or "" for name in ("image_token", "video_token")} - {""}
        self._marks = set(self.tokenizer.convert_tokens_to_ids(sorted(marks)))
        self._special = sorted(added | marks | set(self.tokenizer.all_special_tokens), key=len, reverse=True)

    def prompts(self, turns: Sequence[Turn], padding_side: str = "left") -> dict[str, torch.Tensor]:
        """Model inputs for the questions: `input_ids` and masks [turns, longest], and the pixels of the clips."""
        clips = [clip for turn in turns for clip in turn.clips]
        shown: dict[str, Any] = {}
        if clips:
            shown = {
                # One list per text, which some processors count.
                "videos": [[_frames(clip) for clip in turn.clips] for turn in turns],
                "video_metadata": [metadata(clip) for clip in clips],
                "do_sample_frames": False,
            }
        if any(turn.pictures for turn in turns):
            shown["images"] = [[torch.from_numpy(one).permute(2, 0, 1) for one in turn.pictures] for turn in turns]
        texts = [self.text(turn) for turn in turns]
        batch = self.processor(
            text=texts, padding=True, padding_side=padding_side, return_tensors="pt", add_special_tokens=False, **shown
        )
        return dict(batch)

    def examples(self, turns: Sequence[Turn]) -> dict[str, torch.Tensor]:
        """Model inputs for questions and answers, padded right; `labels` are IGNORED outside the answers."""
        replies = [self._reply(turn) for turn in turns]
        batch, lengths = self._joined(turns, [tokens for tokens, _ in replies])
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for row, (length, (_, learned)) in enumerate(zip(lengths, replies, strict=True)):
            labels[row, length : length + len(learned)] = torch.tensor(learned)
        batch["labels"] = labels
        return batch

    def refusal(self, turn: Turn) -> str:
        """Why the chat template cannot write a turn with its answers; empty if it can."""
        try:
            prompt = self.text(turn)
            self._reply(turn)
        except UserError as error:
            return str(error)
        except (TemplateError, TypeError) as error:
            return f"the model's chat template refuses it: {error}"
        system = self.plain(turn.system).strip()
        if system not in prompt or (system and repr(self._content(turn.system)) in prompt):
            return "the model's chat template takes no system turn"
        if turn.pictures and prompt.count(self.processor.image_token) != len(turn.pictures):
            return "the model's chat template shows no pictures"
        return ""

    def continued(self, turn: Turn, tokens: list[int]) -> dict[str, torch.Tensor]:
        """Model inputs for one question followed by the answer `tokens`."""
        return self._joined([turn], [tokens])[0]

    def _joined(self, turns: Sequence[Turn], answers: Sequence[list[int]]) -> tuple[dict[str, torch.Tensor], list[int]]:
        """Model inputs for questions and their answers, padded right, and the position where each answer starts."""
        batch = self.prompts(turns, padding_side="right")
        shape = batch["input_ids"].shape
        lengths: list[int] = batch["attention_mask"].sum(dim=1).tolist()
        total = max(length + len(answer) for length, answer in zip(lengths, answers, strict=True))
        # Every per-token input (ids, mask, token types) grows by the answer.
        for name in [name for name, value in batch.items() if value.shape == shape]:
            fill = self.tokenizer.pad_token_id if name == "input_ids" else 0
            grown = torch.full((len(turns), total), fill, dtype=batch[name].dtype)
            for row, (length, answer) in enumerate(zip(lengths, answers, strict=True)):
                grown[row, :length] = batch[name][row, :length]
                end = length + len(answer)
                if name == "input_ids":
                    grown[row, length:end] = torch.tensor(answer)
                elif name == "attention_mask":
                    grown[row, length:end] = 1
            batch[name] = grown
        return batch, lengths

    def responses(
        self, rows: Sequence[Sequence[int]], log_probabilities: Sequence[float | None], most: int
    ) -> list[Response]:
        """Generated token rows as answers; the log-probability of each row is None if it is not known.

        A row with `most` tokens and no end is cut off.
        """
        ends = set(self.tokenizer.all_special_ids)
        return [
            Response(text, len(row) >= most and ends.isdisjoint(row), confidence(known, len(row)), len(row))
            for row, text, known in zip(rows, self.decode(rows), log_probabilities, strict=True)
        ]

    def decode(self, tokens: torch.Tensor | Sequence[Sequence[int]]) -> list[str]:
        """Generated token rows as text, special tokens dropped."""
        return [text.strip() for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]

    def before_marks(self, tokens: list[int]) -> list[int]:
        """An answer's tokens up to the first placeholder of a picture or video."""
        return list(takewhile(lambda token: token not in self._marks, tokens))

    def placeholders(self, batch: Mapping[str, torch.Tensor]) -> int:
        """The number of tokens in a batch that stand for pictures and videos."""
        return int(torch.isin(batch["input_ids"], torch.tensor(sorted(self._marks))).sum())

    def length(self, turn: Turn) -> int:
        """The number of tokens of a question without clips."""
        return len(self._tokens(self.text(turn)))

    def clip_tokens(self, clip: Clip) -> int:
        """The number of tokens that a clip adds to a question; the times in some models' prompts change it a little."""
        shown, bare = (self.prompts([Turn("", clips)])["input_ids"].shape[1] for clips in ([clip], []))
        return int(shown - bare)

    def text(self, turn: Turn) -> str:
        """The question as the model reads it, with a placeholder for each clip."""
        return self._rendered(self._asked(turn))

    def _asked(self, turn: Turn) -> list[dict[str, Any]]:
        """The messages up to the first question."""
        shown = [{"type": "image"}] * len(turn.pictures) + [{"type": "video"}] * len(turn.clips)
        system = [{"role": "system", "content": self._content(turn.system)}] if turn.system else []
        return [*system, {"role": "user", "content": [*shown, *self._content(turn.question)]}]

    def _content(self, text: str) -> list[dict[str, str]]:
        return [{"type": "text", "text": self.plain(text)}]

    def _rendered(self, messages: list[dict[str, Any]]) -> str:
        asks = messages[-1]["role"] == "user"
        text: str = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)
        return text

    def _reply(self, turn: Turn) -> tuple[list[int], list[int]]:
        """The tokens that follow the first question, and their labels: IGNORED between an answer and the next.

        Raises UserError if the chat template changes an answer, or what it wrote before.
        """
        messages, prompt, written, tail = self._asked(turn), "", "", ""
        tokens: list[int] = []
        labels: list[int] = []
        for number, (question, answer) in enumerate([(turn.question, turn.answer or ""), *turn.later]):
            if number == 0:
                prompt = self._rendered(messages)
            else:
                messages.append({"role": "user", "content": self._content(question)})
                asked = self._rendered(messages)
                if not asked.startswith(written):
                    raise UserError("the model's chat template changes the turns before a question")
                ended, end, rest = tail.partition(self.tokenizer.eos_token)
                between = self._following(prompt + ended + end, rest + asked[len(written) :])
                tokens += between
                labels += [IGNORED] * len(between)
                prompt = asked
            messages.append({"role": "assistant", "content": self._content(answer)})
            written = self._rendered(messages)
            tail = self._tail(written, prompt, answer)
            learned = self._answer_tokens(prompt, tail)
            tokens += learned
            labels += learned
        return tokens, labels

    def _tail(self, written: str, prompt: str, answer: str) -> str:
        """The end of a chat from its last answer on, as the chat template writes it."""
        if written.startswith(prompt):
            return written[len(prompt) :]
        begins = written.rfind(self.plain(answer))  # some templates add a space before answers
        if begins < 0:
            raise UserError("the model's chat template changes answers: it cannot be trained; give another model")
        return written[begins:]

    def _answer_tokens(self, prompt: str, tail: str) -> list[int]:
        """An answer's tokens with the one that ends it."""
        tokens, end = self._following(prompt, tail), self.tokenizer.eos_token_id
        return tokens[: tokens.index(end) + 1] if end in tokens else tokens

    def _following(self, before: str, text: str) -> list[int]:
        """The tokens of `text` where it follows `before`."""
        whole, first = self._tokens(before + text), self._tokens(before)
        return whole[len(first) :] if whole[: len(first)] == first else self._tokens(text)

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens

    def plain(self, text: str) -> str:
        """`text` with the model's special tokens split, so that labels and answers cannot steer the chat."""
        for token in self._special:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text


def without_prompts(batch: dict[str, torch.Tensor]) -> dict[str, Any]:
    """A batch of examples for which the model computes logits only from the first answer token on.

    The loss is the same and takes a fraction of the memory: most tokens are those of videos, and logits are as wide as
    the vocabulary.
    """
    learned = (batch["labels"] != IGNORED).any(dim=0)
    kept = len(learned) - int(learned.int().argmax()) + 1  # with the token before the first that is learned
    return {**batch, "labels": batch["labels"][:, -kept:], "logits_to_keep": kept}


def _frames(clip: Clip) -> torch.Tensor:
    return torch.from_numpy(clip.frames).permute(0, 3, 1, 2)


def metadata(clip: Clip) -> VideoMetadata:
    """Frame times of a clip, in the form that processors take."""
    return VideoMetadata(
        total_num_frames=max(1, round(clip.seconds * clip.fps)),
        fps=clip.fps,
        duration=clip.seconds,
        frames_indices=[round(time * clip.fps) for time in clip.times],
    )
