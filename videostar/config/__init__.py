"""The keys of a pipeline file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, PositiveInt, field_validator, model_validator

from videostar.config.cache import Cache
from videostar.config.executor import Executor
from videostar.config.gates import Gates, Stop
from videostar.config.settings import Settings
from videostar.config.training import Mix, TrackerName, Training
from videostar.config.verification import Address, JudgeServer, Verification

if TYPE_CHECKING:
    from videostar.video.sampling import Sampling

AnswerSource = Literal["direct", "rationalised", "template"]
ControlName = Literal["blind", "shuffled", "single", "options"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class ModelSpec:
    """Which base model is loaded, and how: the part of the settings that `videostar.models` needs."""

    name: str  # `embedded`, a folder, or a Hugging Face model id
    device: Device = "auto"
    dtype: Dtype = "auto"
    trust_remote_code: bool = False


class Engine(Settings):
    """The engine that answers."""

    name: Literal["transformers", "vllm", "openai"] = Field(
        "transformers", description="transformers, vllm (an engine that the run starts), or openai (a vLLM server)."
    )
    base_url: Address | None = Field(
        None,
        description="openai: the server's address, such as http://127.0.0.1:8000/v1. "
        "Its key, if it needs one, is read from OPENAI_API_KEY.",
    )
    batch_size: int = Field(
        64, ge=1, description="Questions per window: answered and written together, and lost together in a crash."
    )
    dtype: Dtype = Field(
        "auto", description="auto: float32; on a GPU the 16-bit type that the weights are stored in, or bfloat16."
    )
    device: Device = Field(
        "auto",
        description="auto: the accelerator if there is one. All GPUs in CUDA_VISIBLE_DEVICES answer (engine.count) and "
        "train (training.processes).",
    )
    count: Literal["auto"] | PositiveInt = Field(
        "auto",
        description="Engines that answer at once on this machine, each in a process of its own. auto: as many as there "
        "are GPUs for, and one without. On a Ray cluster executor.engines decides.",
    )
    trust_remote_code: bool = Field(False, description="Run code that comes with the model: only if you have read it.")
    options: dict[str, Any] = Field(
        {}, description="vllm: arguments of vllm.LLM that replace those chosen, such as max_model_len."
    )

    @model_validator(mode="after")
    def _served(self) -> Self:
        if self.name == "openai" and self.base_url is None:
            raise ValueError("`name: openai` needs the server's `base_url`, such as http://127.0.0.1:8000/v1")
        if self.name != "openai" and self.base_url is not None:
            raise ValueError(f"`base_url` is for `name: openai`; remove it (null) with {self.name}")
        return self


class Video(Settings):
    """The frames of a video that the model sees."""

    frames: int = Field(8, ge=1, description="Frames per video, evenly spaced in time.")
    max_pixels: int = Field(4096, ge=1024, description="Pixels of a frame, at most; larger ones are scaled down.")
    fps: float | None = Field(
        None, gt=0, description="Frames per second, at most: a short video then has fewer frames."
    )
    within: Literal["video", "label"] = Field(
        "video",
        description="label: sample only from `start` to `end` of a row that has them, unless the question asks when.",
    )
    margin: float = Field(0.0, ge=0, description="Seconds before `start` and after `end` that are sampled too.")
    frame_rate: float | None = Field(
        None, gt=0, le=1000, description="Pictures per second of folders of pictures and of raw streams."
    )
    still: Literal["keep", "skip"] = Field("keep", description="Videos in which nothing moves: used or skipped.")

    def sampling(self, span: tuple[float, float] | None = None) -> Sampling:
        """The frames to sample, of the whole video or of `span` in seconds."""
        from videostar.video.sampling import Sampling

        return Sampling(self.frames, self.max_pixels, self.fps, span, self.frame_rate, self.still)


def _unique_in_order(names: tuple[ControlName, ...]) -> tuple[ControlName, ...]:
    """So that equal settings are equal."""
    return tuple(name for name in get_args(ControlName) if name in names)


Controls = Annotated[tuple[ControlName, ...], AfterValidator(_unique_in_order)]


class Generation(Settings):
    """How answers are generated and which are kept (paper, section 3)."""

    answers: tuple[AnswerSource, ...] = Field(
        ("direct", "rationalised"),
        min_length=1,
        description="Tried in this order until one is kept: direct, rationalised (label in the prompt), "
        "template (the label put into a fixed sentence, no model).",
    )
    verify: bool = Field(True, description="Keep only answers that contain the label.")
    final_line: Literal["keep", "drop"] = Field(
        "keep",
        description="Whether training keeps the final line (`Answer: ...`) that prompts ask for. drop: it is removed "
        "from question and answer, the rest must contain the label, and evaluation does not ask for it.",
    )
    max_new_tokens: int = Field(64, ge=1, description="Tokens of an answer, at most; a longer answer is not kept.")
    samples: int = Field(1, ge=1, description="Tries per question; 1 is greedy, more are drawn at `temperature`.")
    temperature: float = Field(0.8, gt=0, le=2, description="Sampling temperature, if `samples` is more than 1.")
    keep_per_question: int = Field(1, ge=1, description="Different kept answers per question, at most.")
    controls: Controls = Field(
        (),
        description="Questions with a kept direct answer are asked again under these controls; see `evaluation`. The "
        "result is stored with the answer.",
    )
    keep_blind: Literal["keep", "drop", "halve"] = Field(
        "keep",
        description="Answers to questions that the model also answers blind (needs `controls: [blind]`): "
        "kept, dropped, or dropped for half of the questions.",
    )

    @model_validator(mode="after")
    def _asks_blind(self) -> Self:
        if self.keep_blind != "keep" and "blind" not in self.controls:
            raise ValueError(f"`keep_blind: {self.keep_blind}` needs blind answers; set generation.controls=[blind]")
        return self


class Data(Settings):
    """The labelled videos of a run. `data: my.csv` is short for `data: {name: my.csv}`."""

    name: str = Field(
        "demo",
        description="A row file (.csv, .jsonl, ...), a folder with a folder per class, or a manifest by name or path.",
    )
    classes: str | None = Field(
        None, description="A text file with a class a line: the names of class numbers, and the only labels allowed."
    )
    encoding: str | None = Field(None, description="The encoding of .csv, .tsv and .json files; default: UTF-8.")
    validation: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the training videos that is held out to select the best round, if the data have no "
        "validation split.",
    )
    leaks: Literal["drop", "keep", "refuse"] = Field(
        "drop",
        description="Rows whose video is also in a split held out from them: drop skips them, keep uses them, refuse "
        "is an error.",
    )


class Evaluation(Settings):
    """What is measured besides accuracy: what answers owe to the video, and whether general ability is kept."""

    controls: Controls = Field(
        (),
        description="Test questions are asked again. blind: with grey frames in place of the video; shuffled: its "
        "frames in another order; single: its middle frame in place of all; options: the options of a choice in "
        "another order.",
    )
    sets: tuple[str, ...] = Field(
        (),
        description="Data sets that are not trained on, by names or paths as in `data`, about which every round is "
        "asked too. Each has videos, labels and adapters of its own.",
    )


class Pipeline(Settings):
    """The settings of a run."""

    data: Data = Data()
    columns: dict[str, str | None] = Field(
        {}, description="Columns by meaning: {label: class, video: path}. null: a column of that name is not read."
    )
    root: str | None = Field(
        None,
        description="The folder of the videos, also in a store (s3://BUCKET/FOLDER); default: the data manifest's.",
    )
    adapter: str | None = Field(
        None, description="The label-to-prompt adapter: a name or file.py:Class; default: the data manifest's."
    )
    prompts: str | None = Field(None, description="A file of prompts/, by name or path; default: the adapter's own.")
    distractors: str | None = Field(
        None,
        description="Three wrong options for rows of the adapter `choice` that have none. random: other labels of the "
        "data; the folder of `videostar baseline --folds`: labels that a classifier confuses with the right one.",
    )
    model: str = Field("embedded", description="`embedded`, a folder or a Hugging Face model id.")
    rounds: int = Field(3, ge=1, description="Rounds of self-training.")
    seed: int = Field(0, description="Seed of every random choice.")
    limit: int | None = Field(None, ge=1, description="Videos of each split, at most.")
    questions_per_file: int = Field(
        1_000_000,
        ge=1,
        description="Training questions whose answers are in one file, at most; of more questions, the ledger and the "
        "dataset versions are several files.",
    )
    engine: Engine = Engine()
    executor: Executor = Executor()
    video: Video = Video()
    cache: Cache = Cache()
    generation: Generation = Generation()
    verification: Verification = Verification()
    judge: JudgeServer | None = None
    training: Training = Training()
    mix: Mix | None = None
    evaluation: Evaluation = Evaluation()
    stop: Stop = Stop()
    gates: Gates = Gates()
    tracking: tuple[TrackerName, ...] = Field(
        (), description="Experiment trackers to which a run reports: trackio, wandb, tensorboard, mlflow, swanlab."
    )

    @field_validator("data", "executor", mode="before")
    @classmethod
    def _short(cls, section: Any) -> Any:
        return {"name": section} if isinstance(section, str) else section

    @property
    def base_judges(self) -> bool:
        """Whether the base model judges answers."""
        return bool(self.verification.by_model) and self.judge is None

    @property
    def part_size(self) -> int:
        """Training questions whose answers are in one file, in whole windows."""
        return math.ceil(self.questions_per_file / self.engine.batch_size) * self.engine.batch_size

    @property
    def spec(self) -> ModelSpec:
        """The base model and how it is loaded."""
        return ModelSpec(self.model, self.engine.device, self.engine.dtype, self.engine.trust_remote_code)
