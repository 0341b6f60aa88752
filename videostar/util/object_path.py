"""An object in a store as a path, whose status and content can be asked for; and URLs as users write them.

Only the schemes of `PACKAGES` are read.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path, PosixPath
from typing import Self

from videostar.util.errors import UserError
from videostar.util.object_store import PACKAGES, ObjectStore, find_store

_OBJECT = re.compile(rf"(?:{'|'.join(PACKAGES)})://\w[\w.-]*(?=/|\Z)(?!.*::)", re.ASCII | re.DOTALL)
_URL = re.compile(r"[a-z][a-z0-9+.:-]*://", re.IGNORECASE)
_NEAR = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}  # other programs' names of schemes


def is_object_url(text: str) -> bool:
    """Whether `text` is the URL of an object or a folder in a store that is read."""
    return _OBJECT.match(text) is not None


def parse_root(text: str, folder: Path, where: str) -> Path:
    """A root as users write it, a path from `folder` or the URL of a folder in a store, as an absolute path.

    Raises UserError for any other URL; `where` it is given, for the message.
    """
    if is_object_url(text) and ".." not in text.split("/"):
        return ObjectPath(text)
    if url := _URL.match(text):
        if "@" in text[: (text + "/").find("/", url.end())]:
            raise UserError(f"{where}: {url[0]}...: credentials are not read from a URL; remove what is before the @")
        scheme = url[0].removesuffix("://").lower()
        fix = f"write {_NEAR[scheme]}://" if scheme in _NEAR else "give a folder, or s3://, gs:// or hf://BUCKET/FOLDER"
        raise UserError(f"{where}: {text}: is no place that videos are read from; {fix}")
    return (folder / Path(text).expanduser()).absolute()


def join(root: Path, name: str) -> Path:
    """The path of `name` below `root`; an absolute path or the URL of an object stays what it is."""
    if is_object_url(name):
        return ObjectPath(name)
    return Path(name) if name.startswith("/") else root / name


class ObjectPath(PosixPath):
    """The place of an object or a folder in a store, such as s3://bucket/videos/a.mp4.

    Its methods raise FileNotFoundError if there is no such object, another OSError if this object cannot be read, and
    UserError if the whole store cannot.
    """

    def __str__(self) -> str:
        text = super().__str__()
        return text.replace(":/", "://", 1) if self.parts[:1] and self.parts[0][:-1] in PACKAGES else text

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Type, size and, in place of a change time, a number that differs once the object has changed."""
        return self._store.facts(self._key).status()

    def lstat(self) -> os.stat_result:
        """The same, since stores have no links."""
        return self.stat()

    def absolute(self) -> Self:
        """The same."""
        return self

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is such an object or folder."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a folder: whether there are objects below it."""
        return self.exists() and stat.S_ISDIR(self.stat().st_mode)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is an object."""
        return self.exists() and stat.S_ISREG(self.stat().st_mode)

    def is_symlink(self) -> bool:
        """No."""
        return False

    def names(self) -> Iterable[str]:
        """The names in a folder."""
        return self._store.names(self._key)

    def fetch(self, file: Path) -> None:
        """Write the content of the object to `file`, after what that held. Also raises OSErrors of `file`."""
        self._store.fetch(self._key, file)

    def refresh(self) -> os.stat_result:
        """Its status as it is now; `stat` may be as old as the listing of its folder."""
        return self._store.refresh(self._key).status()

    def check(self, where: str) -> None:
        """Raises UserError unless it is a folder that can be read. Reads it afresh from now on."""
        try:
            self._store.check(self._key)
        except UserError as error:
            raise UserError(f"{where}: root {self}: {error}") from None

    @property
    def _key(self) -> str:
        if len(self.parts) < 2:
            raise FileNotFoundError(errno.ENOENT, "no bucket", str(self))
        return "/".join(self.parts[1:])

    @property
    def _store(self) -> ObjectStore:
        return find_store(self.parts[0][:-1] if self.parts else "")
