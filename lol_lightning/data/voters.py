"""The labeling functions of a data module: their names, their records, their votes, their classes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy import sparse
from snorkel.labeling import LabelingFunction

from lol_lightning._lightning import rank_zero_info
from lol_lightning.exceptions import ConfigurationError, DataError, VotesError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection import LFInspection
from lol_lightning.lfs.apply import fast_apply, validate_votes
from lol_lightning.lfs.frames import as_frame
from lol_lightning.lfs.lfs import as_lfs
from lol_lightning.lfs.limits import CALL_SECONDS, check_call_seconds
from lol_lightning.lfs.names import check_lf_names
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rows import Rows

__all__ = ["Records", "Voters", "rows_to_train_on"]

Records: TypeAlias = LFInspection | Iterable[LFRecord]
"""What LFs inspect."""

VOTING = ("train", "val", "test")
"""Splits on which LFs vote."""


class Voters:
    """Labeling functions, or the columns of a vote matrix whose functions are not at hand.

    Args:
        lfs: labeling functions, see ``as_lfs``. A text is the name of an LF that has no code here.
        votes: vote matrices int (n, m) by split, or that of the training rows alone. The columns of a DataFrame are
            matched with ``lfs`` by name. Where there are no ``lfs``, they name the LFs.
        records: what the LFs inspect, matched by name, in place of what ``lfs`` declare.
        fault_tolerant: whether an LF that fails on a row abstains there, see ``fast_apply``.
        max_call_seconds: how long one call of an LF may take.

    Raises:
        LabelingFunctionError: if an LF cannot be used, or two have the same name.
        ConfigurationError: if there are no LFs, or an LF or record has a name that no column has.
        VotesError: if votes are broken.

    Example:
        >>> voters = Voters(["first", "second"], votes=[[1, 0], [0, -1]])
        >>> voters.records[1]
        LFRecord('second', nothing on record)
    """

    def __init__(
        self,
        lfs: Any = (),
        votes: Any | None = None,
        records: Records | None = None,
        fault_tolerant: bool = False,
        max_call_seconds: float | None = CALL_SECONDS,
    ) -> None:
        check_call_seconds(max_call_seconds)
        self.fault_tolerant, self.max_call_seconds = fault_tolerant, max_call_seconds
        by_split, members = _by_split(votes), _members(lfs)
        self.lfs: list[LabelingFunction] = [lf for lf in members if not isinstance(lf, str)]
        declared = [lf.record for lf in self.lfs if hasattr(lf, "record")]
        own = declared if records is None else _listed(records)
        self.names = _names_of([lf if isinstance(lf, str) else lf.name for lf in members], by_split, own)
        check_lf_names(self.names)
        self._check_names("labeling function", [lf.name for lf in self.lfs])
        self.votes = {split: self._in_order(matrix, split) for split, matrix in by_split.items()}
        self._recorded = {record.name for record in declared if record.features}
        self._take(own)
        if records is not None:
            self._recorded |= {record.name for record in own}

    def __repr__(self) -> str:
        return f"Voters({len(self)} LFs, {len(self.lfs)} with code, votes={list(self.votes)})"

    def __len__(self) -> int:
        """Return m."""
        return len(self.names)

    @property
    def inspected(self) -> list[InspectedFeature]:
        """All that the LFs inspect."""
        return [feature for record in self.records for feature in record.features]

    @property
    def unrecorded_lfs(self) -> list[LabelingFunction]:
        """LFs with code that neither declare features nor have one of the user's records, be it an empty one."""
        return [lf for lf in self.lfs if lf.name not in self._recorded]

    def use_records(self, records: Records) -> None:
        """Take what the LFs inspect from records, matched by name; of LFs without one, nothing is on record.

        Raises:
            ConfigurationError: if a record has a name that no LF has.
        """
        listed = _listed(records)
        self._take(listed)
        self._recorded = self._recorded | {record.name for record in listed}

    def can_travel(self) -> bool:
        """Whether the LFs can be pickled; decorated functions and lambdas cannot."""
        try:
            pickle.dumps(self.lfs)
        except Exception:  # What an LF holds decides what is raised.
            return False
        return True

    def copy(self) -> Voters:
        """Return voters with the same LFs, votes and records, which may then take others."""
        other = copy.copy(self)
        other.votes = dict(self.votes)
        return other

    def without_code(self) -> Voters:
        """Return the same names, votes and records without the LFs."""
        other = self.copy()
        other.lfs = []
        return other

    def vote(self, rows: Rows, split: str, progress_bar: bool = False) -> np.ndarray:
        """Return the votes int64 (n, m) on the rows of a split: the user's, else those of the LFs that run now.

        Without code and votes, all LFs abstain on rows that no model is trained on.

        Raises:
            VotesError: if the user's votes are no votes, or do not fit the rows or the LFs.
            ConfigurationError: if there are no votes and an LF has no code.
            LabelingFunctionError: if an LF fails.
        """
        if split in self.votes:
            votes = self.votes[split]
            if len(votes) != len(rows):
                raise VotesError(f"there are votes on {len(votes)} {split} rows, but {len(rows)} rows.")
            return votes
        if not self.lfs and split != "train":
            return np.full((len(rows), len(self)), ABSTAIN)
        if len(self.lfs) < len(self):
            absent = sorted(set(self.names) - {lf.name for lf in self.lfs})
            raise ConfigurationError(
                f"the labeling functions {absent} have no code here: give their votes on the {split} rows in votes=."
            )
        return fast_apply(
            self.lfs,
            rows,
            progress_bar=progress_bar,
            fault_tolerant=self.fault_tolerant,
            max_call_seconds=self.max_call_seconds,
        )

    def _take(self, records: list[LFRecord]) -> None:
        check_lf_names([record.name for record in records])
        by_name = {record.name: record for record in records}
        self._check_names("record", list(by_name))
        self.records = [by_name.get(name, LFRecord(name)) for name in self.names]

    def _in_order(self, votes: Any, split: str) -> np.ndarray:
        if _has_names(votes):
            check_lf_names(list(votes.columns))
            if set(votes.columns) != set(self.names):
                raise VotesError(
                    f"the votes on the {split} rows have the columns {list(votes.columns)}, but the labeling functions "
                    f"are {self.names}; give one column for each."
                )
            votes = votes[self.names]
        return validate_votes(votes, lf_names=self.names)

    def _check_names(self, what: str, names: list[str]) -> None:
        if unknown := sorted(set(names) - set(self.names)):
            raise ConfigurationError(f"no vote column is named like the {what} {unknown[0]!r}; they are {self.names}.")


def rows_to_train_on(votes: Int[np.ndarray, "row lf"], knows_shares: bool) -> Int[np.ndarray, " kept"]:
    """Return the numbers of the training rows to keep, and say what becomes of those without a vote.

    Class shares are shares of all rows: where they are known, a model matches its mean prediction to them, and rows
    without a vote count in that mean.
    """
    covered = (votes != ABSTAIN).any(1)
    if not covered.any():
        raise DataError(
            f"every LF abstains on each of the {len(votes)} training rows, so nothing can be learnt. Check the LFs "
            "and what they read, such as text_column, or give more rows."
        )
    if not (uncovered := int((~covered).sum())):
        return np.arange(len(votes))
    if knows_shares:
        rank_zero_info(
            f"{uncovered} of {len(votes)} training rows have no vote; they stay, as the class shares are those of "
            "all rows."
        )
        return np.arange(len(votes))
    rank_zero_info(f"Dropped {uncovered} of {len(votes)} training rows: every LF abstains on them.")
    return np.flatnonzero(covered)


def _members(lfs: Any) -> list[Any]:
    """Return LFs, with the names of those without code in their places."""
    if isinstance(lfs, list | tuple) and any(isinstance(lf, str) for lf in lfs):
        with_code = iter(as_lfs([lf for lf in lfs if not isinstance(lf, str)]))
        return [lf if isinstance(lf, str) else next(with_code) for lf in lfs]
    return list(as_lfs(lfs))


def _names_of(names: list[str], votes: Mapping[str, Any], records: list[LFRecord]) -> list[str]:
    """Return the names of the vote columns: those of the LFs, of a frame's columns, of the records, or numbers."""
    columns = next((list(matrix.columns) for matrix in votes.values() if _has_names(matrix)), None)
    if columns is not None:
        return names if set(names) == set(columns) else columns
    if names or not votes:
        return names
    num_lfs = validate_votes(next(iter(votes.values()))).shape[1]
    return [record.name for record in records] if len(records) == num_lfs else [f"lf_{i}" for i in range(num_lfs)]


def _by_split(votes: Any | None) -> dict[str, Any]:
    if votes is None:
        return {}
    if not isinstance(votes, Mapping):
        return {"train": _with_names(votes)}
    if unknown := sorted(set(map(str, votes)) - set(VOTING)):
        raise ConfigurationError(f"votes= has the key {unknown[0]!r}; its keys are among {list(VOTING)}.")
    return {split: _with_names(matrix) for split, matrix in votes.items() if matrix is not None}


def _with_names(votes: Any) -> Any:
    """Return a table of votes as one of pandas, whose columns have names, and anything else as it is."""
    if sparse.issparse(votes) or hasattr(votes, "detach"):
        return votes
    frame = as_frame(votes)
    return votes if frame is None else frame


def _listed(records: Records) -> list[LFRecord]:
    listed = records.records if isinstance(records, LFInspection) else records
    if isinstance(listed, LFRecord) or not isinstance(listed, Iterable):
        listed = [cast(LFRecord, listed)]
    result = list(listed)
    if wrong := [record for record in result if not isinstance(record, LFRecord)]:
        raise ConfigurationError(
            f"records= holds {wrong[0]!r:.80}, which is no LFRecord; give what inspect_lfs returns, or a list of "
            "LFRecord."
        )
    return result


def _has_names(votes: Any) -> bool:
    return isinstance(votes, pd.DataFrame) and all(isinstance(name, str) for name in votes.columns)
