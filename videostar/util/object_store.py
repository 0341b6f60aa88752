"""Object stores through fsspec: an object as a path whose status and content can be asked for.

Only the schemes below are read, and fsspec is never given a URL: chains such as `zip::s3://...` have no meaning here.
Credentials come from where the library of a store looks for them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path, PosixPath
from typing import Any, NamedTuple, NoReturn, Self

from videostar.util.errors import UserError

#: The schemes of the stores that are read, and the package that each needs.
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}
_OBJECT = re.compile(rf"(?:{'|'.join(PACKAGES)})://\w[\w.-]*(?=/|\Z)(?!.*::)", re.ASCII | re.DOTALL)
_URL = re.compile(r"[a-z][a-z0-9+.:-]*://", re.IGNORECASE)
_NEAR = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}  # other programs' names of schemes
_ASKED = 32  # objects of a folder that are looked up one by one, before the folder is listed
_KEPT = 1_000_000  # objects whose facts are kept in memory
_VERSIONS = ("ETag", "generation", "blob_id", "xet_hash", "etag", "LastModified", "mtime", "last_modified")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SHOWN = 200  # characters of a library's message


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
    def _store(self) -> _Store:
        return _store(self.parts[0][:-1] if self.parts else "")


class _Facts(NamedTuple):
    """What a store says of an object."""

    folder: bool
    size: int  # bytes
    version: int

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> _Facts:
        found = next((info[name] for name in _VERSIONS if info.get(name)), "")
        # Listings have times in another time zone, or with another precision.
        version = str(int(found.timestamp())) if isinstance(found, datetime) else str(found).strip('"')
        number = int.from_bytes(hashlib.sha256(version.encode()).digest()[:7], "big")
        return cls(info["type"] == "directory", int(info["size"] or 0), number)

    def status(self) -> os.stat_result:
        mode = stat.S_IFDIR if self.folder else stat.S_IFREG
        return os.stat_result(
            (mode, 0, 0, 1, 0, 0, self.size, 0, 0, 0), {"st_mtime_ns": 0, "st_ctime_ns": self.version}
        )


class _Folder:
    """The facts of objects of a folder by name; None: there is no such object."""

    def __init__(self) -> None:
        self.facts: dict[str, _Facts | None] = {}
        self.listed = False  # whether all are there


class _Store:
    """One kind of store. Few objects are looked up one by one, and more of a folder by listing it once."""

    def __init__(self, scheme: str) -> None:
        import fsspec

        package = PACKAGES[scheme]
        if find_spec(package) is None:
            raise UserError(f"{scheme}:// needs the package {package}: pip install 'videostar[{scheme}]'")
        if scheme == "hf" and os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
            raise UserError("hf:// needs the network, which is off for Hugging Face: set HF_HUB_OFFLINE=0")
        # Threads share it: an instance for each, as is the default, would keep its connections when the thread ends.
        self._system: Any = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
        self._scheme = scheme
        self._good: dict[str, str] = {}  # by bucket: something in it that could be read
        self.forget()

    def forget(self) -> None:
        """Look objects up afresh from now on."""
        self._folders: dict[str, _Folder] = {}
        self._count = 0  # of facts

    def facts(self, key: str) -> _Facts:
        """The facts of an object or folder, perhaps from a listing."""
        folder, _, name = key.rpartition("/")
        known = self._known(folder)
        if name not in known.facts and not known.listed:
            if folder and len(known.facts) >= _ASKED:
                self._list(folder, known)
            else:
                try:
                    known.facts[name] = self._ask(key)
                except FileNotFoundError:
                    known.facts[name] = None
                self._count += 1
        facts = known.facts.get(name)
        if facts is None:
            raise FileNotFoundError(errno.ENOENT, "no such object", f"{self._scheme}://{key}")
        return facts

    def refresh(self, key: str) -> _Facts:
        """The facts of an object as they are now."""
        folder, _, name = key.rpartition("/")
        facts = self._known(folder).facts[name] = self._ask(key)
        return facts

    def names(self, folder: str) -> Iterable[str]:
        """The names in a folder."""
        known = self._known(folder)
        if not known.listed:
            self._list(folder, known)
        return known.facts

    def _known(self, folder: str) -> _Folder:
        if folder not in self._folders and self._count > _KEPT:
            self.forget()
        return self._folders.setdefault(folder, _Folder())

    def _ask(self, key: str) -> _Facts:
        return _Facts.of(self._call(key, self._system.info, key, refresh=True))

    def _list(self, folder: str, known: _Folder) -> None:
        facts: dict[str, _Facts | None] = {}
        try:
            for entry in self._call(folder, self._system.ls, folder, detail=True, refresh=True):
                name = entry["name"].rstrip("/").rpartition("/")[2]
                if name not in facts or entry["type"] != "directory":  # an object has precedence
                    facts[name] = _Facts.of(entry)
        except FileNotFoundError:
            pass
        self._count += len(facts)
        known.facts, known.listed = facts, True

    def fetch(self, key: str, file: Path) -> None:
        """Write an object to a file."""
        self._call(key, self._system.get_file, key, str(file))

    def check(self, key: str) -> None:
        """Raises UserError unless `key` is a folder that can be read. Forgets what was listed."""
        self.forget()
        bucket = self._bucket(key)
        try:
            if not self._ask(key).folder:
                raise UserError("is an object; give the folder that holds the videos")
            return
        except FileNotFoundError:
            pass
        except OSError as error:
            _cannot(f"{self._scheme}://{bucket}", error)
        try:
            self._ask(bucket)
        except FileNotFoundError:
            raise UserError(f"there is no bucket {bucket}") from None
        except OSError as error:
            _cannot(f"{self._scheme}://{bucket}", error)
        raise UserError("the bucket holds nothing there; give the folder that holds the videos")

    def _call(self, key: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What a function of the store's library returns; it has tried several times already when it raises."""
        bucket = self._bucket(key)
        for _ in range(2):
            try:
                found = function(*args, **options)
            except FileNotFoundError:
                raise
            except Exception as error:  # each library has errors of its own; they are raised as ours
                if isinstance(error, OSError) and error.errno in _NO_ROOM:
                    raise
                message = _line(error)
                self._check_reachable(bucket)
            else:
                self._good[bucket] = key
                return found
        raise OSError(message)

    def _check_reachable(self, bucket: str) -> None:
        """Raises UserError if the store does not answer, or what could be read no longer can: not for one object."""
        good = self._good.get(bucket)
        try:
            self._system.info(good or bucket, refresh=True)
        except FileNotFoundError:
            return
        except Exception as error:  # noqa: BLE001  (each library has errors of its own)
            if good is not None or not isinstance(error, PermissionError):
                _cannot(f"{self._scheme}://{bucket}", error)

    def _bucket(self, key: str) -> str:
        """The part of `key` that has access rights of its own."""
        parts = key.split("/")
        if self._scheme != "hf":
            return parts[0]
        return "/".join(parts[: 3 if parts[0] in ("buckets", "datasets", "spaces") else 2])


def _cannot(what: str, error: Exception) -> NoReturn:
    raise UserError(
        f"{what}: cannot be read: {_line(error)}; check the network and the credentials, and start the same command "
        "again"
    ) from None


def _line(error: Exception) -> str:
    """The message of a library in one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:_SHOWN].rstrip(".")


_stores: dict[str, _Store] = {}  # of this process
os.register_at_fork(after_in_child=_stores.clear)  # connections belong to the parent


def _store(scheme: str) -> _Store:
    if scheme not in PACKAGES:
        raise FileNotFoundError(errno.ENOENT, "no such store", scheme)
    return _stores.get(scheme) or _stores.setdefault(scheme, _Store(scheme))


def forget_listings() -> None:
    """Look objects up afresh from now on."""
    for store in _stores.values():
        store.forget()
