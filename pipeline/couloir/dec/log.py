"""Keep the training log as CSV, and tell a caller how far training has come."""

import csv
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from couloir.dec.checkpoint import State

Phase = Literal["pretrain", "cluster"]

Progress = Callable[[str, int, int, str], None]
"""Called with the phase, how much of it is done, how much there is, and a message."""

COLUMNS = ("phase", "step", "loss", "reconstruction", "kl", "changed", "seconds")


def no_progress(phase: str, done: int, total: int, message: str) -> None:
    """Tell nobody."""


class TrainingLog:
    """Write one line for each epoch of pre-training and each renewal of the targets.

    Columns: phase (pretrain, cluster); step (epochs or iterations done); loss; reconstruction (mean
    MSE of the steps since the line before); kl (of the whole archive to its new targets, nats);
    changed (share of labels since the renewal before); seconds of training, those before a kill
    included. What a line does not have is left empty. Every line is on disk once written.

    Parameters
    ----------
    path
        The CSV file; one that exists is replaced.
    earlier
        What a checkpoint kept of it, to go on from.
    """

    def __init__(self, path: Path, *, earlier: State | None = None) -> None:
        self._path = path
        earlier = earlier or {"text": ",".join(COLUMNS) + "\n", "seconds": 0.0}
        self._earlier_text: str = earlier["text"]
        self._started = time.perf_counter() - float(earlier["seconds"])

    def __enter__(self) -> Self:
        self._file = self._path.open("w", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        self._file.write(self._earlier_text)
        self._file.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def seconds(self) -> float:
        """Seconds of training until now."""
        return time.perf_counter() - self._started

    def state(self) -> State:
        """Give what a checkpoint keeps."""
        return {"text": self._path.read_text(encoding="utf-8"), "seconds": self.seconds}

    def add(self, phase: Phase, step: int, *, values: Mapping[str, float | None]) -> None:
        """Write a line.

        Parameters
        ----------
        phase, step
            Where training is.
        values
            Any of loss, reconstruction, kl and changed; None and infinite are left empty.
        """
        known = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
        numbers = {name: f"{value:.6g}" for name, value in known.items()}
        self._rows.writerow({"phase": phase, "step": step, **numbers, "seconds": f"{self.seconds:.2f}"})
        self._file.flush()
