"""Whether what a run has written would outlive a power cut, reckoned from its writes, renames and fsyncs in order.

A kill does not show it: the system still writes what a dead process wrote. To last, a file needs an fsync after its
last write, before it gets its own name; and a new name one of its folder, before the manifest counts on it.
"""

from __future__ import annotations

from pathlib import Path

_WRITES = ("write", "writev", "pwrite", "ftruncate", "ftruncate64")


class Durable:
    """What is not on the disk yet, after the calls that were seen below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: set[Path] = set()  # files
        self.synced: set[Path] = set()  # files and folders, and not written since
        self.named: set[Path] = set()  # files and folders whose names are new
        self.counted = 0  # manifests

    def see(self, call: str, path: Path, target: Path) -> None:
        """Take in a call that is about to be made. Raises AssertionError where a power cut could lose what counts."""
        if call in _WRITES:
            self.written.add(path)
            self.synced.discard(path)
        elif call in ("fsync", "fdatasync"):
            self.written.discard(path)
            self.synced.add(path)
            self.named = {one for one in self.named if one.parent != path}
        elif call.startswith("mkdir") and path != self.folder and not path.exists():
            self.named.add(path)
        elif call.startswith("rename"):
            self._rename(path, target)
        elif call.startswith(("unlink", "rmdir")):
            self.written.discard(path)
            self.named.discard(path)

    def _rename(self, path: Path, target: Path) -> None:
        # Libraries rename their files by ways that are not seen: what goes by a new name must be fsynced by that.
        self.written = {one for one in self.written if one.exists()}
        if path.name.startswith(".partial-") and not path.is_symlink():  # which is no more than its name
            left = {path, *path.rglob("*")} - self.synced
            assert not left, f"{path}: gets its own name before {left} are fsynced"
        if target.name == "manifest.json":
            self.counted += 1
            assert not self.written | self.named, f"counted and not fsynced: {self.written | self.named}"
        self.written = {_moved(one, path, target) for one in self.written}
        self.synced = {_moved(one, path, target) for one in self.synced}
        self.named = {_moved(one, path, target) for one in self.named} | {target}


def _moved(one: Path, path: Path, target: Path) -> Path:
    return target / one.relative_to(path) if one.is_relative_to(path) else one
