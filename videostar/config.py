"""What a `pipelines/*.yaml` may say, and how settings are put together from file and command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_cache_dir
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from videostar.util.errors import UserError
from videostar.util.resources import find_resource
from videostar.util.yaml_files import load_mapping, validate

if TYPE_CHECKING:
    from videostar.video.cache import FrameCache

AnswerSource = Literal["direct", "rationalised", "template"]


class Settings(BaseModel):
    """Base of every section: unknown keys are refused, values are not changed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Engine(Settings):
    """Where answers come from."""

    name: Literal["transformers", "vllm", "openai"] = "transformers"
    base_url: str | None = Field(
        None,
        description="openai: the server's address, such as http://127.0.0.1:8000/v1. "
        "The key, if it asks for one, is read from OPENAI_API_KEY.",
    )
    batch_size: int = Field(64, ge=1, description="Videos answered at once: the window that a crash can cost.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: float32, but on a GPU the 16 bits that the weights are stored in, or bfloat16."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto",
        description="auto: the accelerator if there is one. Of several GPUs the first that CUDA_VISIBLE_DEVICES shows.",
    )
    trust_remote_code: bool = Field(False, description="Runs code that comes with the model: only if you have read it.")
    options: dict[str, Any] = Field(
        {}, description="vllm: arguments of vllm.LLM that take the place of those chosen, such as max_model_len."
    )

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is None:
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("write an http:// or https:// address, such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password:
            raise ValueError("settings are written to disk: leave name and password out, a key goes in OPENAI_API_KEY")
        return url

    @model_validator(mode="after")
    def _served(self) -> Self:
        if self.name == "openai" and self.base_url is None:
            raise ValueError("`name: openai` needs the server's `base_url`, such as http://127.0.0.1:8000/v1")
        if self.name != "openai" and self.base_url is not None:
            raise ValueError(f"`base_url` is for `name: openai`; leave it out (null) with {self.name}")
        return self


class Video(Settings):
    """What the model sees of a video."""

    frames: int = Field(8, ge=1, description="Frames a video, at even distances in time.")
    max_pixels: int = Field(4096, ge=1024, description="Most pixels of a frame; larger ones are scaled down.")
    fps: float | None = Field(None, gt=0, description="At most so many frames a second: fewer of a short video.")
    within: Literal["video", "label"] = Field(
        "video",
        description="label: only the row's own `start` to `end` is looked at, where it has them, unless it is a time "
        "that is asked for.",
    )
    margin: float = Field(0.0, ge=0, description="Seconds before `start` and after `end` that are looked at too.")


class Cache(Settings):
    """Where it is kept what videos showed, so that each is opened once."""

    folder: str | None = Field(None, description="Default: the cache folder that the system gives its user.")
    gb: float = Field(50, gt=0, description="At most so many gigabytes of frames; the least recently used go first.")

    @property
    def home(self) -> Path:
        """The folder."""
        return Path(self.folder).expanduser() if self.folder else Path(user_cache_dir("videostar"))

    def frames(self) -> FrameCache:
        """The sampled frames."""
        from videostar.video.cache import FrameCache

        return FrameCache(self.home / "frames", int(self.gb * 1e9))


class Generation(Settings):
    """How answers are asked for and which are kept (paper, section 3)."""

    answers: tuple[AnswerSource, ...] = Field(
        ("direct", "rationalised"),
        min_length=1,
        description="Tried in this order until one is kept: direct, rationalised (label in the prompt), "
        "template (the label put into a fixed sentence, no model).",
    )
    verify: bool = Field(True, description="Keep only answers that contain the label.")
    max_new_tokens: int = Field(64, ge=1)
    samples: int = Field(1, ge=1, description="Tries a question; 1 is greedy, more are drawn at `temperature`.")
    temperature: float = Field(0.8, gt=0, le=2)
    keep_per_question: int = Field(1, ge=1, description="At most so many different kept answers a question.")


class Training(Settings):
    """LoRA on the kept answers."""

    start_from: Literal["base", "previous"] = Field("base", description="previous: continue the last round's adapter.")
    rank: int = Field(32, ge=1)
    alpha: int = Field(64, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    batch_size: int = Field(24, ge=1)
    gradient_accumulation: int = Field(1, ge=1)
    gradient_checkpointing: bool = Field(
        False, description="Compute activations again instead of keeping them: less memory, more time."
    )
    epochs: float = Field(3.0, gt=0, description="Passes over the kept answers and what is mixed in.")
    final_round: Literal["direct_only", "all"] = Field(
        "direct_only", description="The last round trains on direct answers; a label without one keeps its others."
    )


class Mix(Settings):
    """An instruction set trained on beside the kept answers, so that the base's abilities are not lost."""

    data: str = Field(description="A .jsonl or .parquet file with `messages` and `videos`, or a demo world's manifest.")
    ratio: float = Field(1.0, gt=0, description="Its rows for each kept answer.")


class Data(Settings):
    """Which labelled videos a run is about. `data: my.csv` is short for `data: {name: my.csv}`."""

    name: str = Field("demo", description="A data manifest by name or path, or a .csv of video,label.")
    validation: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the training videos that is held out to choose the round, where the data has no "
        "validation split of its own.",
    )
    leaks: Literal["drop", "keep", "refuse"] = Field(
        "drop", description="What becomes of a training row whose video is also in validation or test."
    )


class Stop(Settings):
    """When a run ends before its last round."""

    patience: int | None = Field(
        None, ge=1, description="Stop once validation accuracy is below its best for so many rounds in a row."
    )


class Pipeline(Settings):
    """A whole run."""

    data: Data = Data()
    columns: dict[str, str | None] = Field(
        {},
        description="Which column holds what: {label: class, video: path}. null: a column of that name is not read.",
    )
    root: str | None = Field(None, description="The folder of the videos; default: the data manifest's.")
    adapter: str | None = Field(
        None, description="From a row to question and label: a name or file.py:Class; default: the data manifest's."
    )
    prompts: str | None = Field(None, description="A file of prompts/, by name or path; default: the adapter's own.")
    model: str = Field("embedded", description="`embedded`, a folder or a Hugging Face model id.")
    rounds: int = Field(3, ge=1)
    seed: int = 0
    limit: int | None = Field(None, ge=1, description="Only the first so many videos of each split.")
    engine: Engine = Engine()
    video: Video = Video()
    cache: Cache = Cache()
    generation: Generation = Generation()
    training: Training = Training()
    mix: Mix | None = None
    stop: Stop = Stop()

    @field_validator("data", mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data


def load_pipeline(name: str, overrides: dict[str, Any] | None = None, dotted: list[str] | None = None) -> Pipeline:
    """The pipeline called `name` (or at that path), with top-level `overrides` and `dotted` ones ("training.rank=8").

    A file may extend another: its keys then replace that one's, section by section. Raises UserError.
    """
    path = find_resource("pipelines", name)
    data = _load_extended(path, ())
    for key, value in _long(overrides or {}).items():
        data[key] = _merge(data.get(key, {}), value) if key == "data" else value
    for item in dotted or []:
        _set_dotted(data, item)
    return validate(data, Pipeline, str(path) if not dotted else f"{path} with --set")


def override(settings: Pipeline, overrides: dict[str, Any], dotted: list[str]) -> Pipeline:
    """The same settings but for these, given as to `load_pipeline`. Raises UserError."""
    data = _merge(settings.model_dump(mode="json"), _long(overrides))
    for item in dotted:
        _set_dotted(data, item)
    return validate(data, Pipeline, "--set" if dotted else "settings of the run")


def _load_extended(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise UserError(f"{path}: extends itself; remove one `extends`")
    data = _long(load_mapping(path))
    parent = data.pop("extends", None)
    if parent is None:
        return data
    base = _load_extended(find_resource("pipelines", str(parent), path.parent), (*seen, path.resolve()))
    return _merge(base, data)


def _long(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings in which `data: NAME` is written out, so that it can be merged."""
    return {**settings, "data": {"name": settings["data"]}} if isinstance(settings.get("data"), str) else settings


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _set_dotted(data: dict[str, Any], item: str) -> None:
    import yaml

    key, equals, value = item.partition("=")
    if not equals or not key:
        raise UserError(f"--set {item}: write section.key=value, such as --set training.rank=8")
    *sections, last = key.split(".")
    if key == "data":
        sections, last = ["data"], "name"
    for section in sections:
        if not isinstance(data.get(section), dict):
            data[section] = {}
        data = data[section]
    try:
        data[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--set {item}: {value!r} is not a YAML value; quote it") from None
