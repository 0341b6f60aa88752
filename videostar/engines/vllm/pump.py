"""The one thread that talks to vLLM's `LLM`: takes prompts in, steps its engine, hands finished answers out."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from videostar.engines.base import EngineDied, Refused

# Between two steps of the engine at most so many prompts, which for small models take as long as a step, and at most
# so many seconds of taking them in, which large videos need.
_TAKEN_IN, _SECONDS = 24, 0.1
_Job = tuple[Future[Any], Callable[[], None]]


class Pump(threading.Thread):
    """Owns an `LLM` from now on, until `stop` or until vLLM dies: then `alive` is false, and whoever waits is told."""

    def __init__(self, llm: Any) -> None:
        super().__init__(daemon=True, name="vllm")
        self.llm = llm
        self._inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._open: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        self._why = "stopped"
        self.alive = True
        self.start()
        threading.Thread(target=self._watch, args=(llm.llm_engine.engine_core,), daemon=True).start()

    def submit(self, prompt: dict[str, Any], params: Any, lora: Any) -> Future[Any]:
        """The future of vLLM's output, or of why it is Refused. Raises EngineDied."""
        future: Future[Any] = Future()
        self._put(future, lambda: self._enqueue(future, prompt, params, lora))
        return future

    def load(self, weights: str) -> bool:
        """Have the running engine take the weights in that folder; false if it cannot, and has to be stopped.

        To be called while nothing is asked. That they are really taken, only answers can show.
        """
        future: Future[bool] = Future()
        try:
            self._put(future, lambda: self._reload(future, weights))
            return future.result()
        except EngineDied:
            return False

    def stop(self) -> None:
        """End the engine's process and wait for it."""
        self._inbox.put(None)
        self.join()

    def run(self) -> None:
        """Until stopped, or until vLLM dies; whoever waits is told. Any other error is ours, and shown as such."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            while self._turn():
                pass
        except EngineDeadError as error:
            self._why = f"{type(error).__name__}: {error}"
        finally:
            self._end()

    def _put(self, future: Future[Any], call: Callable[[], None]) -> None:
        with self._lock:
            if not self.alive:
                raise EngineDied(self._why)
            self._inbox.put((future, call))

    def _watch(self, core: Any) -> None:
        """End `run` when vLLM's process is killed: vLLM notices, and lets whoever waits for it wait on."""
        from vllm.v1.engine.exceptions import EngineDeadError

        while self.alive and not core.resources.engine_dead:
            time.sleep(0.5)
        self._why = "its process has ended"
        core.outputs_queue.put_nowait(EngineDeadError())
        for call in list(core.utility_results.values()):  # new weights, which it will never say that it has
            call.set_exception(EngineDeadError())
        self._inbox.put(None)  # where nothing was asked, it waits for that

    def _end(self) -> None:
        with self._lock:
            self.alive = False
        while not self._inbox.empty():
            job = self._inbox.get()
            if job is not None:
                job[0].set_exception(EngineDied(self._why))
        for future in self._open.values():
            future.set_exception(EngineDied(self._why))
        self.llm.llm_engine.engine_core.shutdown()
        del self.llm

    def _turn(self) -> bool:
        """Take in what waits, but a few at a time, so that answers come out meanwhile; then one step."""
        spent = 0.0
        for _ in range(_TAKEN_IN):
            try:
                job = self._inbox.get(block=not self._open)
            except queue.Empty:
                break
            if job is None:
                return False
            began = time.monotonic()
            try:
                job[1]()
            except BaseException:
                self._inbox.put(job)  # to be told of the end like all that wait
                raise
            spent += time.monotonic() - began
            if spent > _SECONDS:
                break
        if self._open:
            for output in self.llm.llm_engine.step():
                if output.finished:
                    self._open.pop(output.request_id).set_result(output)
        return True

    def _enqueue(self, future: Future[Any], prompt: dict[str, Any], params: Any, lora: Any) -> None:
        from vllm.exceptions import VLLMClientError

        try:
            # No special tokens beyond those of the chat template.
            (name,) = self.llm.enqueue(
                prompt, params, lora, use_tqdm=False, tokenization_kwargs={"add_special_tokens": False}
            )
            self._open[name.rpartition("-")[0] or name] = future  # vLLM answers to the number it gave, not the name
        except (ValueError, VLLMClientError) as error:  # of this prompt alone: too long, for one
            future.set_result(Refused(str(error).strip().splitlines()[0]))

    def _reload(self, future: Future[bool], weights: str) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            self.llm.collective_rpc("reload_weights", kwargs={"weights_path": weights})
        except EngineDeadError:
            raise
        except Exception:  # noqa: BLE001 - vLLM's process sends whatever it raised as a bare Exception
            future.set_result(False)
            return
        # What was computed with the old weights, here and in vLLM's process.
        self.llm.reset_prefix_cache()
        self.llm.reset_mm_cache()
        self.llm.llm_engine.reset_encoder_cache()
        future.set_result(True)
