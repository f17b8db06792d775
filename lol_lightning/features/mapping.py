"""From records of LFs to gradient targets in a feature space, with an audit of every step."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from lol_lightning._lightning import rank_zero_only
from lol_lightning.exceptions import TargetsError
from lol_lightning.features.explained import Explained, explained_shares, opaque_lfs, scaled_by_explained
from lol_lightning.features.feature_space import FeatureSpace, Matrix
from lol_lightning.features.mapped import MappedFeature
from lol_lightning.features.strengths import Key, Strength, strengths
from lol_lightning.features.vocabulary import SPLIT
from lol_lightning.features.vote_rates import VoteRate, vote_rates
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.lfs.record import InspectedFeature, LFRecord, Source

__all__ = ["DROPPED", "OPAQUE", "OVERRULED", "SCALED", "records_to_targets"]

logger = logging.getLogger(__name__)

DROPPED = "dropped"
"""What the remark of the audit says of a finding that never brings the vote."""

SCALED = "scaled"
"""What the remark of the audit says of a finding that brings the vote on some of the rows with it."""

OPAQUE = "opaque"
"""What the remark of the audit says of a finding whose targets count by how much of the LF's votes is explained."""

OVERRULED = "overruled by a more trusted finding"
"""Remark of the audit about a finding whose entries all have their value from a more trusted one."""

_ALWAYS = 0.95
"""Findings of which each entry brings the vote more often than this have no remark about it."""

_COLUMNS = ["lf", "inspected", "kind", "source", "label", "entries", "num_entries", "num_targets", "remark"]


def records_to_targets(
    records: Sequence[LFRecord],
    feature_space: FeatureSpace,
    num_classes: int,
    top_k: int | None = None,
    threshold: float = 0.0,
    sources: Iterable[Source] | None = None,
    votes: Int[np.ndarray, "row lf"] | None = None,
    features: Matrix | None = None,
) -> tuple[GradientTargets, pd.DataFrame]:
    r"""Map what the LFs inspect onto the features of a fitted space.

    A feature of value :math:`v` gives each entry :math:`j` in which it shows the derivative of the smoothed LF among
    the documents that hold the rest of its rule (Sec. 4.2; DESIGN, conditional form):

    .. math:: v \, a_j \prod_{l \ne j} (1 - a_l \phi_l)

    where :math:`l` runs over the alternatives that would keep the vote alive: all that the LF asks for on behalf of the
    class, within the same group of a clause and in its other clauses. :math:`\phi` is the proportion of training rows
    that hold them; a clause of several words counts with the chance that all of them are there. The words of a phrase
    or conjunction are all needed, so each keeps the full value.

    With ``votes`` and ``features`` of the training rows, :math:`a_j` is how often the entry does bring the vote
    (``lol_lightning.features.vote_rates``): among the rows with the rest of the rule, the proportion of those with the
    entry on which the LF votes for the class, beyond its rate on those without. It is 1 for a word that always brings
    the vote, small for one that an LF looks for at the start of a text only, or for ``about`` where it looks for a word
    ``out``. Entries below 0.05 make no demand. Without votes, or without a row to observe, :math:`a_j = 1`.
    Declared values are measured too, as a word is declared without its position; ``audit`` says where that matters.
    Probed and surrogate values were measured before. They are used as they are, times the share of the LF's votes that
    its findings explain (``lol_lightning.features.explained``): near 1 for an LF that looks for the words that were
    found, small for a sentiment score, of whose words a few are found. Traced values are scaled by it, too, where
    tracing says that it was defeated.

    The findings that count are those of ``LFRecord.in_force``. Where several of them meet on one (LF, class, feature),
    the same order of trust decides (``lol_lightning.lfs.record.TRUST``), and within one source the largest magnitude.

    A class probability cannot rise with a word for two classes at once. Where one LF asks for an entry on behalf of
    several classes, only the class that it mostly leads to keeps it, times the lead :math:`(w - w') / (w + w')`; the
    rate :math:`w` of a class is the chance that the rest of its rule is there as well, times :math:`a_j`, and
    :math:`w'` that of the other classes. Of "good" and "not good", the word alone decides.

    Args:
        records: one for each LF, in the order of the vote matrix's columns.
        feature_space: fitted on the training rows.
        num_classes: K.
        top_k: keep at most that many entries of largest magnitude for each LF.
        threshold: keep entries with ``|value| > threshold``.
        sources: use only findings of these sources; all by default.
        votes: int64 (n, m), class ids or ``ABSTAIN`` on all training rows, those without any vote included.
        features: float (n, d), the same rows in ``feature_space``, sparse or dense.

    Returns:
        The targets, and the audit: a DataFrame with one row for each inspected feature: ``lf``, ``inspected`` (the
        term), ``kind``, ``source``, ``label``, ``entries`` (names) and ``num_entries`` in the space, ``num_targets``
        (how many targets have their value from this finding), ``remark``. With votes also ``rows`` (number of rows with
        the feature and the rest of its rule) and ``vote_rate`` (mean of :math:`a_j` over them, NaN where nothing was
        measured), and ``explained`` (the share of the LF's votes for the class that its findings explain, NaN where
        its rules were read).

    Raises:
        TargetsError: if a feature speaks for a class outside [0, K), or votes and features do not fit each other.

    Notes:
        To the letter, the derivative of Sec. 4.2 is :math:`E[\lambda(x) \mid x_j = 1] - E[\lambda(x) \mid x_j = 0]`
        under independent entries; ``lol_lightning.functional.exact_gradient`` enumerates it for small rules. The
        targets differ from it in five ways:

        - A conjunction is taken given its rest. To the letter, "check" of ``check.*out`` would be worth no more than
          the frequency of "out", and no rare word of a phrase could be learnt.
        - Entries that share a rule are not independent in texts; :math:`a_j` is counted where they stand together, the
          product over the alternatives is not.
        - What only takes a vote away (a value below 0) is taken among the rows that would have it, in the same way.
        - What a bag of words does not hold (order, position, lengths, capitals, another column) enters through
          :math:`a_j` alone, the same for each row with the word.
        - An entry of two classes of one LF keeps one of them, as said above.

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
    rates = None
    if votes is not None or features is not None:
        rates = _measured(mapped, votes, features, (len(records), feature_space.num_features))
    observed, smoothed = feature_space.observed_frequency, feature_space.document_frequency
    strength = strengths(mapped, observed.double().numpy(), smoothed.double().numpy(), rates or {})
    shares: Explained = {}
    if votes is not None and features is not None:
        shares = explained_shares(strength, mapped, features, votes, opaque_lfs(records))
        strength = scaled_by_explained(strength, mapped, shares)
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
    kept = [entry[:3] for entry in entries]
    audit = _audit(mapped, records, feature_space.feature_names, strength, kept, rates, shares)
    _warn_of_splits(audit)
    return targets, audit


def _measured(
    mapped: Sequence[MappedFeature],
    votes: Int[np.ndarray, "row lf"] | None,
    features: Matrix | None,
    sizes: tuple[int, int],
) -> dict[int, VoteRate]:
    if votes is None or features is None:
        raise TargetsError("votes and features measure together: give both, of the same rows, or neither.")
    expected = (len(votes), sizes[0]), (len(votes), sizes[1])
    if (votes.shape, features.shape) != expected:
        raise TargetsError(
            f"votes of shape {votes.shape} and features of shape {features.shape} do not fit {sizes[0]} LFs and "
            f"{sizes[1]} features. Give both for the same rows, in the feature space of the targets."
        )
    return vote_rates(mapped, features, votes)


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
    rates: Mapping[int, VoteRate] | None,
    shares: Explained,
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
            _remark(number, mapped, strength, rates or {}, shares),
        )
        for number, one in enumerate(mapped)
    ]
    try:
        audit = pd.DataFrame(rows, columns=_COLUMNS)
    except UnicodeEncodeError:  # A word may be half of an emoji, which the strings of pandas cannot hold.
        audit = pd.DataFrame(rows, columns=_COLUMNS, dtype=object)
    if rates is not None:
        measured = [rates.get(number) for number in range(len(mapped))]
        audit.insert(len(_COLUMNS) - 1, "rows", [0 if rate is None else rate.rows for rate in measured])
        audit.insert(len(_COLUMNS), "vote_rate", [np.nan if rate is None else rate.mean for rate in measured])
        explained = [np.nan if one.is_declared else shares.get(one.of_class, np.nan) for one in mapped]
        audit.insert(len(_COLUMNS) + 1, "explained", explained)
    return audit


def _remark(
    number: int,
    mapped: Sequence[MappedFeature],
    strength: Mapping[Key, Strength],
    rates: Mapping[int, VoteRate],
    shares: Explained,
) -> str:
    """Say how a finding was mapped and scaled, or that more trusted ones decide all its entries."""
    one = mapped[number]
    keys = [(one.lf, one.feature.label, entry) for entry in one.match.entries]
    sources = [mapped[strength[key].mapped].feature.source for key in keys if key in strength]
    if sources and not (one.in_force and one.feature.source in sources):
        return f"{OVERRULED}: {', '.join(dict.fromkeys(source for source in sources if source != one.feature.source))}"
    if sources and not one.is_declared and shares.get(one.of_class, 1.0) <= _ALWAYS:
        explained = f"what was found explains {shares[one.of_class]:.2f} of the LF's votes {one.feature.label}"
        return f"{one.match.remark}; {OPAQUE}: {explained}"
    if number not in rates or min(rates[number].rates.values()) > _ALWAYS:
        return one.match.remark
    rate = rates[number]
    what = SCALED if any(rate.rates.values()) else DROPPED
    return f"{one.match.remark}; {what}: the LF votes {one.feature.label} on {rate.votes} of {rate.rows} rows with it"


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
