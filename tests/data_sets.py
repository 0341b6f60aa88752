"""Data and their questions, as a run has them."""

from __future__ import annotations

from pathlib import Path

from videostar import config
from videostar.adapters.questions import Questions, load_tasks
from videostar.data.manifest import DataManifest
from videostar.data.sample_file import SampleFile
from videostar.data.samples import Sample
from videostar.data.source import Data, DataSource
from videostar.util.progress import silent


def load(
    data: config.Data | Path | str, limit: int | None = None, root: Path | None = None, cache: str | None = None
) -> Data:
    """The samples of a data set with a training row."""
    named = data if isinstance(data, config.Data) else config.Data(name=str(data))
    source = DataSource.find(named, root=root and str(root), limit=limit)
    found = source.read(config.Cache(folder=cache), silent)
    found.check()
    return found


def questions_of(data: Data, seed: int = 0) -> Questions:
    """The questions about them, by the adapters of the data manifest."""
    return Questions(data, load_tasks(data.source), seed)


def made_of(samples: list[Sample], root: Path = Path()) -> Data:
    """Data with these samples, of no file."""
    manifest = DataManifest(rows={"all": ("rows.csv",)})
    return Data(DataSource(manifest, root, root, "rows.csv", None, config.Data(), None), SampleFile.of(samples), [])
