"""Videos per second of the generate stage, compared with two others: `python benchmarks/generation.py --videos 500`.

The embedded model answers questions about H.264 files of the demo world: a direct answer and, where it is not kept, a
rationalised one. The time to start an engine is not counted. The table has these rows:

- ours: `videostar generate` with `--engine vllm`, from files that were not opened before to the ledger on disk;
- bare: vLLM's `LLM.generate` with the same options, with all prompts at once and frames already decoded;
- one after the other: ours, but with all videos decoded before the first question;
- serial: the way of the paper's code, one transformers `model.generate` per question, each of which opens its video
  with PyAV (on the first `--serial` videos);
- serial, frames at hand: the same with frames already decoded.

After a warm-up, the first three alternate `--repeats` times. The table has medians and ratios. The line below it has
the number of times that vLLM encoded each video, by vLLM's own count.
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
    parser.add_argument("--memory", type=int, default=0, help="also measure host memory, on this number of videos")
    args = parser.parse_args()

    # Heavy imports stay out of this module, because child processes may import it again.
    from generation_peers import measure

    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), args)


if __name__ == "__main__":
    main()
