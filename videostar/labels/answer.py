"""A model's answer, parsed once for every kind of label: what it says, as words in sentences."""

from __future__ import annotations

import re
from functools import cache, cached_property, lru_cache
from itertools import pairwise
from typing import TypeVar

from videostar.labels.languages import languages
from videostar.labels.languages.translation import translate
from videostar.labels.loops import count_before_loop
from videostar.labels.text import SENTENCE_ENDS, UNSPACED, UNSPACED_MARKS, normalise

T = TypeVar("T")

MAX_CHARACTERS = 20_000  # of a longer answer only the two ends are read

# A full stop is a token only where a sentence ends. A letter of a script without spaces is a token of its own,
# but for "not" in Thai.
_TOKEN = re.compile(
    r"\d+(?::\d{1,2}){1,2}(?:\.\d+)?(?![\d:])|\d+(?:\.\d+)?|\.\d+|"
    rf"ไม่|[{UNSPACED}][{UNSPACED_MARKS}]*|(?:(?![{UNSPACED}])[^\W\d_])+(?:'[^\W\d_]+)*|\n|\.(?!\S)|\.(?=[\"')\]](?:\s|$))|[^\w\s.]"
)
_ASCII_TOKEN = re.compile(
    r"[a-z]+(?:'[a-z]+)*|\d+(?::\d{1,2}){1,2}(?:\.\d+)?(?![\d:])|\d+(?:\.\d+)?|\.\d+|\n|\.(?!\S)|\.(?=[\"')\]](?:\s|$))|[^\w\s.]"
)
# The tags around reasoning: <think>, </Thinking>, <|thought|>, ◁think▷, [THINK], <seed:think>, and Harmony's channels.
_THOUGHT = re.compile(
    r"(?:[<◁]\s?\|?\s?|\[(?=/?think))(/?|begin_of_|end_of_)\s?(?:\w{1,12}:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad|reflection|analysis)"
    r"(?:\s[^<>\n]{0,80})?\s?\|?[>▷\]]",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)\s*<\|message\|>")
_ROLE = re.compile(r"^(?:\s*(?:assistant|ai|bot|model|gpt|response)\s*:)+|^\s*[\w ]{1,20}<\|im_sep\|>", re.IGNORECASE)
_ROLES = frozenset(["user", "assistant", "human", "system", "gpt", "video", "image", "bot", "model"])
_REFUSAL = re.compile(
    r"\b(?:sorry|apologi[sz]e|unable to|as an ai|(?:i|we) (?:can't|cannot|can not|could not|couldn't|am not able to|"
    r"don't have|do not have|won't|am unable)|cannot be determined|can't be determined|not possible to)\b"
)


class Answer:
    """What an answer says. `words[i]` is `text[starts[i]:ends[i]]`, where `text` is normalised and in lower case.

    A word is a word, a number, a clock time or a mark. `cased` is the text in its own case.

    >>> Answer("It is 7.5. Yes!").words
    ['it', 'is', '7.5', '.', 'yes', '!']
    """

    def __init__(self, content: str) -> None:
        self.cased = normalise(content)
        self.text = self.cased.lower()
        self.words = tokens(self.text)
        count, looping = count_before_loop(self.words)
        self.empty = looping or not any(map(str.isalnum, self.text))
        if count < len(self.words):
            stop = self.ends[count - 1]
            self.text, self.cased, self.words = self.text[:stop], self.cased[:stop], self.words[:count]
            self.__dict__.pop("_spans")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _spans(self) -> tuple[list[int], list[int]]:
        pattern = _ASCII_TOKEN if self.text.isascii() else _TOKEN
        spans = [match.span() for match in pattern.finditer(self.text)]
        return [start for start, _ in spans], [end for _, end in spans]

    @property
    def starts(self) -> list[int]:
        """Where in the text each word starts."""
        return self._spans[0]

    @property
    def ends(self) -> list[int]:
        """Where in the text each word ends."""
        return self._spans[1]

    def word(self, i: int) -> str:
        """The word at `i`, or an empty string if there is none."""
        return self.words[i] if 0 <= i < len(self.words) else ""

    def glued(self, i: int) -> bool:
        """Whether no space separates the words `i` and `i + 1`."""
        return 0 <= i < len(self.words) - 1 and self.ends[i] == self.starts[i + 1]

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """Start and end (exclusive) of each sentence. The mark that ends a sentence belongs to it."""
        ends = [i + 1 for i, word in enumerate(self.words) if word in SENTENCE_ENDS]
        bounds = sorted({0, *ends, len(self.words)})
        return list(pairwise(bounds))

    @cached_property
    def _sentence_numbers(self) -> list[int]:
        return [number for number, (start, end) in enumerate(self.sentences) for _ in range(start, end)]

    def sentence_number(self, i: int) -> int:
        """The number of the sentence around the word `i`."""
        return self._sentence_numbers[i]

    def sentence(self, i: int) -> tuple[int, int]:
        """Start and end (exclusive) of the sentence around the word `i`."""
        return self.sentences[self._sentence_numbers[i]]

    @cached_property
    def is_refusal(self) -> bool:
        """Whether the answer starts with a refusal. It may still give an answer after that."""
        return _REFUSAL.search(self.text, 0, 400) is not None


@lru_cache(maxsize=256)
def parse_answer(reply: str, names: tuple[str, ...] = ()) -> Answer:
    """The parsed `reply`, see `reply_of`. `names`, of labels in other scripts, are kept as they are."""
    return Answer(translate(reply, names))


def reply_of(answer: str, prompt: str | None = None) -> str:
    """The reply in `answer`, without an echo of `prompt`, reasoning and role marks; empty without one.

    It is not normalised. Of a long reply it has the two ends.
    """
    reply = drop_reasoning(strip_prompt(answer, prompt) if prompt else answer)
    if len(reply) > MAX_CHARACTERS:
        half = MAX_CHARACTERS // 2
        ends = Answer(reply[:half].rpartition(" ")[0] or reply[:half]), Answer(reply[-half:].partition(" ")[2])
        reply = "\n".join(end.cased for end in ends if not end.empty)  # each without its own looping tail
    return _ROLE.sub("", reply)


def replies_in(answer: str, prompt: str | None = None) -> list[str]:
    """The reply of an answer: its first turn, and all of it if the model went on with turns of its own.

    A turn like "Question: ..." may be a new question, which does not count, or the one that was asked.
    """
    reply = reply_of(answer, prompt)
    turn = _next_turn().search(reply)
    while turn and not any(map(str.isalnum, reply[: turn.start()])):
        turn = _next_turn().search(reply, turn.end())
    return [reply[: turn.start()], reply] if turn else [reply]


@cache
def _next_turn() -> re.Pattern[str]:
    """The start of another turn of the dialogue, which the model wrote itself."""
    asks = "|".join(re.escape(word) for own in languages().values() for word in own.turns)
    return re.compile(
        rf"\n\s*[*#]{{0,3}}(?:{asks})\s?\d{{0,2}}[*]{{0,2}}\s?[:.：](?!\d)|\n\s*(?:user|human)\b", re.IGNORECASE
    )


def answer_content(answer: str, prompt: str | None = None) -> str | None:
    """What an answer says, as it was written, without an echo of `prompt` and reasoning; None if it says nothing."""
    reply = replies_in(answer, prompt)[0]
    return None if parse_answer(reply).empty else reply


def drop_reasoning(answer: str) -> str:
    """The last part of `answer` outside of `<think>` and `</think>`; empty if the last `<think>` is never closed.

    What precedes a `</think>` without a `<think>` is reasoning too, since a prompt may open it.

    >>> drop_reasoning("<think>Is he walking?</think>He runs."), drop_reasoning("<think>He runs, because")
    ('He runs.', '')
    """
    answer = _CHANNEL.sub(lambda m: "</think>" if m[1] == "final" else "<think>", answer)
    parts, start, inside = [], 0, False
    for tag in _THOUGHT.finditer(answer):
        opens = tag[1] in ("", "begin_of_")
        if opens:
            parts += [] if inside else [answer[start : tag.start()]]
        elif not inside:
            parts = []
        start, inside = tag.end(), opens
    if inside:
        return ""
    parts.append(answer[start:])
    return next((part for part in reversed(parts) if any(map(str.isalnum, part))), "")


def strip_prompt(answer: str, prompt: str) -> str:
    """`answer` without an echo of `prompt` at its start, comparing words and ignoring names of roles ("user:")."""
    prompt_words = [w for w in words(prompt) if w not in _ROLES]
    if not prompt_words:
        return answer
    position = 0
    # Both sides are split into words by the same rules. The reply starts where the last word of the prompt ends.
    for match in re.finditer(r"\S+", answer):
        for word in words(match[0]):
            if word in _ROLES:
                continue
            if position >= len(prompt_words):
                return answer[match.start() :]
            if word != prompt_words[position]:
                return answer
            position += 1
    return "" if position >= len(prompt_words) else answer


def tokens(normalised: str) -> list[str]:
    """The words, numbers and marks of a normalised text in lower case."""
    return (_ASCII_TOKEN if normalised.isascii() else _TOKEN).findall(normalised)


def words(text: str) -> list[str]:
    """The words and numbers of any text, normalised, without marks."""
    return [t for t in tokens(normalise(text).lower()) if t[0].isalnum()]


def both_ends(items: list[T], limit: int) -> list[T]:
    """All `items`, or the first and the last half of `limit` if there are more."""
    return items if len(items) <= limit else items[: limit // 2] + items[-limit // 2 :]
