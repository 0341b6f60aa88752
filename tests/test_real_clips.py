"""Real camera video goes through: two rounds on clips that the embedded model knows nothing of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from commands import Command

LABELS = {
    "demo_spatiotemporal_det.mp4": "arm wrestling",
    "part_0.mp4": "cleaning pool",
    "test.avi": "applying makeup",
}


@pytest.mark.slow
@pytest.mark.shared
def test_two_rounds_on_real_clips_account_for_every_answer(
    shared: Path, videostar: Command, quick: Path, tmp_path: Path
) -> None:
    for name in LABELS:
        shutil.copy(shared / "clips" / name, tmp_path / name)
    rows = [f"{name},{label},{'test' if name == 'test.avi' else 'train'}" for name, label in LABELS.items()]
    (tmp_path / "my.csv").write_text("\n".join(["video,label,split", *rows]) + "\n")
    done = videostar("cycle", "--data", "my.csv", "--pipeline", quick, "--out", "run")
    assert done.returncode == 0, done.stderr
    for number in ("01", "02"):
        folder = tmp_path / "run" / "rounds" / number
        answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
        asked = {(answer["video"], answer["kind"]) for answer in answers}
        assert {video for video, _ in asked} == {"demo_spatiotemporal_det.mp4", "part_0.mp4"}
        version = json.loads((folder / "dataset" / "version.json").read_text())
        assert version["rows"] + version["counts"].get("rejected", 0) == len(answers)
        direct = [answer for answer in answers if answer["kind"] == "direct"]
        assert len(direct) == 2
        assert number == "02" or not any(answer["accepted"] for answer in direct), "it cannot know these actions"
    manifest = yaml.safe_load((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["stages"]["00/evaluate"]["facts"]["accuracy"] == 0


@pytest.mark.slow
def test_a_csv_beside_videos_needs_no_other_file(videostar: Command, world: Path, quick: Path, tmp_path: Path) -> None:
    """`videostar cycle --data my.csv --rounds 1`, here with the small instruction set for speed."""
    sources = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:12]
    for source in sources:
        shutil.copy(source, tmp_path / source.name)
    rows = [f"{source.name},{'waving a flag' if i % 2 else 'closing a door'}" for i, source in enumerate(sources)]
    (tmp_path / "my.csv").write_text("\n".join(["video,label", *rows]) + "\n")
    done = videostar("cycle", "--data", "my.csv", "--rounds", 1, "--pipeline", quick)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "runs" / "my" / "manifest.json").read_text())
    assert (
        manifest["stages"]["01/generate"]["facts"]["questions"] + manifest["stages"]["01/evaluate"]["facts"]["n"] == 12
    )
