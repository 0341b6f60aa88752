"""The demo world: in every clip one object moves along a path of three legs.

An action is a path: one direction for each leg. No single frame shows it. Pretraining teaches the embedded model the
names in `KNOWN`. It has neither the names in `TARGETS` nor any action's name together with a target's path. The content
of a clip, its `Scene`, is known exactly: labels are made from it, and the demo's reports use it to count true answers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

Motion = tuple[str, str, str]

#: Unit vectors (x, y) in image coordinates: x to the right, y downwards.
DIRECTIONS: dict[str, tuple[int, int]] = {
    "up": (0, -1),
    "down": (0, 1),
    "left": (-1, 0),
    "right": (1, 0),
    "still": (0, 0),
}
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (215, 40, 40),
    "green": (45, 170, 60),
    "blue": (45, 85, 225),
    "yellow": (235, 220, 45),
    "purple": (150, 50, 190),
    "orange": (245, 140, 20),
}
SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "cross")

KNOWN: dict[str, Motion] = {
    "sliding": ("right", "right", "right"),
    "retreating": ("left", "left", "left"),
    "rising": ("up", "up", "up"),
    "sinking": ("down", "down", "down"),
    "bouncing": ("down", "up", "down"),
    "hopping": ("up", "down", "up"),
    "swinging": ("left", "right", "left"),
    "pacing": ("right", "left", "right"),
}
TARGETS: dict[str, Motion] = {
    "climbing a ladder": ("up", "right", "up"),
    "landing a plane": ("right", "down", "right"),
    "jumping over a fence": ("up", "right", "down"),
    "ducking under a bar": ("down", "right", "up"),
    "making a u-turn": ("right", "up", "left"),
    "checking a mirror": ("right", "still", "left"),
    "switching lanes": ("left", "still", "right"),
    "riding an elevator": ("up", "still", "up"),
    "digging a hole": ("down", "still", "up"),
    "braking hard": ("left", "left", "still"),
    "leaving a garage": ("still", "right", "right"),
    "parallel parking": ("left", "down", "left"),
    "delivering mail": ("right", "right", "down"),
    "vaulting a bar": ("up", "left", "down"),
    "rounding a corner": ("left", "left", "up"),
    "pushing a door": ("still", "left", "still"),
}
#: The names of directions in the sequence demo: words that pretraining does not use.
STEPS: dict[str, str] = {
    "up": "ascend",
    "down": "descend",
    "left": "go west",
    "right": "go east",
    "still": "wait",
}
#: Every path except standing still in all three legs.
PATHS: tuple[Motion, ...] = tuple(
    (a, b, c) for a, b, c in itertools.product(DIRECTIONS, repeat=3) if {a, b, c} != {"still"}
)
#: The paths that turn twice.
TURNING: tuple[Motion, ...] = tuple(path for path in PATHS if path[0] != path[1] != path[2])

FRAME_RATES: tuple[float, ...] = (8.0, 10.0, 12.0, 12.5, 15.0, 24.0, 25.0, 30.0)
SIZES: tuple[tuple[int, int], ...] = ((96, 96), (128, 96), (96, 128), (112, 112), (128, 128), (160, 128), (144, 112))


@dataclass(frozen=True)
class Scene:
    """The content of one clip. Positions and lengths are shares of the picture's width and height."""

    colour: str
    shape: str
    path: Motion
    turns: tuple[float, float]  # ends of the first and the second leg, as shares of the clip
    radius: float  # share of the picture's shorter side
    start: tuple[float, float]
    step: float  # distance travelled in a leg that moves
    seconds: float
    fps: float
    size: tuple[int, int]  # width, height in pixels
    seed: int  # of background, distractors and noise

    @property
    def frame_count(self) -> int:
        """The number of frames of the clip."""
        return round(self.seconds * self.fps)

    def position(self, times: np.ndarray) -> np.ndarray:
        """Centre of the object, shape [len(times), 2], at `times` given as shares of the clip in [0, 1]."""
        corners = np.cumsum([self.start, *(self.step * np.array(DIRECTIONS[leg]) for leg in self.path)], axis=0)
        legs = (0.0, *self.turns, 1.0)
        return np.stack([np.interp(times, legs, corners[:, axis]) for axis in (0, 1)], axis=1)

    @property
    def leg_times(self) -> tuple[tuple[float, float], ...]:
        """Start and end of each leg in seconds, rounded to a tenth."""
        edges = [round(share * self.seconds, 1) for share in (0.0, *self.turns, 1.0)]
        return tuple(itertools.pairwise(edges))


#: The least and greatest distance that the object moves in a leg, as shares of the picture.
PACE = (0.17, 0.30)
THIRDS = (1 / 3, 2 / 3)


def draw_turns(rng: np.random.Generator) -> tuple[float, float]:
    """Random turns, as shares of the clip; each leg takes at least a fifth of it."""
    first, second = sorted(rng.uniform(0.0, 0.4, size=2))
    return float(0.2 + first), float(0.4 + second)


def draw_scene(rng: np.random.Generator, path: Motion, turns: tuple[float, float] = THIRDS) -> Scene:
    """A random scene in which the object follows `path` and stays inside the picture."""
    width, height = SIZES[rng.integers(len(SIZES))]
    radius = rng.uniform(0.12, 0.18)
    corners = np.cumsum([(0, 0), *(DIRECTIONS[leg] for leg in path)], axis=0)
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = radius * min(width, height) / np.array([width, height])
    room = 1 - 2 * margin
    widest = float(np.min(room / np.maximum(high - low, 1e-9)))
    step = rng.uniform(min(PACE[0], 0.9 * widest), min(PACE[1], widest))
    start = margin - step * low + rng.uniform(size=2) * (room - step * (high - low))
    return Scene(
        colour=list(COLOURS)[rng.integers(len(COLOURS))],
        shape=SHAPES[rng.integers(len(SHAPES))],
        path=path,
        turns=turns,
        radius=float(radius),
        start=(float(start[0]), float(start[1])),
        step=float(step),
        seconds=float(rng.uniform(2.0, 4.0)),
        fps=FRAME_RATES[rng.integers(len(FRAME_RATES))],
        size=(width, height),
        seed=int(rng.integers(2**32)),
    )
