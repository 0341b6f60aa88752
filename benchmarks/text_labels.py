"""What a judgement of a label of kind `text` costs: `python benchmarks/text_labels.py`.

Answers of six sentences are judged one by one and in windows of 64, by an encoder of one thread and of torch's default
number, alone and beside a process that multiplies matrices on all cores, as an engine without a GPU does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from videostar.labels import encoder
from videostar.labels.paraphrase import Paraphrase, judge_paraphrases

CASES = Path(__file__).parent.parent / "tests" / "data" / "verification_own.jsonl"
_SENTENCES = 6  # of an answer
_WINDOW = 64
_BUSY = "import torch\na = torch.randn(1500, 1500)\nprint(flush=True)\nwhile True: a @ a"


def answers() -> list[tuple[Paraphrase, str, None]]:
    """A window of answers, made of sentences of the repository's cases."""
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    texts = [case for case in cases if case["label"]["kind"] == "text"]
    sentences = [text for case in texts for text in case["answer"].rstrip(".").split(". ")]
    found: list[tuple[Paraphrase, str, None]] = []
    for number in range(_WINDOW):
        # Numbered, since a sentence that repeats is embedded once.
        some = [f"{sentences[(number * 7 + k * 11) % len(sentences)]} {number}" for k in range(_SENTENCES)]
        label = Paraphrase(reference=texts[number % len(texts)]["label"]["reference"])
        found.append((label, ". ".join(some) + ".", None))
    return found


@contextmanager
def busy(yes: bool) -> Iterator[None]:
    """A process on all cores meanwhile."""
    if not yes:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _BUSY], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        process.wait()


def milliseconds(window: list[tuple[Paraphrase, str, None]], *, together: bool, times: int) -> float:
    """The median time of a judgement."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        for some in [window] if together else [[one] for one in window]:
            judge_paraphrases(some)
        found.append((time.perf_counter() - started) / len(window) * 1000)
    return statistics.median(found)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="windows that are judged for each figure")
    args = parser.parse_args()
    window = answers()
    judge_paraphrases(window)  # loads the encoder and embeds the references
    default = torch.get_num_threads()
    table = Table(title=f"milliseconds a judgement, answers of {_SENTENCES} sentences")
    for column in ("threads", "answers together", "alone", "beside a busy process"):
        table.add_column(column, justify="right")
    for threads in sorted({1, default}):
        encoder.THREADS = threads
        for together in (False, True):
            cells = []
            for beside in (False, True):
                with busy(beside):
                    cells.append(f"{milliseconds(window, together=together, times=args.times):.0f}")
            table.add_row(str(threads), str(_WINDOW if together else 1), *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
