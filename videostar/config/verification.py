"""How answers are verified: the judge of each kind of label, and visual evidence."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from videostar.config.settings import Settings

# fmt: off
LabelKind = Literal[
    "action", "labels", "score", "count", "timestamp", "interval",
    "sequence", "choice", "boolean", "box", "text", "fields",
]
# fmt: on
JudgeName = Literal["rules", "embeddings", "engine"]


def _check_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("write an http:// or https:// address, such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise ValueError("settings are written to disk: remove name and password; a key goes in OPENAI_API_KEY")
    return url


Address = Annotated[str, AfterValidator(_check_address)]


class JudgeServer(Settings):
    """A server that judges in place of the base model, for kinds of label with `verification: engine`."""

    base_url: Address = Field(
        description="The address of a server with OpenAI's API, such as http://127.0.0.1:8000/v1. "
        "Its key, if it needs one, is read from OPENAI_API_KEY."
    )
    model: str = Field(min_length=1, description="The name under which the server has the model.")


class Evidence(Settings):
    """A second model that compares what an answer says with its video. Answers without its support are not kept."""

    model: str = Field(
        "embedded",
        description="`embedded`, or a folder with a model of pictures and texts: a CoCa of open_clip, or a CLIP, "
        "SigLIP, X-CLIP or PE-video of transformers.",
    )
    keep: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Share of the true validation answers, as far as it can be estimated, that has enough support: it "
        "sets the least support in every round.",
    )


# What is at its default is not written: so were settings before there was evidence.
_Judge = Annotated[
    Literal["rules", "engine"],
    Field(description="Judge of labels of this kind.", exclude_if=lambda judge: judge == "rules"),
]


class Verification(Settings):
    """The judge of each kind of label.

    rules: those of the kind, the default; embeddings: similar sentences, for `text`; engine: the base model, or the
    server in `judge`, is asked whether answer and label state the same fact.
    """

    evidence: Evidence | None = Field(
        None, description="See below; null: only the label is verified.", exclude_if=lambda evidence: evidence is None
    )
    action: _Judge = "rules"
    labels: _Judge = "rules"
    score: _Judge = "rules"
    count: _Judge = "rules"
    timestamp: _Judge = "rules"
    interval: _Judge = "rules"
    sequence: _Judge = "rules"
    choice: _Judge = "rules"
    boolean: _Judge = "rules"
    box: _Judge = "rules"
    text: Literal["embeddings", "engine"] = Field("embeddings", description="Judge of labels of this kind.")
    fields: _Judge = "rules"

    @field_validator("evidence", mode="before")
    @classmethod
    def _short(cls, evidence: Any) -> Any:
        return {"model": evidence} if isinstance(evidence, str) else evidence

    @property
    def by_model(self) -> frozenset[str]:
        """The kinds of label that a model judges."""
        return frozenset(kind for kind in get_args(LabelKind) if getattr(self, kind) == "engine")
