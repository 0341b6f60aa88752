"""The experiment trackers to which a run can report, each through its own library."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from videostar.config.training import TrackerName

_PATIENCE = 30  # seconds to wait for a server


@dataclass(frozen=True)
class Identity:
    """What a run is called in a tracker."""

    project: str  # the folder in which the run lies, so that runs beside each other are compared
    name: str  # the folder of the run
    id: str  # 8 hexadecimal digits; the same when the run goes on
    folder: Path  # for the files of the tracker, if it does not have a place of its own
    settings: Mapping[str, Any]  # by dotted name


class Connection(Protocol):
    """A run that is open in a tracker."""

    def log(self, figures: Mapping[str, float], position: int) -> None:
        """Add figures at a place of the horizontal axis, beyond all earlier ones."""

    def close(self) -> None:
        """Send what was not sent yet."""


class _Trackio:
    """A database in trackio's own folder (TRACKIO_DIR); `trackio show` opens it. It finds a run by its name."""

    def __init__(self, run: Identity) -> None:
        import trackio

        self._run = trackio.init(
            run.project,
            name=f"{run.name}-{run.id}",
            config=dict(run.settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, figures: Mapping[str, float], position: int) -> None:
        self._run.log(dict(figures), step=position)

    def close(self) -> None:
        self._run.finish()


class _Wandb:
    """The server of the user's account, or files below the run with WANDB_MODE=offline."""

    def __init__(self, run: Identity) -> None:
        import wandb

        run.folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=run.project,
            name=run.name,
            id=run.id,
            resume="allow",
            dir=run.folder,
            config=dict(run.settings),
            settings=wandb.Settings(
                console="off",  # what the run prints is not sent
                init_timeout=_PATIENCE,
                login_timeout=_PATIENCE,
                finish_timeout=_PATIENCE,
            ),
        )

    def log(self, figures: Mapping[str, float], position: int) -> None:
        self._run.log(dict(figures), step=position)

    def close(self) -> None:
        self._run.finish()


class _TensorBoard:
    """Event files below the run; `tensorboard --logdir` of a folder with runs finds them."""

    def __init__(self, run: Identity) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(run.folder / "tensorboard" / run.id))

    def log(self, figures: Mapping[str, float], position: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, position)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Mlflow:
    """The server in MLFLOW_TRACKING_URI, or a database below the run."""

    def __init__(self, run: Identity) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seven would take minutes
        import mlflow

        run.folder.mkdir(parents=True, exist_ok=True)
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(run.folder / 'mlflow.db').absolute()}"
        self._client = mlflow.MlflowClient(tracking_uri=uri)
        project = self._client.get_experiment_by_name(run.project)
        number = project.experiment_id if project else self._client.create_experiment(run.project)
        found = self._client.search_runs([number], filter_string=f"tags.videostar = '{run.id}'", max_results=1)
        if found:
            self._id = found[0].info.run_id
            return
        self._id = self._client.create_run(number, run_name=run.name, tags={"videostar": run.id}).info.run_id
        for name, value in run.settings.items():
            self._client.log_param(self._id, name, value)

    def log(self, figures: Mapping[str, float], position: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(name, value, now, position) for name, value in figures.items()])

    def close(self) -> None:
        self._client.set_terminated(self._id)


class _SwanLab:
    """The server of the user's account, or files below the run with SWANLAB_MODE=offline."""

    def __init__(self, run: Identity) -> None:
        import swanlab

        run.folder.mkdir(parents=True, exist_ok=True)
        self._run = swanlab.init(
            project=run.project,
            name=run.name,
            id=run.id,
            resume="allow",
            log_dir=str(run.folder / "swanlab"),
            config=dict(run.settings),
            settings=swanlab.Settings(interactive=False),  # it would ask for a key
        )

    def log(self, figures: Mapping[str, float], position: int) -> None:
        self._run.log(dict(figures), step=position)

    def close(self) -> None:
        self._run.finish()


_TRACKERS: dict[TrackerName, Callable[[Identity], Connection]] = {
    "trackio": _Trackio,
    "wandb": _Wandb,
    "tensorboard": _TensorBoard,
    "mlflow": _Mlflow,
    "swanlab": _SwanLab,
}


def connect(tracker: TrackerName, run: Identity) -> Connection:
    """Begin the run in the tracker, or go on with it. Raises what its library raises."""
    return _TRACKERS[tracker](run)
