"""Read a run: its rounds, dataset versions and answers, as data frames."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from videostar.runs.history import Recorded, history
from videostar.runs.manifest import Manifest, open_run
from videostar.runs.stage_names import RoundFiles
from videostar.stages.ledger import read_answers
from videostar.util.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunRecord:
    """A run on disk, finished or not.

    Attributes:
        folder: The folder of the run.
        manifest: Its settings, and the figures and digests of every finished stage.
    """

    folder: Path
    manifest: Manifest

    def rounds(self) -> pd.DataFrame:
        """One row per finished round, 0 being the base model.

        Columns: `kept` (rows of its dataset version), `direct` and `rationalised` among them, `steps` of training, and
        the held-out `accuracy` with its 95 % interval `low` to `high` over `n` questions, and `validation` accuracy.
        """
        import pandas as pd

        rows = []
        for number in range(self.manifest.settings.rounds + 1):
            facts = {
                part: stage.facts if (stage := self.manifest.stages.get(f"{number:02}/{part}")) else {}
                for part in ("version", "train", "evaluate")
            }
            if not facts["evaluate"]:
                break
            counts, held_out = facts["version"].get("counts", {}), facts["evaluate"]
            low, high = held_out["ci95"] or (None, None)
            rows.append(
                {
                    "round": number,
                    "kept": facts["version"].get("rows", 0),
                    "direct": counts.get("direct", 0),
                    "rationalised": counts.get("rationalised", 0),
                    "steps": facts["train"].get("steps", 0),
                    "accuracy": held_out["accuracy"],
                    "low": low,
                    "high": high,
                    "n": held_out["n"],
                    "validation": (held_out.get("validation") or {}).get("accuracy"),
                }
            )
        return pd.DataFrame(rows).set_index("round") if rows else pd.DataFrame()

    def versions(self) -> list[Recorded]:
        """Its dataset versions by round, and whether their files are intact."""
        return history(self.folder, self.manifest)

    def answers(self, number: int) -> pd.DataFrame:
        """Every answer of a round to training questions, kept or rejected: one row per line of its ledger.

        Raises UserError if the round has no answers yet.
        """
        import pandas as pd

        path = RoundFiles(self.folder, number).answers
        if not path.exists():
            raise UserError(f"{self.folder}: round {number} has no answers; the rounds are 1 to {self._last()}")
        return pd.DataFrame([asdict(answer) for answer in read_answers(path)])

    @property
    def best_round(self) -> int | None:
        """The round with the highest validation accuracy, 0 being the base model; None without a validation split."""
        best = self.manifest.best
        return best.round if best else None

    @property
    def best_lora(self) -> Path | None:
        """The folder of the best round's LoRA; None if the base model is best, or without a validation split."""
        best = self.manifest.best
        return self.folder / best.lora if best and best.lora else None

    def _last(self) -> int:
        rounds = range(self.manifest.settings.rounds, 0, -1)
        return next((number for number in rounds if RoundFiles(self.folder, number).answers.exists()), 0)


def read_run(path: Path | str) -> RunRecord:
    """The run at `path`: its folder or its manifest.json. Raises UserError if there is none, with the nearest name."""
    return RunRecord(*open_run(Path(path)))
