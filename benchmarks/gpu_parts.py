"""The parts of `benchmarks/gpu.py`, each of which it runs in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from gpu_models import Arithmetic, make_model, peak
from training_rows import write_rows

from videostar.config import Pipeline
from videostar.models.load import bare_model, free_memory
from videostar.pipeline_files import load_pipeline
from videostar.training.log import padding, read_log, waiting
from videostar.training.stage import train
from videostar.util.progress import silent

_GIB = 2**30


class Given:
    """The options, and what follows from them."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.folder, self.size = Path(options["folder"]), options["size"]
        self.frames, self.side, self.clips = (options[name] for name in ("frames", "side", "clips"))
        self.tiny = self.size == "tiny"
        self.world, self.model = self.folder / "world", self.folder / self.size

    def settings(self, **more: Any) -> Pipeline:
        """Those of `lvlm`, for these clips and the model, which is made if need be."""
        if not self.model.exists():
            started = time.monotonic()
            make_model(self.size, self.model)
            print(f"{self.size}: random weights written in {time.monotonic() - started:.0f} s", flush=True)
        video = {"frames": self.frames, "max_pixels": self.side**2}
        return load_pipeline("lvlm", model=str(self.model), data=str(self.world / "labels.csv"), video=video, **more)

    def version(self, rows: int, words: int) -> Path:
        """A dataset version of so many rows, with answers of about so many words."""
        clips = [f"{number % self.clips:02}.mp4" for number in range(rows)]
        lengths = [words // 2 + number * words // rows for number in range(rows)]
        return write_rows(self.folder / f"version-{self.size}-{time.monotonic_ns()}", clips, lengths)


def train_lora(given: Given) -> None:
    """Train with gradient checkpointing off and on."""
    name, rate = peak()
    steps, skip, batch, accumulated = (3, 1, 2, 1) if given.tiny else (8, 2, 4, 4)
    rows = steps * batch * accumulated
    version = given.version(rows, 4 if given.tiny else 80)
    for checkpointing in (False, True):
        options = {
            "batch_size": batch,
            "gradient_accumulation": accumulated,
            "gradient_checkpointing": checkpointing,
            "epochs": 1,
            "processes": 1,
        }
        settings = given.settings(training=options)
        way = f"train {given.size}, gradient checkpointing {'on' if checkpointing else 'off'}"
        out = given.folder / f"lora-{given.size}-{checkpointing}"
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        try:
            train(version, given.world, settings, out, log=out.with_suffix(".jsonl"))
        except torch.OutOfMemoryError:
            print(f"{way}: does not fit", flush=True)
            continue
        finally:
            free_memory()
        records = read_log(out.with_suffix(".jsonl"))[skip:]
        seconds = sum(record["seconds"] for record in records)
        arithmetic = Arithmetic(bare_model(settings.spec), settings.training.rank, given.frames, given.side**2)
        done = sum(arithmetic.step(record, batch * accumulated) for record in records) / seconds
        tokens = sum(record["input_tokens"] for record in records) / seconds
        used = f"MFU {done / rate:.1%}" if rate else "MFU unknown"
        memory = torch.cuda.max_memory_reserved() / _GIB if torch.cuda.is_available() else 0
        print(
            f"{way}: {tokens:,.0f} tokens/s, {seconds / len(records):.2f} s a step of {batch * accumulated} rows, "
            f"{done / 1e12:.2f} TFLOP/s, {used} of {name}, {memory:.1f} GiB, padding {padding(records):.1%}, "
            f"without a batch {waiting(records):.1%}",
            flush=True,
        )


def serve(given: Given) -> None:
    """Generation by vLLM, memory between stages, and the LoRA in vLLM."""
    from generation_peers import bare_round, ours

    from videostar.engines.vllm.engine import VllmEngine
    from videostar.runs.data import RunData

    options = {"enable_lora": True, "kv_cache_memory_bytes": _GIB // 4} if given.tiny else {}
    settings = given.settings(
        engine={"name": "vllm", "options": options},
        generation={"max_new_tokens": 8 if given.tiny else 128},
        training={"epochs": 1, "processes": 1},
    )
    data = RunData(settings)
    data.read(silent)
    questions = data.questions
    asked = questions.split("train")
    cache = settings.cache.frames()
    clips = [cache.clip(questions.root / q.sample.video, q.sample.sha256, q.sampling(settings.video)) for q in asked]
    print(f"free memory at first: {_free()}", flush=True)
    with VllmEngine(settings) as engine:
        engine.use(None)
        print(f"free memory while vLLM runs: {_free()}", flush=True)
        ours(questions, settings, engine, given.folder / "warm")  # starts the processes that decode, and kernels
        bare_round(engine.llm, engine, asked, clips)
        rates = []
        for turn in range(1 if given.tiny else 3):
            own = ours(questions, settings, engine, given.folder / f"ours-{turn}")
            rates.append((own, bare_round(engine.llm, engine, asked, clips)))
        shown = ", ".join(f"{own:.2f} against {bare:.2f} ({own / bare:.2f} times)" for own, bare in rates)
        print(f"generate, videos per second, ours against bare vLLM: {shown}", flush=True)
        engine.release()
        print(f"free memory after vLLM is released: {_free()}", flush=True)
        lora = given.folder / "lora-served"
        train(given.version(4, 20), given.world, settings, lora, log=given.folder / "served.jsonl")
        free_memory()
        print(f"free memory after training: {_free()}", flush=True)
        engine.use(lora)  # validates it with its canaries, or merges it
        if engine._lora is None:
            sys.exit("vLLM does not serve the LoRA as it is: it was merged into the weights")
        print("LoRA loaded into vLLM: gives the answers of its canaries", flush=True)


def _free() -> str:
    """The GPU's free memory."""
    if not torch.cuda.is_available():
        return "no GPU"
    free, total = torch.cuda.mem_get_info()
    return f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB"


if __name__ == "__main__":
    parts = {"model": Given.settings, "train": train_lora, "serve": serve}
    parts[sys.argv[1]](Given(json.loads(sys.argv[2])))
