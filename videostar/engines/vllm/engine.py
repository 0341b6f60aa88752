"""vLLM, offline: one engine for a whole run, fed by windows from several threads, with adapters loaded into it.

vLLM knows adapters by an id that the caller picks, and serves the old weights when an id is used twice: here every
adapter is copied aside and called by its digest. That it is really served is shown by its canaries (see
`videostar/models/lora.py`).
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any, Self

from videostar.config import Pipeline
from videostar.engines.base import EngineDied, Refused, Reply, Request
from videostar.engines.vllm.options import allocator, fits_beside_training, llm_options, unfit
from videostar.engines.vllm.pump import Pump
from videostar.models.canary import alike, canaries_of
from videostar.models.chat import Chat, Turn, metadata
from videostar.models.families import as_processed
from videostar.models.load import device, free_memory, load_config, load_processor, save_merged
from videostar.models.lora import Canary, read_facts
from videostar.util.errors import UserError
from videostar.util.files import digest
from videostar.util.processes import OURS, without_main
from videostar.util.resources import model_path
from videostar.util.terminal import warn
from videostar.video.clip import Clip

# Read when vLLM is imported: what users see is ours, and nothing is reported to anyone.
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
# A forked process would inherit our threads, and the lock of the run.
os.environ.setdefault("VLLM_WORKER_MULTIPROCESSING_METHOD", "spawn")
os.environ[OURS] = "1"


class VllmEngine:
    """vLLM's `LLM`. Frames go in decoded, with the times at which they are shown."""

    name = "vllm"
    windows = 6  # some are answered, some rationalised, some wait for their clips: the engine never runs dry

    def __init__(self, settings: Pipeline) -> None:
        self.settings = settings
        self.chat = Chat(load_processor(settings))
        self._copies = Path(tempfile.mkdtemp(prefix="videostar-adapters-"))
        self._model = model_path(settings.model)  # what runs: the base, or a copy with an adapter merged into it
        self._lora: Any = None
        self._used: str | None = None  # the digest of the adapter that answers; empty: the base
        self._canaries: dict[str, list[Canary]] = {}
        self._pump: Pump | None = None
        self._starting = threading.Lock()

    def use(self, adapter: Path | None) -> None:
        """Start if need be, load the adapter and see that it is the one that answers, unless it does already."""
        wanted = digest(adapter) if adapter is not None else ""
        if self._used == wanted and self._pump is not None and self._pump.alive:
            return
        self._used = self._lora = None
        if adapter is None:
            self._run(model_path(self.settings.model))
        else:
            self._load(adapter)
        self._used = wanted

    def _load(self, adapter: Path) -> None:
        """Have the adapter answer. Raises UserError when it does not."""
        copy = self._copies / "new"
        rmtree(copy, ignore_errors=True)
        copytree(adapter, copy)
        facts = read_facts(copy)
        copy = copy.rename(self._copies / facts.digest) if not (self._copies / facts.digest).exists() else copy
        # Made but once: an engine that runs may leave no memory for it.
        if facts.digest not in self._canaries:
            self._canaries[facts.digest] = canaries_of(copy, self.settings, self.chat)
        canaries = self._canaries[facts.digest]
        options = llm_options(self.settings, self._model)
        wrong = unfit(self.settings, facts.rank, options)
        if options["enable_lora"] and not wrong:
            self._run(model_path(self.settings.model))
            self._lora = _lora_request(facts.digest, self._copies / facts.digest)
            wrong = self._listen(canaries)
            if not wrong:
                return
            self._lora = None
        if wrong:
            warn(f"vLLM does not serve {adapter} as an adapter ({wrong}): it is merged into a copy of the weights")
        wrong = self._take(self._merged(copy, facts.digest), canaries)
        if wrong:
            raise UserError(f"{adapter}: vLLM answers otherwise than transformers does ({wrong}); use that engine")

    def _merged(self, adapter: Path, name: str) -> str:
        """The folder of a copy of the weights with this adapter merged into them."""
        merged = self._copies / "merged" / name
        if not merged.exists():
            rmtree(merged.parent, ignore_errors=True)  # the last adapter's, as large as the model
            save_merged(self.settings, adapter, merged)
        return str(merged)

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """Replies, once all are there. Any number of threads may ask at once."""
        options = self.settings.generation
        asked = [
            [
                self._ask(
                    {"prompt": self.chat.text(Turn(request.question, request.clip))},
                    request.clip,
                    max_tokens=options.max_new_tokens,
                    temperature=0.0 if seed is None else options.temperature,
                    seed=seed,
                )
                for seed in request.seeds or (None,)
            ]
            for request in requests
        ]
        return [self._reply([future.result() for future in tries]) for tries in asked]

    def _reply(self, tries: Sequence[Any]) -> Reply:
        refused = next((item for item in tries if isinstance(item, Refused)), None)
        # Decoded here, by the tokenizer that training uses, so that both engines give the same text.
        rows = [list(output.outputs[0].token_ids) for output in tries if not isinstance(output, Refused)]
        return refused or self.chat.answers(rows, self.settings.generation.max_new_tokens)

    def _ask(self, prompt: dict[str, Any], clip: Clip, **params: Any) -> Future[Any]:
        from vllm import SamplingParams

        about = {**metadata(clip), "do_sample_frames": False, "video_backend": "pyav"}
        prompt |= {"multi_modal_data": {"video": [(clip.frames, about)]}}
        if clip.key:
            prompt |= {"multi_modal_uuids": {"video": [clip.key]}}
        if self._pump is None:
            raise EngineDied("not started")
        return self._pump.submit(prompt, SamplingParams(detokenize=False, **params), self._lora)

    def _listen(self, canaries: Sequence[Canary]) -> str:
        """What is wrong with the answers to the canaries; empty if nothing is."""
        for canary in canaries:
            text = self.chat.text(Turn(canary.question, canary.clip))
            said = self._ask({"prompt": text}, canary.clip, max_tokens=len(canary.answer), temperature=0.0)
            short = self.chat.tokenizer(text, add_special_tokens=False)["input_ids"]
            # Token by token: `prompt_logprobs` would say it in one go, and kills vLLM once adapters are allowed.
            forced = [
                self._ask(
                    {"prompt_token_ids": [*short, *canary.answer[:place]]},
                    canary.clip,
                    max_tokens=1,
                    temperature=0.0,
                    logprobs=0,
                    allowed_token_ids=[token],
                )
                for place, token in enumerate(canary.answer)
            ]
            try:
                greedy, likely = said.result(), [future.result() for future in forced]
            except EngineDied:
                self.restart()
                return "it died of it"
            refused = next((item for item in (greedy, *likely) if isinstance(item, Refused)), None)
            if refused:
                return refused.reason
            wrong = canary.compare(
                as_processed(greedy.prompt_token_ids, self.chat.processor, load_config(self.settings)),
                list(greedy.outputs[0].token_ids),
                [item.outputs[0].logprobs[0][token].logprob for item, token in zip(likely, canary.answer, strict=True)],
                exact=alike(self.settings),
            )
            if wrong:
                return wrong
        return ""

    @property
    def llm(self) -> Any:
        """vLLM's own `LLM` while it runs, for its counters. Raises EngineDied when it does not."""
        if self._pump is None:
            raise EngineDied("not started")
        return self._pump.llm

    def _take(self, model: str, canaries: Sequence[Canary]) -> str:
        """Have an engine with these weights, the one that runs if it takes them; what its canaries find wrong."""
        if self._model != model and self._pump is not None and self._pump.load(model):
            self._model = model
            if not self._listen(canaries):
                return ""
            self._stop()
        self._run(model)
        return self._listen(canaries)

    def _run(self, model: str) -> None:
        """Have an engine that was started with these weights."""
        if self._model != model:
            self._stop()
        self._model = model
        self.restart()

    def restart(self) -> None:
        """Start the engine unless it runs. Raises UserError when it does not come up."""
        with self._starting:
            if self._pump is not None and self._pump.alive:
                return
            self._stop()
            free_memory()
            self._pump = Pump(_start(self.settings, self._model))

    def rest(self) -> None:
        """Stop, so that memory is really free, unless there is enough for both."""
        if not fits_beside_training(self.settings):
            self._stop()

    def _stop(self) -> None:
        if self._pump is not None:
            self._pump.stop()
            self._pump = None
            gc.collect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        rmtree(self._copies, ignore_errors=True)


def _start(settings: Pipeline, model: str) -> Any:
    try:
        from vllm import LLM
        from vllm.platforms import current_platform
    except ImportError:
        raise UserError(
            "engine vllm: is not installed; pip install 'videostar[vllm]' for a GPU; without one see `make vllm`"
        ) from None
    where = device(settings).type
    if current_platform.is_cpu() != (where == "cpu"):
        raise UserError(
            f"engine vllm: the build that is installed computes on {current_platform.device_type}, and engine.device "
            f"({settings.engine.device}) means {where}: set it to match, or install the other build"
        )
    if where == "cpu":
        # For the process that vLLM starts: a core is left for decoding videos and for this process.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
    try:
        with without_main(), _preloaded(allocator() if where == "cpu" else None):
            return LLM(**llm_options(settings, model))
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise UserError(f"engine vllm: does not start: {str(error).strip().splitlines()[-1]}") from None


@contextmanager
def _preloaded(library: Path | None) -> Iterator[None]:
    """Programs that start meanwhile load this library first, unless the user has chosen what they do."""
    before = os.environ.get("LD_PRELOAD")
    if library is not None and before is None:
        os.environ["LD_PRELOAD"] = str(library)
    try:
        yield
    finally:  # vLLM adds to it, and what decodes videos has no use for any of that
        os.environ.pop("LD_PRELOAD", None)
        if before is not None:
            os.environ["LD_PRELOAD"] = before


def _lora_request(name: str, folder: Path) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest(name, int(name[:15], 16) % (2**31 - 1) + 1, str(folder))
