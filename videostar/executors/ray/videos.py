"""Videos opened by the nodes of a Ray cluster: Ray Data sends paths to them, and figures come back."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import ray
import ray.data
from ray.exceptions import RayError, RayTaskError
from ray.util.annotations import RayDeprecationWarning

from videostar.config.cache import Cache
from videostar.config.executor import Executor
from videostar.executors.ray.cluster import connect, enter, resources
from videostar.util.errors import UserError
from videostar.util.files import is_there
from videostar.util.object_path import join
from videostar.video.cluster import Measures, SampledClip
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipPool, ClipRequest
from videostar.video.probe import probe
from videostar.video.sampling import Sampling
from videostar.video.workers import Workers

_TASK = 64  # videos of a task, at most: so many are opened again if its node dies
_TASKS = 8  # for each core, if there are enough videos, so that no core waits long for the last ones
_RETRIES = 3  # of a task whose node or process ends; Ray Data would repeat it for ever
_SENT = 2**18  # videos of a data set of Ray's

_Row: TypeAlias = dict[str, Any]
_Item = TypeVar("_Item")

_FOUND = pa.schema(
    [
        ("number", pa.int64()),
        ("reason", pa.string()),  # of a bad video
        ("detail", pa.string()),
        ("sha256", pa.string()),
        ("seconds", pa.float64()),
        ("shape", pa.list_(pa.int64())),
        ("still", pa.bool_()),
        ("node", pa.string()),
        ("problem", pa.string()),  # of the node
    ]
)


class RayVideos:
    """A `VideoCluster` on Ray. It connects when there are videos to open."""

    def __init__(self, options: Executor, cache: Cache) -> None:
        self._options, self._cache, self._folder = options, cache, str(Path.cwd())

    def measure(self, videos: Sequence[Path], rate: float | None) -> Iterator[tuple[Path, Measures | BadVideo]]:
        """See `VideoCluster`."""
        for video, row in self._opened(
            videos, lambda video: {"path": os.fsencode(video)}, partial(_measure, self._cache, rate)
        ):
            yield video, _bad(row, video) or Measures(row["sha256"], row["seconds"])

    def sample(self, files: Sequence[ClipRequest]) -> Iterator[tuple[ClipRequest, SampledClip | BadVideo]]:
        """See `VideoCluster`."""
        for file, row in self._opened(files, _request, partial(_sample, self._cache)):
            yield file, _bad(row, file[0]) or SampledClip(tuple(row["shape"]), row["still"])

    def _opened(
        self, items: Sequence[_Item], sent: Callable[[_Item], _Row], work: Callable[[list[_Row]], Iterator[_Row]]
    ) -> Iterator[tuple[_Item, _Row]]:
        """What `work` gives on a node for the rows that are sent, in any order.

        If the node or process of a task ends with each retry, what is left is sent again, until nothing more comes
        back.
        """
        if not items:
            return
        connect(self._options)
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # one line is enough
        for start in range(0, len(items), _SENT):
            left = dict(enumerate(items[start : start + _SENT]))
            before = 0
            while left and len(left) != before:
                before = len(left)
                rows = pa.Table.from_pylist([{"number": number, **sent(item)} for number, item in left.items()])
                try:
                    for row in self._results(rows, work):
                        yield left.pop(row["number"]), row
                except RayTaskError as error:
                    print(error, file=sys.stderr)  # into the log
                    cause = str(error).split("\n\nThe above exception")[0].strip().splitlines()[-1]
                    raise UserError(f"executor ray: a node cannot open videos: {cause}") from None
                except RayError as error:  # such as a process that ended
                    print(error, file=sys.stderr)

    def _results(self, rows: pa.Table, work: Callable[[list[_Row]], Iterator[_Row]]) -> Iterator[_Row]:
        cores = max(1, int(resources().get("CPU", 1)))
        of_task = min(_TASK, -(-len(rows) // (_TASKS * cores)))
        data = ray.data.from_arrow(rows, override_num_blocks=-(-len(rows) // of_task))
        data.context.enable_progress_bars = data.context.print_on_execution_start = False
        on_node: Any = _on_node  # whose type is narrower than Ray's
        with warnings.catch_warnings(action="ignore", category=RayDeprecationWarning):
            results: Any = data.map_batches(
                on_node,
                batch_format="pyarrow",
                fn_args=(self._folder, work),
                num_cpus=1,
                ray_remote_args_fn=lambda: {"max_retries": _RETRIES},  # which no other argument can say
            )
        for batch in results.iter_batches(batch_size=None, batch_format="pyarrow"):
            for row in batch.to_pylist():
                if row["problem"] is not None:
                    raise UserError(row["problem"])
                yield row


def _on_node(table: pa.Table, folder: str, work: Callable[[list[_Row]], Iterator[_Row]]) -> pa.Table:
    """The rows of a task, opened one after the other."""
    rows = table.to_pylist()
    node = ray.util.get_node_ip_address()
    try:
        enter(folder)
        found = [
            {"number": row["number"], "node": node, **opened} for row, opened in zip(rows, work(rows), strict=True)
        ]
    except UserError as error:
        found = [{"problem": str(error)}]
    except OSError as error:  # such as a full disk
        where = f"{error.filename}: " if error.filename else ""
        found = [{"problem": f"node {node}: {where}{error.strerror or error}"}]
    return pa.Table.from_pylist(found, _FOUND)


def _measure(cache: Cache, rate: float | None, rows: list[_Row]) -> Iterator[_Row]:
    objects = cache.objects()
    with Workers(1) as workers:
        for row in rows:
            try:
                with objects.local(join(Path(), os.fsdecode(row["path"]))) as file:
                    found = workers.submit(workers.call, probe, file, rate).result()
            except BadVideo as bad:
                found = bad
            yield _why(found) if isinstance(found, BadVideo) else {"sha256": found.sha256, "seconds": found.seconds}


def _request(file: ClipRequest) -> _Row:
    """A file as a row."""
    path, sha256, sampling = file
    return {"path": os.fsencode(path), "sha256": sha256, "sampling": json.dumps(vars(sampling))}


def _sample(cache: Cache, rows: list[_Row]) -> Iterator[_Row]:
    with ClipPool(cache.frames(), 1) as pool:
        for row in rows:
            sampling = json.loads(row["sampling"])
            span = sampling["span"] and tuple(sampling["span"])
            file = join(Path(), os.fsdecode(row["path"])), row["sha256"], Sampling(**{**sampling, "span": span})
            found = pool.submit(*file).result()
            yield _why(found) if isinstance(found, BadVideo) else SampledClip.of(found)._asdict()


def _why(bad: BadVideo) -> _Row:
    return {"reason": bad.reason, "detail": bad.detail}


def _bad(row: Mapping[str, Any], video: Path) -> BadVideo | None:
    """Why a video is bad, if it is. Raises UserError if its node alone does not find it."""
    if row["reason"] is None:
        return None
    if row["reason"] == "missing" and is_there(video):
        raise UserError(f"node {row['node']} has no file {video}: put videos in a folder that all nodes share")
    return BadVideo(row["reason"], row["detail"])
