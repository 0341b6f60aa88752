"""Reads the instruction set `mix.data` in the forms that others keep, row by row: one bad row never spoils the file.

A row is one chat, in any of these forms; the media are paths, absolute or relative to the file's folder:

    {"messages": [{"role": "user", "content": text or parts}, {"role": "assistant", ...}, ...], "videos": [path]}
    {"conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}, ...], "video": path}  (LLaVA, ShareGPT)
    {"query": ..., "response": ..., "history": [[question, answer], ...], "system": ...}            (ms-swift)
    {"instruction": ..., "input": ..., "output": ...}                                               (Alpaca)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from videostar.data.formats.json_files import read_json_rows
from videostar.data.rows import Skipped, Source, short
from videostar.training.rows import Row
from videostar.util.errors import UserError
from videostar.video.container import stat_file
from videostar.video.endings import PICTURE_ENDINGS, VIDEO_ENDINGS
from videostar.video.errors import BadVideo

_ROLES = {"human": "user", "gpt": "assistant"} | {role: role for role in ("system", "user", "assistant")}
#: Columns of a question and its answer.
_PAIRS = (("query", "response"), ("instruction", "output"), ("prompt", "completion"), ("question", "answer"))
_COLUMNS = ("messages", "conversations", *(" and ".join(pair) for pair in _PAIRS))
_MEDIA = ("video", "videos", "image", "images", "audio", "audios")
_CHAT = ("messages", "conversations", "system", "history", "input", "span")
_READ = {*_CHAT, *_MEDIA, *(name for pair in _PAIRS for name in pair)}  # of a .parquet, which may hold much else
_MARK = re.compile(r"<(video|image)>", re.IGNORECASE)
# Other marks of media, which would be trained on as text.
_OTHER_MARK = re.compile(
    r"</?(?:video|image|img|vid)\b[^<>]{0,200}>|<\|(?:vision|video|image|vid|img)\w*\|>", re.IGNORECASE
)
_MARKS = re.compile(rf"(?:\s*{_MARK.pattern})+\s*", re.IGNORECASE)


class _Unusable(ValueError):
    """A row that is skipped: the reason to count by, and what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def read_instructions(path: Path) -> Iterator[Row | Skipped]:
    """The rows of a .jsonl, .json or .parquet file; one whose form is wrong or whose media are not there is skipped.

    Raises UserError if it is no such file.
    """
    media = _Media(path.absolute().parent)
    for item in _records(path):
        if isinstance(item, Skipped):
            yield item
            continue
        where, record = item
        try:
            yield _row(record, media, where)
        except _Unusable as error:
            yield Skipped(where, "", error.reason, error.detail)


def _records(path: Path) -> Iterator[tuple[str, Any] | Skipped]:
    ending = path.suffix.lower()
    if ending not in (".jsonl", ".json", ".parquet") or not path.is_file():
        what = "is a folder" if path.is_dir() else f"is a {ending} file" if path.is_file() else "no such file"
        raise UserError(
            f"mix.data: {path}: {what}; give a .jsonl, .json or .parquet file of {', '.join(_COLUMNS)}, or mix=null"
        )
    try:
        if ending == ".parquet":
            yield from _parquet(path)
        else:
            yield from read_json_rows(Source(path, {}, ()))
    except UserError as error:
        raise UserError(f"mix.data: {error}") from None
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        raise UserError(f"mix.data: {path}: cannot be read: {short(str(error))}; write it again") from None


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    with pq.ParquetFile(path) as file:
        number = 0
        for batch in file.iter_batches(columns=[name for name in file.schema_arrow.names if name in _READ]):
            for record in batch.to_pylist():
                number += 1
                yield f"{path.name}, row {number}", record


def _row(record: Any, media: _Media, where: str) -> Row:
    if not isinstance(record, dict):
        raise _Unusable("malformed row", f"is {short(record)}, not an object")
    turns = [_Turn.read(role, content) for role, content in _turns(record)]
    system = [turns.pop(0)] if turns[0].role == "system" else []
    roles = [turn.role for turn in turns]
    if "assistant" not in roles:
        raise _Unusable("no answer", "no turn of the assistant")
    if roles != ["user", "assistant"] * (len(roles) // 2):
        raise _Unusable("malformed row", f"turns do not go user, assistant, ...: {', '.join(roles[:6])}")
    first, *others = turns
    videos = [*_listed(record, "video", "videos"), *first.media["video"]]
    pictures = [*_listed(record, "image", "images"), *first.media["image"]]
    if not videos and not pictures and (unread := _unread_media(record)):
        raise _Unusable("malformed row", f"a file in the column {unread!r}; call the column `video` or `image`")
    if _listed(record, "audio", "audios"):
        raise _Unusable("sound", "needs a model that takes sound")
    if any(turn.marks or any(turn.media.values()) for turn in [*system, *others]):
        raise _Unusable("marks", "a video or picture is not in the first question, but in another turn")
    _check_marks(first.marks, len(videos), len(pictures))
    if videos and pictures:
        raise _Unusable("videos and pictures", f"{len(videos)} videos and {len(pictures)} pictures; give one of them")
    for turn in turns:
        if not turn.text.strip() and not (turn is first and (videos or pictures)):
            raise _Unusable("no answer" if turn.role == "assistant" else "no question", "its text is empty")
    pairs = [(ask.text, answer.text) for ask, answer in zip(turns[::2], turns[1::2], strict=True)]
    return Row(
        *pairs[0],
        videos=tuple(map(media.path, videos)),
        span=_span(record.get("span") or first.span),
        system=system[0].text if system else "",
        later=tuple(pairs[1:]),
        pictures=tuple(map(media.path, pictures)),
        where=where,
    )


def _unread_media(record: dict[str, Any]) -> str | None:
    """A column that is not read and holds the path of a video or picture."""
    endings = tuple(VIDEO_ENDINGS | PICTURE_ENDINGS)
    unread = (name for name in record if name not in _READ)
    return next((name for name in unread if str(record[name]).lower().endswith(endings)), None)


def _turns(record: dict[str, Any]) -> list[tuple[Any, Any]]:
    """The roles and contents of a row's turns, at least one."""
    chat = record.get("messages") or record.get("conversations")
    if chat:
        if not isinstance(chat, list) or not all(isinstance(turn, dict) for turn in chat):
            raise _Unusable("malformed row", "its turns are not a list of objects")
        if any(turn.get("loss") is False or turn.get("weight") == 0 for turn in chat):
            raise _Unusable("not trained", "an answer is marked as one that has no loss")
        turns = [(turn.get("role") or turn.get("from"), turn.get("content") or turn.get("value")) for turn in chat]
    else:
        found = next((pair for pair in _PAIRS if any(record.get(name) is not None for name in pair)), None)
        if found is None:
            raise _Unusable("malformed row", f"no {', '.join(_COLUMNS)}, only {', '.join(map(str, list(record)[:8]))}")
        asked = [record[name] for name in (found[0], "input") if record.get(name)]
        if not all(isinstance(text, str) for text in asked):
            raise _Unusable("malformed row", f"its {found[0]} is {short(asked[0])}, not text")
        earlier = record.get("history") or []
        if not isinstance(earlier, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in earlier):
            raise _Unusable("malformed row", "its history is not a list of pairs of a question and an answer")
        pairs = [*earlier, ("\n".join(asked), record.get(found[1]))]
        turns = [turn for question, answer in pairs for turn in (("user", question), ("assistant", answer))]
    if record.get("system") and turns[0][0] != "system":
        turns.insert(0, ("system", record["system"]))
    return turns


@dataclass
class _Turn:
    """A turn: its text without marks, the marks, and the media that its parts name."""

    role: str
    text: str = ""
    marks: list[str] = field(default_factory=list)  # of `video` and `image`
    media: dict[str, list[Any]] = field(default_factory=lambda: {"video": [], "image": []})
    span: tuple[Any, Any] | None = None

    @classmethod
    def read(cls, role: Any, content: Any) -> _Turn:
        if str(role).lower() not in _ROLES:
            raise _Unusable("malformed row", f"a turn of {short(role)}; roles are {', '.join(_ROLES)}")
        turn = cls(_ROLES[role.lower()])
        parts = content if isinstance(content, list) else [content or ""]
        turn.text = " ".join(filter(None, map(turn._part, parts)))
        if turn.marks:
            turn.text = turn.text.strip()
        return turn

    def _part(self, part: Any) -> str:
        """The text of a part, with its marks taken out."""
        if isinstance(part, str):
            part = {"text": part}
        if not isinstance(part, dict):
            raise _Unusable("malformed row", f"the content of a turn is {short(part)}, not text or a list of parts")
        kind = str(part.get("type") or next((name for name in ("text", "video", "image") if part.get(name)), "text"))
        if kind == "text":
            return self._without_marks(part.get("text") or "")
        place = part.get(kind) or part.get("path") or part.get("url")
        kind = kind.removesuffix("_url")
        if kind not in self.media:
            raise _Unusable("malformed row", f"a part of type {short(kind)}; types are text, video and image")
        if place is None:
            self.marks.append(kind)
        else:
            self.media[kind].append(place)
        if "video_start" in part or "video_end" in part:  # as in qwen-vl-utils
            self.span = (part.get("video_start") or 0.0, part.get("video_end") or math.inf)
        return ""

    def _without_marks(self, text: Any) -> str:
        if not isinstance(text, str):
            raise _Unusable("malformed row", f"the text of a turn is {short(text)}")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Unusable("malformed row", "its text has half a character, such as \\ud83d alone") from None
        if other := _OTHER_MARK.search(_MARK.sub("", text)):
            raise _Unusable(
                "marks", f"its text has {short(other[0])}; write <video> or <image>, and the path in a column"
            )
        self.marks += [mark.lower() for mark in _MARK.findall(text)]
        return _MARKS.sub(lambda found: "\n" if "\n" in found[0] else " ", text)


def _check_marks(marks: list[str], videos: int, pictures: int) -> None:
    """The model's chat template places the media, so marks are needed for nothing but must fit."""
    given = (marks.count("video"), marks.count("image"))
    as_llava = videos and not pictures and given == (0, videos)  # LLaVA's video sets mark videos as images
    if marks and given != (videos, pictures) and not as_llava:
        raise _Unusable(
            "marks",
            f"{given[0]} <video> and {given[1]} <image> marks for {videos} videos and {pictures} pictures",
        )


def _listed(record: dict[str, Any], *columns: str) -> list[Any]:
    """The media in these columns, which may have one or a list."""
    listed = [record[name] for name in columns if record.get(name)]
    return [one for value in listed for one in (value if isinstance(value, list) else [value]) if one]


def _span(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        start, end = map(float, value)
    except (TypeError, ValueError):
        raise _Unusable("malformed row", f"its span is {short(value)}, not a start and an end in seconds") from None
    if not start < end:
        raise _Unusable("malformed row", f"its span is {start:g} to {end:g} s")
    return start, end


class _Media:
    """Finds files by the paths of rows; each is looked up once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Path | _Unusable] = {}

    def path(self, place: Any) -> Path:
        """The file of a path, of a `file://` address, or of an object with one of them. Raises _Unusable."""
        if isinstance(place, dict):  # as in `datasets`
            place = place.get("path") or place.get("url")
        if not isinstance(place, str):
            raise _Unusable("malformed row", f"a video or picture is {short(place)}, not a path")
        if place not in self._known:
            self._known[place] = self._find(place)
        found = self._known[place]
        if isinstance(found, _Unusable):
            raise _Unusable(found.reason, found.detail)
        return found

    def _find(self, place: str) -> Path | _Unusable:
        if place.startswith("file:"):
            place = unquote(re.sub(r"^file:(//(localhost)?(?=/))?", "", place))
        if re.match(r"\w+://|data:", place):
            return _Unusable("missing", f"{short(place)} is not on this disk; download it and give its path")
        path, as_windows = (self._folder / _home(name) for name in (place, place.replace("\\", "/")))
        problem = _problem(path)
        if problem is None:
            return path
        return _Unusable(problem.reason, f"{path}: {problem.detail}") if _problem(as_windows) else as_windows


def _problem(path: Path) -> BadVideo | None:
    if path.is_dir():
        return None  # perhaps a folder of frames
    try:
        stat_file(path)
    except BadVideo as bad:
        return bad
    return None


def _home(name: str) -> Path:
    """A path with its `~` replaced, unless that names a user that there is not."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)
