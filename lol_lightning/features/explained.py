"""How much of its votes do the findings about an LF explain? Opaque LFs demand by that share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from lol_lightning.features.feature_space import Matrix
from lol_lightning.features.mapped import MappedFeature
from lol_lightning.features.strengths import Key, Strength
from lol_lightning.features.vote_rates import LEAST_RATE
from lol_lightning.lfs.record import LFRecord

__all__ = ["Explained", "explained_shares", "opaque_lfs", "scaled_by_explained"]

Explained: TypeAlias = dict[tuple[int, int], float]
"""By LF and class, a share in [0, 1]."""


def opaque_lfs(records: Sequence[LFRecord]) -> set[int]:
    """Return the positions of LFs of which tracing says that it did not see all that they do."""
    return {i for i, record in enumerate(records) if any(note.startswith("defeated tracing") for note in record.notes)}


def explained_shares(
    strength: Mapping[Key, Strength],
    mapped: Sequence[MappedFeature],
    features: Matrix,
    votes: Int[np.ndarray, "row lf"],
    opaque: Container[int] = (),
) -> Explained:
    r"""Return how much of its votes the findings about an LF explain, where nobody read its rules.

    Probing and surrogates find single words. An LF that weighs a thousand of them, as sentiment scores do, shows in a
    few, which say little about its next vote. The share is the squared correlation, over the rows, of the votes for a
    class with what the entries imply,

    .. math:: 1 - \prod_{v_j > 0, x_j \ne 0} (1 - v_j) \; - \; \Big(1 - \prod_{v_j < 0, x_j \ne 0} (1 + v_j)\Big)

    which is 1 for an LF that looks for the words that were found, and 0 for one whose votes do not follow them.

    Args:
        strength: the derivative of each LF with respect to each entry.
        mapped: what the LFs inspect.
        features: float (n, d), the rows in the feature space; an entry is present where it is not 0.
        votes: int64 (n, m), the votes on the same rows.
        opaque: LFs whose traced findings are not all that they look at.

    Returns:
        By LF and class, for those with a target from a measured finding (probed or surrogate), and for opaque LFs; 0
        below 0.05. Left out are classes that the LF does not vote for on these rows, those whose demands are all
        declared, and those with one on a column that takes negative values: it is neither present nor absent.

    Example:
        >>> from lol_lightning.features.vocabulary import FeatureMatch
        >>> from lol_lightning.lfs.record import InspectedFeature
        >>> probed = InspectedFeature("good", 1, "token", 0.8, "probed")
        >>> strength = {(0, 1, 0): Strength(0.8, 0)}
        >>> mapped = [MappedFeature(0, probed, FeatureMatch(((0,),), "mapped"))]
        >>> rows, votes = np.array([[1], [1], [0], [0]]), np.array([[1], [1], [1], [-1]])
        >>> {key: round(share, 2) for key, share in explained_shares(strength, mapped, rows, votes).items()}
        {(0, 1): 0.33}
    """
    entries: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    chosen = set()
    for (lf, label, entry), one in strength.items():
        entries[lf, label][entry] = one.value
        finding = mapped[one.mapped]
        if finding.is_measured or (lf in opaque and not finding.is_declared):
            chosen.add((lf, label))
    shares = {}
    for lf, label in sorted(chosen):
        voted = votes[:, lf] == label
        columns: Any = features[:, list(entries[lf, label])]
        matrix = sp.csc_array(columns, dtype=np.float64)
        if not voted.any() or (matrix.nnz and matrix.data.min() < 0):
            continue
        matrix.eliminate_zeros()
        implied = _implied(matrix, np.array(list(entries[lf, label].values())))
        share = _squared_correlation(implied, voted.astype(float))
        shares[lf, label] = share if share >= LEAST_RATE else 0.0
    return shares


def scaled_by_explained(
    strength: Mapping[Key, Strength], mapped: Sequence[MappedFeature], shares: Mapping[tuple[int, int], float]
) -> dict[Key, Strength]:
    """Return the strengths times the share of its votes that the findings about an LF explain; declared ones stay."""
    scaled = {}
    for key, one in strength.items():
        share = 1.0 if mapped[one.mapped].is_declared else shares.get(key[:2], 1.0)
        scaled[key] = one._replace(value=one.value * share)
    return scaled


def _implied(present: sp.csc_array, values: Float[np.ndarray, " entry"]) -> Float[np.ndarray, " row"]:
    """Return the chance that any entry of a row brings the vote, less the chance that one takes it away."""
    # Values of 1 would have the logarithm of 0.
    logs = np.log1p(-np.minimum(np.abs(values), 1 - 1e-9))
    holds = sp.csr_array((np.ones(present.nnz), present.indices, present.indptr), present.shape[::-1]).T
    return np.asarray(np.exp(holds @ np.where(values < 0, logs, 0)) - np.exp(holds @ np.where(values > 0, logs, 0)))


def _squared_correlation(x: Float[np.ndarray, " row"], y: Float[np.ndarray, " row"]) -> float:
    """Return the squared correlation where it is positive, else 0."""
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return max(float(x @ y) / spread, 0.0) ** 2 if spread > 1e-12 else 0.0
