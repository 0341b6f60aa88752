"""Windows are answered once each and in order, whatever engines die of."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from videostar.executors.dispatch import Dispatcher, EngineLost
from videostar.stages.executor import Window
from videostar.util.errors import UserError

Report = Callable[[Any], None]


class Engines:
    """Engines of a small cluster, which answer in threads of their own, in any order."""

    def __init__(self, seed: int, poison: frozenset[int] = frozenset(), fragile: float = 0.0) -> None:
        self.draw, self.poison, self.fragile = random.Random(seed), poison, fragile
        self.answered: Counter[int] = Counter()
        self.started = self.most_in_flight = 0
        self.lock = threading.Lock()

    def start(self, done: Report) -> None:
        self.started += 1
        node = f"node {self.started % 3}"
        threading.Thread(target=lambda: done(Engine(self, node))).start()

    def run(self, windows: Sequence[Window], engines: tuple[int, int] = (1, 3)) -> list[list[Any]]:
        def refused(number: int) -> Any:
            return -number

        def content(window: Window) -> str:
            return str(window.start)

        start: Any = self.start
        dispatcher = Dispatcher(windows, start, engines=engines, content=content, refused=refused)
        return list(dispatcher.run())


class Engine:
    """One that dies of questions in `poison`, and else by chance."""

    windows = 2

    def __init__(self, cluster: Engines, node: str) -> None:
        self.cluster, self.node = cluster, node
        self.waiting: list[tuple[Window, Report]] = []
        self.dead = False

    def answer(self, window: Window, done: Report) -> None:
        with self.cluster.lock:
            self.waiting.append((window, done))
            self.cluster.most_in_flight = max(self.cluster.most_in_flight, len(self.waiting))
        threading.Thread(target=self._work).start()

    def _work(self) -> None:
        with self.cluster.lock:
            if self.dead or not self.waiting:
                return
            window, done = self.waiting[self.cluster.draw.randrange(len(self.waiting))]
            questions = range(window.start, window.stop)
            by_node = self.cluster.draw.random() < self.cluster.fragile
            if by_node or self.cluster.poison.intersection(questions):
                self.dead = True
                for _, report in self.waiting:
                    report(EngineLost("killed", by_node=by_node))
                return
            self.waiting.remove((window, done))
            self.cluster.answered.update(questions)
        done(list(questions))

    def end(self) -> None:
        self.dead = True


def windows_of(count: int, size: int) -> list[Window]:
    return [Window(start, min(start + size, count), {}) for start in range(0, count, size)]


@example(seed=0, count=64, size=64, poison=frozenset([0]), fragile=0.0, engines=(1, 1))
@example(seed=0, count=4, size=4, poison=frozenset([0, 1, 2]), fragile=0.0, engines=(1, 1))
@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 130),
    size=st.sampled_from([1, 2, 3, 5, 9, 64]),
    poison=st.frozensets(st.integers(0, 59), max_size=3),
    fragile=st.sampled_from([0.0, 0.0, 0.2]),
    engines=st.sampled_from([(1, 1), (1, 3), (2, 5)]),
)
def test_every_question_has_one_line_in_order(
    seed: int, count: int, size: int, poison: frozenset[int], fragile: float, engines: tuple[int, int]
) -> None:
    cluster = Engines(seed, poison, fragile)
    windows = windows_of(count, size)
    answers = cluster.run(windows, engines)
    assert [len(found) for found in answers] == [window.stop - window.start for window in windows]
    lines = [line for found in answers for line in found]
    assert lines == [-number if number in poison else number for number in range(count)]
    assert cluster.most_in_flight <= Engine.windows + 1


def test_engines_that_only_die_end_the_run() -> None:
    cluster = Engines(0, poison=frozenset(range(1000)))
    with pytest.raises(UserError, match=r"in a row ended without an answer, the last: killed"):
        cluster.run(windows_of(1000, 500))
    assert cluster.started < 40


def test_an_engine_that_never_starts_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Such as on a GPU that another program uses, while others answer."""
    cluster = Engines(0)
    start = cluster.start

    def often_lost(done: Report) -> None:
        if cluster.started:
            cluster.started += 1
            done(EngineLost("no memory", by_node=False))
        else:
            start(done)

    cluster.start = often_lost  # type: ignore[method-assign]
    work = Engine._work
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_work", lambda engine: (time.sleep(0.002), work(engine)))
        assert len(cluster.run(windows_of(200, 1), (1, 3))) == 200
    assert cluster.started == 1 + 2 * 5
    said = capsys.readouterr().err
    assert "ended before they were ready, the last: no memory; at most 2 answer from now on" in said
    assert "ended before they were ready, the last: no memory; at most 1 answer from now on" in said


def test_no_more_engines_are_started_than_there_are_windows() -> None:
    cluster = Engines(0)
    cluster.run(windows_of(2, 1), (1, 8))
    assert cluster.started == 2


def test_an_engines_error_ends_the_run() -> None:
    cluster = Engines(0)
    cluster.start = lambda done: done(UserError("no such model"))  # type: ignore[method-assign]
    with pytest.raises(UserError, match="no such model"):
        cluster.run(windows_of(3, 1))


def test_a_window_goes_to_the_same_node_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that its frames are in that node's cache, unless that node has more to do than others."""
    at: list[dict[int, str]] = []
    answer = Engine.answer

    def noted(engine: Engine, window: Window, done: Report) -> None:
        at[-1][window.start] = engine.node
        answer(engine, window, done)

    monkeypatch.setattr(Engine, "answer", noted)
    for seed in range(2):
        at.append({})
        Engines(seed).run(windows_of(300, 1), (3, 3))
    same = sum(at[0][start] == at[1][start] for start in at[0])
    assert set(at[0].values()) == {"node 0", "node 1", "node 2"}
    assert same > 200  # by chance 100


def test_what_is_slow_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A window that takes far longer than others, and a cluster without room for an engine."""
    monkeypatch.setattr("videostar.executors.dispatch._LOOK_SECONDS", 0.02)
    monkeypatch.setattr("videostar.executors.dispatch._SLOW_SECONDS", 0.1)
    work = Engine._work

    def slow(engine: Engine) -> None:
        if any(window.start == 7 for window, _ in engine.waiting):
            time.sleep(0.5)
        work(engine)

    monkeypatch.setattr(Engine, "_work", slow)
    cluster = Engines(0)
    start = cluster.start
    cluster.start = lambda done: threading.Timer(0.3, start, [done]).start()  # type: ignore[method-assign]
    assert len(cluster.run(windows_of(30, 1), (1, 1))) == 30
    said = capsys.readouterr().err
    assert said.count("no engine is ready yet") == 1
    assert "a window takes 0 s on node" in said
