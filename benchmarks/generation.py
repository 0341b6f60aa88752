"""Videos a second through generation, against two peers in one run: `python benchmarks/generation.py --videos 500`.

On real H.264 files of the demo world, embedded model, answered directly and, where that fails, with the label given
away. After start-up, which both vLLM peers need alike:

- ours: `videostar generate` with `--engine vllm`, from files that were never opened before to the ledger on disk;
- bare: vLLM's own `LLM.generate` with the same options, fed with all prompts at once, frames already decoded;
- serial: the authors' way, one transformers `model.generate` at a time, each of which opens its video anew (PyAV; on
  the first `--serial` videos), and the same with frames already decoded;
- one after the other: ours, but with all videos decoded before the first is asked about.

After a round to warm up, ours and bare take turns `--repeats` times; the table has medians and their ratios. Below it
stands how often vLLM encoded a video, by its own count.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--serial", type=int, default=64, help="videos of the serial peer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--memory", type=int, default=0, help="also host memory on so many videos")
    args = parser.parse_args()

    # Processes that decode videos read this file again: what is heavy stays out of it.
    from generation_peers import measure

    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), args)


if __name__ == "__main__":
    main()
