"""Where the videos of rows lie: below the root, and elsewhere if the rows are trusted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from videostar.data.rows import Row, Skipped
from videostar.data.similar_names import SimilarNames
from videostar.util.files import Below, is_folder, is_there
from videostar.util.object_path import ObjectPath, is_object_url, join
from videostar.util.object_store import forget_listings
from videostar.video.endings import VIDEO_ENDINGS

_FILE_URL = re.compile(r"file:(?://(?:localhost)?(?=/)|(?=/[^/]))", re.IGNORECASE)
_URL = re.compile(r"([a-z][a-z0-9+.:-]+)://|data:\w+/", re.IGNORECASE)
_DRIVE = re.compile(r"[a-z]:(?=[/\\])", re.IGNORECASE)
_SHOWN = 100  # characters of a URL in a message


def outside(root: Path) -> str:
    """What to do about a path that must not lead out of the root."""
    return (
        f"give a path below {root}; if the links there are yours, name the folder with --root; if you trust the rows, "
        "write `confine: false` in the data manifest"
    )


class Places:
    """Finds the videos of rows."""

    def __init__(self, inside: Below, row_file: Path | None = None) -> None:
        """`inside`: how far paths may lead. `row_file`: the file of the rows, if the user named one."""
        self.root = inside.root
        self._inside, self._row_file = inside, row_file
        self._similar = SimilarNames()
        forget_listings()
        self._real_root = _slash(os.path.realpath(self.root))
        self._roots = _slash(os.path.normpath(self.root)), self._real_root
        self._real_folder = lru_cache(maxsize=16384)(os.path.realpath)

    def resolve(self, row: Row | Skipped) -> Row | Skipped:
        """The row with its paths as they are recorded: relative to the root if they lead below it.

        So samples, splits and digests do not depend on where the data lie.
        """
        if isinstance(row, Skipped) or (not row.more and all(map(_is_plain, row.video))):
            return row
        videos, *more = (self._recorded(paths) for paths in (row.video, *row.more))
        values = {
            name: videos[0] if isinstance(value, str) and value.strip() == row.video[0] else value
            for name, value in row.values.items()
        }
        if more:
            values["videos"] = [paths[0] for paths in (videos, *more)]
        return replace(row, video=videos, values=values, more=tuple(more))

    def _recorded(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for path in paths for name in self._names(path)))

    def _names(self, video: str) -> Iterator[str]:
        """The path as it is recorded. One with backslashes may be of Windows: as it is, then with slashes."""
        yield self._name(video)
        if "\\" in video:
            yield self._name(video.replace("\\", "/"))

    def _name(self, video: str) -> str:
        if file := _FILE_URL.match(video):
            path = unquote(video[file.end() :])
            video = path[1:] if _DRIVE.match(path, 1) else path
        if is_object_url(video):
            url = ObjectPath(video)
            return url.relative_to(self.root).as_posix() if url.is_relative_to(self.root) else str(url)
        if video.startswith("~") and "/" in video:
            with suppress(RuntimeError):  # no such user
                video = str(Path(video).expanduser())
        if not video.startswith(("/", "..")) or "\0" in video:
            return video
        path = os.path.normpath(f"{self.root}/{video}" if video.startswith("..") else video)
        folder, _, name = path.rpartition("/")
        for place in (path, _slash(self._real_folder(folder or "/")) + name):
            for root in self._roots:
                if place.startswith(root) and self._leads_to(place, video):
                    return place.removeprefix(root)
        return video

    def _leads_to(self, place: str, video: str) -> bool:
        """Whether `place` is where `video` leads: without `..` it is, and else links may lead elsewhere."""
        return ".." not in video.split("/") or os.path.realpath(place) == os.path.realpath(self.root / video)

    def find(self, row: Row) -> tuple[str, Path] | Skipped:
        """The name and path of a row's video, or why the row is skipped. The only path of a row need not exist."""
        if row.values.get("label", True) in ("", [], {}):
            return Skipped(row.where, row.video[0], "empty label", "give the label in its column")
        for video in row.video:
            if (url := _URL.match(video)) and not is_object_url(video):
                what = "a file of another machine" if (url[1] or "").lower() == "file" else "a URL"
                detail = f"{video[:_SHOWN]} is {what}: download the video, and give the path of the file"
                return Skipped(row.where, video, "not on this machine", detail)
            path = self._inside.path(video)
            if (path is None and "\0" not in video) or (path is not None and self._holds_links_out(path)):
                return Skipped(row.where, video, "outside its root", outside(self.root))
            if path is not None and (len(row.video) == 1 or is_there(path)):
                return video, path
        return self.find_similar(row)

    def _holds_links_out(self, path: Path) -> bool:
        """Whether `path` is a folder of pictures with links that lead out of a root that confines its rows."""
        if (
            isinstance(path, ObjectPath)
            or not self._inside.confine
            or path.suffix.lower() in VIDEO_ENDINGS
            or not is_folder(path)
        ):
            return False
        with suppress(OSError), os.scandir(path) as entries:
            return any(entry.is_symlink() and not self._inside.allows(Path(entry.path)) for entry in entries)
        return False

    def find_similar(self, row: Row) -> tuple[str, Path] | Skipped:
        """The same for a row none of whose paths exists: a file whose name differs only by Unicode form or case."""
        if "\0" in "".join(row.video):
            return Skipped(row.where, row.video[0], "missing", "no file can have a null character in its name")
        for video in row.video:
            alike = self._similar.spelled(join(self.root, video))
            absolute = video[0] == "/" or is_object_url(video)
            names = [str(path) if absolute else path.relative_to(self.root).as_posix() for path in alike]
            if len(names) > 1:
                some = " and ".join(names[:3])
                detail = f"no such file, but {some}, which differ from it by case or Unicode form; write one of them"
                return Skipped(row.where, video, "missing", detail)
            if names and (path := self._inside.path(names[0])) and is_there(path):
                return names[0], path
        return self._missing(row)

    def _missing(self, row: Row) -> Skipped:
        first, last = row.video[0], row.video[-1]
        if drive := _DRIVE.match(first):
            why, reason = f"on drive {drive[0]} of Windows: copy the videos here", "not on this machine"
        else:
            why, reason = self._why_missing(row.video), "missing"
        hint = "" if len(row.video) > 1 and "\\" not in first else self._hint(last)
        return Skipped(row.where, first, reason, f"{why}; {hint}" if hint else why)

    def _why_missing(self, videos: tuple[str, ...]) -> str:
        path = join(self.root, videos[0])
        if "\\" in videos[0]:
            return "no such file, neither with a backslash (\\), as on Windows, nor with / in its place"
        if len(videos) > 1:
            return f"no such file; nor is there {' or '.join(videos[1:])}"[:200]
        with suppress(OSError):
            return f"a link to {path.readlink()}, which is not there"
        return "no such file"

    def _hint(self, video: str) -> str:
        others: list[Path] = []
        if not self._inside.confine and not video.startswith(("/", "..")):
            others = [self.root.parent]
            if self._row_file is not None:
                others += [self._row_file.parent, Path(os.path.realpath(self._row_file)).parent]
        return self._similar.hint(video, self.root, others)


def _slash(folder: str) -> str:
    return folder if folder.endswith("/") else f"{folder}/"


def _is_plain(video: str) -> bool:
    """Whether a path is recorded as it is: relative, without `..` at its start, and neither a URL nor of Windows."""
    return video[:1] not in ("/", "~", ".") and ":" not in video and "\\" not in video
