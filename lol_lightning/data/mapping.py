"""From records of LFs to gradient targets in a feature space, with an audit of every step."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from pytorch_lightning.utilities import rank_zero_only

from lol_lightning.data.feature_space import FeatureSpace
from lol_lightning.data.vocabulary import SPLIT, FeatureMatch
from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.smoothing import any_of_gradient
from lol_lightning.lfs.record import InspectedFeature, LFRecord, Source
from lol_lightning.targets import GradientTargets

__all__ = ["records_to_targets"]

logger = logging.getLogger(__name__)

_PRIORITY = {"probed": 2, "declared": 1, "traced": 1, "surrogate": 0}
_COLUMNS = ["lf", "inspected", "kind", "source", "label", "entries", "num_entries", "remark"]


class _Mapped(NamedTuple):
    lf: int
    feature: InspectedFeature
    match: FeatureMatch


def records_to_targets(
    records: Sequence[LFRecord],
    feature_space: FeatureSpace,
    num_classes: int,
    top_k: int | None = None,
    threshold: float = 0.0,
    sources: Iterable[Source] | None = None,
) -> tuple[GradientTargets, pd.DataFrame]:
    r"""Map what the LFs inspect onto the features of a fitted space.

    A feature of value :math:`v` gives each entry :math:`j` in which it shows the derivative of the smoothed LF among
    the documents on which the LF votes for that reason (Sec. 4.2; DESIGN, conditional form):

    .. math:: v \prod_{l \ne j} (1 - \phi_l)

    where :math:`l` runs over the entries that would keep the vote alive, the alternatives in the same group of the
    same clause, and :math:`\phi` is the share of training rows that hold them. The words of a phrase are all needed,
    so each keeps the full value. Probed and surrogate values are measured and used as they are. Where several findings
    meet on one (LF, class, feature) the probed one wins over the declared or traced one and that over the surrogate's;
    among equals the largest magnitude stays.

    Args:
        records: one for each LF, in the order of the vote matrix's columns.
        feature_space: fitted on the training rows.
        num_classes: K.
        top_k: keep at most that many entries of largest magnitude for each LF.
        threshold: keep entries with ``|value| > threshold``.
        sources: use only findings of these sources; all by default.

    Returns:
        The targets, and the audit: a DataFrame with one row for each inspected feature: ``lf``, ``inspected`` (the
        term), ``kind``, ``source``, ``label``, ``entries`` (names), ``num_entries``, ``remark``.

    Raises:
        TargetsError: if a feature votes for a class outside [0, K).

    Example:
        >>> from lol_lightning.data.feature_space import BagOfWords
        >>> space = BagOfWords().fit(["subscribe to my channel", "nice song"])
        >>> record = LFRecord("promotion", (InspectedFeature("subscr", label=1), InspectedFeature("plz", label=1)))
        >>> targets, audit = records_to_targets([record], space, num_classes=2)
        >>> targets.feature, targets.value
        (tensor([4]), tensor([1.]))
        >>> audit[["inspected", "entries", "remark"]]
          inspected      entries             remark
        0    subscr  [subscribe]             mapped
        1       plz           []  out of vocabulary
    """
    mapped = []
    for lf, record in enumerate(records):
        for feature in (record if sources is None else record.from_sources(sources)).features:
            _check_label(record, feature, num_classes)
            mapped.append(_Mapped(lf, feature, feature_space.map_feature(feature)))
    audit = _audit(mapped, records, feature_space)
    _warn_of_splits(audit)
    # Unseen words would weigh on the others by their smoothing alone, so the observed frequency counts here.
    phi = torch.minimum(feature_space.observed_frequency, feature_space.document_frequency)
    entries = _strongest(_entries(mapped, phi.double().numpy()), threshold, top_k)
    scale = feature_space.feature_scale
    targets = GradientTargets.from_entries(
        entries,
        len(records),
        num_classes,
        feature_space.num_features,
        document_frequency=feature_space.document_frequency,
        feature_scale=None if bool((scale == 1).all()) else scale,
    )
    return targets, audit


def _entries(mapped: list[_Mapped], phi: np.ndarray) -> dict[tuple[int, int, int], tuple[int, float]]:
    """Return ``{(lf, class, feature): (priority, value)}``."""
    alternatives: dict[tuple[object, ...], set[int]] = defaultdict(set)
    for item in mapped:
        if len(item.match.parts) == 1:
            alternatives[_group(item)].update(item.match.parts[0])
    best: dict[tuple[int, int, int], tuple[int, float]] = {}
    for item in mapped:
        priority = _PRIORITY[item.feature.source]
        for part in item.match.parts:
            if priority == 1:
                rivals = np.array(sorted(alternatives[_group(item)].union(part)))
                values = dict(zip(rivals.tolist(), item.feature.value * _any_of(phi[rivals]), strict=True))
            else:
                values = dict.fromkeys(part, item.feature.value)
            for entry in part:
                key = (item.lf, item.feature.label, entry)
                candidate = (priority, float(values[entry]))
                if key not in best or _rank(candidate) > _rank(best[key]):
                    best[key] = candidate
    return best


def _strongest(
    best: dict[tuple[int, int, int], tuple[int, float]], threshold: float, top_k: int | None
) -> list[tuple[int, int, int, float]]:
    by_lf: dict[int, list[tuple[int, int, int, float]]] = defaultdict(list)
    for (lf, cls, entry), (_, value) in best.items():
        if abs(value) > threshold:
            by_lf[lf].append((lf, cls, entry, value))
    for lf, entries in by_lf.items():
        by_lf[lf] = sorted(entries, key=lambda e: (-abs(e[3]), e))[:top_k]
    return sorted(entry for entries in by_lf.values() for entry in entries)


def _any_of(phi: np.ndarray) -> np.ndarray:
    return any_of_gradient(torch.from_numpy(phi)).numpy()


def _group(item: _Mapped) -> tuple[object, ...]:
    feature = item.feature
    return item.lf, feature.label, feature.source, feature.clause, feature.group, feature.value > 0


def _rank(candidate: tuple[int, float]) -> tuple[int, float]:
    return candidate[0], abs(candidate[1])


def _check_label(record: LFRecord, feature: InspectedFeature, num_classes: int) -> None:
    if not 0 <= feature.label < num_classes:
        raise TargetsError(
            f"LF {record.name!r} inspects {feature.term!r} for class {feature.label}, outside the {num_classes} "
            f"classes 0 .. {num_classes - 1}. Raise num_classes or correct the LF's label."
        )


def _audit(mapped: list[_Mapped], records: Sequence[LFRecord], feature_space: FeatureSpace) -> pd.DataFrame:
    names = feature_space.feature_names
    rows = [
        (
            records[lf].name,
            feature.term,
            feature.kind,
            feature.source,
            feature.label,
            [names[entry] for entry in match.entries],
            len(match.entries),
            match.remark,
        )
        for lf, feature, match in mapped
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _warn_of_splits(audit: pd.DataFrame) -> None:
    split = audit[audit.remark.str.startswith(SPLIT)] if len(audit) else audit
    if len(split):
        shown = ", ".join(repr(term) for term in dict.fromkeys(split.inspected.head(5)))
        rank_zero_only(logger.warning)(
            "%d inspected phrases are not entries of the feature space and were split into their content words "
            "(%s%s); a vectorizer with ngram_range=(1, 2) keeps short phrases whole.",
            len(split),
            shown,
            ", ..." if len(split) > 5 else "",
        )
