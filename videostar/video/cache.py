"""Sampled frames on disk, so that later rounds and training never open the source video."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from videostar.video.clip import Clip
from videostar.video.clip_file import Damaged, pack, read_clip
from videostar.video.decode import decode
from videostar.video.folder_quota import FolderQuota
from videostar.video.sampling import Sampling

FORMAT = 2  # raise it whenever the same video and sampling would give other frames, or another layout here


class FrameCache:
    """One file for each video content and sampling, at most `limit` bytes in all; the least recently used go first.

    Any number of processes may share it. Frames come out as they were decoded, to the bit.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._quota = folder, FolderQuota(folder, limit)

    def clip(self, path: Path, sha256: str, sampling: Sampling) -> Clip:
        """What `decode` gives for the content `sha256` (hexadecimal).

        `path` is opened only when there is no sound entry for that content. Raises BadVideo when the file is then bad,
        or has changed, and OSError when the entry cannot be written.
        """
        return self.read(sha256, sampling) or self.make(path, sha256, sampling)

    def read(self, sha256: str, sampling: Sampling) -> Clip | None:
        """The clip, if there is a sound entry."""
        key, entry = self._entry(sha256, sampling)
        try:
            clip = read_clip(entry, key)
        except Damaged:  # or absent
            return None
        with suppress(OSError):  # gone by now, or not ours
            os.utime(entry)  # used now
        return clip

    def make(self, path: Path, sha256: str, sampling: Sampling) -> Clip:
        """The clip, from the file at `path`; it is in the cache then, unless it is larger than all of that may be."""
        key, entry = self._entry(sha256, sampling)
        clip = replace(decode(path, sampling, sha256), key=key)
        content = pack(key, clip)
        # Renamed into place, so that no process sees half of it; not synced, because it is checked when read.
        made = entry.with_name(f".making-{uuid4().hex}")
        if self._quota.reserve(made, len(content)):
            try:
                with suppress(FileNotFoundError):  # gone already, to make room
                    with made.open("r+b") as file:
                        file.write(content)
                    made.replace(entry)
            finally:
                made.unlink(missing_ok=True)
        return clip

    def used(self) -> int:
        """Bytes of all entries."""
        return self._quota.used()

    def _entry(self, sha256: str, sampling: Sampling) -> tuple[str, Path]:
        key = f"{sha256}-{sampling.key}-v{FORMAT}"
        return key, self._folder / sha256[:2] / f"{key}.safetensors"
