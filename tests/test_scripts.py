"""The library called by a program that is not prepared for it: no `__main__` guard, or no file at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

SCRIPT = """
print("once", flush=True)
import videostar
data = videostar.load_data(videostar.load_pipeline(data={data!r}, cache={{"folder": "cache"}}))
print(len(data.samples) > 0)
"""


@pytest.mark.parametrize("given", ["file", "-c", "stdin", "module"])
def test_a_script_without_a_guard_is_run_once(world: Path, tmp_path: Path, given: str) -> None:
    """With an empty cache, so that every video is opened."""
    code = SCRIPT.format(data=str(world))
    (tmp_path / "script.py").write_text(code)
    words = {"file": ["script.py"], "-c": ["-c", code], "stdin": ["-"], "module": ["-m", "script"]}[given]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, input=code, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\nTrue\n", "")


def test_a_script_without_a_guard_writes_a_world_once(tmp_path: Path) -> None:
    """And finds its relative paths after it has changed folders."""
    (tmp_path / "script.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from videostar.demo.build import World, build_world\n"
        "from videostar.util.progress import silent\n"
        "print('once')\n"
        "build_world(Path('world'), World(train=2, validation=1, test=2, mix=2, seed=7), silent(''))\n"
        "os.chdir('world')\n"
        "build_world(Path('../other'), World(train=2, validation=1, test=2, mix=2, seed=8), silent(''))\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n", "")
    for folder in ("world", "other"):
        assert len(list((tmp_path / folder).rglob("*.mp4"))) == 7


def test_a_killed_script_leaves_no_process(tmp_path: Path) -> None:
    """Not even one that is deep in a call, or stopped."""
    (tmp_path / "script.py").write_text(
        "import signal, time\n"
        "from videostar.video.workers import Workers\n"
        "workers = Workers(2)\n"
        "workers.submit(workers.call, time.sleep, 300)\n"
        "workers.submit(workers.call, signal.raise_signal, signal.SIGSTOP)\n"
    )
    script = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path)
    found: list[psutil.Process] = []
    while len(found) < 3:  # the one that they are forked from, and they
        assert script.poll() is None
        found = psutil.Process(script.pid).children(recursive=True)
    script.kill()
    script.wait()
    _, alive = psutil.wait_procs(found, timeout=30)
    assert not alive


def test_a_forked_script_has_workers_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import os\n"
        "from videostar.video.workers import Workers\n"
        "def parent():\n"
        "    with Workers(1) as workers:\n"
        "        return workers.submit(workers.call, os.getppid).result()\n"
        "before = parent()\n"
        "pid = os.fork()\n"
        "after = parent()\n"
        "print(after == before, flush=True)\n"
        "if pid:\n"
        "    os.waitpid(pid, 0)\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, sorted(done.stdout.split()), done.stderr) == (0, ["False", "True"], "")
