"""Loads an evidence model from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from videostar.evidence.base import EvidenceModel
from videostar.util.errors import UserError
from videostar.util.resources import evidence_folder

if TYPE_CHECKING:
    from videostar.evidence.clip_like import ClipLikeEvidence
    from videostar.evidence.open_clip import CoCaEvidence


def load_evidence(name: str, device: torch.device) -> EvidenceModel:
    """The evidence model called `name`: `embedded`, or a folder with weights of open_clip or transformers.

    Raises UserError if there is none, or if it cannot be read.
    """
    folder = evidence_folder(name)
    return _find_class(folder)(folder, device)


def check_evidence(name: str) -> None:
    """Raises UserError if there is no such evidence model, or a package is missing, without loading the model."""
    folder = evidence_folder(name)
    _find_class(folder).check(folder)


def _find_class(folder: Path) -> type[CoCaEvidence | ClipLikeEvidence]:
    """The class of the model in a folder."""
    if (folder / "open_clip_config.json").is_file():
        try:
            from videostar.evidence.open_clip import CoCaEvidence
        except ImportError:
            raise UserError(
                f"evidence model {folder}: CoCa needs the package open_clip; pip install 'videostar[evidence]'"
            ) from None
        return CoCaEvidence
    from videostar.evidence.clip_like import ClipLikeEvidence

    return ClipLikeEvidence
