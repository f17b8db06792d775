"""Pseudolabels: the votes of all labeling functions fused into one soft label a row.

A pseudolabel is a vote that is a distribution over classes, of one labeling function that never abstains. So the end
model of every baseline is ``LoLClassifier(method="lol-simple")`` on other votes: its vote loss (Prop. 1) is then the
cross-entropy against the soft label, and network, optimizer and metrics are those of LoL itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lol_lightning import weighting
from lol_lightning.exceptions import ConfigurationError

__all__ = ["PSEUDOLABELS", "majority_vote", "pseudolabels", "snorkel_label_model"]

Votes = npt.NDArray[np.int64]
SoftLabels = npt.NDArray[np.float32]


def majority_vote(votes: Votes, num_classes: int, seed: int = 0) -> SoftLabels:
    """Give each row to the class with most votes; classes with equally many share it.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.
        seed: not used, nothing here is random.

    Returns:
        float32 (n, K), rows sum to 1; uniform where every LF abstains.

    Example:
        >>> majority_vote(np.array([[1, 1, 0], [1, 0, -1]]), num_classes=2)
        array([[0. , 1. ],
               [0.5, 0.5]], dtype=float32)
    """
    counts = (votes[:, :, None] == np.arange(num_classes)).sum(1)
    winners = counts == counts.max(1, keepdims=True)
    return (winners / winners.sum(1, keepdims=True)).astype(np.float32)


def snorkel_label_model(votes: Votes, num_classes: int, seed: int = 0) -> SoftLabels:
    """Posterior of Snorkel's ``LabelModel``, fitted to the votes with Snorkel's own settings and 500 epochs.

    Args:
        votes: int64 (n, m) with class ids or ``ABSTAIN``, m at least 3.
        num_classes: K.
        seed: Snorkel's seed; the global random states are left as they were.

    Returns:
        float32 (n, K), rows sum to 1.

    Raises:
        ConfigurationError: if there are fewer than three LFs, the least that identifies Snorkel's model.
    """
    if votes.shape[1] < 3:
        raise ConfigurationError(
            f"Snorkel's LabelModel needs at least 3 labeling functions, got {votes.shape[1]}: "
            "use the majority vote, or LoLLabelModel."
        )
    model = weighting.snorkel_label_model(votes, num_classes, n_epochs=500, seed=seed)
    return model.predict_proba(votes).astype(np.float32)


PSEUDOLABELS: dict[str, Callable[[Votes, int, int], SoftLabels]] = {
    "majority-vote": majority_vote,
    "snorkel": snorkel_label_model,
}
"""Every way to fuse votes, by name: (votes, K, seed) -> float32 (n, K)."""


def pseudolabels(method: str, votes: Votes, num_classes: int, seed: int = 0) -> SoftLabels:
    """Fuse votes by a method of ``PSEUDOLABELS``.

    Args:
        method: a key of ``PSEUDOLABELS``.
        votes: int64 (n, m) with class ids or ``ABSTAIN``.
        num_classes: K.
        seed: for the methods that draw.

    Returns:
        float32 (n, K), rows sum to 1.

    Raises:
        ConfigurationError: if the method is unknown.

    Example:
        >>> pseudolabels("majority-vote", np.array([[0, -1, 0]]), num_classes=3)
        array([[1., 0., 0.]], dtype=float32)
    """
    if method not in PSEUDOLABELS:
        raise ConfigurationError(f"pseudolabel method {method!r} is not one of {sorted(PSEUDOLABELS)}.")
    return PSEUDOLABELS[method](votes, num_classes, seed)
