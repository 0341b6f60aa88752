"""The kinds of labels of the world's clips: an action, the time of a motion, the number of bounces, or the steps.

Pretraining teaches the base model none of these labels. It teaches the model to explain a label that is given: "The
action is W. Explain", with made-up words and numbers that are true of no clip, and only in the first phrasing of each
task's hint. The base model follows the other phrasings badly; the cycle improves that.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from videostar.adapters import Row, load_adapter
from videostar.adapters.prompts import load_prompts
from videostar.demo.language import describe, made_up_name, one_of
from videostar.demo.world import PATHS, STEPS, TARGETS, THIRDS, TURNING, Motion, Scene, draw_turns
from videostar.labels import parse_label

#: The plan of a clip: its path, the times of its turns as shares of the clip, and the subject of its label.
ClipPlan = tuple[Motion, tuple[float, float], str]

_OPPOSITE = {"up": "down", "down": "up", "left": "right", "right": "left"}


class DemoTask(ABC):
    """One way to label the world's clips; the adapter called `adapter` and its prompts ask about them."""

    adapter: ClassVar[str]
    timed: ClassVar[bool] = False  # whether its answers state times
    endings: ClassVar[tuple[str, ...]]

    @abstractmethod
    def plan(self, rng: np.random.Generator, count: int) -> list[ClipPlan]:
        """Plans of `count` clips, with labels distributed as evenly as possible."""

    @abstractmethod
    def row(self, scene: Scene, about: str) -> Row:
        """The label of a clip: its columns beside `video`."""

    @abstractmethod
    def made_up(self, rng: np.random.Generator) -> Row:
        """The columns of a made-up label, which is true of no clip."""

    def hint(self, row: Row, rng: np.random.Generator, phrasings: int | None = None) -> tuple[str, str]:
        """A question with a hint that states a row's label, and the label in words.

        The hint is one of the first `phrasings` of the prompt file (None: of all).
        """
        adapter, prompts = load_adapter(self.adapter), load_prompts(self.adapter)
        words = parse_label(adapter.label(row)).words()
        values = {**row, **adapter.values(row)}
        question = prompts.render(one_of(prompts.questions, rng), values)
        hint = one_of(prompts.rationalise[:phrasings], rng)
        return prompts.render(hint, {**values, "question": question, "label": words}), words

    def explain(self, scene: Scene, label: str, rng: np.random.Generator) -> str:
        """A true description of a scene that ends with a label in words."""
        ending = one_of(self.endings, rng).format(label=label)
        return f"{describe(scene, rng, timed=self.timed)} {ending}"


def draw_unnamed(rng: np.random.Generator, *, timed: bool) -> ClipPlan:
    """The plan of a clip whose path is not a target's; with `timed` it turns twice, at random times."""
    targets = set(TARGETS.values())
    paths = [path for path in (TURNING if timed else PATHS) if path not in targets]
    return paths[rng.integers(len(paths))], draw_turns(rng) if timed else THIRDS, ""


class Actions(DemoTask):
    """Which action is this? Each target's name stands for a path."""

    adapter = "action"
    endings = ("The action is {label}.", "So the action is {label}.", "This shows that the action is {label}.")

    def plan(self, rng: np.random.Generator, count: int) -> list[ClipPlan]:
        """Every target the same number of times, if `count` allows."""
        targets = list(TARGETS.items())
        chosen = [targets[i % len(targets)] for i in range(count)]
        rng.shuffle(chosen)
        return [(path, THIRDS, name) for name, path in chosen]

    def row(self, scene: Scene, about: str) -> Row:
        """The target's name."""
        del scene
        return {"label": about}

    def made_up(self, rng: np.random.Generator) -> Row:
        """A made-up name."""
        return {"label": made_up_name(rng)}


class Turns(DemoTask):
    """When does the object move in one direction? From one turn to the next."""

    adapter = "when"
    timed = True
    endings = ("It happens {label}.", "So it happens {label}.", "This shows that it happens {label}.")

    def plan(self, rng: np.random.Generator, count: int) -> list[ClipPlan]:
        """Paths that turn twice, at random times, each with a direction that it takes exactly once."""
        planned = []
        for _ in range(count):
            path = TURNING[rng.integers(len(TURNING))]
            once = [leg for leg in path if path.count(leg) == 1]
            planned.append((path, draw_turns(rng), once[rng.integers(len(once))]))
        return planned

    def row(self, scene: Scene, about: str) -> Row:
        """The start and end of that leg in seconds."""
        start, end = scene.leg_times[scene.path.index(about)]
        event = "the object stays still" if about == "still" else f"the object moves {about}"
        return {"label": event, "start": start, "end": end, "duration": round(scene.seconds, 1)}

    def made_up(self, rng: np.random.Generator) -> Row:
        """A made-up name and two random times."""
        start, end = sorted(rng.choice(40, size=2, replace=False).tolist())
        return {"label": made_up_name(rng), "start": start / 10, "end": end / 10}


class Bounces(DemoTask):
    """How often does the object bounce? A bounce is a turn to the opposite direction."""

    adapter = "count"
    endings = ("The number is {label}.", "So the number is {label}.", "This shows that the number is {label}.")

    def plan(self, rng: np.random.Generator, count: int) -> list[ClipPlan]:
        """Paths with 0, 1, 2, 0, 1, 2, ... bounces."""
        by_count = [[path for path in PATHS if _bounces(path) == n] for n in range(3)]
        return [(paths[rng.integers(len(paths))], THIRDS, "") for paths in (by_count[i % 3] for i in range(count))]

    def row(self, scene: Scene, about: str) -> Row:
        """The number."""
        del about
        return {"label": _bounces(scene.path), "of": "bounces"}

    def made_up(self, rng: np.random.Generator) -> Row:
        """A random digit and a made-up name."""
        return {"label": int(rng.integers(10)), "of": made_up_name(rng)}


class Steps(DemoTask):
    """Which steps, in which order? The legs of the path, in words that pretraining does not use."""

    adapter = "sequence"
    endings = ("The steps are: {label}.", "So the steps are: {label}.", "This shows the steps: {label}.")

    def plan(self, rng: np.random.Generator, count: int) -> list[ClipPlan]:
        """Paths that turn twice, at random times."""
        return [(TURNING[rng.integers(len(TURNING))], draw_turns(rng), "") for _ in range(count)]

    def row(self, scene: Scene, about: str) -> Row:
        """The steps, separated by semicolons."""
        del about
        return {"label": "; ".join(STEPS[leg] for leg in scene.path)}

    def made_up(self, rng: np.random.Generator) -> Row:
        """Two or three made-up names."""
        return {"label": "; ".join(made_up_name(rng) for _ in range(rng.integers(2, 4)))}


def _bounces(path: Motion) -> int:
    return sum(_OPPOSITE.get(a) == b for a, b in itertools.pairwise(path))


TASKS: Mapping[str, DemoTask] = {task.adapter: task for task in (Actions(), Turns(), Bounces(), Steps())}
