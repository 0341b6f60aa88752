"""One folder per class: `root/<class>/*.mp4`, or `root/<split>/<class>/*.mp4`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.rows import Item, Source
from videostar.data.splits import split_named
from videostar.util.errors import UserError

_ENDINGS = set(".mp4 .m4v .mov .mkv .webm .avi .ts .mpg .mpeg .flv .ogv .wmv .asf .gif".split())


def read_folder(source: Source) -> Iterator[Item]:
    """One row per video, sorted by name; other files are ignored. Without split folders the rows have no `split`.

    If any folder has the name of a split, all folders are splits: videos in other folders are skipped and counted.
    """
    root = source.path
    if not root.is_dir():
        raise UserError(f"{root}: not a folder; give the folder that has one folder per class")
    folders = _folders(root)
    splits = folders if any(split_named(folder.name) for folder in folders) else []
    for split in splits or [root]:
        for folder in _folders(split):
            for path in sorted(folder.iterdir()):
                if path.suffix.lower() in _ENDINGS and not path.name.startswith("."):
                    name = path.relative_to(root).as_posix()
                    split_value = {"split": split.name} if splits else {}
                    yield name, {"video": name, "label": folder.name, **split_value}


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
