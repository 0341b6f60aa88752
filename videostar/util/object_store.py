"""Object stores through fsspec: what they say of objects, which is remembered, and the content of objects.

fsspec is never given a URL: chains such as `zip::s3://...` have no meaning here. Credentials come from where the
library of a store looks for them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from videostar.util.errors import UserError

#: The schemes of the stores that are read, and the package that each needs.
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}
_ASKED = 32  # objects of a folder that are looked up one by one, before the folder is listed
_KEPT = 1_000_000  # objects whose facts are kept in memory
_VERSIONS = ("ETag", "generation", "blob_id", "xet_hash", "etag", "LastModified", "mtime", "last_modified")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SHOWN = 200  # characters of a library's message


class ObjectFacts(NamedTuple):
    """What a store says of an object."""

    folder: bool
    size: int  # bytes
    version: int  # another number once the object has changed

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> ObjectFacts:
        """What the library of a store returns."""
        found = next((info[name] for name in _VERSIONS if info.get(name)), "")
        # Listings have times in another time zone, or with another precision.
        version = str(int(found.timestamp())) if isinstance(found, datetime) else str(found).strip('"')
        number = int.from_bytes(hashlib.sha256(version.encode()).digest()[:7], "big")
        return cls(info["type"] == "directory", int(info["size"] or 0), number)

    def status(self) -> os.stat_result:
        """The facts as those of a file: type, size in bytes, and the version as its change time."""
        mode = stat.S_IFDIR if self.folder else stat.S_IFREG
        return os.stat_result(
            (mode, 0, 0, 1, 0, 0, self.size, 0, 0, 0), {"st_mtime_ns": 0, "st_ctime_ns": self.version}
        )


class _Folder:
    """The facts of objects of a folder by name; None: there is no such object."""

    def __init__(self) -> None:
        self.facts: dict[str, ObjectFacts | None] = {}
        self.listed = False  # whether all are there


class ObjectStore:
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

    def facts(self, key: str) -> ObjectFacts:
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

    def refresh(self, key: str) -> ObjectFacts:
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

    def _ask(self, key: str) -> ObjectFacts:
        return ObjectFacts.of(self._call(key, self._system.info, key, refresh=True))

    def _list(self, folder: str, known: _Folder) -> None:
        facts: dict[str, ObjectFacts | None] = {}
        try:
            for entry in self._call(folder, self._system.ls, folder, detail=True, refresh=True):
                name = entry["name"].rstrip("/").rpartition("/")[2]
                if name not in facts or entry["type"] != "directory":  # an object has precedence
                    facts[name] = ObjectFacts.of(entry)
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


_stores: dict[str, ObjectStore] = {}  # of this process
os.register_at_fork(after_in_child=_stores.clear)  # connections belong to the parent


def find_store(scheme: str) -> ObjectStore:
    """The stores of a scheme. Raises FileNotFoundError for another scheme, and UserError if its package is missing."""
    if scheme not in PACKAGES:
        raise FileNotFoundError(errno.ENOENT, "no such store", scheme)
    return _stores.get(scheme) or _stores.setdefault(scheme, ObjectStore(scheme))


def forget_listings() -> None:
    """Look objects up afresh from now on."""
    for store in _stores.values():
        store.forget()
