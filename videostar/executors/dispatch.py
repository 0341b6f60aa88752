"""Hands windows out to engines in other processes and takes their answers, in order, whatever dies meanwhile.

A window is asked at least once and written once. Those that were in flight when an engine died are asked again, one by
one, each alone on its engine. One of which an engine dies again is split, until the question that ends engines is
found; that one gets no answer.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from queue import Empty, SimpleQueue
from statistics import median
from typing import Protocol

from videostar.stages.executor import Window
from videostar.stages.ledger import Answer
from videostar.util.errors import UserError
from videostar.util.terminal import warn

_AHEAD = 4  # windows an engine, from the next one to be written on, that may be handed out before that one has come
_DEATHS = 5  # of engines in a row, or questions that end them, without an answer between them, that end a run
_LOOK_SECONDS = 5.0  # between looks for what is slow
_SLOW, _SLOW_SECONDS = 10, 60  # times the median, and seconds, after which a window is reported


class EngineLost(Exception):
    """An engine ended with the windows that it had. `by_node`: its machine did."""

    def __init__(self, reason: str, *, by_node: bool) -> None:
        super().__init__(reason)
        self.by_node = by_node


class RemoteEngine(Protocol):
    """An engine in another process, here or elsewhere. Its methods return at once and report later."""

    node: str
    windows: int  # that it answers at once

    def answer(self, window: Window, done: Callable[[list[Answer] | Exception], None]) -> None:
        """Have a window answered. `done` gets the answers, an EngineLost, or what the engine raised."""
        ...

    def end(self) -> None:
        """End it, if it has not ended."""
        ...


@dataclass(eq=False)
class _Task:
    """A window, or a part of one that was split."""

    place: int  # of the window in the order of writing
    window: Window
    node: str | None = None  # the one that has its frames
    deaths: int = 0  # of engines that had it
    began: float = 0.0


@dataclass(eq=False)
class _Seat:
    """An engine and its windows in flight."""

    engine: RemoteEngine
    tasks: list[_Task] = field(default_factory=list)

    @property
    def has_room(self) -> bool:
        """Whether it takes another window: one more than it answers at once, but none beside a suspect."""
        return len(self.tasks) <= self.engine.windows and not any(task.deaths for task in self.tasks)


class Dispatcher:
    """Engines, and the windows of one job for them."""

    def __init__(
        self,
        windows: Iterable[Window],
        start_engine: Callable[[Callable[[RemoteEngine | Exception], None]], None],
        *,
        engines: tuple[int, int],
        content: Callable[[Window], str],
        refused: Callable[[int], Answer],
        waits_for: str = "",
    ) -> None:
        """`start_engine` starts one, and calls its argument with the engine once it is ready, or with an error.

        `content` identifies the videos of a window. `refused` gives the line of a question that ends engines, which
        has that number in its split. `waits_for`: what is probably missing while no engine gets ready.
        """
        remaining = iter(windows)
        first = list(islice(remaining, engines[1]))  # no more engines than windows are started
        self._windows = chain(first, remaining)
        self._next: Window | None = None  # the one that is queued next
        self._most_questions = 0  # of a window
        self._start_engine, self._content, self._refused = start_engine, content, refused
        self._waits_for = waits_for
        self._least, self._most = engines[0], max(engines[0], len(first))
        self._seats: list[_Seat] = []
        self._starting = 0
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._queues: dict[str | None, deque[_Task]] = {}  # by node: windows that are to be handed out
        self._suspects: deque[_Task] = deque()  # that an engine died of
        self._queued = 0  # in `_queues`
        self._reached = self._written = 0
        self._parts: dict[int, dict[int, list[Answer]]] = {}  # by place: answers by their first question
        self._left: dict[int, int] = {}  # by place: questions without an answer
        self._deaths = 0  # since the last answer, or question that was found to end engines
        self._refusals = 0  # such questions since the last answer
        self._failed = 0  # engines that ended before they were ready, since the last that got ready
        self._seconds: deque[float] = deque(maxlen=1000)
        self._reported: set[int] = set()  # places of slow windows; -1: that no engine gets ready
        self._began = self._looked = time.monotonic()

    def run(self) -> Generator[list[Answer]]:
        """The answers of each window, in order. Raises UserError as an engine does, and if engines only die."""
        self._look_ahead()
        self._fill()
        while self._next is not None or self._written < self._reached:
            self._hand_out()
            self._next_events()
            while self._left.get(self._written) == 0:
                parts = self._parts.pop(self._written)
                del self._left[self._written]
                self._written += 1
                yield [answer for start in sorted(parts) for answer in parts[start]]

    @property
    def in_flight(self) -> bool:
        """Whether an engine has a window."""
        return any(seat.tasks for seat in self._seats)

    def _next_events(self) -> None:
        with suppress(Empty):
            self._events.get(timeout=_LOOK_SECONDS)()
        while not self._events.empty():
            self._events.get()()
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._report_slow()

    def _fill(self) -> None:
        """Start engines up to the most that are asked for; those for which there is no room wait in the cluster."""
        while len(self._seats) + self._starting < self._most:
            self._starting += 1
            self._start_engine(lambda found: self._events.put(partial(self._started, found)))

    def _started(self, found: RemoteEngine | Exception) -> None:
        self._starting -= 1
        if isinstance(found, EngineLost):
            self._failed += 1
            if not self._seats:
                self._count_death(found)
            elif self._failed < _DEATHS:
                _warn_of(found)
            else:  # such as on a GPU that another program uses
                self._failed, self._most = 0, self._most - 1
                warn(
                    f"{_DEATHS} engines in a row ended before they were ready, the last: {found}; at most {self._most} "
                    "answer from now on"
                )
            self._fill()
        elif isinstance(found, Exception):
            raise found
        else:
            self._failed = 0
            self._seats.append(_Seat(found))

    def _hand_out(self) -> None:
        if self._reached == 0 and len(self._seats) < self._least:
            return
        self._reach()
        for seat in self._seats:
            while seat.has_room and (task := self._task_for(seat)):
                seat.tasks.append(task)
                task.began = time.monotonic()
                done = partial(self._report, seat, task)
                seat.engine.answer(task.window, done)

    def _report(self, seat: _Seat, task: _Task, found: list[Answer] | Exception) -> None:
        """Called from other threads."""
        self._events.put(partial(self._answered, seat, task, found))

    def _reach(self) -> None:
        """Queue further windows. Their number is bounded, so that few answers wait for those before them."""
        room = _AHEAD * sum(seat.engine.windows + 1 for seat in self._seats)
        nodes = sorted({seat.engine.node for seat in self._seats})
        while self._next is not None and self._reached < self._written + room:
            window = self._next
            self._left[self._reached], self._parts[self._reached] = window.stop - window.start, {}
            node = _nearest(self._content(window), nodes)
            self._queues.setdefault(node, deque()).append(_Task(self._reached, window, node))
            self._queued += 1
            self._reached += 1
            self._look_ahead()

    def _look_ahead(self) -> None:
        self._next = next(self._windows, None)
        if self._next is not None:
            self._most_questions = max(self._most_questions, self._next.stop - self._next.start)

    def _task_for(self, seat: _Seat) -> _Task | None:
        """The next window for an engine: a suspect if it is idle, else one whose frames it has, else any that waits."""
        if self._suspects and not seat.tasks:
            return self._suspects.popleft()
        queue = self._queues.get(seat.engine.node)
        if not queue and self._queued and (not seat.tasks or self._queued > len(self._seats)):
            queue = max(self._queues.values(), key=len)
        if not queue:
            return None
        self._queued -= 1
        return queue.popleft()

    def _answered(self, seat: _Seat, task: _Task, found: list[Answer] | Exception) -> None:
        if isinstance(found, EngineLost):
            self._lost(seat, found)
        elif isinstance(found, Exception):
            raise found
        elif task in seat.tasks:
            seat.tasks.remove(task)
            self._deaths = self._refusals = 0
            self._seconds.append(time.monotonic() - task.began)
            self._take(task, found)

    def _take(self, task: _Task, answers: list[Answer]) -> None:
        self._parts[task.place][task.window.start] = answers
        self._left[task.place] -= task.window.stop - task.window.start

    def _lost(self, seat: _Seat, lost: EngineLost) -> None:
        if seat not in self._seats:  # reported with another of its windows
            return
        self._seats.remove(seat)
        seat.engine.end()
        for task in reversed(seat.tasks):
            if lost.by_node:  # no window's fault
                self._queues.setdefault(task.node, deque()).appendleft(task)
                self._queued += 1
                continue
            task.deaths += 1
            self._suspects.extendleft(reversed(self._split(task) if task.deaths > 1 else [task]))
        if not lost.by_node:
            self._count_death(lost)
        self._fill()

    def _split(self, task: _Task) -> list[_Task]:
        """The halves of a window; of a single question none: it gets a line without an answer."""
        start, stop, known = task.window
        if stop - start == 1:
            self._take(task, [self._refused(start)])
            self._deaths = 0
            self._refusals += 1
            return []
        middle = (start + stop) // 2
        halves = (Window(start, middle, known), Window(middle, stop, known))
        return [_Task(task.place, half, task.node, deaths=1) for half in halves]

    def _count_death(self, error: Exception) -> None:
        self._deaths += 1
        halvings = self._most_questions.bit_length()  # until the question is found that ends engines
        if self._deaths > _DEATHS + self._most + halvings or self._refusals > _DEATHS:
            raise UserError(f"executor: {self._deaths} engines in a row ended without an answer, the last: {error}")
        _warn_of(error)

    def _report_slow(self) -> None:
        if not self._seats and time.monotonic() - self._began > _SLOW_SECONDS and -1 not in self._reported:
            self._reported.add(-1)
            warn(f"no engine is ready yet{self._waits_for}; still waiting")
        usual = median(self._seconds) if self._seconds else 0.0
        for seat in self._seats:
            for task in seat.tasks:
                took = time.monotonic() - task.began
                if usual and took > max(_SLOW_SECONDS, _SLOW * usual) and task.place not in self._reported:
                    self._reported.add(task.place)
                    where = f" on node {seat.engine.node[:8]}" if seat.engine.node else ""
                    warn(f"a window takes {took:.0f} s{where}; others took {usual:.1f} s")


def _warn_of(lost: Exception) -> None:
    warn(f"an engine ended ({lost}): another takes its place")


def _nearest(content: str, nodes: Sequence[str]) -> str | None:
    """The node for a video: the same one in every round, while nodes stay (rendezvous hashing)."""
    return max(nodes, key=lambda node: hashlib.sha256(f"{node}/{content}".encode()).digest(), default=None)
