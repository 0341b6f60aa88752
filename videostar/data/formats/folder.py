"""One folder per class: `root/<class>/*.mp4`, or `root/<split>/<class>/*.mp4`; or videos without labels, anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from videostar.data.places import outside
from videostar.data.rows import Item, Skipped, Source
from videostar.data.splits import split_named
from videostar.util.errors import UserError
from videostar.util.files import Below, is_folder
from videostar.video.endings import PICTURE_ENDINGS, VIDEO_ENDINGS

#: Folders and files that operating systems and disks make.
_SYSTEM_NAMES = frozenset(
    ["@eadir", "$recycle.bin", "system volume information", "lost+found", "__macosx", "thumbs.db"]
)


@dataclass(frozen=True)
class _Folder:
    """The content of a folder, sorted by name, without hidden files."""

    path: Path
    folders: list[Path] = field(default_factory=list)
    videos: list[Path] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


def read_folder(source: Source) -> Iterator[Item]:
    """One row per video in a class folder or in the folders below it; other files are ignored.

    A folder that holds pictures and no videos is one video. If any folder in the root has the name
    of a split, all folders there are splits: videos in other folders are skipped and counted. A class folder may hold
    split folders. Otherwise the rows have no `split`. Raises UserError if no class folder holds a video.
    """
    top = source.path
    if not top.is_dir():
        raise UserError(f"{top}: not a folder; give the folder that has one folder per class")
    root = _content(top)
    has_splits = any(split_named(folder.name) for folder in root.folders)
    if not has_splits:
        _check_level(root)
    inside = source.inside or Below(top, confine=False)
    parents = [_content(folder) for folder in root.folders if inside.allows(folder)] if has_splits else [root]
    empty = True
    for parent in parents:
        for loose in parent.videos if any(each.folders for each in parents) else ():
            yield _skipped(loose, inside, "no class folder", "move it into the folder of its class")
        for folder in parent.folders:
            for item in _videos(folder, inside):
                empty = False
                if isinstance(item, Skipped):
                    yield item
                    continue
                name, inner = item.relative_to(top).as_posix(), item.relative_to(folder).parts[:-1]
                split = parent.path.name if has_splits else next(filter(split_named, inner[:1]), None)
                yield name, {"video": name, "label": folder.name} | ({} if split is None else {"split": split})
    if empty:
        raise _no_class_folder([root, *parents])


def read_videos(source: Source) -> Iterator[Item]:
    """One row per video in a folder or in the folders below it, without a label; other files are ignored.

    A folder below it that holds pictures and no videos is one video. Raises UserError if there is no video.
    """
    top = source.path
    found = False
    for item in _videos(top, source.inside or Below(top, confine=False)):
        found = True
        if isinstance(item, Skipped):
            yield item
        else:
            name = item.relative_to(top).as_posix()
            yield name, {"video": name}
    if not found:
        raise UserError(f"{top}: no videos in it, nor in the folders below it; give a folder of videos, or a row file")


def _videos(folder: Path, inside: Below) -> Iterator[Path | Skipped]:
    """The videos in a folder and the folders below it, or why one is skipped."""
    above = frozenset(_identity(each) for each in {*folder.parents, *folder.resolve().parents})
    remaining = [(folder, above)]
    while remaining:
        path, above = remaining.pop()
        if not inside.allows(path):
            yield _skipped(path, inside, "outside its root", outside(inside.root))
            continue
        try:
            here, content = _identity(path), _content(path)
        except OSError as error:
            yield _skipped(path, inside, "unreadable", error.strerror or str(error))
            continue
        if here in above:  # a link to a folder that this one is in
            continue
        is_video = content.pictures and not content.videos
        for video in [path] if is_video else content.videos:
            if _is_text(video):
                yield video
            else:
                yield _skipped(video, inside, "malformed row", "its name is not in UTF-8; rename it")
        if not is_video:
            remaining += [(each, above | {here}) for each in reversed(content.folders)]


def _identity(folder: Path) -> tuple[int, int]:
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def _content(path: Path) -> _Folder:
    content = _Folder(path)
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_NAMES:
                continue
            ending = Path(entry.name).suffix.lower()
            kinds = ((VIDEO_ENDINGS, content.videos), (PICTURE_ENDINGS, content.pictures))
            files = next((files for endings, files in kinds if ending in endings), content.others)
            (content.folders if is_folder(path / entry.name) else files).append(path / entry.name)
    return content


def _skipped(path: Path, inside: Below, reason: str, detail: str) -> Skipped:
    name = path.relative_to(inside.root).as_posix().encode("utf-8", "backslashreplace").decode()
    return Skipped(name, name, reason, detail)


def _is_text(path: Path) -> bool:
    try:
        return bool(os.fspath(path).encode())
    except UnicodeEncodeError:
        return False


def _check_level(root: _Folder) -> None:
    """Raises UserError if the root has a single folder, whose folders are rather the classes or splits."""
    if len(root.folders) == 1:
        content = _content(root.folders[0])
        if len(content.folders) > 1 and not content.videos:
            names = ", ".join(folder.name for folder in content.folders[:3])
            raise UserError(
                f"{root.path}: has one class folder, {content.path.name}, which holds folders ({names}): give --root "
                f"{content.path} if those are the classes or splits; otherwise list the videos in a .csv"
            )


def _no_class_folder(parents: Sequence[_Folder]) -> UserError:
    loose = next((parent for parent in parents if parent.videos), None)
    if loose is None:
        return UserError(f"{parents[0].path}: no videos in class folders, such as walking/a.mp4 or train/walking/a.mp4")
    return UserError(
        f"{loose.path}: holds {len(loose.videos)} videos and no class folders; move each into the folder of its class, "
        "such as walking/a.mp4, or list them with their labels in a .csv"
    )
