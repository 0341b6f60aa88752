"""Questions, answers and clips as model inputs, in one place for generation and training.

Prompts and answers are tokenised separately and joined, so that training sees exactly the tokens of generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from transformers.video_utils import VideoMetadata

from videostar.models.cut_off import CutOff
from videostar.util.errors import UserError
from videostar.video.clip import Clip

IGNORED = -100  # the label that the loss skips


@dataclass(frozen=True)
class Turn:
    """A question, the clips that it is about (if any), and the answer (if there is one)."""

    question: str
    clips: Sequence[Clip] = ()
    answer: str | None = None


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
        videos: dict[str, Any] = {}
        if clips:
            videos = {
                # One list per text, which some processors count.
                "videos": [[_frames(clip) for clip in turn.clips] for turn in turns],
                "video_metadata": [metadata(clip) for clip in clips],
                "do_sample_frames": False,
            }
        texts = [self.text(turn) for turn in turns]
        batch = self.processor(
            text=texts, padding=True, padding_side=padding_side, return_tensors="pt", add_special_tokens=False, **videos
        )
        return dict(batch)

    def examples(self, turns: Sequence[Turn]) -> dict[str, torch.Tensor]:
        """Model inputs for questions and answers, padded right; `labels` are IGNORED outside the answers."""
        answers = [self._answer_tokens(turn) for turn in turns]
        batch, lengths = self._joined(turns, answers)
        labels = torch.full_like(batch["input_ids"], IGNORED)
        for row, (length, answer) in enumerate(zip(lengths, answers, strict=True)):
            labels[row, length : length + len(answer)] = torch.tensor(answer)
        batch["labels"] = labels
        return batch

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

    def answers(self, rows: Sequence[Sequence[int]], most: int) -> list[str]:
        """Generated token rows as text. A row with `most` tokens and no end becomes CutOff."""
        ends = set(self.tokenizer.all_special_ids)
        return [
            CutOff(text) if len(row) >= most and ends.isdisjoint(row) else text
            for row, text in zip(rows, self.decode(rows), strict=True)
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

    def text(self, turn: Turn) -> str:
        """The question as the model reads it, with a placeholder for each clip."""
        return self._templated(turn, with_answer=False)

    def _templated(self, turn: Turn, *, with_answer: bool) -> str:
        content: list[dict[str, str]] = [{"type": "video"}] * len(turn.clips)
        content.append({"type": "text", "text": self.plain(turn.question)})
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if with_answer:
            answer = [{"type": "text", "text": self.plain(turn.answer or "")}]
            messages.append({"role": "assistant", "content": answer})
        text: str = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=not with_answer)
        return text

    def _answer_tokens(self, turn: Turn) -> list[int]:
        """The answer's tokens with the one that ends it, as the chat template writes them.

        Raises UserError if the template changes the answer.
        """
        prompt, full = self.text(turn), self._templated(turn, with_answer=True)
        if not full.startswith(prompt):  # some templates add a space before answers
            begins = full.rfind(self.plain(turn.answer or ""))
            if begins < 0:
                raise UserError("the model's chat template changes answers: it cannot be trained; give another model")
            full = prompt + full[begins:]
        tokens = self._tokens(full)
        if tokens[: len(self._tokens(prompt))] == self._tokens(prompt):
            tokens = tokens[len(self._tokens(prompt)) :]
        else:
            tokens = self._tokens(full[len(prompt) :])
        end = self.tokenizer.eos_token_id
        return tokens[: tokens.index(end) + 1] if end in tokens else tokens

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
