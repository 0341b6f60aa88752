"""The report of a run with many answers: seconds and memory to write it, and how fast its page is in Chromium.

    videostar demo
    python benchmarks/report.py runs/demo --answers 100000

The ledgers of the run are repeated, each time with other question ids and texts, until there are so many answers.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Page, sync_playwright

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def enlarge(run: Path, out: Path, answers: int) -> int:
    """A copy of the run `run` with at least so many answers; returns their number."""
    # Without the ledgers of controls and sets, which the report does not show.
    skipped = shutil.ignore_patterns("report", "dataset", ".lock", "evaluation.*.jsonl")
    shutil.copytree(run, out, symlinks=True, ignore=skipped)
    ledgers = sorted((out / "rounds").glob("*/*.jsonl"))
    lines = {path: [json.loads(line) for line in path.read_text().splitlines()] for path in ledgers}
    times = -(-answers // sum(map(len, lines.values())))
    for path, found in lines.items():
        with path.open("w") as file:
            for copy in range(times):
                for line in found:
                    own = {
                        "question_id": f"{copy:04x}{line['question_id'][4:]}",
                        "answer": f"{line['answer']} ({copy})",
                    }
                    file.write(json.dumps(line | own) + "\n")
    return times * sum(map(len, lines.values()))


def use(page: Page, address: str) -> dict[str, float]:
    """Seconds until the page shows examples, and from an action to its result."""

    def ready() -> float:
        page.wait_for_selector("#items[aria-busy=false]", state="attached")
        return time.monotonic() - started

    found: dict[str, float] = {}
    started = time.monotonic()
    page.goto(address)
    found["page shows examples"] = ready()
    for name, value in (("verdict", "wrong"), ("round", "round 1")):
        started = time.monotonic()
        page.select_option(f"select[name={name}]", label=value)
        found[f"filter by {name}"] = ready()
    page.click(".pager .reset")
    started = time.monotonic()
    page.click(".pager [data-step='1']")
    found["next page"] = ready()
    started = time.monotonic()
    page.fill("input[name=text]", "no answer has this")
    page.wait_for_selector("#items:empty", state="attached")
    found["search of all texts"] = ready()
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--answers", type=int, default=100_000)
    given: Any = parser.parse_args()
    with TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        print(f"{enlarge(given.run, run, given.answers):,} answers")
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", "videostar.cli.app", "report", str(run)], check=True)
        print(f"written in {time.monotonic() - started:.1f} s")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(f"peak memory {peak:.2f} GiB of the largest process")
        size = sum(file.stat().st_size for file in (run / "report").rglob("*") if file.is_file())
        print(
            f"size {size / 1e6:.0f} MB, of which index.html {(run / 'report/index.html').stat().st_size / 1e6:.1f} MB"
        )
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
            for name, seconds in use(browser.new_page(), (run / "report" / "index.html").as_uri()).items():
                print(f"{name}: {seconds:.2f} s")
            browser.close()


if __name__ == "__main__":
    main()
