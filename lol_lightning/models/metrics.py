r"""Scores of predictions: accuracy, macro F1 and Matthews' correlation of a confusion matrix, and calibration.

With the confusion matrix C, int64 (K, K), whose entry :math:`C_{yk}` counts the rows of class y that were predicted as
k, true counts :math:`t_k = \sum_j C_{kj}`, predicted counts :math:`p_k = \sum_y C_{yk}` and n rows:

.. math::
    \text{accuracy} = \frac{1}{n} \sum_k C_{kk}, \qquad
    \text{macro F1} = \frac{1}{|\mathcal{K}|} \sum_{k \in \mathcal{K}} \frac{2 C_{kk}}{t_k + p_k}, \qquad
    \text{MCC} = \frac{n \sum_k C_{kk} - \sum_k t_k p_k}{\sqrt{(n^2 - \sum_k p_k^2) (n^2 - \sum_k t_k^2)}}

Classes count in macro F1 where they occur among the labels or the predictions (:math:`\mathcal{K}`): one that is absent
from both counts nothing, one that is predicted without being there counts 0. MCC is 0 where all labels, or all
predictions, are one class. All three are those of scikit-learn.

Notes:
    torchmetrics' MCC of two classes is another one there: a classifier that never predicts a class of 10% of the rows
    has .27, which would make it look better than one that tries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from lol_lightning.exceptions import DataError

__all__ = ["SCORES", "Score", "calibration", "classification_metrics", "confusion_matrix"]

NUM_BINS = 15
"""Bins of the expected calibration error."""

Score = Literal["accuracy", "macro_f1", "mcc"]
"""A key of ``SCORES``: what trials and checkpoints can be chosen by; higher is better."""


def confusion_matrix(
    predictions: Int[Tensor, " row"], labels: Int[Tensor, " row"], num_classes: int
) -> Int[Tensor, "cls cls"]:
    """Count the rows of each true class (first axis) and predicted class.

    Raises:
        DataError: if a label is no class id.

    Example:
        >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), num_classes=2).tolist()
        [[1, 1], [0, 1]]
    """
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        bad = labels[(labels < 0) | (labels >= num_classes)][0]
        raise DataError(f"the label {bad} is no class id below num_classes = {num_classes}.")
    counts = torch.bincount(num_classes * labels + predictions, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def _accuracy(confusion: Int[Tensor, "cls cls"]) -> Float[Tensor, ""]:
    return confusion.trace().double() / confusion.sum()


def _macro_f1(confusion: Int[Tensor, "cls cls"]) -> Float[Tensor, ""]:
    counts = confusion.sum(0) + confusion.sum(1)
    occurs = counts > 0
    return (2 * confusion.diagonal()[occurs].double() / counts[occurs]).mean()


def _mcc(confusion: Int[Tensor, "cls cls"]) -> Float[Tensor, ""]:
    # Sums in integers: a difference that is zero is exactly zero.
    predicted, true, rows = confusion.sum(0), confusion.sum(1), confusion.sum()
    covariance = rows * confusion.trace() - (predicted * true).sum()
    variances = torch.stack([rows**2 - (predicted**2).sum(), rows**2 - (true**2).sum()])
    return torch.where((variances == 0).any(), 0.0, covariance / variances.double().prod().sqrt())


SCORES: dict[Score, Callable[[Int[Tensor, "cls cls"]], Float[Tensor, ""]]] = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "mcc": _mcc,
}
"""From a confusion matrix on the CPU to a score, float64."""


class _ConfusionMetric(Metric):
    """A score of all batches so far, and of all processes."""

    full_state_update = False
    higher_is_better = True
    confusion: Tensor

    def __init__(self, score: Score, num_classes: int) -> None:
        super().__init__()
        self.score = score
        self.num_classes = num_classes
        self.add_state("confusion", torch.zeros(num_classes, num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        self.confusion += confusion_matrix(logits.argmax(-1), labels, self.num_classes)

    def compute(self) -> Tensor:
        # On the CPU, since not every accelerator has float64.
        return SCORES[self.score](self.confusion.cpu()).float().to(self.confusion.device)


def classification_metrics(num_classes: int) -> MetricCollection:
    """Return the scores of ``SCORES``, each updated with logits float (B, K) and labels int64 (B,).

    Example:
        >>> metrics = classification_metrics(2)
        >>> metrics.update(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
        >>> {name: value.item() for name, value in metrics.compute().items()}
        {'accuracy': 1.0, 'macro_f1': 1.0, 'mcc': 1.0}
    """
    return MetricCollection({score: _ConfusionMetric(score, num_classes) for score in SCORES})


def calibration(logits: Float[Tensor, "row cls"], labels: Int[Tensor, " row"]) -> dict[str, float]:
    r"""Measure how far probabilities can be trusted.

    Returns:
        ``nll``, the mean negative log probability of the true class in nats; ``ece``, the expected calibration error
        :math:`\sum_b \frac{|b|}{n} |\text{accuracy}(b) - \text{confidence}(b)|` over 15 equal bins b of the highest
        probability; ``max_logit``, the largest difference between two logits of a row. Where a logit is not finite:
        infinity, 1 and infinity.

    Example:
        >>> calibration(torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1]))
        {'nll': 0.6931471805599453, 'ece': 0.0, 'max_logit': 0.0}
    """
    if not logits.isfinite().all():
        return {"nll": float("inf"), "ece": 1.0, "max_logit": float("inf")}
    logits = logits.double()
    confidence, predictions = logits.softmax(-1).max(-1)
    bins = (confidence * NUM_BINS).ceil().long().sub(1).clamp(0, NUM_BINS - 1)
    surplus = (predictions == labels).double() - confidence
    per_bin = torch.zeros(NUM_BINS, dtype=torch.double, device=logits.device).index_add(0, bins, surplus)
    return {
        "nll": float(F.cross_entropy(logits, labels)),
        "ece": float(per_bin.abs().sum() / len(labels)),
        "max_logit": float((logits.amax(-1) - logits.amin(-1)).max()),
    }
