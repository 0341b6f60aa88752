"""The demo world: seeded, real files, and labels that are motions."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.demo.build import World, build_world
from videostar.demo.language import describe, made_up_name, read
from videostar.demo.world import KNOWN, PATHS, STEPS, TARGETS, draw_scene, draw_turns
from videostar.util.errors import UserError
from videostar.util.progress import silent


def test_known_and_target_actions_are_apart() -> None:
    assert len(KNOWN) >= 8
    assert len(TARGETS) >= 12
    assert not set(KNOWN) & set(TARGETS)
    paths = [*KNOWN.values(), *TARGETS.values()]
    assert len(set(paths)) == len(paths)


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.sampled_from(PATHS))
def test_the_object_stays_in_the_picture_and_goes_as_said(seed: int, path: tuple[str, str, str]) -> None:
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, path)
    where = scene.position(np.linspace(0, 1, 50))
    assert (where > 0).all()
    assert (where < 1).all()
    said = read(describe(scene, rng))
    assert (said.colour, said.shape, said.path) == (scene.colour, scene.shape, scene.path)
    assert 2 <= scene.seconds <= 4


@given(st.integers(0, 2**32))
def test_made_up_names_are_no_targets(seed: int) -> None:
    name = made_up_name(np.random.default_rng(seed))
    assert name.strip() == name != ""
    assert name not in TARGETS


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("once", "again"):
        build_world(tmp_path / name, World(train=6, validation=2, test=2, mix=6, seed=7), silent(""))
    assert _digests(tmp_path / "once") == _digests(tmp_path / "again")


def test_clips_are_h264_of_mixed_rates_and_sizes(world: Path) -> None:
    root = world.parent / "clips_and_labels"
    rates, sizes = set(), set()
    for path in sorted((root / "clips").rglob("*.mp4")):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert 1.8 <= float(stream.duration * stream.time_base) <= 4.2
            rates.add(stream.average_rate)
            sizes.add((stream.width, stream.height))
    assert len(rates) >= 5
    assert len(sizes) >= 5


def test_splits_share_no_clip_and_hold_every_target(world: Path) -> None:
    root = world.parent / "clips_and_labels"
    rows = {}
    for split in ("train", "validation", "test"):
        with (root / f"{split}.csv").open() as file:
            rows[split] = list(csv.DictReader(file))
        assert {row["label"] for row in rows[split]} == set(TARGETS)
    digests = {split: {_digest(root / row["video"]) for row in rows[split]} for split in rows}
    assert not digests["train"] & (digests["validation"] | digests["test"])
    assert not digests["validation"] & digests["test"]


def test_instructions_mixed_in_name_no_target(world: Path) -> None:
    text = (world.parent / "clips_and_labels" / "mix.jsonl").read_text()
    assert len(text.splitlines()) == 32
    assert not any(name in text for name in TARGETS)
    assert all(set(json.loads(line)) == {"messages", "videos"} for line in text.splitlines())


@pytest.mark.parametrize("task", ["when", "count", "sequence"])
def test_labels_of_the_other_tasks_are_those_of_the_scenes(task: str, tmp_path: Path) -> None:
    sizes = {"task": task, "train": 24, "validation": 1, "test": 1, "mix": 1}
    build_world(tmp_path, World.model_validate(sizes), silent(""))
    truth = {
        row["video"]: row for row in map(json.loads, (tmp_path / "truth" / "train.jsonl").read_text().splitlines())
    }
    with (tmp_path / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["label"] for row in rows}) >= 3
    for row in rows:
        scene = truth[row["video"]]
        legs, edges = scene["path"], [0, *scene["turns"], 1]
        if task == "when":
            leg = legs.index(row["label"].split()[-1])
            times = [round(edge * scene["seconds"], 1) for edge in edges[leg : leg + 2]]
            assert [float(row["start"]), float(row["end"])] == times
            assert legs.count(legs[leg]) == 1
        elif task == "count":
            opposite = {"up": "down", "down": "up", "left": "right", "right": "left"}
            assert int(row["label"]) == sum(opposite.get(a) == b for a, b in itertools.pairwise(legs))
        else:
            assert row["label"].split("; ") == [STEPS[leg] for leg in legs]


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_turns_come_at_any_time_and_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, ("up", "right", "down"), draw_turns(rng))
    edges = [0.0, *scene.turns, 1.0]
    assert min(b - a for a, b in itertools.pairwise(edges)) >= 0.199
    at_turns = scene.position(np.array(edges))
    assert at_turns[1][1] < at_turns[0][1]  # up
    assert at_turns[2][0] > at_turns[1][0]  # right
    assert at_turns[3][1] > at_turns[2][1]  # down
    said = describe(scene, rng, timed=True)
    assert read(said).path == scene.path
    told = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", said)]
    assert told == [edge for leg in scene.leg_times for edge in leg]


def test_another_world_in_the_folder_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other sizes"):
        build_world(world.parent / "clips_and_labels", World(seed=8), silent(""))
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(UserError, match="no demo world"):
        build_world(tmp_path, World(), silent(""))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digests(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): _digest(path) for path in root.rglob("*") if path.is_file()}
