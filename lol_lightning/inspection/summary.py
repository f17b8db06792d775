"""A table of the labeling functions: how they vote and what they inspect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.record import LFRecord

__all__ = ["lf_summary"]


def lf_summary(
    votes: np.ndarray,
    records: Sequence[LFRecord],
    targets: GradientTargets,
    num_rows: int | None = None,
    max_terms: int = 5,
) -> pd.DataFrame:
    """Summarise labeling functions in the way of Snorkel's ``LFAnalysis.lf_summary``, with what they inspect.

    Args:
        votes: int (n, m) with class ids or ``ABSTAIN``.
        records: what each LF inspects.
        targets: the same as gradient targets.
        num_rows: number of rows of which ``votes`` holds those with a vote; n by default.
        max_terms: show that many inspected terms for each LF.

    Returns:
        DataFrame indexed by LF name: ``polarity`` (classes voted for), ``coverage``, ``overlaps`` and ``conflicts``
        (shares of the rows on which the LF votes, with another one, against another one), ``inspected`` (terms) and
        ``num_targets``.

    Example:
        >>> targets = GradientTargets.from_entries([(0, 1, 0, 1.0)], num_lfs=2, num_classes=2, num_features=1)
        >>> votes = np.array([[1, -1], [1, 0]])
        >>> lf_summary(votes, [LFRecord("a"), LFRecord("b")], targets)[["coverage", "conflicts", "num_targets"]]
           coverage  conflicts  num_targets
        a       1.0        0.5            1
        b       0.5        0.5            0
    """
    num_rows = num_rows or max(len(votes), 1)
    voted = votes != ABSTAIN
    per_row = voted.sum(1, keepdims=True)
    largest = votes.max(1, keepdims=True, initial=ABSTAIN)
    smallest = np.where(voted, votes, np.iinfo(votes.dtype).max).min(
        1, keepdims=True, initial=np.iinfo(votes.dtype).max
    )
    return pd.DataFrame(
        {
            "polarity": [sorted(set(votes[voted[:, i], i].tolist())) for i in range(votes.shape[1])],
            "coverage": voted.sum(0) / num_rows,
            "overlaps": (voted & (per_row > 1)).sum(0) / num_rows,
            "conflicts": (voted & (largest != smallest)).sum(0) / num_rows,
            "inspected": [_terms(record, max_terms) for record in records],
            "num_targets": np.bincount(targets.lf.numpy(), minlength=len(records)),
        },
        index=[record.name for record in records],
    )


def _terms(record: LFRecord, max_terms: int) -> str:
    terms = list(dict.fromkeys(feature.term for feature in record.features))
    return ", ".join(terms[:max_terms]) + (f", ... ({len(terms)})" if len(terms) > max_terms else "")
