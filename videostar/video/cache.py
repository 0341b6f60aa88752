"""A cache of sampled frames on disk, so that later rounds and training do not open the source video.

If its folder cannot be written, there is no cache: frames are decoded at every use.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from videostar.video.clip import Clip
from videostar.video.clip_file import Damaged, pack, read_clip
from videostar.video.decode import decode
from videostar.video.folder_quota import FolderQuota
from videostar.video.object_cache import ObjectCache
from videostar.video.probe_cache import warn_of_unwritable
from videostar.video.sampling import Sampling

# What the system raises where a folder cannot be made or written, other than for lack of room.
_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ENOSYS)
FORMAT = 3  # increase it if the same video and sampling would give other frames, or if the layout of files changes


class FrameCache:
    """A cache with one file for each video content and sampling, bit-exact and of at most `limit` bytes in all.

    The least recently used files are removed first. Any number of processes may share the cache.
    """

    def __init__(self, folder: Path, limit: int, objects: ObjectCache) -> None:
        """`objects`: the videos of object stores."""
        self._folder, self._quota, self.objects = folder, FolderQuota(folder, limit), objects

    def clip(self, path: Path, sha256: str, sampling: Sampling) -> Clip:
        """The clip of the video with the digest `sha256` (hexadecimal), as from `decode`.

        `path` is opened only if there is no valid entry. Raises BadVideo if the file is then bad or has changed, and
        OSError if there is no room for the entry.
        """
        clip = self.read(sha256, sampling)
        if clip is None:
            with self.objects.local(path) as file:
                clip = self.make(file, sha256, sampling)
        return clip

    def read(self, sha256: str, sampling: Sampling) -> Clip | None:
        """The clip in a valid entry, or None. Raises BadVideo if nothing moves in it and such videos are skipped."""
        key, entry = self._entry(sha256, sampling)
        try:
            clip = read_clip(entry, key)
        except Damaged:  # or missing
            return None
        with suppress(OSError):  # the entry was removed, or has another owner
            os.utime(entry)  # marks it as used now
        return sampling.accept(clip)

    def make(self, path: Path, sha256: str, sampling: Sampling) -> Clip:
        """The clip, decoded from the file at `path` and added to the cache, unless it exceeds the limit. See `clip`.

        The file is on this machine.
        """
        key, entry = self._entry(sha256, sampling)
        clip = replace(decode(path, replace(sampling, still="keep"), sha256), key=key)
        content = pack(key, clip)
        # The file is renamed into place, so that no process sees half of it. It is not synced, since reads check it.
        made = entry.with_name(f".making-{uuid4().hex}")
        with _ignore_unwritable():
            if self._quota.reserve(made, len(content)):
                try:
                    with suppress(FileNotFoundError):  # removed already, because of the limit
                        with made.open("r+b") as file:
                            file.write(content)
                        made.replace(entry)
                finally:
                    made.unlink(missing_ok=True)
        return sampling.accept(clip)

    def used(self) -> int:
        """The bytes of all entries on disk. Warns once if the folder cannot be written."""
        try:
            return self._quota.used()
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                raise
        warn_of_unwritable(self._folder.parent)
        return 0

    def _entry(self, sha256: str, sampling: Sampling) -> tuple[str, Path]:
        key = clip_key(sha256, sampling)
        return key, self._folder / sha256[:2] / f"{key}.safetensors"


def clip_key(sha256: str, sampling: Sampling) -> str:
    """What the frames of a clip depend on: the content of the video, the sampling and the format."""
    return f"{sha256}-{sampling.key}-v{FORMAT}"


@contextmanager
def _ignore_unwritable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
