"""Locks between processes: one writer of a folder, also on disks that have no file locks."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Protocol

import filelock

from videostar.util.terminal import warn_once

# What flock raises where a disk has none: some network and FUSE file systems.
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.EBADF)
_HELD = (errno.EAGAIN, errno.EACCES)


class Locked(Exception):
    """Another process holds the lock."""


class Lock(Protocol):
    """A lock that this process holds."""

    def release(self, force: bool = False) -> None:
        """Let other processes have it."""


class _FileLock:
    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self, force: bool = False) -> None:
        os.close(self._handle)


def lock_file(path: Path) -> Lock:
    """Lock the file at `path`, which is created. Raises Locked.

    A dead process holds no lock. On a disk without flock, the file `PATH-held` marks who holds the lock, and one that a
    dead process of this machine has left is replaced.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if error.errno in _HELD:
            raise Locked from None
        if error.errno not in _NO_LOCKS:
            raise
        return _mark(path.with_name(f"{path.name}-held"))
    return _FileLock(handle)


def _mark(path: Path) -> Lock:
    warn_once(
        f"{path}: marks that a process works here, since this disk has no file locks; delete it if one that ended on "
        "another machine has left it"
    )
    lock = filelock.SoftFileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise Locked from None
    return lock
