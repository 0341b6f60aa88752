"""Write a demo world to disk: H.264 clips, a row file for each split, and an instruction set to mix in.

    demo_world/
      world.json               its sizes and seed
      clips/train/0000.mp4     clips/validation/...   clips/test/...   clips/mix/...
      truth/train.jsonl        the content of each clip; only the demo's reports read it, never the cycle
      train.csv  validation.csv  test.csv      video,label and further columns of the task
      mix.jsonl                messages + videos: descriptions, and explanations of made-up labels

Of each part (train, validation, test, mix) the .csv or mix.jsonl is written last. If that file exists, the part is
complete.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from videostar.adapters import Row
from videostar.config.settings import Settings
from videostar.data.manifest import find_manifest
from videostar.demo.language import DESCRIBE_QUESTIONS, TIMED_QUESTIONS, describe, one_of
from videostar.demo.render import write_clip
from videostar.demo.tasks import TASKS, draw_unnamed
from videostar.demo.world import Scene, draw_scene
from videostar.util.errors import UserError
from videostar.util.files import write_json, write_text
from videostar.util.progress import Progress, Tick, silent
from videostar.util.yaml_files import load_mapping
from videostar.video.workers import parallel_map

Part = Literal["train", "validation", "test", "mix"]
_INDEX: dict[Part, str] = {"train": "train.csv", "validation": "validation.csv", "test": "test.csv", "mix": "mix.jsonl"}
#: The clips of a part are drawn from the world's seed and this number, the texts of the instruction set from `_TEXTS`.
_SEEDS: dict[Part, int] = {"train": 0, "test": 1, "mix": 2, "validation": 4}
_TEXTS = 3


class World(Settings):
    """The sizes of a demo world, the kind of its labels, and its seed."""

    task: Literal["action", "when", "count", "sequence"] = "action"
    train: int = Field(192, ge=1, description="Training clips.")
    validation: int = Field(96, ge=1, description="Held-out clips that select the best round.")
    test: int = Field(240, ge=1, description="Held-out clips that accuracy is reported on.")
    mix: int = Field(240, ge=1, description="Clips of the instruction set.")
    seed: int = 0


#: The demo worlds, by the name of the data manifest that describes each.
WORLDS: Mapping[str, World] = {
    "demo": World(),  # 12 training clips of each of 16 actions
    "demo_when": World(task="when", seed=1),
    "demo_count": World(task="count", train=576, seed=2),
    "demo_sequence": World(task="sequence", train=576, seed=3),
}


def write_demo(name: str = "demo", progress: Progress = silent) -> Path:
    """Write a demo world as an ordinary data set below the working folder, and return its folder.

    `name` is demo, demo_when, demo_count or demo_sequence. Clips that exist already are not written again. Raises
    UserError if the folder has other content.
    """
    root = Path(find_manifest(name)[0].root)
    build_world(root, WORLDS[name], progress("demo world: clips written"))
    return root


def build_world(root: Path, world: World, tick: Tick) -> None:
    """Write the parts of a world that are missing in the folder `root`.

    The same sizes and seed give the same bytes. A clip that is deleted later is not written again. Raises UserError if
    `root` has a world of other sizes, or other content.
    """
    requested = {"format": 2, **world.model_dump()}
    marker = root / "world.json"
    if marker.is_file():
        if load_mapping(marker) != requested:
            raise UserError(f"{root}: holds a world of other sizes; delete it")
    elif root.is_dir() and any(root.iterdir()):
        raise UserError(f"{root}: is not empty and no demo world; move it away")
    else:
        write_json(marker, requested)
    missing = {part: _plan(world, part) for part in _INDEX if not (root / _INDEX[part]).is_file()}
    clips = [clip for planned in missing.values() for clip in planned]
    for part in missing:
        (root / "clips" / part).mkdir(parents=True, exist_ok=True)
    written = parallel_map(write_clip, [root / clip.video for clip in clips], [clip.scene for clip in clips])
    for done, _ in enumerate(written, start=1):
        tick(done, len(clips))
    for part, planned in missing.items():
        truth = ({"video": clip.video, **asdict(clip.scene)} for clip in planned)
        write_text(root / "truth" / f"{part}.jsonl", "".join(json.dumps(row) + "\n" for row in truth))
        write_text(root / _INDEX[part], _instructions(planned, world) if part == "mix" else _labels(planned))


@dataclass(frozen=True)
class _Clip:
    video: str  # path below the root
    scene: Scene
    label: Row  # its columns beside `video`


def _plan(world: World, part: Part) -> list[_Clip]:
    """Every clip of a part. Clips of the instruction set have made-up labels, and paths that no target has."""
    task = TASKS[world.task]
    rng = np.random.default_rng((world.seed, _SEEDS[part]))
    if part == "mix":
        chosen = [draw_unnamed(rng, timed=task.timed) for _ in range(world.mix)]
    else:
        chosen = task.plan(rng, {"train": world.train, "validation": world.validation, "test": world.test}[part])
    clips = []
    for index, (path, turns, about) in enumerate(chosen):
        scene = draw_scene(rng, path, turns)
        label = task.made_up(rng) if part == "mix" else task.row(scene, about)
        clips.append(_Clip(f"clips/{part}/{index:04}.mp4", scene, label))
    return clips


def _labels(clips: list[_Clip]) -> str:
    text = io.StringIO()
    rows = csv.DictWriter(text, ["video", *clips[0].label], lineterminator="\n")
    rows.writeheader()
    rows.writerows({"video": clip.video, **clip.label} for clip in clips)
    return text.getvalue()


def _instructions(clips: list[_Clip], world: World) -> str:
    """The instruction set: descriptions and explanations of made-up labels, alternating, and no target's name.

    The base model was pretrained on texts of the same form.
    """
    task = TASKS[world.task]
    rng = np.random.default_rng((world.seed, _TEXTS))
    lines = []
    for index, clip in enumerate(clips):
        if index % 2 == 0:
            timed = task.timed and index % 4 == 0
            question = one_of(TIMED_QUESTIONS if timed else DESCRIBE_QUESTIONS, rng)
            answer = describe(clip.scene, rng, timed=timed)
        else:
            question, words = task.hint(clip.label, rng)
            answer = task.explain(clip.scene, words, rng)
        messages = [
            {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ]
        lines.append(json.dumps({"messages": messages, "videos": [clip.video]}) + "\n")
    return "".join(lines)
