"""When a run ends early: `gates`, the bounds of a round's health figures and what happens beyond them, and `stop`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from videostar.config.settings import Settings

Action = Literal["warn", "stop", "roll_back"]


class Gate(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """The bounds of a figure."""

    min: float | None = None
    max: float | None = None
    action: Action = "warn"

    @model_validator(mode="after")
    def _has_a_bound(self) -> Gate:
        if self.min is None and self.max is None:
            raise ValueError("give a bound: {min: 0.1}, {max: 0.5} or both; `off` turns a gate off")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("`min` is more than `max`")
        return self

    def crossed(self, value: float | None) -> str | None:
        """The bound that `value` is beyond, such as "min 0.2"; None if it is within, or was not measured."""
        if value is None:
            return None
        if self.min is not None and value < self.min:
            return f"min {self.min:g}"
        if self.max is not None and value > self.max:
            return f"max {self.max:g}"
        return None

    def __str__(self) -> str:
        bounds = [f"{name} {bound:g}" for name, bound in (("min", self.min), ("max", self.max)) if bound is not None]
        return ", ".join([*bounds, self.action])

    @property
    def ends(self) -> bool:
        """Whether the run ends where a bound is crossed."""
        return self.action != "warn"


def _gate(description: str, default: Gate | None = None) -> Any:
    return Field(default, description=description)


class Gates(BaseModel, extra="forbid", frozen=True):
    """Bounds of the health figures of each round: `{min: 0.2, max: 0.8, action: warn | stop | roll_back}`.

    `coverage: off` turns a gate off, and `gates: off` all of them; `coverage: stop` is its default with another action.
    """

    coverage: Gate | None = _gate("Share of the labels with a kept answer.", Gate(min=0.05))
    kept: Gate | None = _gate("Share of the questions with a kept answer.", Gate(min=0.01))
    rationalised: Gate | None = _gate("Share of the kept answers that are rationalised.")
    unverified: Gate | None = _gate("Share of the kept answers that do not contain their label.", Gate(max=0))
    entropy: Gate | None = _gate("Entropy of the labels of kept answers; 1: as of all questions.", Gate(min=0.3))
    answer_entropy: Gate | None = _gate(
        "Entropy of the last sentences of direct answers; 1: as of the labels of all questions.", Gate(min=0.1)
    )
    distinct: Gate | None = _gate("Distinct 3-grams among all of 100 kept answers, without labels.", Gate(min=0.03))
    near_duplicates: Gate | None = _gate(
        "Share of the kept answers that, apart from the label, have the words of an earlier one.", Gate(max=0.9)
    )
    pass_at_1: Gate | None = _gate("Share of direct answers that contain the label.")
    pass_at_k: Gate | None = _gate("Share of the questions of which any of k direct answers contains the label.")
    words_mean: Gate | None = _gate("Mean words of a kept answer.")
    words_median: Gate | None = _gate("Median words of a kept answer.")
    length: Gate | None = _gate("Mean words of a kept answer; 1: as in the first round.", Gate(min=0.33, max=3))
    drift: Gate | None = _gate(
        "Share of answers in a language, other than English, that neither question nor label is in.", Gate(max=0.2)
    )
    overlap: Gate | None = _gate("Share of the held-out questions with a video of a kept answer.", Gate(max=0))
    label_in_question: Gate | None = _gate(
        "Share of the questions that contain their own label, less those that contain another one's.",
        Gate(max=0.1, action="stop"),
    )
    loss: Gate | None = _gate(
        "Loss in the last quarter of the training steps, less that of the first step; in nats per token.",
        Gate(max=1, action="stop"),
    )
    lora_norm: Gate | None = _gate(
        "Norm of the LoRA's update; 1: as of the weights that it adapts.", Gate(max=2, action="stop")
    )
    accuracy: Gate | None = _gate(
        "Difference of validation accuracy from the best earlier round: upper end of its 95 % interval.",
        Gate(min=-0.2, action="stop"),
    )

    @field_validator("*", mode="before")
    @classmethod
    def _with_defaults(cls, value: Any, info: Any) -> Any:
        """A gate from its short form, with what it does not name as in the default."""
        if value is None or value is False or value == "off":  # YAML reads off as false
            return None
        default = cls.model_fields[info.field_name].default
        known = default.model_dump() if default else {}
        if isinstance(value, str):
            value = {"action": value}
        if not isinstance(value, dict | Gate):
            raise ValueError("write off, warn, stop, roll_back or a mapping, such as {min: 0.1, action: stop}")
        return {**known, **value} if isinstance(value, dict) else value

    @model_validator(mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        """`gates: off` turns all off."""
        return dict.fromkeys(cls.model_fields) if value is False or value == "off" else value


class Stop(Settings):
    """When a run ends before its last round."""

    patience: int | None = Field(
        None, ge=1, description="Stop once validation accuracy was below its best for this number of rounds in a row."
    )
