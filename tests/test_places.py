"""Where videos and row files lie: anywhere, behind links, under other spellings; and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Command
from ordinary_data import LABELS, checked, picture, told, write_clip, write_rows
from PIL import Image

from videostar.data.source import load_data
from videostar.pipeline_files import load_pipeline

TRAIN_AND_TEST = ("train", "train", "test", "test")


def rows_of(*videos: object) -> list[str]:
    """Rows of a .csv: the videos with the four labels, two of them to train on."""
    cells = zip(TRAIN_AND_TEST, videos, LABELS, strict=False)
    return ["split,video,label", *(f"{split},{video},{label}" for split, video, label in cells)]


def four(prefix: object = "", suffix: str = ".mp4") -> list[str]:
    return rows_of(*(f"{prefix}{number:04}{suffix}" for number in range(4)))


def used(report: dict[str, Any], count: int = 4) -> None:
    assert (report["usable"], report["skipped"]) == (count, []), report["skipped"]


def skipped(report: dict[str, Any]) -> list[str]:
    """`reason: detail` of each skipped row."""
    return [f"{row['reason']}: {row['detail']}" for row in report["skipped"]]


def one(videostar: Command, clips: Path, video: str, *arguments: object) -> str:
    """Why a row of this video is skipped beside four good ones."""
    rows = write_rows(clips / "one.csv", *four(), f"train,{video},walking")
    (why,) = skipped(checked(videostar, rows, *arguments))
    return why


# Links: an ordinary way to hold data


def test_the_snapshot_of_a_hugging_face_cache(videostar: Command, clips: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "snapshots" / "abc", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number in range(4):
        shutil.move(clips / f"{number:04}.mp4", blobs / f"sha{number}")
        (snapshot / f"{number:04}.mp4").symlink_to(f"../../blobs/sha{number}")
    used(checked(videostar, write_rows(snapshot / "train.csv", *four())))
    shutil.move(snapshot / "train.csv", blobs / "sha9")
    (snapshot / "train.csv").symlink_to("../../blobs/sha9")
    used(checked(videostar, snapshot / "train.csv"))


def test_a_root_of_links_to_another_disk(videostar: Command, clips: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "lab" / "l.csv", *four())
    (tmp_path / "linked").mkdir()
    for number in range(4):
        (tmp_path / "linked" / f"{number:04}.mp4").symlink_to(clips / f"{number:04}.mp4")
    used(checked(videostar, rows, "--root", tmp_path / "linked"))
    (tmp_path / "all").symlink_to(clips)
    used(checked(videostar, rows, "--root", tmp_path / "all"))
    (tmp_path / "folders").mkdir()
    (tmp_path / "folders" / "clips").symlink_to(clips)
    used(checked(videostar, write_rows(rows, *four("clips/")), "--root", tmp_path / "folders"))


def test_a_row_file_that_is_a_link(videostar: Command, clips: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "elsewhere" / "rows.csv", *four())
    (clips / "mine.csv").symlink_to(rows)
    used(checked(videostar, clips / "mine.csv"))
    (tmp_path / "linked.csv").symlink_to(write_rows(clips / "rows.csv", *four()))
    report = checked(videostar, tmp_path / "linked.csv")  # the videos lie beside the file that it leads to
    assert all(f"--root {clips}" in why for why in skipped(report))
    report = checked(videostar, clips / "rows.csv", "--root", tmp_path / "elsewhere")  # they lie beside the row file
    assert all(f"--root {clips}" in why for why in skipped(report))


def test_class_folders_of_links(videostar: Command, clips: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    for number, label in enumerate(LABELS):
        (links / label).mkdir(parents=True)
        (links / label / "a.mp4").symlink_to(clips / f"{number:04}.mp4")
    (tmp_path / "jumping").mkdir()
    shutil.move(clips / "0004.mp4", tmp_path / "jumping" / "b.mp4")
    (links / "jumping").symlink_to(tmp_path / "jumping")
    report = checked(videostar, "folder", "--root", links)
    used(report, 5)
    assert report["labels"]["jumping"] == 1
    (links / "walking" / "loop").symlink_to("..")  # a loop ends
    (links / "walking" / "self").symlink_to("self")
    assert checked(videostar, "folder", "--root", links)["usable"] == 5


def test_links_that_lead_nowhere(videostar: Command, clips: Path) -> None:
    (clips / "loop.mp4").symlink_to("loop.mp4")
    (clips / "gone.mp4").symlink_to("../blobs/sha1")
    (clips / "zero.mp4").symlink_to("/dev/zero")
    assert "symbolic links" in one(videostar, clips, "loop.mp4")
    assert "a link to ../blobs/sha1, which is not there" in one(videostar, clips, "gone.mp4")
    assert "a device" in one(videostar, clips, "zero.mp4")


# Where row files and videos lie


def test_labels_apart_from_the_videos(videostar: Command, clips: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "lab" / "l.csv", *four())
    used(checked(videostar, rows, "--root", clips))
    used(checked(videostar, "lab/l.csv", "--root", "data"))
    write_rows(clips / "l.csv", "split,video,label", "train,gone.mp4,walking")  # not the file that is named
    used(checked(videostar, rows, "--root", clips))
    other = tmp_path / "lab" / "l.jsonl"
    other.write_text("".join(json.dumps({"video": f"{n:04}.mp4", "label": LABELS[n]}) + "\n" for n in range(4)))
    assert checked(videostar, other, "--root", clips)["usable"] == 4
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(yaml.safe_dump({"extends": "demo", "data": str(rows), "root": str(clips)}))
    used(checked(videostar, rows, "--pipeline", pipeline))


def test_absolute_paths(videostar: Command, clips: Path, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "lab" / "abs.csv", *four(f"{clips}/"))
    used(checked(videostar, rows))
    used(checked(videostar, rows, "--root", clips))
    used(checked(videostar, rows, "--root", clips.parent))
    (tmp_path / "other").mkdir()
    used(checked(videostar, rows, "--root", tmp_path / "other"))
    used(checked(videostar, write_rows(rows, *four(f"{clips}/../{clips.name}/")), "--root", clips))


def test_paths_from_the_folder_above_and_from_home(videostar: Command, clips: Path, tmp_path: Path) -> None:
    rows = tmp_path / "lab" / "l.csv"
    used(checked(videostar, write_rows(rows, *four("../data/"))))
    home = os.path.relpath(clips, Path.home())
    used(checked(videostar, write_rows(rows, *four(f"~/{home}/"))))
    shutil.copy(clips / "0000.mp4", clips / "~backup.mp4")
    used(checked(videostar, write_rows(clips / "r.csv", *four(), "train,~backup.mp4,walking")), 5)


def test_urls_of_files(videostar: Command, clips: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(clips, tmp_path / "my clips é"))
    quoted = folder.as_uri()
    assert "%20" in quoted
    for url in (quoted, quoted.replace("file:///", "file://localhost/"), quoted.replace("file://", "file:")):
        used(checked(videostar, write_rows(tmp_path / "l.csv", *four(f"{url}/"))))
    assert "another machine" in one(videostar, clips, "file://nas/clips/0000.mp4")


def test_a_path_is_the_same_sample_however_it_is_written(clips: Path, tmp_path: Path) -> None:
    def made(name: str, folder: Path, prefix: object) -> tuple[list[tuple[str, ...]], str]:
        labels = (f"{prefix}{number:04}.mp4,{LABELS[number % 4]}" for number in range(8))
        rows = write_rows(tmp_path / name, "path,label", *labels)
        pipeline = load_pipeline("demo", data=str(rows), root=str(folder), columns={"video": "path"})
        data = load_data(pipeline)
        return [(item.id, item.video, item.split) for item in data.samples], data.digest("")

    expected = made("a.csv", clips, "")
    moved = Path(shutil.copytree(clips, tmp_path / "moved"))
    (tmp_path / "link").symlink_to(moved)
    for number, (folder, prefix) in enumerate(
        [
            (clips, f"{clips}/"),
            (moved, f"{moved}/"),
            (tmp_path / "link", f"{moved}/"),
            (moved, f"{moved.as_uri()}/"),
            (moved, f"{tmp_path}/x/../moved/"),
            (moved, "../moved/"),
        ]
    ):
        (tmp_path / "x").mkdir(exist_ok=True)
        assert made(f"{number}.csv", folder, prefix) == expected, prefix


def test_backslashes(videostar: Command, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    used(checked(videostar, write_rows(tmp_path / "l.csv", *four("data\\"))))
    used(checked(videostar, write_rows(tmp_path / "lab" / "l.csv", *four("..\\data\\"))))
    shutil.move(clips / "0000.mp4", clips / "a\\b.mp4")  # an odd name, which is a name
    used(checked(videostar, write_rows(clips / "l.csv", *rows_of("a\\b.mp4", "0001.mp4", "0002.mp4", "0003.mp4"))))
    shutil.move(clips / "a\\b.mp4", clips / "0000.mp4")
    assert "backslash" in one(videostar, clips, "clips\\gone.mp4")


@pytest.mark.parametrize(
    ("video", "named"),
    [
        ("https://example.org/a.mp4", "https://example.org/a.mp4"),
        ("HTTP://example.org/a.mp4", "download"),
        ("az://bucket/a.mp4", "az://bucket/a.mp4"),
        ("zip::s3://bucket/a.zip", "download"),
        ("C:\\clips\\0000.mp4", "drive C:"),
        ("D:/clips/0000.mp4", "drive D:"),
        ("\\\\nas\\clips\\0000.mp4", "backslash"),
        ("file:///C:/clips/0000.mp4", "drive C:"),
    ],
)
def test_places_that_are_not_on_this_machine(videostar: Command, clips: Path, video: str, named: str) -> None:
    why = one(videostar, clips, video)
    assert named in why
    assert not why.startswith("outside its root")


def test_a_run_on_videos_anywhere(videostar: Command, clips: Path, tmp_path: Path) -> None:
    """Absolute paths, links and folders above, in a run and all that reads it."""
    (clips / "link.mp4").symlink_to(shutil.move(clips / "0002.mp4", tmp_path / "blob"))
    rows = write_rows(
        tmp_path / "lab" / "l.csv",
        *("split,video,label", f"train,{clips}/0000.mp4,walking", "train,../data/0001.mp4,running"),
        *(f"train,{clips}/link.mp4,walking", f"test,{clips}/0003.mp4,running"),
    )
    quick = (
        "--data",
        rows,
        "--set",
        "mix=null",
        "--set",
        "generation.answers=[template]",
        "--set",
        "training.epochs=1",
    )
    done = videostar("cycle", *quick, "--rounds", 1, "--out", "run")
    assert done.returncode == 0, done.stderr
    version = tmp_path / "run" / "rounds" / "01" / "dataset"
    assert json.loads((version / "version.json").read_text())["rows"] == 3
    for name in (f"{clips}/0000.mp4", "0000.mp4", "../data/0001.mp4", "0001.mp4"):
        assert videostar("explain", name, "--run", "run").returncode == 0
    trained = videostar("train", version, *quick, "--out", "lora")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout.splitlines()[-1])["rows"] == 3
    assert videostar("evaluate", *quick, "--out", "figures.json").returncode == 0


# What is trusted


def shared(folder: Path, *lines: str, **keys: Any) -> Path:
    """A data manifest as one gets it from others."""
    write_rows(folder / "rows.csv", *lines)
    path = folder / "shared.yaml"
    path.write_text(yaml.safe_dump({"rows": {"all": "rows.csv"}, **keys}))
    return path


def test_a_shared_manifest_stays_below_its_root(videostar: Command, clips: Path, tmp_path: Path) -> None:
    outside = write_clip(tmp_path / "outside" / "9.mp4", 9)
    (clips / "link.mp4").symlink_to(outside)
    (clips / "folder").symlink_to(outside.parent)
    home = os.path.relpath(outside, Path.home())
    hostile = ["/etc/passwd", "../../../../../../../etc/passwd", f"~/{home}", outside.as_uri(), "..\\outside\\9.mp4"]
    links = ["link.mp4", "folder/9.mp4"]
    climbing = ["folder/../outside/9.mp4"]
    rows = [*four(), *(f"train,{video},walking" for video in [*hostile, *climbing, *links])]
    report = checked(videostar, shared(clips, *rows))
    assert report["usable"] == 4
    assert {row["reason"] for row in report["skipped"]} == {"outside its root"}
    assert all("confine: false" in row["detail"] for row in report["skipped"])
    report = checked(videostar, shared(clips, *rows), "--root", clips)  # the folder that the user names is theirs
    assert [row["where"] for row in report["skipped"]] == [f"rows.csv:{line}" for line in range(6, 12)]
    assert {row["reason"] for row in report["skipped"]} == {"outside its root"}
    trusting = checked(videostar, shared(clips, *rows, confine=False))
    assert "outside its root" not in {row["reason"] for row in trusting["skipped"]}
    assert trusting["skipped"][0]["reason"] == "not a video"  # /etc/passwd


def test_paths_inside_the_root_are_no_danger(videostar: Command, clips: Path) -> None:
    (clips / "again").symlink_to(".")
    videos = [f"{clips}/0000.mp4", "again/0001.mp4", f"../{clips.name}/0002.mp4", (clips / "0003.mp4").as_uri()]
    used(checked(videostar, shared(clips, *rows_of(*videos))))


def test_row_files_of_a_shared_manifest(videostar: Command, clips: Path, tmp_path: Path) -> None:
    elsewhere = write_rows(tmp_path / "rows.csv", *four())
    manifest = shared(clips, *four(), rows={"all": "../rows.csv"})
    assert "leads out of the root" in told(videostar, "check", manifest)
    manifest = shared(clips, *four(), rows={"all": "linked.csv"})
    (clips / "linked.csv").symlink_to(elsewhere)
    assert "confine: false" in told(videostar, "check", manifest)
    used(checked(videostar, manifest, "--root", clips))
    used(checked(videostar, shared(clips, *four(), rows={"all": "../rows.csv"}, confine=False)))


def test_the_manifests_of_ones_own_videos_trust_the_rows(videostar: Command, clips: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "other" / "labels.csv", *four(f"{clips}/"))
    used(checked(videostar, "csv", "--root", tmp_path / "other"))
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "labels.csv").symlink_to(tmp_path / "other" / "labels.csv")
    used(checked(videostar, "csv", "--root", tmp_path / "links"))


def test_class_folders_of_a_shared_manifest(videostar: Command, clips: Path, tmp_path: Path) -> None:
    (clips / "walking").mkdir()
    for number in range(4):
        shutil.move(clips / f"{number:04}.mp4", clips / "walking")
        (clips / f"{number + 4:04}.mp4").unlink()
    write_clip(tmp_path / "private" / "deep" / "9.mp4", 9)
    (clips / "running").symlink_to(tmp_path / "private")
    report = checked(videostar, shared(clips, format="folder", rows={"all": "."}))
    assert report["usable"] == 4
    assert {row["reason"] for row in report["skipped"]} == {"outside its root"}
    assert "deep" not in json.dumps(report)  # it was not even listed
    used(checked(videostar, shared(clips, format="folder", rows={"all": "."}, confine=False)), 5)


def test_what_is_no_video_is_never_read(videostar: Command, clips: Path) -> None:
    secret = write_clip(clips / "secret" / "s.mp4", 9)
    playlist = f"ffconcat version 1.0\nfile '{secret}'\n"
    (clips / "list.mp4").write_text(playlist)
    (clips / "live.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n")
    os.mkfifo(clips / "pipe.mp4")
    names = ["list.mp4", "live.mp4", "pipe.mp4", "/dev/zero", "/dev/tty", "/etc/passwd", "/proc/self/mem", "secret"]
    rows = write_rows(clips / "rows.csv", *four(), *(f"train,{name},walking" for name in names))
    for more in ((), ("--rows-only",), ("--pictures",)):
        report = checked(videostar, rows, *more)
        assert report["usable"] >= 4
        if "--rows-only" not in more:
            assert (report["usable"], len(report["skipped"])) == (4, len(names))


# Names that are almost right


def test_names_in_another_unicode_form(videostar: Command, clips: Path) -> None:
    composed = unicodedata.normalize("NFC", "Café-Übung-0.mp4")
    apart = unicodedata.normalize("NFD", composed)
    assert composed != apart
    shutil.move(clips / "0000.mp4", clips / apart)
    folder = clips / unicodedata.normalize("NFD", "tür")
    folder.mkdir()
    shutil.move(clips / "0001.mp4", folder / composed)
    names = [composed, unicodedata.normalize("NFC", "tür/") + apart, "0002.mp4", "0003.mp4"]
    rows = write_rows(clips / "rows.csv", *rows_of(*names))
    used(checked(videostar, rows))
    used(checked(videostar, rows, "--rows-only"))
    used(checked(videostar, rows, "--root", clips))


def test_names_in_another_case(videostar: Command, clips: Path) -> None:
    shutil.move(clips / "0000.mp4", clips / "Door.MP4")
    (clips / "Clips").mkdir()
    shutil.move(clips / "0001.mp4", clips / "Clips")
    rows = write_rows(clips / "rows.csv", *rows_of("door.mp4", "clips/0001.mp4", "0002.mp4", "0003.mp4"))
    used(checked(videostar, rows))
    shutil.copy(clips / "0004.mp4", clips / "DOOR.mp4")
    (why,) = skipped(checked(videostar, rows))
    assert "DOOR.mp4" in why
    assert "Door.MP4" in why


@pytest.mark.parametrize(
    ("video", "near"),
    [
        ("0001", "0001.mp4"),
        ("0001.avi", "0001.mp4"),
        ("001.mp4", "0001.mp4"),
        ("0001 .mp4", "0001.mp4"),
        ("opening_dor.mp4", "opening-door.mp4"),
        ("data/0001.mp4", "--root"),
        ("clips/0001.mp4", "0001.mp4"),
        ("deep.mp4", "sub/deep.mp4"),
    ],
)
def test_a_near_name_is_suggested(videostar: Command, clips: Path, video: str, near: str) -> None:
    shutil.copy(clips / "0005.mp4", clips / "opening-door.mp4")
    write_clip(clips / "sub" / "deep.mp4", 11)
    why = one(videostar, clips, video)
    assert why.startswith("missing: ")
    assert near in why


@pytest.mark.parametrize("video", ["0012.mp4", "gone.mp4", "x.mp4"])
def test_another_number_is_no_near_name(videostar: Command, clips: Path, video: str) -> None:
    assert one(videostar, clips, video) == "missing: no such file"


def test_an_empty_path(videostar: Command, clips: Path) -> None:
    assert "path" in one(videostar, clips, "")


# Kinetics and folders per class


@pytest.mark.parametrize("edition", ["400", "600", "700"])
@pytest.mark.parametrize("layout", ["train/{}", "videos_train/{}", "{}"])
def test_class_folders_of_kinetics(videostar: Command, clips: Path, edition: str, layout: str) -> None:
    folder = clips / layout.format("tango_dancing")
    folder.mkdir(parents=True)
    names = ["AAAAAAAAAA0_000010_000020.mp4", "AAAAAAAAAA1_000003_000013.mp4"]
    for number, name in enumerate(names):
        shutil.move(clips / f"{number:04}.mp4", folder / name)
    header = "label,youtube_id,time_start,time_end,split"
    lines = ["tango dancing,AAAAAAAAAA0,10,20,train", "tango dancing,AAAAAAAAAA1,3,13,train"]
    write_rows(clips / "train.csv", header, *lines)
    write_rows(clips / "val.csv", header)
    report = checked(videostar, f"kinetics{edition}", "--root", clips)
    used(report, 2)
    assert report["labels"] == {"tango dancing": 2}


def test_camera_files_in_class_folders(videostar: Command, clips: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    endings = ["mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "mts", "m2ts", "mpg", "mpeg", "vob", "3gp", "3g2"]
    endings += ["flv", "ogv", "wmv", "asf", "gif", "mxf"]
    for number, ending in enumerate([*endings, "MTS", "Mp4", "3GP"]):
        path = films / LABELS[number % 4] / f"{number}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clips / "0000.mp4", path)
    (films / "walking" / "notes.txt").write_text("no video")
    (films / "walking" / ".hidden.mp4").write_text("no video")
    report = checked(videostar, "folder", "--root", films, "--rows-only")
    assert (report["usable"], report["skipped"]) == (23, [])


def test_folders_in_class_folders(videostar: Command, clips: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    for number, name in enumerate(["opening a door/subject1/a.mp4", "opening a door/b.mp4", "walking/c.mp4"]):
        (films / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clips / f"{number:04}.mp4", films / name)
    report = checked(videostar, "folder", "--root", films)
    used(report, 3)
    assert report["labels"] == {"opening a door": 2, "walking": 1}
    for split, source in (("train", "opening a door"), ("test", "walking")):
        shutil.copytree(films / source, tmp_path / "splits" / split / "s" / source)
    report = checked(videostar, "folder", "--root", tmp_path / "splits")
    assert report["labels"] == {"s": 3}


def test_no_class_folder(videostar: Command, clips: Path, tmp_path: Path) -> None:
    line = told(videostar, "check", "folder", "--root", clips)
    assert "8 videos" in line
    assert "class" in line
    shutil.copytree(clips, tmp_path / "splits" / "train")
    assert "train" in told(videostar, "check", "folder", "--root", tmp_path / "splits")
    (tmp_path / "empty").mkdir()
    assert "no videos" in told(videostar, "check", "folder", "--root", tmp_path / "empty")


def test_splits_in_class_folders_and_a_folder_around_them(videostar: Command, clips: Path, tmp_path: Path) -> None:
    films = tmp_path / "around" / "films"
    names = ["walking/train/a.mp4", "walking/test/b.mp4", "running/train/c.mp4", "running/test/d.mp4"]
    for number, name in enumerate(names):
        (films / name).parent.mkdir(parents=True)
        shutil.copy(clips / f"{number:04}.mp4", films / name)
    report = checked(videostar, "folder", "--root", films)
    used(report)
    assert [report["splits"][split]["rows"] for split in ("train", "test")] == [2, 2]
    assert f"--root {films}" in told(videostar, "check", "folder", "--root", films.parent)


def test_frame_folders_in_class_folders(videostar: Command, clips: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    for name in ("walking/clip1", "walking/subject/clip2", "running"):
        (films / name).mkdir(parents=True)
        for number in range(1, 4):
            (films / name / f"{number:05}.jpg").touch()
    shutil.copy(clips / "0000.mp4", films / "walking" / "a.mp4")
    (films / "walking" / "cover.jpg").touch()  # beside a video
    report = checked(videostar, "folder", "--root", films, "--rows-only")
    rows = {*(row["video"] for row in report["skipped"])}
    assert report["rows"] == 4
    assert rows <= {"walking/clip1", "walking/subject/clip2", "running"}


def test_a_folder_is_data(videostar: Command, clips: Path) -> None:
    for number, label in enumerate(LABELS):
        (clips / "all" / label).mkdir(parents=True)
        (clips / f"{number:04}.mp4").rename(clips / "all" / label / "a.mp4")
    assert checked(videostar, clips / "all")["labels"] == dict.fromkeys(LABELS, 1)
    assert checked(videostar, f"{clips}/all/")["usable"] == 4


def test_pictures_of_a_shared_manifest_stay_below_its_root(videostar: Command, clips: Path, tmp_path: Path) -> None:
    for number, folder in enumerate([tmp_path / "private", clips / "own", clips / "linked"]):
        folder.mkdir()
        for at in range(12):
            Image.fromarray(picture(number, at)).save(folder / f"{at:03}.png")
    (clips / "linked" / "000.png").unlink()
    (clips / "linked" / "000.png").symlink_to(tmp_path / "private" / "000.png")
    rows, rate = ("video,label", "own,walking", "linked,walking"), ("--set", "video.frame_rate=12")
    report = checked(videostar, shared(clips, *rows), *rate)
    assert [(row["video"], row["reason"]) for row in report["skipped"]] == [("linked", "outside its root")]
    assert checked(videostar, shared(clips, *rows, confine=False), *rate)["usable"] == 2
    assert checked(videostar, shared(clips, *rows), "--root", clips, *rate)["usable"] == 2  # the user's own folder
