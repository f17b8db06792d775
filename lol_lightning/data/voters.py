"""The labeling functions of a data module: their names, their records, their votes, their classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import ConfigurationError, DataError, VotesError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.apply import fast_apply, validate_votes
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rows import Rows

__all__ = ["Voters", "check_largest_vote", "infer_num_classes"]


class Voters:
    """Labeling functions, or the columns of a vote matrix whose functions are not known.

    Args:
        lfs: Snorkel labeling functions; those with a ``record`` tell what they inspect.
        names: names of the vote columns, by default those of ``lfs``. LFs that have no code here are named only.
        records: what the LFs inspect, matched by name, in place of what ``lfs`` tell: ``LFRecord`` objects, or
            anything that has them as ``.records``.
        votes: a known vote matrix, which gives m where there are neither ``lfs`` nor ``names``.

    Raises:
        ConfigurationError: if names are not distinct, or an LF or record has a name that no column has.

    Example:
        >>> voters = Voters([], names=["first", "second"])
        >>> voters.records[1]
        LFRecord(name='second', features=(), columns=(), notes=())
    """

    def __init__(
        self,
        lfs: Sequence[LabelingFunction],
        names: Sequence[str] | None = None,
        records: Iterable[LFRecord] | Any | None = None,
        votes: Any | None = None,
    ) -> None:
        self.lfs = list(lfs)
        found: list[LFRecord] = [lf.record for lf in self.lfs if hasattr(lf, "record")]
        if records is not None:
            found = list(getattr(records, "records", records))
        if names is None and not self.lfs and votes is not None:
            names = [f"lf_{i}" for i in range(validate_votes(votes).shape[1])]
        self.names = [lf.name for lf in self.lfs] if names is None else list(names)
        if not self.names:
            raise ConfigurationError("there are no labeling functions: give lfs=, or votes that are known already.")
        if len(set(self.names)) < len(self.names):
            raise ConfigurationError(f"labeling functions need distinct names, got {self.names}.")
        self._check_known("labeling function", [lf.name for lf in self.lfs])
        self._check_known("record", [record.name for record in found])
        by_name = {record.name: record for record in found}
        self.records = [by_name.get(name, LFRecord(name)) for name in self.names]

    def __len__(self) -> int:
        """Return m."""
        return len(self.names)

    @property
    def inspected(self) -> list[InspectedFeature]:
        """All that the LFs inspect."""
        return [feature for record in self.records for feature in record.features]

    def vote(self, rows: Rows, known: Any | None = None, progress_bar: bool = False) -> np.ndarray:
        """Return the votes int64 (n, m) on rows, by the LFs or from a matrix that is known already.

        Raises:
            VotesError: if a known matrix holds something else than votes, or does not fit the rows or the LFs.
            ConfigurationError: if there is no matrix and an LF has no code.
        """
        if known is None and not self.lfs:
            return np.full((len(rows), len(self)), ABSTAIN)
        if known is None and len(self.lfs) < len(self):
            absent = sorted(set(self.names) - {lf.name for lf in self.lfs})
            raise ConfigurationError(f"the labeling functions {absent} have no code here: give their votes.")
        if known is None:
            return fast_apply(self.lfs, rows, progress_bar=progress_bar)
        votes = validate_votes(known, lf_names=self.names)
        if len(votes) != len(rows):
            raise VotesError(f"there are votes on {len(votes)} rows, but {len(rows)} rows; give one row of votes each.")
        return votes

    def _check_known(self, what: str, names: list[str]) -> None:
        if unknown := sorted(set(names) - set(self.names)):
            raise ConfigurationError(f"no vote column is named like the {what} {unknown[0]!r}; they are {self.names}.")


def infer_num_classes(
    num_classes: int | None,
    label_names: Sequence[str] | None,
    labels: Mapping[str, np.ndarray],
    votes: np.ndarray,
    inspected: Iterable[InspectedFeature],
) -> int:
    """Return K, given or the smallest (at least 2) that has room for every label, vote and inspected class.

    Args:
        num_classes: K where it is given.
        label_names: names of the classes where they are given.
        labels: gold classes by the name of the rows that have them.
        votes: int (n, m).
        inspected: what the LFs inspect.

    Raises:
        ConfigurationError: if ``num_classes`` is not the number of names, or is below 2.
        DataError: if a label, vote or inspected class has no room in K.

    Example:
        >>> infer_num_classes(None, None, {"val": np.array([0, 3])}, np.array([[1, -1]]), [])
        4
    """
    if num_classes is not None and label_names is not None and num_classes != len(label_names):
        raise ConfigurationError(f"num_classes = {num_classes}, but there are the label_names {list(label_names)}.")
    if label_names is not None:
        num_classes = len(label_names)
    if num_classes is not None and num_classes < 2:
        raise ConfigurationError(f"a classifier needs at least 2 classes, got {num_classes}.")
    largest = {f"a gold label of the {name} rows": int(y.max()) for name, y in labels.items() if len(y)}
    largest["a vote"] = int(votes.max(initial=ABSTAIN))
    largest["the class of an inspected feature"] = max((f.label for f in inspected), default=ABSTAIN)
    if num_classes is None:
        return max(2, *(value + 1 for value in largest.values()))
    for where, value in largest.items():
        if value >= num_classes:
            raise DataError(
                f"{where} is {value}, but there are only {num_classes} classes 0 .. {num_classes - 1}. "
                "Raise num_classes (or name every class in label_names), or correct it."
            )
    return num_classes


def check_largest_vote(votes: np.ndarray, num_classes: int, split: str) -> None:
    """Raise ``DataError`` where a vote names a class that the training rows have not."""
    if (largest := int(votes.max(initial=ABSTAIN))) >= num_classes:
        raise DataError(
            f"a vote on the {split} rows is {largest}, but there are only {num_classes} classes "
            f"0 .. {num_classes - 1}. Raise num_classes (or name every class in label_names), or correct it."
        )
