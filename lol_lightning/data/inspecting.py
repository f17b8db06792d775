"""What a data module does about labeling functions of which no inspected feature is on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Int

from lol_lightning._lightning import rank_zero_info
from lol_lightning.data.voters import Voters
from lol_lightning.exceptions import ConfigurationError, check_choice
from lol_lightning.inspection import inspect_lfs
from lol_lightning.lfs.record import LFRecord, Source
from lol_lightning.lfs.rows import Rows

__all__ = ["InspectMode", "InspectOptions", "inspect_bare_lfs"]

InspectMode = Literal["declared", "traced", "all"]
"""``traced``: trace the LFs with code of which nothing is on record; ``all``: trace and probe them; ``declared``: use
only what LFs or records say."""


@dataclass(frozen=True)
class InspectOptions:
    """How a data module finds out what its LFs inspect, and which of the findings become gradient targets.

    Args:
        mode: "traced", "all" or "declared"; LFs of which something is on record are left as they are.
        max_calls: how often all LFs together may be called for that; ``None`` for no limit.
        max_seconds: how long that may take; ``None`` for no limit.
        sources: use findings of these sources only, see ``records_to_targets``.
        top_k: keep that many gradient targets of each LF, those of largest magnitude.
        threshold: keep gradient targets whose magnitude exceeds it.
        vote_rates: scale gradient targets by how often their words bring the vote on the training rows.

    Raises:
        ConfigurationError: if the mode is unknown or a number is out of range.

    Example:
        >>> InspectOptions.of("all").mode
        'all'
    """

    mode: InspectMode = "traced"
    max_calls: int | None = 50_000
    max_seconds: float | None = 60.0
    sources: Sequence[Source] | None = None
    top_k: int | None = None
    threshold: float = 0.0
    vote_rates: bool = True

    def __post_init__(self) -> None:
        check_choice("inspect", self.mode, get_args(InspectMode))
        for name, least in (("max_calls", 0), ("max_seconds", 0), ("top_k", 1), ("threshold", 0)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise ConfigurationError(f"{name} = {value} must be at least {least}.")
        for source in self.sources or ():
            check_choice("sources", source, get_args(Source))

    @classmethod
    def of(cls, inspect: InspectMode | InspectOptions) -> InspectOptions:
        """Return options of a mode, or the options themselves."""
        return inspect if isinstance(inspect, InspectOptions) else cls(mode=inspect)

    def mapping(self) -> dict[str, Any]:
        """Return the arguments of ``records_to_targets`` that say which findings count."""
        return {"sources": self.sources, "top_k": self.top_k, "threshold": self.threshold}


def inspect_bare_lfs(
    voters: Voters,
    rows: Rows,
    votes: Int[np.ndarray, "row lf"],
    options: InspectOptions,
    text_column: str,
    progress_bar: bool,
) -> list[LFRecord]:
    """Trace, or trace and probe, the LFs with code of which nothing is on record; see ``Voters.unrecorded_lfs``.

    Args:
        voters: the m LFs.
        rows: n training rows.
        votes: int64 (n, m), the votes on them.
        options: mode and budget.
        text_column: column or attribute of the text.
        progress_bar: whether to show progress.

    Returns:
        One record for each LF; those on record are as they were.
    """
    records = {record.name: record for record in voters.records}
    bare = voters.unrecorded_lfs
    if options.mode == "declared" or not bare or not len(rows):
        return voters.records
    if options.mode == "all":  # That may take long.
        rank_zero_info(f"Tracing and probing {len(bare)} of {len(voters)} LFs on {len(rows)} training rows.")
    inspection = inspect_lfs(
        bare,
        rows,
        votes=votes[:, [voters.names.index(lf.name) for lf in bare]],
        probed=options.mode == "all",
        surrogate=False,
        text_column=text_column,
        max_calls=options.max_calls,
        max_seconds=options.max_seconds,
        fault_tolerant=voters.fault_tolerant,
        max_call_seconds=voters.max_call_seconds,
        progress_bar=progress_bar,
    )
    records |= {record.name: records[record.name].merge(record) for record in inspection.records}
    return [records[name] for name in voters.names]
