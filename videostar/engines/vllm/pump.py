"""The thread that owns vLLM's `LLM`: it adds prompts, steps the engine and resolves the futures of finished answers."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from videostar.engines.base import EngineDied, Refused

# Prompts that are added between two steps of the engine: at most 24, which for small models take as long as a step,
# and for at most 0.1 s, since large videos take long.
_TAKEN_IN, _SECONDS = 24, 0.1
_Job = tuple[Future[Any], Callable[[], None]]


class Pump(threading.Thread):
    """Owns an `LLM` until `stop`, or until vLLM dies: then `alive` is false and all open futures raise EngineDied."""

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
        """The future of vLLM's output, or of Refused. Raises EngineDied."""
        future: Future[Any] = Future()
        self._put(future, lambda: self._enqueue(future, prompt, params, lora))
        return future

    def load(self, weights: str) -> bool:
        """Load the weights in that folder into the running engine; false if it cannot, and has to be stopped.

        Call this while no prompt is open. Only answers show that the weights are in use.
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
        """Run until stopped or until vLLM dies. Any other error is a fault of this program and is raised."""
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
        """End `run` when vLLM's process is killed: vLLM notices that, but leaves its callers waiting."""
        from vllm.v1.engine.exceptions import EngineDeadError

        while self.alive and not core.resources.engine_dead:
            time.sleep(0.5)
        self._why = "its process has ended"
        core.outputs_queue.put_nowait(EngineDeadError())
        for call in list(core.utility_results.values()):  # such as `load`, which would wait for ever
            call.set_exception(EngineDeadError())
        self._inbox.put(None)  # `run` waits for this when no prompt is open

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
        """Add a few waiting prompts, then do one step; false once stopped."""
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
                self._inbox.put(job)  # its future is resolved with the others
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
            self._open[name.rpartition("-")[0] or name] = future  # outputs carry the number of the name alone
        except (ValueError, VLLMClientError) as error:  # a fault of this prompt, such as its length
            future.set_result(Refused(str(error).strip().splitlines()[0]))

    def _reload(self, future: Future[bool], weights: str) -> None:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            self.llm.collective_rpc("reload_weights", kwargs={"weights_path": weights})
        except EngineDeadError:
            raise
        except Exception:  # noqa: BLE001 - vLLM's process sends every error as a bare Exception
            future.set_result(False)
            return
        # Drop everything that was computed with the old weights, here and in vLLM's process.
        self.llm.reset_prefix_cache()
        self.llm.reset_mm_cache()
        self.llm.llm_engine.reset_encoder_cache()
        future.set_result(True)
