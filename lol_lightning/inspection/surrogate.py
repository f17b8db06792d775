"""Surrogates: what a labeling function without code seems to look at, from its votes alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from lol_lightning.exceptions import VotesError
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.lfs.record import InspectedFeature, LFRecord

__all__ = ["surrogate_records"]

MIN_ROWS = 10
"""Fewer votes (or fewer other rows) for a class than this say nothing."""
WEAK_AUC = 0.8


@dataclass(frozen=True)
class _Options:
    inverse_penalty: float
    min_value: float
    min_auc: float
    top_k: int
    min_support: int
    test_fraction: float
    seed: int


def surrogate_records(
    votes: Int[np.ndarray, "row lf"],
    data: Any,
    feature_space: Any,
    lf_names: Sequence[str] | None = None,
    *,
    inverse_penalty: float = 0.3,
    min_value: float = 0.05,
    min_auc: float = 0.7,
    top_k: int = 30,
    min_support: int = 2,
    test_fraction: float = 0.25,
    seed: int = 0,
) -> list[LFRecord]:
    r"""Explain votes without code by a sparse logistic model of them on the features.

    For each LF and each class k that it votes, an L1-penalised logistic regression tells its votes for k from all other
    rows. The strength of feature j is the discrete derivative of this model, where probing would have called the LF:

    .. math:: \text{mean over the rows with } x_j \ne 0, lf(x) = k \text{ of }
        \sigma(w^\top x + b) - \sigma(w^\top x - w_j x_j + b)

    A surrogate says what goes together with the vote, not what causes it. Its area under the ROC curve on held-out
    rows stands in the notes; below ``min_auc`` its features are left out, below 0.8 they are called weak.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``, one column for each LF to be explained.
        data: the rows that ``feature_space`` transforms, or the features themselves, a matrix (n, d).
        feature_space: fitted; its ``feature_names`` name the findings.
        lf_names: names of the LFs; ``lf_0``, ``lf_1``, ... by default.
        inverse_penalty: scikit-learn's C of the L1 penalty; less gives fewer features.
        min_value: keep features of at least this magnitude.
        min_auc: held-out area under the ROC curve from which on a surrogate is believed.
        top_k: keep at most that many features of a class.
        min_support: number of the class's rows that must hold a feature.
        test_fraction: fraction of the rows that is held out.
        seed: of the split and the solver.

    Returns:
        One record for each column of ``votes``, ``source="surrogate"``, ``kind="entry"``.

    Raises:
        VotesError: if votes and rows differ in length, or votes and names in number.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> words = rng.integers(0, 2, size=(200, 3))
        >>> from types import SimpleNamespace
        >>> space = SimpleNamespace(feature_names=["song", "the", "win"])
        >>> [record] = surrogate_records(np.where(words[:, [2]] == 1, 1, -1), words, space, ["spam"])
        >>> [(f.term, f.label, f.value > 0.8) for f in record.features]
        [('win', 1, True)]
        >>> record.notes
        ('surrogate for class 1: held-out AUC 1.00, 1 of 3 features',)
    """
    is_matrix = sp.issparse(data) or (isinstance(data, np.ndarray) and data.ndim == 2)
    features = sp.csr_matrix(data if is_matrix else feature_space.transform(data))
    votes = validate_votes(votes)
    if votes.ndim != 2 or len(votes) != features.shape[0]:
        raise VotesError(f"votes of shape {votes.shape} do not fit {features.shape[0]} rows; give one row for each.")
    names = [f"lf_{i}" for i in range(votes.shape[1])] if lf_names is None else list(lf_names)
    if len(names) != votes.shape[1]:
        raise VotesError(f"{len(names)} names for {votes.shape[1]} columns of votes; give one name for each.")
    terms = np.asarray(feature_space.feature_names, dtype=object)
    options = _Options(inverse_penalty, min_value, min_auc, top_k, min_support, test_fraction, seed)
    return [_record(name, votes[:, i], features, terms, options) for i, name in enumerate(names)]


def _record(
    name: str, votes: Int[np.ndarray, " row"], features: sp.csr_matrix, terms: np.ndarray, options: _Options
) -> LFRecord:
    findings: list[InspectedFeature] = []
    notes = []
    for label in np.unique(votes[votes >= 0]).tolist():
        voted = votes == label
        if min(voted.sum(), (~voted).sum()) < MIN_ROWS:
            notes.append(f"no surrogate for class {label}: {voted.sum()} of {len(voted)} rows vote it, too few to tell")
            continue
        auc = _held_out_auc(features, voted, options)
        if auc < options.min_auc:
            notes.append(f"no surrogate for class {label}: held-out AUC {auc:.2f} is below {options.min_auc}")
            continue
        kept = list(_strongest(features, voted, label, terms, options))
        weak = "weak " if auc < WEAK_AUC else ""
        notes.append(f"{weak}surrogate for class {label}: held-out AUC {auc:.2f}, {len(kept)} of {len(terms)} features")
        findings += kept
    return LFRecord(name, tuple(findings), (), tuple(notes))


def _held_out_auc(features: sp.csr_matrix, voted: np.ndarray, options: _Options) -> float:
    train, test = train_test_split(
        np.arange(len(voted)), test_size=options.test_fraction, stratify=voted, random_state=options.seed
    )
    model = _sparse_logistic(options).fit(features[train], voted[train])
    return float(roc_auc_score(voted[test], model.decision_function(features[test])))


def _strongest(
    features: sp.csr_matrix, voted: np.ndarray, label: int, terms: np.ndarray, options: _Options
) -> Iterator[InspectedFeature]:
    model = _sparse_logistic(options).fit(features, voted)
    coefficients = model.coef_[0]
    value, support = _derivative(features[voted], coefficients, model.intercept_[0])
    value[support < options.min_support] = 0.0
    for j in np.argsort(-np.abs(value), kind="stable")[: options.top_k]:
        if abs(value[j]) >= options.min_value:
            yield InspectedFeature(
                str(terms[j]), label, "entry", float(value[j]), source="surrogate", support=int(support[j])
            )


def _derivative(
    rows: sp.csr_matrix, coefficients: Float[np.ndarray, " feature"], intercept: float
) -> tuple[Float[np.ndarray, " feature"], Int[np.ndarray, " feature"]]:
    """Mean change of the model's probability when a feature is set to 0, over the rows that hold it."""
    entries = rows.tocoo()
    logits = np.asarray(rows @ coefficients) + intercept
    without = logits[entries.row] - coefficients[entries.col] * entries.data
    change = expit(logits[entries.row]) - expit(without)
    support = np.bincount(entries.col, minlength=rows.shape[1])
    return np.bincount(entries.col, change, minlength=rows.shape[1]) / np.maximum(support, 1), support


def _sparse_logistic(options: _Options) -> LogisticRegression:
    old = inspect.signature(LogisticRegression).parameters["penalty"].default == "l2"
    l1: dict[str, Any] = {"penalty": "l1"} if old else {"l1_ratio": 1.0}
    return LogisticRegression(
        **l1,
        C=options.inverse_penalty,
        solver="liblinear",
        class_weight="balanced",
        random_state=options.seed,
        max_iter=1000,
    )
