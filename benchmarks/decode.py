"""Decoding a file's sampled frames, against four peers in one run: `python benchmarks/decode.py --repeats 3`.

Same files, same frames (the pictures on screen at the centres of equal shares of the time), same output size, from a
path to one uint8 array [frames, rows, columns, RGB]. Peers are used as their documents do:

- PyAV, naive: decode from the start, convert and scale what is wanted;
- torchcodec: `VideoDecoder(..., transforms=[Resize(...)]).get_frames_played_at`;
- decord2: `VideoReader(..., width, height).get_batch`;
- OpenCV: `grab` from the start, `retrieve` and `resize` what is wanted.

Threads are each library's own default (torchcodec: one; decord2 and OpenCV: one a core), with `--threads` as many for
all that can be told; ours are one a core, or `--threads`.

The peers are installed beside: `pip install decord2 opencv-python-headless torchcodec` (the last needs ffmpeg's
libraries); one that is missing, or cannot read a file, has no figure. Files are made first, 10 s at 30 pictures a
second each, which takes some minutes: `--files DIR` keeps them. `cache` is the second reading through the frame cache,
against PyAV.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from decode_files import FPS, SECONDS, make_files
from decode_peers import PEERS
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from videostar.video.cache import FrameCache
from videostar.video.decode import decode
from videostar.video.probe import probe
from videostar.video.sampling import Sampling, frame_times

PIXELS = 320 * 180
SAME = 8.0  # of 255, mean: scalers differ by less, neighbouring pictures by more


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, help="where the files are, or are to be")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--only", default="", help="files with this in their names")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        files = [path for path in make_files(args.files or Path(scratch)) if args.only in path.name]
        cases = [(path, frames) for path in files for frames in (8, 32)]
        rows = {case: measure(*case, args.repeats, args.threads, Path(scratch)) for case in track(cases, "decoding")}
    show(rows)


def measure(path: Path, frames: int, repeats: int, threads: int, scratch: Path) -> dict[str, float]:
    """Seconds of each way, the median of `repeats`; ways take turns."""
    times = frame_times(SECONDS, frames)
    wanted = [int(at * FPS + 0.03) for at in times]
    ours = decode(path, Sampling(frames, PIXELS), threads=threads)
    assert np.allclose(ours.times, [number / FPS for number in wanted], atol=0.002), path
    size = ours.frames.shape[2], ours.frames.shape[1]
    cache, sha256 = FrameCache(scratch / "cache", 2**40), probe(path).sha256
    ways: dict[str, Callable[[], np.ndarray]] = {
        "videostar": lambda: decode(path, Sampling(frames, PIXELS), threads=threads).frames,
        "cache": lambda: cache.clip(path, sha256, Sampling(frames, PIXELS)).frames,
    }
    for name, peer in PEERS.items():
        ways[name] = lambda peer=peer: peer(path, wanted, size, threads)
    working = {name: way for name, way in ways.items() if _works(name, way, ours.frames, path)}
    spent: dict[str, list[float]] = {name: [] for name in working}
    for _ in range(repeats):
        for name, way in working.items():
            started = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in spent.items()}


def _works(name: str, way: Callable[[], np.ndarray], expected: np.ndarray, path: Path) -> bool:
    """Whether it gives those pictures; also opens, loads and warms what it needs."""
    try:
        found = way()
    except (ImportError, RuntimeError, OSError, ValueError) as error:
        print(f"{path.name}: {name}: {str(error).splitlines()[0]}")
        return False
    if found.shape != expected.shape or np.abs(found.astype(int) - expected).mean() > SAME:
        print(f"{path.name}: {name} gives other frames")
        return False
    return True


def show(rows: dict[tuple[Path, int], dict[str, float]]) -> None:
    """The table, and in how many rows ours is at least as fast as the best peer."""
    table = Table(box=SIMPLE_HEAD)
    for column in ("file", "frames", "videostar, ms", *PEERS, "best / ours", "median / ours", "PyAV / cache"):
        table.add_column(column, justify="left" if column == "file" else "right")
    best, middle, cached = [], [], []
    for (path, frames), seconds in rows.items():
        ours, peers = seconds["videostar"], [seconds[name] for name in PEERS if name in seconds]
        best.append(min(peers) / ours)
        middle.append(statistics.median(peers) / ours)
        cached.append(seconds["PyAV"] / seconds["cache"])
        said = [f"{1000 * seconds[name]:.0f}" if name in seconds else "-" for name in ("videostar", *PEERS)]
        ratios = (f"{best[-1]:.2f}", f"{middle[-1]:.2f}", f"{cached[-1]:.0f}")
        table.add_row(path.stem, str(frames), *said, *ratios)
    console = Console()
    console.print(table)
    wins = sum(ratio >= 1 for ratio in best)
    console.print(f"at least as fast as the best peer: {wins} of {len(best)} rows, the least {min(best):.2f} times")
    console.print(f"against the median of the peers: {statistics.median(middle):.2f} times (median of the rows)")
    console.print(f"from the cache, against PyAV: {min(cached):.0f} to {max(cached):.0f} times")


if __name__ == "__main__":
    main()
