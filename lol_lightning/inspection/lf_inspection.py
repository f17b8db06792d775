"""LFInspection: what labeling functions inspect, from every source, with their votes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from lol_lightning._files.disk import reading
from lol_lightning._files.plain import check_fields, check_list, read_json, write_json
from lol_lightning.exceptions import DataError
from lol_lightning.features.feature_space import FeatureSpace, Matrix
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection.agreement import opposed_pairs
from lol_lightning.inspection.summary import describe_records, lf_summary
from lol_lightning.lfs.names import check_lf_names
from lol_lightning.lfs.record import LFRecord, Source
from lol_lightning.lfs.record_state import record_from_state

__all__ = ["LFInspection"]

MAX_CELLS = 2**28
"""Largest number of votes (rows times LFs) in a file: 2 GiB in memory."""

_WHAT, _CURE = "an inspection of labeling functions", "Write it with LFInspection.save."
_FIELDS = {"num_rows": int, "lfs": list, "votes": list}


@dataclass(eq=False)
class LFInspection:
    """The findings about labeling functions, with their votes.

    Args:
        records: one for each LF, the findings of all sources.
        votes: int64 (n, m), the votes on the data that was inspected.

    Example:
        >>> from lol_lightning.lfs.record import InspectedFeature
        >>> record = LFRecord("spam", (InspectedFeature("win", label=1),))
        >>> inspection = LFInspection([record], np.array([[1], [-1]]))
        >>> inspection
        LFInspection of 1 LFs on 2 rows: 1 of 1 LFs have inspected features (1 declared; 1 term).
        >>> inspection.summary()[["Coverage", "Inspected", "Sources"]]
              Coverage Inspected   Sources
        spam       0.5  win 1.00  declared
    """

    records: list[LFRecord]
    votes: Int[np.ndarray, "row lf"]

    def __repr__(self) -> str:
        return f"LFInspection of {len(self.records)} LFs on {len(self.votes)} rows: {self.describe()}"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()  # type: ignore[operator]

    def summary(self, max_terms: int = 5) -> pd.DataFrame:
        """Summarise each LF in the way of Snorkel's ``LFAnalysis.lf_summary``; see ``lf_summary``.

        Args:
            max_terms: number of inspected features that are shown.
        """
        return lf_summary(self.votes, self.records, max_terms=max_terms)

    def describe(self) -> str:
        """Say in one line what is on record, and which LFs have nothing; see ``describe_records``."""
        return describe_records(self.records)

    def opposed(self, min_value: float = 0.1) -> pd.DataFrame:
        """Return the pairs of LFs that demand opposite signs on one feature; see ``opposed_pairs``."""
        return opposed_pairs(self.records, min_value)

    def gradient_targets(
        self,
        feature_space: FeatureSpace,
        num_classes: int,
        sources: Iterable[Source] | None = None,
        threshold: float = 0.0,
        top_k: int | None = None,
        features: Matrix | None = None,
    ) -> tuple[GradientTargets, pd.DataFrame]:
        """Map the findings to gradient targets, with their audit; see ``records_to_targets``.

        ``features`` are the rows that were inspected, float (n, d); the votes on them then tell how often what was
        found brings the vote.
        """
        votes = None if features is None else self.votes
        return records_to_targets(
            self.records, feature_space, num_classes, top_k, threshold, sources, votes=votes, features=features
        )

    def audit(self, feature_space: FeatureSpace, num_classes: int, features: Matrix | None = None) -> pd.DataFrame:
        """Say for each finding in which features of a space it shows, one row for each; see ``gradient_targets``."""
        return self.gradient_targets(feature_space, num_classes, features=features)[1]

    def save(self, path: str | Path) -> None:
        """Write records and votes as JSON; a file of that name is replaced as a whole.

        Raises:
            DataError: if the file cannot be written, or the votes are more than a file may hold.
        """
        _check_size(*self.votes.shape)
        voted = [np.flatnonzero(column != ABSTAIN) for column in self.votes.T]
        columns = [{"rows": r.tolist(), "votes": c[r].tolist()} for r, c in zip(voted, self.votes.T, strict=True)]
        write_json(path, {"num_rows": len(self.votes), "lfs": [r.to_dict() for r in self.records], "votes": columns})

    @classmethod
    def load(cls, path: str | Path) -> LFInspection:
        """Read what ``save`` wrote.

        Raises:
            DataError: if there is no such file, or it is not such a one.
        """
        content = read_json(path, _WHAT, _CURE)
        with reading(path, _WHAT, _CURE):
            content = check_fields(content, _FIELDS, "the inspection")
            records = [record_from_state(record, f"LF {i}") for i, record in enumerate(content["lfs"])]
            check_lf_names([record.name for record in records])
            if len(content["votes"]) != len(records):
                raise DataError(f"it holds votes of {len(content['votes'])} LFs, and {len(records)} LFs")
            _check_size(content["num_rows"], len(records))
            votes = np.full((content["num_rows"], len(records)), ABSTAIN, dtype=np.int64)
            for i, column in enumerate(content["votes"]):
                rows, labels = _votes(column, len(votes), f"the votes of {records[i].name!r}")
                votes[rows, i] = labels
        return cls(records, votes)


def _check_size(num_rows: int, num_lfs: int) -> None:
    if not 0 <= num_rows * max(1, num_lfs) <= MAX_CELLS:
        raise DataError(f"{num_rows} rows of {num_lfs} LFs are not from 0 to {MAX_CELLS} votes")


def _votes(value: Any, num_rows: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    column = check_fields(value, {"rows": list, "votes": list}, where)
    if len(column["rows"]) != len(column["votes"]):
        raise DataError(f"{where} have {len(column['rows'])} rows and {len(column['votes'])} votes")
    rows, labels = (np.asarray(check_list(column[n], int, f"{n} of {where}"), dtype=np.int64) for n in column)
    if len(rows) and not (0 <= rows[0] and rows[-1] < num_rows and (np.diff(rows) > 0).all()):
        raise DataError(f"{where} have rows that do not ascend from 0 to below {num_rows}")
    if (labels < 0).any():
        raise DataError(f"{where} hold {labels.min()}, which is no class")
    return rows, labels
