"""The section `executor`: where questions are answered and LoRAs are trained."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from videostar.config.settings import Settings


class Executor(Settings):
    """Where engines and training processes run. `executor: ray` is short for `executor: {name: ray}`."""

    name: Literal["local", "ray"] = Field(
        "local", description="local: on this machine (engine.count). ray: on a Ray cluster (executor.engines)."
    )
    address: str = Field(
        "auto",
        description="ray: the cluster's address. auto: the one that runs here, or else a new one on this machine.",
    )
    engines: tuple[int, int] = Field(
        (1, 8), description="ray: the run waits for the first number of engines, and uses up to the second."
    )
    gpus: int | None = Field(None, ge=0, description="ray: GPUs of an engine; default: 1 if the cluster has any.")
    cpus: int = Field(1, ge=1, description="ray: cores that Ray sets aside for an engine, or a training process.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 1 <= self.engines[0] <= self.engines[1]:
            raise ValueError("`engines` is the least and the most number of engines, such as [1, 8]")
        return self
