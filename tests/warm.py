"""The command line in a fork of a process that has everything loaded: loading takes longer than most commands do.

A child is what `python -m videostar.cli` would be after its imports. It ends with the same threads joined and the same
hooks called, but without the last step of Python, which takes every module apart: that would cost a second each time.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any


class Warm:
    """Runs commands one at a time, each in a child process of its own."""

    def __init__(self, scratch: Path) -> None:
        self._out, self._err = scratch / "out", scratch / "err"
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._parent = subprocess.Popen([sys.executable, __file__], text=True, bufsize=1, **pipes)

    @property
    def pid(self) -> int:
        """The process whose children the commands are."""
        return self._parent.pid

    def run(self, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """What came of `videostar ARGUMENTS` in the folder `cwd`."""
        words = [str(argument) for argument in arguments]
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps([words, str(cwd), str(self._out), str(self._err)]) + "\n")
        status = int(self._parent.stdout.readline())
        return subprocess.CompletedProcess(words, status, self._out.read_text(), self._err.read_text())

    def stop(self) -> None:
        """Waits until it is through."""
        self._parent.communicate()


def load_all() -> None:
    """All that a run loads, but nothing computed: threads do not survive a fork."""
    import datasets  # noqa: F401
    import lemminflect  # noqa: F401
    import peft  # noqa: F401
    import s3fs  # noqa: F401
    import scipy.io  # noqa: F401
    import transformers.models.qwen3_vl.modeling_qwen3_vl
    import transformers.tokenization_mistral_common  # noqa: F401
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    import videostar.cli.app
    import videostar.cli.comparison_tables
    import videostar.cli.tables
    import videostar.cli.version_tables
    import videostar.cycle
    import videostar.demo.build
    import videostar.engines.transformers
    import videostar.report.page
    import videostar.runs.preflight
    import videostar.runs.single_stage
    import videostar.video.pool  # noqa: F401
    from videostar.models.load import load_processor
    from videostar.pipeline_files import load_pipeline

    load_processor(load_pipeline("demo").spec)  # which looks at all of transformers' models
    get_checkpoint_conversion_mapping("")  # so does the first model that is loaded
    gc.freeze()  # no child looks through all this for what can be freed


def _serve() -> None:
    """Until there are no more commands; in a child, one of them."""
    load_all()
    for line in sys.stdin:
        words, folder, *files = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _command(words, folder, files)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _command(words: list[str], folder: str, files: list[str]) -> None:
    from videostar.cli.app import main

    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for stream, file in zip((1, 2), files, strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.chdir(folder)
    sys.argv = ["videostar", *words]
    status = 1
    try:
        main()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:  # noqa: BLE001  (a child that falls through would be a second parent)
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
