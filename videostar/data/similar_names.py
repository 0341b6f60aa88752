"""Files whose names are almost those of a row: in another Unicode form or case, or near enough to be suggested."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from videostar.util.files import is_folder
from videostar.util.object_path import ObjectPath
from videostar.video.endings import VIDEO_ENDINGS

_LISTED = 500_000  # names that are read from folders, at most
_COMPARED = 20_000  # names of a folder that are compared, at most
_SUGGESTED = 200  # names that are suggested, at most: people read the first ones
_SUBFOLDERS = 20  # folders in the root in which a file is looked up, at most
_NEAR = 80.0  # of 100: similarity from which a name is suggested


class SimilarNames:
    """Looks up files that do not exist. Each folder is read once, and only so many names in all."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[str]]] = {}
        self._left, self._hints_left = _LISTED, _SUGGESTED

    def spelled(self, path: Path) -> list[Path]:
        """The files whose paths differ from `path` in Unicode form or case alone; by case only if there is no other."""
        folder, parts = path.parent, [path.name]
        while not is_folder(folder) and folder != folder.parent:
            folder, parts = folder.parent, [folder.name, *parts]
        found = [folder]
        for part in parts:
            found = [place / name for place in found for name in self._alike(place, part)]
        return [each for each in found if each != path]

    def hint(self, name: str, root: Path, others: Sequence[Path]) -> str:
        """What to write in place of `name`, which is not below `root`; "" if nothing is near.

        `others` are folders that may be the root instead.
        """
        if self._hints_left <= 0:
            return ""
        self._hints_left -= 1
        for folder in others:
            if _exists(folder / name):
                return f"it is there below {folder}: give --root {folder}"
        parts = Path(name).parts
        places = [Path(*parts[start:]) for start in range(1, len(parts))]
        if len(parts) == 1:
            folders = (each for group in self._names(root).values() for each in group if "." not in each)
            places = [Path(folder, name) for folder in islice(folders, _SUBFOLDERS)]
        found = next((place for place in places if _exists(root / place)), None)
        near = found or self._near(root / name, Path(name))
        return f"did you mean {near.as_posix()}?" if near else ""

    def _near(self, path: Path, name: Path) -> Path | None:
        from rapidfuzz import fuzz, process  # only where a file is missing

        names = self._names(path.parent)
        for stem in (path.name, path.stem):
            for ending in ("", *sorted(VIDEO_ENDINGS)):
                same = [each for each in names.get(_folded(stem + ending), []) if each != path.name]
                if same:
                    return name.with_name(same[0])
        if len(names) > _COMPARED:
            return None
        # Another number is another clip, so digits must be the same; leading zeros may be missing.
        stem, numbers = Path(_folded(path.name)).stem, _numbers(path.stem)
        near = [
            (fuzz.ratio(stem, Path(each).stem), each)
            for each, _, _ in process.extract(_folded(path.name), list(names), score_cutoff=_NEAR, limit=None)
            if _numbers(Path(each).stem) == numbers
        ]
        score, best = max(near, default=(0.0, ""))
        return name.with_name(names[best][0]) if score >= _NEAR else None

    def _alike(self, folder: Path, name: str) -> list[str]:
        alike = self._names(folder).get(_folded(name), [])
        same_case = [each for each in alike if _composed(each) == _composed(name)]
        return same_case or alike

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """The names in a folder by their folded form; none if it cannot be read, or if too many are read already."""
        if folder not in self._folders and self._left > 0:
            names: dict[str, list[str]] = {}
            with suppress(OSError):
                for name in islice(_names(folder), self._left):
                    names.setdefault(_folded(name), []).append(name)
            self._folders[folder] = names
            self._left -= 1 + len(names)
        return self._folders.get(folder, {})


def _names(folder: Path) -> Iterator[str]:
    if isinstance(folder, ObjectPath):
        yield from folder.names()
    else:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)


def _exists(path: Path) -> bool:
    with suppress(OSError):
        return path.exists()
    return False


def _composed(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    """The name without its case and Unicode form."""
    return name.lower() if name.isascii() else _composed(_composed(name).casefold())


def _numbers(name: str) -> list[str]:
    return [digits.lstrip("0") for digits in re.findall(r"[0-9]+", name)]
