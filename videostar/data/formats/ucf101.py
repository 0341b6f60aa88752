"""UCF101: `trainlist01.txt` ("Archery/v_Archery_g08_c01.avi 3") and `testlist01.txt`, which has no number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.formats.plain import lines
from videostar.data.rows import Item, Source, malformed


def read_ucf101(source: Source) -> Iterator[Item]:
    """The class is the folder's name; the number only repeats it."""
    for number, line in lines(source.path):
        where = f"{source.path.name}:{number}"
        video = line.split()[0]
        label, slash, name = video.partition("/")
        if slash and name:
            yield where, {"video": video, "label": label}
        else:
            yield malformed(where, f"{line[:60]!r} is not Class/video.avi", video)


def numbered_classes(path: Path) -> list[str]:
    """Of `classInd.txt` ("1 ApplyEyeMakeup")."""
    return [line.partition(" ")[2].strip() for _, line in lines(path)]
