"""The demo's data, for commands that name one of its worlds."""

from __future__ import annotations

from videostar.config import Pipeline
from videostar.util.progress import Progress
from videostar.util.resources import check_model


def write_data(settings: Pipeline, progress: Progress) -> None:
    """Write the demo world that the settings name below the working folder, if they name one.

    Raises UserError if the model is not on this machine, or if the folder holds something else.
    """
    if settings.data.name.startswith("demo"):
        from videostar.demo.build import WORLDS, write_demo  # loads numpy and PyAV

        if settings.data.name in WORLDS:
            check_model(settings.model)
            write_demo(settings.data.name, progress)
