"""Write the report: `index.html` with the figures and an index of the answers, `data/` with their texts, `media/`.

The page opens from disk, without a server or the network. Its Content-Security-Policy allows one script and one style
sheet, by their hashes, and the shards that this script loads. Model output is escaped by Jinja2 or set as text by the
script, so it cannot become markup.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from videostar import __version__
from videostar.report import REPORT
from videostar.report.examples import Gallery, Item, answers_of, count_lines, read_ledgers, selected, shown_share
from videostar.report.media import MediaFolder, add_media
from videostar.report.summary import RunSummary, accuracy_chart, summarise
from videostar.report.tally import Tally
from videostar.runs.comparison import Comparison, compare_runs
from videostar.runs.manifest import Manifest, now, open_run
from videostar.util.errors import UserError
from videostar.util.files import new_folder, write_text
from videostar.util.progress import Progress, silent
from videostar.util.terminal import warn

_VIDEOS = 400  # questions with pictures, at most
_FOLDER_MB, _FILE_MB = 300, 25  # of pictures and films; of a single file
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Opened(NamedTuple):
    name: str
    folder: Path
    manifest: Manifest


def write_report(
    runs: Sequence[Path | str],
    out: Path | str | None = None,
    *,
    single_file: bool = False,
    megabytes: float | None = None,
    refresh: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Write the report about one or more runs, finished or not, and return the path of its `index.html`.

    Args:
        runs: Folders of runs.
        out: The folder of the report; default: `report` in the folder of the run, which must then be one.
        single_file: Put texts, pictures and films into `index.html` itself.
        megabytes: Of pictures and films at most, default 300; or of a single file, default 25, in which texts come
            first. The rest is shown without pictures.
        refresh: Seconds after which the page loads itself again, for a run in progress.
        progress: Makes the progress bars.

    Raises:
        UserError: A run or one of its files cannot be read, or `out` has other files.
    """
    opened = _open(runs)
    if out is None and len(opened) > 1:
        raise UserError("several runs: give the folder of the report with --out")
    target = opened[0].folder / REPORT if out is None else Path(out)
    _check(target)
    gallery, tallies = _read(opened, progress, single_file=single_file)
    summaries = [
        summarise(run.name, run.folder, run.manifest, tally) for run, tally in zip(opened, tallies, strict=True)
    ]
    with new_folder(target, durable=False) as folder:
        budget = int((megabytes or (_FILE_MB if single_file else _FOLDER_MB)) * 1e6)
        budget -= gallery.size() if single_file else 0
        media = MediaFolder(None if single_file else folder / "media", budget)
        data = folder / "data"
        for below in () if single_file else (folder / "media", data):
            below.mkdir()
        without = _add_media(opened, gallery, media, progress)
        starts, texts = [], []
        for number, (first, text) in enumerate(gallery.shards()):
            starts.append(first)
            if single_file:
                texts.append(text)
            else:
                (data / f"{number:05}.js").write_text(f"shard({number},{text})", encoding="ascii")
        index = {**gallery.index(), "runs": [run.name for run in opened], "shards": starts}
        compared = compare_runs([run.folder for run in opened]) if len(opened) > 1 else None
        try:
            page = _render(summaries, gallery, index, texts, without, compared, refresh, single_file=single_file)
        except jinja2.UndefinedError as error:
            names = ", ".join(str(run.folder / "manifest.json") for run in opened)
            raise UserError(f"{names}: a figure is missing ({error}); was it written by another videostar?") from None
        write_text(folder / "index.html", page)
    return target / "index.html"


def add_report(out: Path, runs: Sequence[Path], progress: Progress = silent) -> None:
    """Write the report of runs to the folder `out / REPORT`. Runs stay good without it: a problem is a warning."""
    try:
        write_report(runs, out / REPORT, progress=progress)
    except (UserError, OSError) as error:
        names = " ".join(map(str, runs))
        warn(f"no report was written: {error}; `videostar report {names} --out {out / REPORT}` tries again")


def _open(runs: Sequence[Path | str]) -> list[_Opened]:
    found = [open_run(Path(run)) for run in dict.fromkeys(runs)]
    names = [folder.resolve().name for folder, _ in found]
    if len(set(names)) < len(names):
        names = [str(folder) for folder, _ in found]
    return [_Opened(name, folder, manifest) for name, (folder, manifest) in zip(names, found, strict=True)]


def _check(target: Path) -> None:
    """The folder of a report is replaced as a whole, so it must not have anything else."""
    ours = {"index.html", "data", "media"}
    if target.exists() and (not target.is_dir() or any(item.name not in ours for item in target.iterdir())):
        raise UserError(f"{target}: has other files than those of a report; give another folder with --out")


def _read(opened: Sequence[_Opened], progress: Progress, *, single_file: bool) -> tuple[Gallery, list[Tally]]:
    """Read every ledger once."""
    gallery, tallies = Gallery(), []
    ledgers = [list(read_ledgers(run.folder, run.manifest.settings.rounds)) for run in opened]
    lines = count_lines(path for found in ledgers for _, _, path in found)
    gallery.share = shown_share(lines, single_file=single_file)
    tick, done = progress("report: answers"), 0
    for run, found in enumerate(ledgers):
        tally = Tally()
        for number, split, answer in answers_of(found):
            tally.add(number, split, answer)
            gallery.add(run, number, split, answer)
            done += 1
            tick(done, max(lines, done))
        tallies.append(tally)
    gallery.sort()
    return gallery, tallies


def _add_media(opened: Sequence[_Opened], gallery: Gallery, media: MediaFolder, progress: Progress) -> list[str]:
    """Add pictures to some questions of each run: they may have been shown different frames. Returns what failed."""
    chosen = selected(gallery.items.values(), _VIDEOS)
    seen: set[tuple[str, str]] = set()
    problems = []
    for number, run in enumerate(opened):
        mine: list[Item] = []
        for item in chosen:
            key = (item.question_id, run.manifest.settings.video.model_dump_json())
            if key not in seen and any(row.run == number for row in item.rows):
                seen.add(key)
                mine.append(item)
        problem = add_media(mine, run.manifest, media, progress(f"report: pictures of {run.name}")) if mine else None
        if problem:
            problems.append(f"{run.name}: {problem}")
    return problems


def _render(
    runs: Sequence[RunSummary],
    gallery: Gallery,
    index: dict[str, Any],
    texts: Sequence[str],
    without: Sequence[str],
    comparison: Comparison | None,
    refresh: int | None,
    *,
    single_file: bool,
) -> str:
    folder = files("videostar.report") / "templates"
    script, style = ((folder / name).read_text("utf-8") for name in ("report.js", "report.css"))
    local = "data:" if single_file else "'self'"
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}' 'strict-dynamic'; style-src '{_hash(style)}'; "
        f"img-src {local}; media-src {local}; base-uri 'none'; form-action 'none'"
    )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("videostar.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {"share": _share, "points": _points, "duration": _duration}
    return environment.get_template("report.html").render(
        runs=runs,
        comparison=comparison,
        together=accuracy_chart("Held-out accuracy by round", {run.name: run.rounds for run in runs}),
        gallery=gallery,
        with_media=sum(bool(item.media) for item in gallery.items.values()),
        index=index,
        texts=texts,
        without=without,
        refresh=refresh,
        policy=policy,
        script=script,
        style=style,
        version=__version__,
        written=now(),
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _visible(value: Any) -> Any:
    """Text from a model or a file with its invisible characters and direction marks as code points."""
    if isinstance(value, str) and not hasattr(value, "__html__") and _HIDDEN.search(value):
        return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", value)
    return "" if value is None else value


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
