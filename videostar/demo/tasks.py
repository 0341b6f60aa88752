"""What the world's clips can be labelled with: an action, when it moves one way, how often it bounces, its steps.

The base model is taught none of these labels. It is taught to be told one: "the action is W, explain" for made-up
words and numbers that are true of nothing, each task in the first phrasing of its hint alone. It follows the others
badly, as models do, and the cycle mends that.
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

#: A clip to draw: its path, when it turns, and what its label is about.
Wanted = tuple[Motion, tuple[float, float], str]

_OPPOSITE = {"up": "down", "down": "up", "left": "right", "right": "left"}


class DemoTask(ABC):
    """One way to label the world's clips. `adapter` reads its rows and `prompts/<adapter>.yaml` asks about them."""

    adapter: ClassVar[str]
    timed: ClassVar[bool] = False  # whether its answers tell when things happen
    endings: ClassVar[tuple[str, ...]]

    @abstractmethod
    def plan(self, rng: np.random.Generator, count: int) -> list[Wanted]:
        """Clips whose labels are as even as `count` allows."""

    @abstractmethod
    def row(self, scene: Scene, about: str) -> Row:
        """The columns of a clip beside `video`: its label."""

    @abstractmethod
    def made_up(self, rng: np.random.Generator) -> Row:
        """Columns that are true of nothing."""

    def hint(self, row: Row, rng: np.random.Generator, phrasings: int | None = None) -> tuple[str, str]:
        """A question that gives a row's label away, in one of the first so many phrasings, and the label's words."""
        adapter, prompts = load_adapter(self.adapter), load_prompts(self.adapter)
        said = parse_label(adapter.label(row)).words()
        values = {**row, **adapter.values(row)}
        question = prompts.render(one_of(prompts.questions, rng), values)
        hint = one_of(prompts.rationalise[:phrasings], rng)
        return prompts.render(hint, {**values, "question": question, "label": said}), said

    def explain(self, scene: Scene, said: str, rng: np.random.Generator) -> str:
        """A true description that ends with a label in words."""
        ending = one_of(self.endings, rng).format(label=said)
        return f"{describe(scene, rng, timed=self.timed)} {ending}"


def draw_unnamed(rng: np.random.Generator, *, timed: bool) -> Wanted:
    """A clip to draw that no target's name would be true of; `timed`: one that turns twice, at any time."""
    targets = set(TARGETS.values())
    paths = [path for path in (TURNING if timed else PATHS) if path not in targets]
    return paths[rng.integers(len(paths))], draw_turns(rng) if timed else THIRDS, ""


class Actions(DemoTask):
    """Which action is this? Its name stands for a path."""

    adapter = "action"
    endings = ("The action is {label}.", "So the action is {label}.", "This shows that the action is {label}.")

    def plan(self, rng: np.random.Generator, count: int) -> list[Wanted]:
        """Every target as often as any other."""
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
    """When does it move one way? From one turn to the next."""

    adapter = "when"
    timed = True
    endings = ("It happens {label}.", "So it happens {label}.", "This shows that it happens {label}.")

    def plan(self, rng: np.random.Generator, count: int) -> list[Wanted]:
        """Paths that turn at any time, and one of the directions that they take once."""
        planned = []
        for _ in range(count):
            path = TURNING[rng.integers(len(TURNING))]
            once = [leg for leg in path if path.count(leg) == 1]
            planned.append((path, draw_turns(rng), once[rng.integers(len(once))]))
        return planned

    def row(self, scene: Scene, about: str) -> Row:
        """The leg's beginning and end in seconds."""
        start, end = scene.leg_times[scene.path.index(about)]
        event = "the object stays still" if about == "still" else f"the object moves {about}"
        return {"label": event, "start": start, "end": end, "duration": round(scene.seconds, 1)}

    def made_up(self, rng: np.random.Generator) -> Row:
        """A made-up name and any two times."""
        start, end = sorted(rng.choice(40, size=2, replace=False).tolist())
        return {"label": made_up_name(rng), "start": start / 10, "end": end / 10}


class Bounces(DemoTask):
    """How often does it bounce? As often as it turns straight back."""

    adapter = "count"
    endings = ("The number is {label}.", "So the number is {label}.", "This shows that the number is {label}.")

    def plan(self, rng: np.random.Generator, count: int) -> list[Wanted]:
        """No bounce, one and two by turns."""
        by_count = [[path for path in PATHS if _bounces(path) == n] for n in range(3)]
        return [(paths[rng.integers(len(paths))], THIRDS, "") for paths in (by_count[i % 3] for i in range(count))]

    def row(self, scene: Scene, about: str) -> Row:
        """The number."""
        del about
        return {"label": _bounces(scene.path), "of": "bounces"}

    def made_up(self, rng: np.random.Generator) -> Row:
        """Any digit, of something made up."""
        return {"label": int(rng.integers(10)), "of": made_up_name(rng)}


class Steps(DemoTask):
    """Which steps, in which order? The legs of the path, in words of the data's own."""

    adapter = "sequence"
    endings = ("The steps are: {label}.", "So the steps are: {label}.", "This shows the steps: {label}.")

    def plan(self, rng: np.random.Generator, count: int) -> list[Wanted]:
        """Paths that turn at any time."""
        return [(TURNING[rng.integers(len(TURNING))], draw_turns(rng), "") for _ in range(count)]

    def row(self, scene: Scene, about: str) -> Row:
        """The steps, parted by semicolons."""
        del about
        return {"label": "; ".join(STEPS[leg] for leg in scene.path)}

    def made_up(self, rng: np.random.Generator) -> Row:
        """Two or three made-up names."""
        return {"label": "; ".join(made_up_name(rng) for _ in range(rng.integers(2, 4)))}


def _bounces(path: Motion) -> int:
    return sum(_OPPOSITE.get(a) == b for a, b in itertools.pairwise(path))


TASKS: Mapping[str, DemoTask] = {task.adapter: task for task in (Actions(), Turns(), Bounces(), Steps())}
