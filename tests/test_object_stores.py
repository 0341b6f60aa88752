"""Videos in object stores: the same results as from a folder, whatever happens to store, cache or process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from commands import Command, command
from ordinary_data import checked, told, write_rows
from s3 import BUCKET, S3, cut
from test_places import four, rows_of, skipped, used

from videostar.data.source import load_data
from videostar.pipeline_files import load_pipeline
from videostar.util.object_path import ObjectPath
from videostar.video.object_cache import ObjectCache

ROOT = f"s3://{BUCKET}/videos"
MADE = ("answers.jsonl", "evaluation.jsonl", "validation.jsonl", "lora/adapter_model.safetensors")
MADE += ("dataset/data-00000.parquet", "dataset/rejected.parquet")


@pytest.fixture(scope="module")
def _server() -> Iterator[S3]:
    server = S3(Path(os.environ["AWS_CONFIG_FILE"]))
    yield server
    server.stop()


@pytest.fixture
def s3(_server: S3) -> S3:
    """An empty store."""
    _server.clear()
    return _server


@pytest.fixture
def stored(s3: S3, clips: Path) -> S3:
    """A store with the clips below `videos`."""
    s3.put_folder(clips, "videos")
    s3.requests.clear()
    return s3


@pytest.fixture
def rows(stored: S3, tmp_path: Path) -> Path:
    """A row file of four of the stored clips, far from any video."""
    return write_rows(tmp_path / "rows" / "rows.csv", *four())


def done(run: subprocess.CompletedProcess[str]) -> None:
    assert run.returncode == 0, run.stderr


# Results


def test_a_cycle_is_that_of_local_files(
    videostar: Command, finished: tuple[Path, str], quick: Path, world: Path, s3: S3, tmp_path: Path
) -> None:
    local = world.parent / "clips_and_labels"
    s3.put_folder(local, "videos")
    s3.requests.clear()
    rows = tmp_path / "rows"
    rows.mkdir()
    for file in local.glob("*.csv"):
        shutil.copy(file, rows)
    manifest = yaml.safe_load(world.read_text()) | {"root": ROOT}
    (rows / "stored.yaml").write_text(yaml.safe_dump(manifest))
    arguments = ("cycle", "--pipeline", quick, "--data", rows / "stored.yaml", "--cache", "cache", "--out")
    done(videostar(*arguments, "run"))
    for number in ("01", "02"):
        for name in MADE:
            made = tmp_path / "run" / "rounds" / number / name
            assert made.read_bytes() == (finished[0] / "rounds" / number / name).read_bytes(), name
    mine, theirs = (json.loads((run / "manifest.json").read_text()) for run in (tmp_path / "run", finished[0]))
    assert mine["data"] == theirs["data"]
    assert set(s3.fetched().values()) == {1}
    s3.requests.clear()
    done(videostar(*arguments, "run"))  # it is finished
    shutil.rmtree(tmp_path / "cache" / "videos")
    again = ("generate", "--pipeline", quick, "--data", rows / "stored.yaml", "--cache", "cache", "--out", "again")
    done(videostar(*again))  # measures are known, and frames cached
    assert not s3.fetched()
    done(videostar("report", "run"))  # shows the films
    assert set(s3.fetched().values()) == {1}
    shutil.rmtree(tmp_path / "cache" / "videos")
    s3.stop()
    try:
        done(videostar("report", "run"))  # without the films
    finally:
        s3.start()
    media = {file.suffix for file in (tmp_path / "run" / "report").rglob("*")}
    assert ".jpg" in media
    assert ".mp4" not in media


def test_a_check_is_that_of_local_files(videostar: Command, stored: S3, clips: Path, tmp_path: Path) -> None:
    """Also where a name is misspelled, a video is missing, and a row has other columns."""
    lines = [*four(), "train,0004.MP4,walking", "train,none.mp4,walking", "train,sub/none.mp4,walking"]
    local = checked(videostar, write_rows(clips / "rows.csv", *lines))
    remote = checked(videostar, write_rows(tmp_path / "rows" / "rows.csv", *lines), "--root", ROOT)
    assert remote.pop("root") == ROOT
    assert remote.pop("data") != local.pop("data")
    local.pop("root")
    assert remote == local
    assert local["usable"] == 5


def test_urls_in_rows(videostar: Command, stored: S3, clips: Path, tmp_path: Path) -> None:
    """They are used where rows may lead anywhere, and recorded below the root if they lead there."""
    videos = [f"{ROOT}/0000.mp4", "0001.mp4", f"{ROOT}/0002.mp4", "0003.mp4"]
    used(checked(videostar, write_rows(clips / "rows.csv", *rows_of(*videos))))
    rows = write_rows(tmp_path / "far" / "rows.csv", *rows_of(*videos[:3], clips / "0003.mp4"))
    used(checked(videostar, rows, "--root", ROOT))
    settings = load_pipeline(data=str(rows), root=ROOT)
    assert [sample.video for sample in load_data(settings).samples][:3] == ["0000.mp4", "0001.mp4", "0002.mp4"]


def test_what_is_in_the_cache_is_not_fetched_again(videostar: Command, stored: S3, rows: Path) -> None:
    arguments = ("--root", ROOT, "--cache", "cache", "--pictures")
    used(checked(videostar, rows, *arguments))
    assert stored.fetched() == {f"videos/{number:04}.mp4": 1 for number in range(4)}
    used(checked(videostar, rows, *arguments, "--set", "video.frames=3"))  # measured, and to be decoded
    used(checked(videostar, rows, *arguments))
    assert sum(stored.fetched().values()) == 4


def test_a_changed_object_is_another_video(videostar: Command, stored: S3, rows: Path, clips: Path) -> None:
    arguments = ("--root", ROOT, "--cache", "cache", "--pictures")
    used(checked(videostar, rows, *arguments))
    stored.put("videos/0000.mp4", (clips / "0002.mp4").read_bytes())
    (why,) = skipped(checked(videostar, rows, *arguments))
    assert why.startswith("also in test: "), why
    assert stored.fetched()["videos/0000.mp4"] == 2
    assert sum(stored.fetched().values()) == 5


def test_a_folder_of_many_is_listed_once(videostar: Command, s3: S3, clips: Path, tmp_path: Path) -> None:
    content = (clips / "0000.mp4").read_bytes()
    videos = [f"{number:03}.mp4" for number in range(100)]
    for video in videos:
        s3.put(f"videos/{video}", content)
    s3.requests.clear()
    rows = write_rows(tmp_path / "rows.csv", "video,label,split", *(f"{video},walking,train" for video in videos))
    used(checked(videostar, rows, "--root", ROOT, "--rows-only"), 100)
    asked = sum(count for (method, _), count in s3.requests.items() if method == "HEAD")
    assert asked < 50
    assert s3.requests["GET", f"/{BUCKET}"] < 5


# The cache


def test_a_budget_smaller_than_the_videos(videostar: Command, stored: S3, rows: Path, tmp_path: Path) -> None:
    size = max(stored.client.head_object(Bucket=BUCKET, Key=f"videos/000{n}.mp4")["ContentLength"] for n in range(4))
    budget = 2.5 * -(-size // 4096) * 4096  # two videos
    few = ("--root", ROOT, "--cache", "few", "--pictures", "--set", f"cache.videos_gb={budget / 1e9}")
    used(checked(videostar, rows, *few))
    kept = [file.stat().st_size for file in (tmp_path / "few" / "videos").glob("*/*")]
    assert 0 < sum(kept) <= budget
    assert sum(stored.fetched().values()) > 4
    none = ("--root", ROOT, "--cache", "none", "--pictures", "--set", "cache.videos_gb=1e-9")
    used(checked(videostar, rows, *none))
    assert not list((tmp_path / "none" / "videos").glob("*/*"))


def test_a_file_in_use_stays(stored: S3, tmp_path: Path) -> None:
    """Whatever another process needs room for."""
    cache = ObjectCache(tmp_path, 3 * 4096)
    with cache.local(ObjectPath(f"{ROOT}/0000.mp4")) as used:
        content = used.read_bytes()
        for number in range(1, 8):
            with cache.local(ObjectPath(f"{ROOT}/{number:04}.mp4")) as file:
                assert file.stat().st_size
        assert used.read_bytes() == content
    kept = list(tmp_path.glob("*/*"))
    assert len(kept) < 8


def test_two_processes_fetch_each_video_once(stored: S3, rows: Path, tmp_path: Path) -> None:
    words = command("check", rows, "--root", ROOT, "--cache", "cache", "--pictures")
    both = [subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.wait() == 0, process.communicate()[1]
    assert stored.fetched() == {f"videos/{number:04}.mp4": 1 for number in range(4)}


def test_a_kill_in_the_middle_of_a_fetch(videostar: Command, stored: S3, rows: Path, tmp_path: Path) -> None:
    halfway, stop = threading.Event(), threading.Event()

    def stall(method: str, path: str, answer: Iterable[bytes]) -> Iterable[bytes]:
        if method != "GET" or path.endswith(f"/{BUCKET}"):
            return answer
        content = b"".join(answer)
        half = len(content) // 2

        def slowly() -> Iterator[bytes]:
            yield content[:half]
            halfway.set()
            stop.wait(60)
            yield content[half:]

        return slowly()

    stored.fault = stall
    words = command("check", rows, "--root", ROOT, "--cache", "cache", "--pictures")
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        assert halfway.wait(60)
        os.killpg(process.pid, signal.SIGKILL)
    stop.set()
    stored.fault = None
    left = list((tmp_path / "cache" / "videos").glob("*/*"))
    assert left
    assert all(file.name.startswith(".making-") for file in left)
    used(checked(videostar, rows, "--root", ROOT, "--cache", "cache", "--pictures"))
    kept = list((tmp_path / "cache" / "videos").glob("*/*"))
    assert len(kept) == 4
    assert not any(file.name.startswith(".") for file in kept)


# Errors


def test_a_store_that_is_gone_ends_the_run(videostar: Command, stored: S3, rows: Path) -> None:
    """And not one row after the other: the same command goes on."""
    arguments = ("check", rows, "--root", ROOT, "--cache", "cache", "--pictures")
    stored.stop()
    try:
        assert "cannot be read" in told(videostar, *arguments)
    finally:
        stored.start()
    served: list[str] = []

    def refuse(method: str, path: str, answer: Iterable[bytes]) -> Iterable[bytes]:
        if method == "GET" and not path.endswith(f"/{BUCKET}"):
            served.append(path)
        if len(served) > 2:
            raise ConnectionResetError
        return answer

    stored.fault = refuse
    run = videostar(*arguments)
    assert run.returncode == 2
    *_, line = run.stderr.strip().splitlines()  # after the bar
    assert line.startswith(f"videostar: s3://{BUCKET}: cannot be read"), line
    assert line.endswith("start the same command again")
    stored.fault = None
    used(checked(videostar, *arguments[1:]))


def test_a_fetch_that_is_cut_off(videostar: Command, stored: S3, rows: Path) -> None:
    """It is tried again; a video that is always cut off is skipped."""
    left = {"/clips/videos/0000.mp4": 1, "/clips/videos/0001.mp4": 1000}

    def fault(method: str, path: str, answer: Iterable[bytes]) -> Iterable[bytes]:
        if method == "GET" and left.get(path, 0) > 0:
            left[path] -= 1
            return cut(answer)
        return answer

    stored.fault = fault
    report = checked(videostar, rows, "--root", ROOT, "--cache", "cache")
    assert report["usable"] == 3
    (why,) = skipped(report)
    assert why.startswith("unreadable: ")
    assert 1 < 1000 - left["/clips/videos/0001.mp4"] < 20


def test_credentials(videostar: Command, stored: S3, rows: Path) -> None:
    stored.credentials(there=False)
    assert "credentials" in told(videostar, "check", rows, "--root", ROOT)


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("s3://no-such-bucket/videos", "there is no bucket no-such-bucket"),
        (f"s3://{BUCKET}/none", "the bucket holds nothing there"),
        (f"{ROOT}/0000.mp4", "is an object"),
        ("s3a://clips/videos", "write s3://"),
        ("http://127.0.0.1/videos", "is no place that videos are read from"),
        ("zip::s3://clips/a.zip", "is no place that videos are read from"),
        ("s3://clips::memory://x", "is no place that videos are read from"),
        ("s3://clips/../other", "is no place that videos are read from"),
        ("memory://clips", "is no place that videos are read from"),
        ("github://a/b", "is no place that videos are read from"),
        ("gs://clips", "pip install 'videostar[gs]'"),
        ("hf://datasets/a/b", "set HF_HUB_OFFLINE=0"),
    ],
)
def test_other_roots(videostar: Command, stored: S3, rows: Path, root: str, says: str) -> None:
    line = told(videostar, "check", rows, "--root", root)
    assert says in line
    assert root in line


def test_a_secret_in_a_url_is_not_repeated(videostar: Command, stored: S3, rows: Path) -> None:
    line = told(videostar, "check", rows, "--root", "s3://key:5ecret@clips/videos")
    assert "5ecret" not in line
    assert "credentials" in line


def test_rows_of_others_lead_nowhere_else(videostar: Command, stored: S3, tmp_path: Path) -> None:
    """A data manifest confines its rows to its root; `confine: false` does not."""
    stored.put("other/0004.mp4", b"private")
    stored.requests.clear()
    there = [f"s3://{BUCKET}/other/0004.mp4", "../other/0004.mp4", "/etc/passwd", "s3://elsewhere/a.mp4"]
    there += ["http://127.0.0.1/a.mp4", f"zip::s3://{BUCKET}/other/0004.mp4", "s3://clips/videos/../other/0004.mp4"]
    write_rows(tmp_path / "rows.csv", *four(), *(f"train,{video},walking" for video in there))
    manifest: dict[str, object] = {"root": ROOT, "rows": {"all": "rows.csv"}}
    data = tmp_path / "data.yaml"
    data.write_text(yaml.safe_dump(manifest))
    report = checked(videostar, data, "--rows-only")
    used(report | {"skipped": []})
    reasons = [row["reason"] for row in report["skipped"]]
    assert sorted(reasons) == ["not on this machine"] * 2 + ["outside its root"] * 5
    assert not any("other" in path or "elsewhere" in path for _, path in stored.requests)
    data.write_text(yaml.safe_dump(manifest | {"confine": False}))
    report = checked(videostar, data, "--rows-only")
    assert f"s3://{BUCKET}/other/0004.mp4" not in {row["video"] for row in report["skipped"]}


def test_what_is_read_on_this_machine_alone(videostar: Command, stored: S3, clips: Path, tmp_path: Path) -> None:
    assert "rows are read on this machine" in told(videostar, "check", f"s3://{BUCKET}/rows.csv")
    assert "list the videos in a .csv" in told(videostar, "check", clips, "--root", ROOT)
    data = tmp_path / "data.yaml"
    data.write_text(yaml.safe_dump({"root": ROOT, "rows": {"all": f"s3://{BUCKET}/rows.csv"}}))
    assert "rows are read on this machine" in told(videostar, "check", data)
    stored.put("videos/pictures/0001.png", b"a")
    rows = write_rows(tmp_path / "rows" / "rows.csv", *four(), "train,pictures,walking")
    (why,) = skipped(checked(videostar, rows, "--root", ROOT, "--rows-only"))
    assert "folder" in why
