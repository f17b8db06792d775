"""From records of LFs to gradient targets in a feature space, with an audit of every step."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from lol_lightning._lightning import rank_zero_only
from lol_lightning.exceptions import TargetsError
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.strengths import Key, MappedFeature, Strength, strengths
from lol_lightning.features.vocabulary import SPLIT
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.lfs.record import InspectedFeature, LFRecord, Source

__all__ = ["OVERRULED", "records_to_targets"]

logger = logging.getLogger(__name__)

OVERRULED = "overruled by a more trusted finding"
"""Remark of the audit about a finding whose entries all have their value from a more trusted one."""

_COLUMNS = ["lf", "inspected", "kind", "source", "label", "entries", "num_entries", "num_targets", "remark"]


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
    same clause, and :math:`\phi` is the proportion of training rows that hold them. The words of a phrase are all
    needed, so each keeps the full value. Probed and surrogate values are measured and used as they are.

    The findings that count are those of ``LFRecord.in_force``. Where several of them meet on one (LF, class, feature),
    the same order of trust decides (``lol_lightning.lfs.record.TRUST``), and within one source the largest magnitude.

    A class probability cannot rise with a word for two classes at once. Where one LF asks for an entry on behalf of
    several classes, only the class that it mostly leads to keeps it, times the lead :math:`(w - w') / (w + w')`; the
    rate :math:`w` of a class is the chance that the rest of its rule is there as well, :math:`w'` that of the other
    classes. Of "good" and "not good", the word alone decides.

    Args:
        records: one for each LF, in the order of the vote matrix's columns.
        feature_space: fitted on the training rows.
        num_classes: K.
        top_k: keep at most that many entries of largest magnitude for each LF.
        threshold: keep entries with ``|value| > threshold``.
        sources: use only findings of these sources; all by default.

    Returns:
        The targets, and the audit: a DataFrame with one row for each inspected feature: ``lf``, ``inspected`` (the
        term), ``kind``, ``source``, ``label``, ``entries`` (names) and ``num_entries`` in the space, ``num_targets``
        (how many targets have their value from this finding), ``remark``.

    Raises:
        TargetsError: if a feature speaks for a class outside [0, K).

    Example:
        >>> from lol_lightning.features.bag_of_words import BagOfWords
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
    mapped: list[MappedFeature] = []
    for lf, record in enumerate(records):
        chosen = record if sources is None else record.from_sources(sources)
        in_force = set(chosen.in_force())
        for feature in chosen.features:
            _check_label(record, feature, num_classes)
            mapped.append(MappedFeature(lf, feature, feature_space.map_feature(feature), feature in in_force))
    observed, smoothed = feature_space.observed_frequency, feature_space.document_frequency
    strength = strengths(mapped, observed.double().numpy(), smoothed.double().numpy())
    entries = _strongest(strength, threshold, top_k)
    scale = feature_space.feature_scale
    targets = GradientTargets.from_entries(
        entries,
        len(records),
        num_classes,
        feature_space.num_features,
        # Smoothed, thousands of words that no row holds would outnumber those of a row in every sample.
        document_frequency=observed,
        feature_scale=None if bool((scale == 1).all()) else scale,
    )
    audit = _audit(mapped, records, feature_space.feature_names, strength, [entry[:3] for entry in entries])
    _warn_of_splits(audit)
    return targets, audit


def _strongest(
    strength: Mapping[Key, Strength], threshold: float, top_k: int | None
) -> list[tuple[int, int, int, float]]:
    by_lf: dict[int, list[tuple[int, int, int, float]]] = defaultdict(list)
    for key, (value, _) in strength.items():
        if abs(value) > threshold:
            by_lf[key[0]].append((*key, value))
    kept = (sorted(entries, key=lambda entry: (-abs(entry[3]), entry))[:top_k] for entries in by_lf.values())
    return sorted(entry for entries in kept for entry in entries)


def _check_label(record: LFRecord, feature: InspectedFeature, num_classes: int) -> None:
    if not 0 <= feature.label < num_classes:
        raise TargetsError(
            f"LF {record.name!r} inspects {feature.term!r} for class {feature.label}, outside the {num_classes} "
            f"classes 0 .. {num_classes - 1}. Raise num_classes or correct the LF's label."
        )


def _audit(
    mapped: Sequence[MappedFeature],
    records: Sequence[LFRecord],
    names: Sequence[str],
    strength: Mapping[Key, Strength],
    kept: Sequence[Key],
) -> pd.DataFrame:
    num_targets = Counter(strength[key].mapped for key in kept)
    rows = [
        (
            records[one.lf].name,
            one.feature.term,
            one.feature.kind,
            one.feature.source,
            one.feature.label,
            [names[entry] for entry in one.match.entries],
            len(one.match.entries),
            num_targets[number],
            _remark(one, mapped, strength),
        )
        for number, one in enumerate(mapped)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _remark(one: MappedFeature, mapped: Sequence[MappedFeature], strength: Mapping[Key, Strength]) -> str:
    """Say how a finding was mapped, or that more trusted ones decide all its entries."""
    keys = [(one.lf, one.feature.label, entry) for entry in one.match.entries]
    sources = [mapped[strength[key].mapped].feature.source for key in keys if key in strength]
    if not sources or (one.in_force and one.feature.source in sources):
        return one.match.remark
    return f"{OVERRULED}: {', '.join(dict.fromkeys(source for source in sources if source != one.feature.source))}"


def _warn_of_splits(audit: pd.DataFrame) -> None:
    split = audit[audit.remark.str.startswith(SPLIT)] if len(audit) else audit
    if len(split):
        shown = ", ".join(repr(term) for term in dict.fromkeys(split.inspected.head(5)))
        rank_zero_only(logger.warning)(
            "%d inspected phrase(s) are not entries of the feature space and were split into content words "
            "(%s%s); a vectorizer with ngram_range=(1, 2) keeps short phrases whole.",
            len(split),
            shown,
            ", ..." if len(split) > 5 else "",
        )
