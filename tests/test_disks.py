"""Disks that lack something: file locks, fsync of folders, a cache folder that can be written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
from pathlib import Path

import pytest
from commands import Command, command
from ordinary_data import LABELS, write_rows

from videostar.util.files import sync_folder
from videostar.util.locks import Locked, lock_file

WITHOUT_LOCKS = """
import errno, fcntl, os, stat, tempfile
TEMPORARY = os.path.realpath(tempfile.gettempdir())
flock, fsync = fcntl.flock, os.fsync
def elsewhere(file):
    file = file if isinstance(file, int) else file.fileno()
    return not os.readlink(f"/proc/self/fd/{file}").startswith(TEMPORARY + "/"), file
def no_flock(file, how):
    away, file = elsewhere(file)
    if away:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return flock(file, how)
def no_fsync(file):
    away, file = elsewhere(file)
    if away and stat.S_ISDIR(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return fsync(file)
fcntl.flock, os.fsync = no_flock, no_fsync
"""

READ_ONLY = """
import builtins, errno, io, os
HOME = os.environ["READ_ONLY"]
def deny(real, writes):
    def call(path, *arguments, **keys):
        if str(path if isinstance(path, (str, os.PathLike)) else "").startswith(HOME) and writes(*arguments, **keys):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, *arguments, **keys)
    return call
os.mkdir = deny(os.mkdir, lambda *a, **k: True)
os.open = deny(os.open, lambda flags, *a, **k: flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
io.open = builtins.open = deny(io.open, lambda mode="r", *a, **k: set(mode) & set("wax+"))
os.utime = deny(os.utime, lambda *a, **k: True)
"""


#: A run of seconds.
QUICK = ("--rounds", 1, "--limit", 8, "--set", "mix=null", "--set", "training.epochs=1", "--out", "run")


def eight(clips: Path) -> Path:
    """A row for each clip, a fourth of them to test on."""
    rows = (f"{'train' if number % 4 else 'test'},{number:04}.mp4,{LABELS[number // 2]}" for number in range(8))
    return write_rows(clips / "rows.csv", "split,video,label", *rows)


def child(folder: Path, site: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process, and processes of it, that import `site` as sitecustomize."""
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(site)
    (folder / "tmp").mkdir(exist_ok=True)
    search = os.pathsep.join([str(folder / "site"), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": search, "TMPDIR": str(folder / "tmp"), **environment}
    done = subprocess.run(
        command(*arguments), cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "lock" in line or "cache" in line or "Warning" in line]


@pytest.mark.slow
def test_a_disk_without_locks_and_fsync_of_folders(clips: Path, tmp_path: Path) -> None:
    rows = eight(clips)
    cache = tmp_path / "cache"
    done = child(tmp_path, WITHOUT_LOCKS, "check", rows, "--pictures", "--json", "--cache", cache)
    assert json.loads(done.stdout)["usable"] == 8
    assert not warnings(done)  # only the size of a cache that processes share may be inexact
    assert len(list(cache.rglob("*.safetensors"))) == 8
    done = child(tmp_path, WITHOUT_LOCKS, "cycle", "--data", rows, "--cache", cache, *QUICK)
    assert len(warnings(done)) == 1, done.stderr
    assert not (tmp_path / "run" / ".lock-held").exists()


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EBADF])
def test_no_fsync_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def absent(_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", absent)
    sync_folder(tmp_path)
    code = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK])
def test_two_processes_and_a_dead_one_on_a_disk_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    held = lock_file(tmp_path / "a.lock")
    with pytest.raises(Locked):
        lock_file(tmp_path / "a.lock")
    held.release()

    def absent(*_: object) -> None:
        raise OSError(code, "no locks")

    monkeypatch.setattr(fcntl, "flock", absent)  # the run moves to another disk, with a lock file of the first
    (tmp_path / "a.lock").touch()
    held = lock_file(tmp_path / "a.lock")
    with pytest.raises(Locked):
        lock_file(tmp_path / "a.lock")
    held.release()
    script = f"import os, pathlib; from videostar.util.locks import lock_file; import fcntl, errno\n\
def absent(*_): raise OSError(errno.ENOTSUP, 'no locks')\n\
fcntl.flock = absent; lock_file(pathlib.Path({str(tmp_path / 'a.lock')!r})); os._exit(0)"
    subprocess.run([*command()[:1], "-c", script], check=True, capture_output=True)
    lock_file(tmp_path / "a.lock").release()  # of a process that has died
    assert capsys.readouterr().err.count("videostar: ") == 1


@pytest.mark.slow
def test_a_cache_that_cannot_be_written(clips: Path, tmp_path: Path) -> None:
    rows = eight(clips)
    cache = tmp_path / "cache"
    done = child(tmp_path, READ_ONLY, "check", rows, "--pictures", "--json", "--cache", cache, READ_ONLY=str(cache))
    assert json.loads(done.stdout)["usable"] == 8
    (line,) = warnings(done)
    assert "--cache" in line
    assert not cache.exists()
    cache.mkdir()
    done = child(tmp_path, READ_ONLY, "cycle", "--data", rows, "--cache", cache, *QUICK, READ_ONLY=str(cache))
    assert len(warnings(done)) == 1, done.stderr
    assert not list(cache.rglob("*.safetensors"))


def test_a_cache_that_is_no_folder(videostar: Command, clips: Path, tmp_path: Path) -> None:
    rows = eight(clips)
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "cache", "/proc/videostar"):
        done = videostar("check", rows, "--pictures", "--json", "--cache", place)
        assert json.loads(done.stdout)["usable"] == 8
        assert "Traceback" not in done.stderr
        assert len(warnings(done)) == 1, done.stderr
