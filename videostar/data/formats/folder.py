"""A folder a class: `root/<class>/*.mp4`, or `root/<split>/<class>/*.mp4`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.rows import Item, Source
from videostar.data.splits import split_named
from videostar.util.errors import UserError

_ENDINGS = set(".mp4 .m4v .mov .mkv .webm .avi .ts .mpg .mpeg .flv .ogv .wmv .asf .gif".split())


def read_folder(source: Source) -> Iterator[Item]:
    """A row a video, by name; without split folders a stable fifth is held out. Other files are passed over.

    Beside folders that name a split, every folder is one: what another holds is skipped, and counted.
    """
    root = source.path
    if not root.is_dir():
        raise UserError(f"{root}: not a folder; give the one that holds a folder a class")
    folders = _folders(root)
    splits = folders if any(split_named(folder.name) for folder in folders) else []
    for split in splits or [root]:
        for folder in _folders(split):
            for path in sorted(folder.iterdir()):
                if path.suffix.lower() in _ENDINGS and not path.name.startswith("."):
                    name = path.relative_to(root).as_posix()
                    said = {"split": split.name} if splits else {}
                    yield name, {"video": name, "label": folder.name, **said}


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
