"""vLLM, offline: one engine for a whole run, fed by windows from several threads, with LoRAs loaded into it.

vLLM knows a LoRA by an id that the caller picks, and serves the old weights when an id is used twice: here every LoRA
is copied and named by its digest. Its canaries prove that it is served (see `videostar/models/canary.py`).
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

from videostar.config import ModelSpec, Pipeline
from videostar.engines.base import EngineDied, LoraNotServed, Refused, Reply, Request, WrongLora
from videostar.engines.vllm.options import MERGED, VllmSetup, allocator, fits_beside_training
from videostar.engines.vllm.pump import Pump
from videostar.models.canary import Canary, exact_arithmetic, find_canaries
from videostar.models.chat import Chat, Turn, metadata
from videostar.models.families import as_processed
from videostar.models.load import device, free_memory, load_config, load_processor
from videostar.models.lora import read_facts
from videostar.models.merge import save_merged
from videostar.models.refusals import Refusals
from videostar.util.errors import UserError
from videostar.util.files import digest
from videostar.util.processes import OURS, without_main
from videostar.util.resources import model_path
from videostar.util.terminal import warn
from videostar.video.clip import Clip

# Read when vLLM is imported. Usage statistics are never sent.
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
# A forked process would inherit our threads, and the lock of the run.
os.environ.setdefault("VLLM_WORKER_MULTIPROCESSING_METHOD", "spawn")
os.environ[OURS] = "1"


class VllmEngine:
    """vLLM's `LLM`. Frames go in decoded, with the times at which they are shown."""

    name = "vllm"
    windows = 6  # some are answered, some rationalised, some wait for their clips: the engine never waits

    def __init__(self, settings: Pipeline, videos: int = 1) -> None:
        self.spec, self.video, self.generation = settings.spec, settings.video, settings.generation
        self.setup = VllmSetup.of(settings, videos)
        self.chat = Chat(load_processor(self.spec))
        self.refusals = Refusals(self.spec, self.video)
        self._base = model_path(self.spec.name)
        self._weights = self._base  # of the engine that runs: the base, or a copy with a LoRA merged into it
        self._copies = Path(tempfile.mkdtemp(prefix="videostar-loras-"))
        self._lora: Any = None  # vLLM's request for the LoRA that answers; None: the weights alone
        self._used: str | None = None  # digest of the LoRA that answers; empty: the base alone
        self._canaries: dict[str, list[Canary]] = {}
        self._pump: Pump | None = None
        self._starting = threading.Lock()

    def use(self, lora: Path | None) -> None:
        """Start if need be, load the LoRA and validate it with its canaries, unless it is in use already."""
        wanted = digest(lora) if lora is not None else ""
        if self._used == wanted and self._pump is not None and self._pump.alive:
            return
        self._used = self._lora = None
        if lora is None:
            self._run(self._base)
        else:
            self._load(lora)
        self._used = wanted

    def _load(self, lora: Path) -> None:
        """Load the LoRA into vLLM, or else merged into a copy of the weights. Raises UserError if neither serves it."""
        copy = self._copies / "new"
        rmtree(copy, ignore_errors=True)
        copytree(lora, copy)
        facts = read_facts(copy)
        folder = self._copies / facts.digest
        if not folder.exists():
            copy.rename(folder)
        # Made once: while an engine runs there may be no memory for it.
        if facts.digest not in self._canaries:
            self._canaries[facts.digest] = find_canaries(folder, self.spec, self.video, self.chat)
        canaries = self._canaries[facts.digest]
        options = self.setup.llm_options(self._weights)
        misfit = self.setup.lora_misfit(facts, options)
        if options["enable_lora"] and not misfit:
            self._run(self._base)
            self._lora = _lora_request(facts.digest, folder)
            try:
                self._validate(canaries)
            except LoraNotServed as error:
                misfit, self._lora = str(error), None
            else:
                return
        if misfit:
            warn(f"vLLM does not serve the LoRA {lora} ({misfit}): it is merged into a copy of the weights")
        try:
            self._load_merged(self._merge(folder, facts.digest), canaries)
        except LoraNotServed as error:
            raise WrongLora(
                f"{lora}: vLLM's answers differ from those of transformers ({error}); use --engine transformers"
            ) from None

    def _merge(self, lora: Path, name: str) -> str:
        """The folder of a copy of the weights with this LoRA merged into them."""
        merged = self._copies / "merged" / name
        if not merged.exists():
            rmtree(merged.parent, ignore_errors=True)  # the last LoRA's, as large as the model
            save_merged(self.spec, lora, merged)
        return str(merged)

    def _load_merged(self, weights: str, canaries: Sequence[Canary]) -> None:
        """Load these weights into the running engine, or into a new one if that fails. Raises LoraNotServed."""
        if self._weights != weights and self._pump is not None and self._pump.load(weights):
            self._weights = weights
            try:
                self._validate(canaries)
            except LoraNotServed:
                self._stop()
            else:
                return
        self._run(weights)
        self._validate(canaries)

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        """Replies, once all are there. Any number of threads may call this at once."""
        pending = [
            [
                self._submit(
                    {"prompt": self.chat.text(Turn(request.question, request.clips))},
                    request.clips,
                    max_tokens=self.generation.max_new_tokens,
                    temperature=0.0 if seed is None else self.generation.temperature,
                    seed=seed,
                    # Of the answer's tokens alone. An object for each of them would cost a tenth of a small model's
                    # time.
                    logprobs=0,
                    flat_logprobs=True,
                )
                for seed in request.seeds or (None,)
            ]
            for request in requests
        ]
        return [self._reply([future.result() for future in tries]) for tries in pending]

    def _reply(self, tries: Sequence[Any]) -> Reply:
        refused = next((item for item in tries if isinstance(item, Refused)), None)
        # Decoded here, by the tokenizer that training uses, so that all engines give the same text.
        answers = [output.outputs[0] for output in tries if not isinstance(output, Refused)]
        rows = [list(answer.token_ids) for answer in answers]
        known = [answer.cumulative_logprob for answer in answers]
        return refused or self.chat.responses(rows, known, self.generation.max_new_tokens)

    def ask_base(self, prompts: Sequence[str], max_new_tokens: int) -> list[str | Refused]:
        """Replies, once all are there. Raises UserError if the LoRA is merged into the weights."""
        if self._weights != self._base:
            raise UserError(f"verification: {MERGED}")
        texts = [self.chat.text(Turn(prompt)) for prompt in prompts]
        pending = [self._enqueue({"prompt": text}, None, max_tokens=max_new_tokens, temperature=0.0) for text in texts]
        found = [future.result() for future in pending]
        return [one if isinstance(one, Refused) else self.chat.decode([one.outputs[0].token_ids])[0] for one in found]

    def _submit(self, prompt: dict[str, Any], clips: Sequence[Clip], **params: Any) -> Future[Any]:
        # Of an error of the processor vLLM repeats the pixels, not the reason.
        if refusal := self.refusals.refusal(clips):
            refused: Future[Any] = Future()
            refused.set_result(Refused(str(refusal)))
            return refused
        about = {"do_sample_frames": False, "video_backend": "pyav"}
        prompt |= {"multi_modal_data": {"video": [(clip.frames, {**metadata(clip), **about}) for clip in clips]}}
        if all(clip.key for clip in clips):
            prompt |= {"multi_modal_uuids": {"video": [clip.key for clip in clips]}}
        return self._enqueue(prompt, self._lora, **params)

    def _enqueue(self, prompt: dict[str, Any], lora: Any, **params: Any) -> Future[Any]:
        from vllm import SamplingParams

        if self._pump is None:
            raise EngineDied("not started")
        return self._pump.submit(prompt, SamplingParams(detokenize=False, **params), lora)

    def _validate(self, canaries: Sequence[Canary]) -> None:
        """Send the canaries' prompts. Raises LoraNotServed if a response differs from its canary."""
        for canary in canaries:
            text = self.chat.text(Turn(canary.question, [canary.clip]))
            greedy = self._submit({"prompt": text}, [canary.clip], max_tokens=len(canary.answer), temperature=0.0)
            short = self.chat.tokenizer(text, add_special_tokens=False)["input_ids"]
            # Token by token: `prompt_logprobs` would return all at once, but kills vLLM when LoRA is enabled.
            forced = [
                self._submit(
                    {"prompt_token_ids": [*short, *canary.answer[:place]]},
                    [canary.clip],
                    max_tokens=1,
                    temperature=0.0,
                    logprobs=0,
                    allowed_token_ids=[token],
                )
                for place, token in enumerate(canary.answer)
            ]
            try:
                outputs = [future.result() for future in (greedy, *forced)]
            except EngineDied:
                self.restart()
                raise LoraNotServed("it dies of the canary prompt") from None
            for output in outputs:
                if isinstance(output, Refused):
                    raise LoraNotServed(output.reason)
            first, *rest = outputs
            difference = canary.compare(
                as_processed(first.prompt_token_ids, self.chat.processor, load_config(self.spec)),
                list(first.outputs[0].token_ids),
                [item.outputs[0].logprobs[0][token].logprob for item, token in zip(rest, canary.answer, strict=True)],
                exact=exact_arithmetic(self.spec),
            )
            if difference:
                raise LoraNotServed(difference)

    @property
    def llm(self) -> Any:
        """vLLM's own `LLM` while it runs, for its counters. Raises EngineDied when it does not."""
        if self._pump is None:
            raise EngineDied("not started")
        return self._pump.llm

    def _run(self, weights: str) -> None:
        """Have an engine that was started with these weights."""
        if self._weights != weights:
            self._stop()
        self._weights = weights
        self.restart()

    def restart(self) -> None:
        """Start the engine unless it runs. Raises UserError if it does not start."""
        with self._starting:
            if self._pump is not None and self._pump.alive:
                return
            self._stop()
            free_memory()
            self._pump = Pump(_start(self.spec, self.setup.llm_options(self._weights)))

    def release(self) -> None:
        """Stop the engine, unless there is memory for training beside it."""
        if not fits_beside_training(self.spec):
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


def _start(spec: ModelSpec, options: dict[str, Any]) -> Any:
    try:
        from vllm import LLM
        from vllm.platforms import current_platform
    except ImportError:
        raise UserError(
            "engine vllm: is not installed; pip install 'videostar[vllm]' for a GPU; without one see `make vllm`"
        ) from None
    where = device(spec).type
    if current_platform.is_cpu() != (where == "cpu"):
        raise UserError(
            f"engine vllm: the installed build computes on {current_platform.device_type}, and engine.device "
            f"({spec.device}) means {where}: set it to match, or install the other build"
        )
    if where == "cpu":
        # Read by the process that vLLM starts: one core is left for decoding videos and for this process.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) - 1)))
    try:
        with without_main(), _preloaded(allocator() if where == "cpu" else None):
            return LLM(**options)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise UserError(f"engine vllm: does not start: {str(error).strip().splitlines()[-1]}") from None


@contextmanager
def _preloaded(library: Path | None) -> Iterator[None]:
    """Programs that start meanwhile load this library first, unless the user has set LD_PRELOAD."""
    before = os.environ.get("LD_PRELOAD")
    if library is not None and before is None:
        os.environ["LD_PRELOAD"] = str(library)
    try:
        yield
    finally:  # vLLM adds to it, and the processes that decode videos have no use for that
        os.environ.pop("LD_PRELOAD", None)
        if before is not None:
            os.environ["LD_PRELOAD"] = before


def _lora_request(name: str, folder: Path) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest(name, int(name[:15], 16) % (2**31 - 1) + 1, str(folder))
