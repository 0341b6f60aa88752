"""UCF101: `trainlist01.txt` with lines like "Archery/v_Archery_g08_c01.avi 3", and `testlist01.txt` without numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.formats.text_files import read_lines
from videostar.data.rows import Item, Source, malformed


def read_ucf101(source: Source) -> Iterator[Item]:
    """One row per video. The class is the name of the folder, which the number only repeats."""
    for number, line in read_lines(source.path):
        where = f"{source.path.name}:{number}"
        video = line.split()[0]
        label, slash, name = video.partition("/")
        if slash and name:
            yield where, {"video": video, "label": label}
        else:
            yield malformed(where, f"{line[:60]!r} is not Class/video.avi", video)


def ucf101_classes(path: Path) -> list[str]:
    """The classes in `classInd.txt`, with lines like "1 ApplyEyeMakeup"."""
    return [line.partition(" ")[2].strip() for _, line in read_lines(path)]
