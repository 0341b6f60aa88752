"""Loads an evidence model from its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from videostar.evidence.base import EvidenceModel
from videostar.util.errors import UserError
from videostar.util.resources import evidence_folder


def load_evidence(name: str, device: torch.device) -> EvidenceModel:
    """The evidence model called `name`: `embedded`, or a folder with weights of open_clip or transformers.

    Raises UserError if there is none, or if it cannot be read.
    """
    folder = evidence_folder(name)
    return find_class(folder)(folder, device)


def find_class(folder: Path) -> Callable[[Path, torch.device], EvidenceModel]:
    """What loads the model in a folder. Raises UserError if nothing does, or a package is missing."""
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
