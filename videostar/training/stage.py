"""The training stage: LoRA on the kept answers of a dataset version, mixed with an instruction set.

Reads a dataset version and writes a LoRA in PEFT's format (safetensors). The rows are checked and the steps are planned
here; `worker.py` trains, in one process or several. A killed training goes on at its last checkpoint, and its LoRA has
the bytes of one that was not killed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from videostar.config import Pipeline
from videostar.config.training import ROUNDING_ONLY
from videostar.data.rows import Skipped
from videostar.models.chat import Chat
from videostar.models.load import dtype_name, load_processor
from videostar.models.lora import base_name
from videostar.models.refusals import Refusals
from videostar.training.checkpoints import Checkpoints, read_shapes, write_shapes
from videostar.training.divergence import ExplodingLoss
from videostar.training.launch import Launch, launch
from videostar.training.log import OnStep, Record
from videostar.training.mix import mixed_rows, warn_of_skipped
from videostar.training.plan import Size, plan_steps
from videostar.training.preferences import Pair, preference_pairs, rows_of
from videostar.training.rows import Row, RowClips, read_rows
from videostar.training.weights import with_mean_one
from videostar.training.worker import Work
from videostar.util.errors import UserError
from videostar.util.files import digest, digest_json, new_folder
from videostar.util.terminal import warn
from videostar.video.cluster import VideoCluster
from videostar.video.errors import BadVideo


def train(
    dataset: Path,
    root: Path,
    settings: Pipeline,
    out: Path,
    *,
    log: Path,
    start_from: Path | None = None,
    on_step: OnStep = lambda record: None,
    launch: Launch = launch,
    cluster: VideoCluster | None = None,
) -> dict[str, Any]:
    """Train a LoRA on the version folder `dataset`, whose videos lie below `root`, and write it to the folder `out`.

    `log` is the file of its steps (see `videostar.training.log`), and `on_step` is called with each. `start_from`
    is a LoRA to continue, of the rank and alpha of `settings` (None: a new one). `launch` starts its processes, and
    `cluster` samples the clips before them (None: this machine does). Returns the numbers of steps, of kept answers
    and mixed rows that it was trained on and of rows that are skipped, the mean loss per answer token (weighted as the
    rows are) and its change (see `loss_change`), and the size of the LoRA (see `relative_norm`). With the objective
    `dpo` it is trained on preference pairs alone: no rows are mixed in, the loss is per pair, and the numbers of
    `pairs` and of `unpaired` kept answers are returned too. Raises UserError if there is nothing to train on, a file
    cannot be read, a step diverges, or a process is killed.
    """
    checkpoints = checkpoints_of(out)
    clips = RowClips(settings, cluster=cluster, known=read_shapes(checkpoints))
    chat = Chat(load_processor(settings.spec))
    items, counts = _items(dataset, root, settings, clips, chat)
    alternate = settings.mix is not None and settings.mix.schedule == "alternate"
    write_shapes(checkpoints, clips.shapes)
    exploding = ExplodingLoss()

    def watched(record: Record) -> None:
        on_step(record)
        if line := exploding.add(record["step"], record["loss"], record["source"]):
            warn(line)

    sizes = [_size(item, clips, chat) for item in items]
    with new_folder(out) as folder:
        work = Work(
            settings=settings,
            items=items,
            kept=counts["rows"],
            digests=clips.digests,
            steps=tuple(plan_steps(sizes, settings.training, settings.seed, alternate=alternate)),
            start_from=start_from,
            key=_key(settings, items, clips.digests, start_from),
            folder=folder,
            log=log,
            checkpoints=checkpoints,
        )
        facts = launch(work, watched)
    Checkpoints(checkpoints, work.key).remove()
    return {**counts, **facts}


def checkpoints_of(lora: Path) -> Path:
    """The folder of the checkpoints of a training that writes to `lora`."""
    return lora.with_name(f".checkpoints-{lora.name}")


def _items(
    dataset: Path, root: Path, settings: Pipeline, clips: RowClips, chat: Chat
) -> tuple[tuple[Row | Pair, ...], dict[str, int]]:
    """What is trained on, kept answers first, and the numbers of it and of what is skipped."""
    kept = read_rows(dataset, root, by_evidence=settings.training.row_weights == "evidence")
    if settings.training.objective == "dpo":
        pairs = _pairs(dataset, kept, chat)
        shown, skipped = _usable_rows([pair.chosen for pair in pairs], clips, settings, dataset, root)
        found = set(shown)
        usable = [pair for pair in pairs if pair.chosen in found]
        weighted = with_mean_one([pair.chosen for pair in usable], dataset)
        counts = {"rows": len(usable), "mixed": 0, "skipped": len(skipped)}
        items = tuple(replace(pair, chosen=row) for pair, row in zip(usable, weighted, strict=True))
        return items, {**counts, "pairs": len(usable), "unpaired": len(kept) - len(pairs)}
    rows, skipped = _usable_rows(kept, clips, settings, dataset, root)
    mixed, unmixed = mixed_rows(settings, len(kept), clips, chat)
    counts = {"rows": len(rows), "mixed": len(mixed), "skipped": len(skipped) + len(unmixed)}
    return (*with_mean_one(rows, dataset), *mixed), counts


def _size(item: Row | Pair, clips: RowClips, chat: Chat) -> Size:
    """What a row or a pair takes in a batch."""
    longest = max((clips.size(row, chat) for row in rows_of([item])), key=lambda size: size.tokens)
    return longest if isinstance(item, Row) else replace(longest, tokens=2 * longest.tokens, rows=2)


def _pairs(dataset: Path, kept: Sequence[Row], chat: Chat) -> list[Pair]:
    """The preference pairs of a version. Raises UserError if there are none."""
    pairs = preference_pairs(dataset, kept, lambda text: len(chat.tokenizer(text)["input_ids"]))
    if unpaired := len(kept) - len(pairs):
        warn(
            f"{dataset}: {unpaired} of {len(kept)} kept answers are not trained on: they have no rejected answer of "
            "similar length to the same question; a larger generation.samples gives more"
        )
    return pairs


def _key(
    settings: Pipeline, items: Sequence[Row | Pair], digests: Mapping[Path, str | BadVideo], start_from: Path | None
) -> str:
    """The digest of everything that the weights depend on."""
    rows = rows_of(items)
    return digest_json(
        {
            "training": settings.training.model_dump(exclude=ROUNDING_ONLY),
            "video": settings.video.model_dump(),
            "mix": settings.mix and settings.mix.model_dump(exclude={"sources": {"__all__": {"data"}}}),
            "seed": settings.seed,
            "model": base_name(settings.model),
            "dtype": dtype_name(settings.spec),
            "rows": [repr(replace(row, videos=())) for row in rows],
            "videos": [[digests[video] for video in row.videos] for row in rows],  # which may have moved
            "start_from": digest(start_from) if start_from else None,
        }
    )


def _usable_rows(
    rows: Sequence[Row], clips: RowClips, settings: Pipeline, dataset: Path, root: Path
) -> tuple[list[Row], list[Skipped]]:
    """The kept answers whose videos can be shown, and the others. Raises UserError if there are none."""
    if not rows:
        raise UserError(f"{dataset}: no kept answers to train on; see its rejected answers for the reasons")
    problems = clips.problems(rows, Refusals(settings.spec, settings.video))
    if len(problems) == len(rows):
        first = next(iter(problems.values()))
        fix = "give their folder with --root"
        if first.reason == "refused by the model":
            fix = f"{first.video} is {first.reason} ({first.detail}): give another --model"
        raise UserError(f"{dataset}: none of the videos of its {len(rows)} answers can be shown below {root}; {fix}")
    skipped = list(problems.values())
    warn_of_skipped(str(dataset), len(rows), skipped)
    return [row for row in rows if row not in problems], skipped
