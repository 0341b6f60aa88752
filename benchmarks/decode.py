"""Time to decode sampled frames, compared with four other libraries: `python benchmarks/decode.py --repeats 3`.

All libraries read the same files, return the same frames (those shown at the centres of equal parts of the duration) at
the same size, and go from a path to one uint8 array [frames, rows, columns, RGB]. Each is used as in its documentation:

- PyAV: decode from the start, convert and scale the sampled frames;
- torchcodec: `VideoDecoder(..., transforms=[Resize(...)]).get_frames_played_at`;
- decord2: `VideoReader(..., width, height).get_batch`;
- OpenCV: `grab` from the start, `retrieve` and `resize` the sampled frames.

`--threads` sets the number of threads of each. The defaults are those of the libraries (torchcodec: one; decord2,
OpenCV and videostar: one per core).

Install the other libraries with `pip install decord2 opencv-python-headless torchcodec` (torchcodec needs ffmpeg's
libraries). A library that is missing or cannot read a file has no figure. First the files are made, each of 10 s at 30
frames per second, which takes some minutes; `--files DIR` keeps them. The column `PyAV / cache` compares PyAV with a
second read through the frame cache.
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

from videostar.config import Cache
from videostar.video.decode import decode
from videostar.video.probe import probe
from videostar.video.sampling import Sampling, frame_times

PIXELS = 320 * 180
SAME = 8.0  # mean difference, of 255: scalers differ by less, neighbouring frames by more


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, help="the folder of the files, which is filled if need be")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--only", default="", help="only files whose names contain this")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        files = [path for path in make_files(args.files or Path(scratch)) if args.only in path.name]
        cases = [(path, frames) for path in files for frames in (8, 32)]
        rows = {case: measure(*case, args.repeats, args.threads, Path(scratch)) for case in track(cases, "decoding")}
    show(rows)


def measure(path: Path, frames: int, repeats: int, threads: int, scratch: Path) -> dict[str, float]:
    """Seconds of each library: the median of `repeats`, in alternating order."""
    times = frame_times(SECONDS, frames)
    numbers = [int(at * FPS + 0.03) for at in times]
    ours = decode(path, Sampling(frames, PIXELS), threads=threads)
    assert np.allclose(ours.times, [number / FPS for number in numbers], atol=0.002), path
    size = ours.frames.shape[2], ours.frames.shape[1]
    cache, sha256 = Cache(folder=str(scratch / "cache")).frames(), probe(path).sha256
    ways: dict[str, Callable[[], np.ndarray]] = {
        "videostar": lambda: decode(path, Sampling(frames, PIXELS), threads=threads).frames,
        "cache": lambda: cache.clip(path, sha256, Sampling(frames, PIXELS)).frames,
    }
    for name, peer in PEERS.items():
        ways[name] = lambda peer=peer: peer(path, numbers, size, threads)
    working = {name: way for name, way in ways.items() if _works(name, way, ours.frames, path)}
    spent: dict[str, list[float]] = {name: [] for name in working}
    for _ in range(repeats):
        for name, way in working.items():
            started = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - started)
    return {name: statistics.median(each) for name, each in spent.items()}


def _works(name: str, way: Callable[[], np.ndarray], expected: np.ndarray, path: Path) -> bool:
    """Whether `way` returns the expected frames. This first call also loads the library."""
    try:
        frames = way()
    except (ImportError, RuntimeError, OSError, ValueError) as error:
        print(f"{path.name}: {name}: {str(error).splitlines()[0]}")
        return False
    if frames.shape != expected.shape or np.abs(frames.astype(int) - expected).mean() > SAME:
        print(f"{path.name}: {name} returns other frames")
        return False
    return True


def show(rows: dict[tuple[Path, int], dict[str, float]]) -> None:
    """Print the table, and the number of rows in which videostar is at least as fast as the best other library."""
    table = Table(box=SIMPLE_HEAD)
    for column in ("file", "frames", "videostar, ms", *PEERS, "best / ours", "median / ours", "PyAV / cache"):
        table.add_column(column, justify="left" if column == "file" else "right")
    best, middle, cached = [], [], []
    for (path, frames), seconds in rows.items():
        ours, peers = seconds["videostar"], [seconds[name] for name in PEERS if name in seconds]
        best.append(min(peers) / ours)
        middle.append(statistics.median(peers) / ours)
        cached.append(seconds["PyAV"] / seconds["cache"])
        cells = [f"{1000 * seconds[name]:.0f}" if name in seconds else "-" for name in ("videostar", *PEERS)]
        ratios = (f"{best[-1]:.2f}", f"{middle[-1]:.2f}", f"{cached[-1]:.0f}")
        table.add_row(path.stem, str(frames), *cells, *ratios)
    console = Console()
    console.print(table)
    wins = sum(ratio >= 1 for ratio in best)
    console.print(f"at least as fast as the best peer: {wins} of {len(best)} rows, the least {min(best):.2f} times")
    console.print(f"against the median of the peers: {statistics.median(middle):.2f} times (median of the rows)")
    console.print(f"from the cache, against PyAV: {min(cached):.0f} to {max(cached):.0f} times")


if __name__ == "__main__":
    main()
