"""Which videos are opened, by whatever process and library: Linux tells."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Self

_IN_OPEN, _IN_ISDIR = 0x20, 0x40000000
_EVENT = struct.Struct("iIII")  # watch, what, cookie, length of the name


class Opens:
    """Watches the .mp4 files in some folders."""

    def __init__(self, *folders: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._queue = libc.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            if libc.inotify_add_watch(self._queue, os.fsencode(folder), _IN_OPEN) < 0:
                raise OSError(ctypes.get_errno(), "inotify", str(folder))

    def names(self) -> list[str]:
        """The names of the files opened since the last call, sorted, each as often as it was."""
        found = []
        while data := self._events():
            while data:
                _, what, _, length = _EVENT.unpack_from(data)
                name = data[_EVENT.size : _EVENT.size + length].rstrip(b"\0").decode()
                if name.endswith(".mp4") and not what & _IN_ISDIR:
                    found.append(name)
                data = data[_EVENT.size + length :]
        return sorted(found)

    def _events(self) -> bytes:
        try:
            return os.read(self._queue, 2**16)
        except BlockingIOError:
            return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._queue)
