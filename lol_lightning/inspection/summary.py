"""One table of the labeling functions, how they vote and what they inspect; and one line about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection._budget import ENDED
from lol_lightning.inspection.agreement import agreement, opposed_pairs, ranked_findings
from lol_lightning.lfs.record import TRUST, LFRecord

__all__ = ["describe_records", "lf_summary"]

_MAX_NAMES = 8


def lf_summary(
    votes: Int[np.ndarray, "row lf"],
    records: Sequence[LFRecord],
    targets: GradientTargets | None = None,
    num_rows: int | None = None,
    max_terms: int = 5,
) -> pd.DataFrame:
    """Summarise labeling functions in the way of Snorkel's ``LFAnalysis.lf_summary``, and say what they inspect.

    Args:
        votes: int (n, m) with class ids or ``ABSTAIN``.
        records: what each LF inspects.
        targets: the gradient targets made of the records, whose number is then a column too.
        num_rows: number of rows of which ``votes`` holds those with a vote; n by default.
        max_terms: show that many inspected features of each LF.

    Returns:
        DataFrame indexed by LF name: ``j``, ``Polarity``, ``Coverage``, ``Overlaps``, ``Conflicts`` as in Snorkel;
        ``Inspected``: the findings in force (``LFRecord.in_force``) with their strength, those that decide most votes
        first, with the class where the LF votes for several; ``Sources``: where these findings come from;
        ``Agreement``: see ``lol_lightning.inspection.agreement.agreement``; ``Opposed by``: LFs that demand the
        opposite of a feature; ``Targets``: number of gradient targets; ``Notes``.

    Example:
        >>> from lol_lightning.lfs.record import InspectedFeature
        >>> record = LFRecord("spam", (InspectedFeature("win", label=1),))
        >>> summary = lf_summary(np.array([[1, -1], [1, 0]]), [record, LFRecord("ham")])
        >>> summary[["j", "Polarity", "Coverage", "Conflicts", "Inspected", "Sources"]]
              j Polarity  Coverage  Conflicts Inspected   Sources
        spam  0      [1]       1.0        0.5  win 1.00  declared
        ham   1      [0]       0.5        0.5
    """
    num_rows = num_rows or max(len(votes), 1)
    voted = votes != ABSTAIN
    per_row = voted.sum(1, keepdims=True)
    largest = votes.max(1, keepdims=True, initial=ABSTAIN)
    beyond = np.iinfo(votes.dtype).max
    smallest = np.where(voted, votes, beyond).min(1, keepdims=True, initial=beyond)
    pairs = opposed_pairs(records)
    columns: dict[str, object] = {
        "j": range(len(records)),
        "Polarity": [np.unique(votes[voted[:, i], i]).tolist() for i in range(len(records))],
        "Coverage": voted.sum(0) / num_rows,
        "Overlaps": (voted & (per_row > 1)).sum(0) / num_rows,
        "Conflicts": (voted & (largest != smallest)).sum(0) / num_rows,
        "Inspected": [_shown(record, max_terms) for record in records],
        "Sources": [_sources(record) for record in records],
        "Agreement": [agreement(record) for record in records],
        "Opposed by": [", ".join(_opponents(record.name, pairs)) for record in records],
    }
    if targets is not None:
        columns["Targets"] = np.bincount(targets.lf.numpy(), minlength=len(records))
    columns["Notes"] = ["; ".join(record.notes) for record in records]
    return pd.DataFrame(columns, index=[record.name for record in records])


def describe_records(records: Sequence[LFRecord]) -> str:
    """Say in one line of how many LFs something is on record, and how much, and what to do for the others.

    Example:
        >>> from lol_lightning.lfs.record import InspectedFeature
        >>> describe_records([LFRecord("spam", (InspectedFeature("win", label=1, source="traced"),)), LFRecord("long")])
        "1 of 2 LFs have inspected features (1 traced; 1 term). None for 'long': declare them with
        features={label: [words]}, or probe the LF (probed=True, inspect='all')."
    """
    best = Counter(min((f.source for f in r.in_force()), key=TRUST.index) for r in records if r.features)
    counts = ", ".join(f"{best[source]} {source}" for source in TRUST if best[source])
    if num_terms := sum(len(record.in_force()) for record in records):
        counts += f"; {num_terms} term{'s' * (num_terms > 1)}"
    line = f"{best.total()} of {len(records)} LFs have inspected features" + (f" ({counts})." if counts else ".")
    if bare := [repr(record.name) for record in records if not record.features]:
        line += (
            f" None for {_listed(bare)}: declare them with features={{label: [words]}}, "
            "or probe the LF (probed=True, inspect='all')."
        )
    if ended := [repr(record.name) for record in records if any(note.startswith(ENDED) for note in record.notes)]:
        line += f" The budget of calls or seconds ended for {_listed(ended)}: raise max_calls or max_seconds."
    return line


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def _shown(record: LFRecord, max_terms: int) -> str:
    findings = ranked_findings(record)
    several = len({feature.label for feature in findings}) > 1
    shown = [
        f"{feature.term} {feature.value:.2f}" + (f" [{feature.label}]" if several else "")
        for feature in findings[:max_terms]
    ]
    more = f" (+{len(findings) - max_terms})" if len(findings) > max_terms else ""
    return ", ".join(shown) + more


def _sources(record: LFRecord) -> str:
    sources = {feature.source for feature in record.in_force()}
    return ", ".join(source for source in TRUST if source in sources)


def _opponents(name: str, pairs: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys([*pairs.other_lf[pairs.lf == name], *pairs.lf[pairs.other_lf == name]]))
