"""What labeling functions inspect, from every source at once: declared, traced, probed, surrogate."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from snorkel.labeling import LabelingFunction, LFAnalysis

from lol_lightning.exceptions import DataError, LabelingFunctionError, VotesError
from lol_lightning.features.bag_of_words import BagOfWords, FeatureSpace
from lol_lightning.features.mapping import records_to_targets
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.inspection.agreement import PRIORITY, agreement, best_findings, opposed_pairs
from lol_lightning.inspection.probing.probing import probe_lfs
from lol_lightning.inspection.probing.probing_table import probe_table
from lol_lightning.inspection.surrogate import surrogate_records
from lol_lightning.inspection.tracing.tracing import trace_lfs
from lol_lightning.lfs.apply import fast_apply, validate_votes
from lol_lightning.lfs.record import LFRecord, Source
from lol_lightning.lfs.rows import Rows, as_rows, column_of

__all__ = ["LFInspection", "inspect_lfs"]


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
        >>> inspection.summary()[["Coverage", "Inspected", "Sources"]]
              Coverage Inspected   Sources
        spam       0.5  win 1.00  declared
    """

    records: list[LFRecord]
    votes: Int[np.ndarray, "row lf"]

    def summary(self, max_terms: int = 5) -> pd.DataFrame:
        """Summarise each LF in the way of Snorkel's ``LFAnalysis.lf_summary``, and say what it inspects.

        Args:
            max_terms: number of inspected features that are shown.

        Returns:
            DataFrame indexed by LF name: ``j``, ``Polarity``, ``Coverage``, ``Overlaps``, ``Conflicts`` as in
            Snorkel; ``Inspected``: the features that decide most votes with their strength, and the class where the
            LF votes for several; ``Sources``; ``Agreement``: see ``lol_lightning.inspection.agreement.agreement``;
            ``Opposed by``: LFs that demand the opposite of a feature; ``Notes``.
        """
        # As floats: Snorkel's products of integer matrices are on their way out of SciPy.
        analysis = LFAnalysis(self.votes.astype(float), [SimpleNamespace(name=record.name) for record in self.records])
        table = analysis.lf_summary()
        pairs = self.opposed()
        opponents = [
            dict.fromkeys([*pairs.other_lf[pairs.lf == r.name], *pairs.lf[pairs.other_lf == r.name]])
            for r in self.records
        ]
        return table.assign(
            Polarity=[[int(label) for label in labels] for labels in table.Polarity],
            Inspected=[_shown(record, max_terms) for record in self.records],
            Sources=[_sources(record) for record in self.records],
            Agreement=[agreement(record) for record in self.records],
            **{"Opposed by": [", ".join(names) for names in opponents]},
            Notes=["; ".join(record.notes) for record in self.records],
        )

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
    ) -> tuple[GradientTargets, pd.DataFrame]:
        """Map the findings to gradient targets, with their audit; see ``records_to_targets``."""
        return records_to_targets(self.records, feature_space, num_classes, top_k, threshold, sources)

    def audit(self, feature_space: FeatureSpace, num_classes: int) -> pd.DataFrame:
        """Say for each finding in which features of a space it shows, one row for each."""
        return self.gradient_targets(feature_space, num_classes)[1]

    def save(self, path: str | Path) -> None:
        """Write records and votes as JSON."""
        voted = [np.flatnonzero(column != ABSTAIN) for column in self.votes.T]
        columns = [{"rows": r.tolist(), "votes": c[r].tolist()} for r, c in zip(voted, self.votes.T, strict=True)]
        content = {"num_rows": len(self.votes), "lfs": [r.to_dict() for r in self.records], "votes": columns}
        Path(path).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> LFInspection:
        """Read what ``save`` wrote.

        Raises:
            DataError: if the file is not such a one.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            votes = np.full((content["num_rows"], len(content["lfs"])), ABSTAIN, dtype=np.int64)
            for i, column in enumerate(content["votes"]):
                votes[column["rows"], i] = column["votes"]
            return cls([LFRecord.from_dict(record) for record in content["lfs"]], votes)
        except (json.JSONDecodeError, KeyError, TypeError, IndexError) as error:
            raise DataError(
                f"{path} does not hold an inspection: {error!r}. Write it with LFInspection.save."
            ) from error


def inspect_lfs(
    lfs: Sequence[LabelingFunction | str],
    data: Rows,
    feature_space: FeatureSpace | None = None,
    *,
    votes: Int[np.ndarray, "row lf"] | None = None,
    declared: bool = True,
    traced: bool = True,
    probed: bool = True,
    surrogate: bool = True,
    column: str = "text",
    progress_bar: bool = True,
    table_settings: Mapping[str, Any] | None = None,
    **probe_settings: Any,
) -> LFInspection:
    """Find out what labeling functions inspect.

    Args:
        lfs: Snorkel labeling functions, plain ones too. A name stands for an LF whose code is not given; its votes
            must be, and a surrogate explains them.
        data: a DataFrame, a sequence of data points or plain texts.
        feature_space: fitted; if given, its entries are what probing removes, and what surrogates are made of.
        votes: int64 (n, m), the votes on ``data`` where they are known; else the LFs are applied.
        declared: keep what the LFs themselves declare.
        traced: run the LFs on instrumented data points.
        probed: take units away from texts, and shift and exchange the columns of a table that an LF reads.
        surrogate: explain the votes of LFs without code, by the entries of ``feature_space``.
        column: column or attribute of the text.
        progress_bar: show progress.
        table_settings: arguments of ``probe_table``.
        **probe_settings: arguments of ``probe_lfs``, such as ``max_calls``, ``precision`` or ``n_jobs``.

    Returns:
        Records and votes; see ``LFInspection``.

    Raises:
        VotesError: if votes are missing for an LF without code, or do not fit the LFs and rows.
        LabelingFunctionError: if an LF raises on a data point as it is, or two have the same name.

    Example:
        >>> lf = LabelingFunction("spam", lambda x: 1 if "http" in x.text.lower() else -1)
        >>> inspection = inspect_lfs([lf], ["see http://a.b", "HTTP://c.d", "no link"], progress_bar=False)
        >>> [(f.term, f.label, f.source) for f in inspection.records[0].features]
        [('http', 1, 'traced'), ('http', 1, 'probed')]
    """
    data = as_rows(data, column)
    with_code = [i for i, lf in enumerate(lfs) if isinstance(lf, LabelingFunction)]
    functions = [lf for lf in lfs if isinstance(lf, LabelingFunction)]
    names = [lf.name if isinstance(lf, LabelingFunction) else lf for lf in lfs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise LabelingFunctionError(f"two labeling functions are named {twice!r}; give each a name of its own.")
    if votes is None:
        if len(functions) < len(lfs):
            missing = next(name for i, name in enumerate(names) if i not in with_code)
            raise VotesError(f"LF {missing!r} is given by name alone; pass its votes as votes=.")
        votes = fast_apply(functions, data, progress_bar=progress_bar)
    votes = validate_votes(votes, lf_names=names)
    if votes.shape != (len(data), len(lfs)):
        raise VotesError(f"votes of shape {votes.shape} do not fit {len(data)} rows and {len(lfs)} LFs.")
    records = {name: LFRecord(name) for name in names}
    own = votes[:, with_code]
    if declared:
        _merge(records, (lf.record for lf in functions if hasattr(lf, "record")))
    if traced:
        _merge(records, trace_lfs(functions, data, votes=own))
    if probed:
        reads = [records[lf.name].columns for lf in functions]
        text = [i for i, columns in enumerate(reads) if not columns or column in columns]
        if column_of(data, column) is not None:
            settings: dict[str, Any] = {"column": column, "progress_bar": progress_bar} | probe_settings
            chosen = [functions[i] for i in text]
            _merge(records, probe_lfs(chosen, data, feature_space, votes=own[:, text], **settings))
        _merge(records, _probed_columns(functions, reads, data, column, table_settings or {}))
    rest = [i for i in range(len(lfs)) if i not in with_code]
    if surrogate and rest:
        space = BagOfWords(column=column).fit(data) if feature_space is None else feature_space
        _merge(records, surrogate_records(votes[:, rest], data, space, [names[i] for i in rest]))
    return LFInspection(list(records.values()), votes)


def _merge(records: dict[str, LFRecord], found: Iterable[LFRecord]) -> None:
    for record in found:
        records[record.name] = records[record.name].merge(record)


def _probed_columns(
    lfs: Sequence[LabelingFunction],
    reads: Sequence[Sequence[str]],
    data: Rows,
    text_column: str,
    settings: Mapping[str, Any],
) -> Iterator[LFRecord]:
    """Probe the columns beside the text that an LF is known to read; all columns of a table without a text."""
    if not isinstance(data, pd.DataFrame):
        return
    for lf, known in zip(lfs, reads, strict=True):
        columns = [name for name in known if name != text_column and name in data.columns]
        if not columns and not known and text_column not in data.columns:
            columns = list(data.columns)
        texts = [name for name in columns if _holds_text(data[name])]
        columns = [name for name in columns if name not in texts]
        if texts:
            yield LFRecord(lf.name, notes=(f"not probed: {', '.join(texts)} holds text; pass column= to probe it",))
        if columns:
            yield from probe_table([lf], data, **{"columns": columns, **settings})


def _holds_text(values: pd.Series) -> bool:
    """Tell sentences from categories: most texts have several words."""
    strings = values[[isinstance(value, str) for value in values]].astype(str)
    return len(strings) > 0 and bool(strings.str.strip().str.contains(r"\s").mean() > 0.5)


def _shown(record: LFRecord, max_terms: int) -> str:
    findings = best_findings(record)
    several = len({feature.label for feature in findings}) > 1
    shown = [
        f"{feature.term} {feature.value:.2f}" + (f" [{feature.label}]" if several else "")
        for feature in findings[:max_terms]
    ]
    more = f" (+{len(findings) - max_terms})" if len(findings) > max_terms else ""
    return ", ".join(shown) + more


def _sources(record: LFRecord) -> str:
    found = {feature.source for feature in record.features}
    return ", ".join(source for source in PRIORITY if source in found)
