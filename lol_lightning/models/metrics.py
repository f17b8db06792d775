"""The metrics that validation and test report."""

from __future__ import annotations

from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassMatthewsCorrCoef

__all__ = ["classification_metrics"]


def classification_metrics(num_classes: int) -> MetricCollection:
    """Accuracy, macro F1 and Matthews' correlation of K classes, each from logits float (B, K) and labels int64 (B,).

    Example:
        >>> sorted(classification_metrics(2))
        ['accuracy', 'macro_f1', 'mcc']
    """
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "macro_f1": MulticlassF1Score(num_classes, average="macro"),
            "mcc": MulticlassMatthewsCorrCoef(num_classes),
        }
    )
