"""TempCompass: JSON files of questions by type, each {video: {temporal aspect: [{"question", "answer"}, ...]}}.

A question's options are lines of its text. Other question files than the one of the rows are named in `files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from videostar.data.formats.json_files import load_json
from videostar.data.rows import Item, Malformed, Skipped, Source, Values, items, malformed, short, text
from videostar.util.errors import UserError

# "A. dunking a basketball", "Caption A: A man ...", "Option 1: ..."; three official lines have blanks elsewhere.
_OPTION = re.compile(r" ?(?:[A-Z]\. ?|(?:Caption|Sentence) [A-Z]: |Option \d: )(\S.*)")
_LETTERS = "ABCDEFGH"
_UNSCORED = "captioning"


def read_tempcompass(source: Source) -> Iterator[Item]:
    """One row per question, with its `type` and temporal `aspect`.

    It has `options` by letter and the letter of the right one as `answer`, or as `value` whether the answer is yes.
    The file of caption generation is skipped: the benchmark has a language model score free captions.
    """
    for path in (source.path, *source.files.values()):
        by_video = load_json(path)
        if not isinstance(by_video, dict):
            raise UserError(f"{path}: not a JSON object of videos; copy the official file again")
        if path.stem == _UNSCORED:
            yield Skipped(path.name, "", "caption generation", "a language model scores these questions; none is asked")
            continue
        for video, by_aspect in by_video.items():
            yield from _of_video(path, video, by_aspect)


def _of_video(path: Path, video: str, by_aspect: Any) -> Iterator[Item]:
    if not isinstance(by_aspect, dict):
        yield malformed(f"{path.name}[{video}]", f"{short(by_aspect)} is not an object of aspects", video)
        return
    for aspect in by_aspect:
        where = f"{path.name}[{video}][{aspect}]"
        try:
            entries = items(by_aspect, aspect)
        except Malformed as error:
            yield malformed(where, error, video)
            continue
        for number, entry in enumerate(entries):
            about: Values = {"video_id": video, "type": path.stem, "aspect": aspect, "number": number}
            try:
                yield f"{where}[{number}]", {**about, **_question(entry)}
            except Malformed as error:
                yield malformed(f"{where}[{number}]", error, video)


def _question(entry: Any) -> Values:
    question, answer = text(entry, "question"), text(entry, "answer")
    first, *lines = question.splitlines()
    if not lines:
        value = {"yes": True, "no": False}.get(answer)
        if value is None:
            raise Malformed(f"answer is {short(answer)}, not yes or no")
        return {"question": question, "value": value}
    options = [match[1] for line in lines if (match := _OPTION.fullmatch(line))]
    if len(options) < len(lines) or len(lines) > len(_LETTERS) or lines.count(answer) != 1:
        raise Malformed(f"the answer {short(answer)} is not one of its options {short(' / '.join(lines))}")
    return {
        "question": first,
        "options": dict(zip(_LETTERS, options, strict=False)),
        "answer": _LETTERS[lines.index(answer)],
    }
