"""Scores against scikit-learn's and torchmetrics', also where classes are absent."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from torchmetrics.functional.classification import multiclass_calibration_error

from lol_lightning.exceptions import DataError
from lol_lightning.models.metrics import SCORES, calibration, classification_metrics, confusion_matrix

SINGLE = pytest.mark.filterwarnings("ignore:A single label was found")


def sklearn_scores(labels, predictions):
    with np.errstate(all="ignore"):
        return {
            "accuracy": accuracy_score(labels, predictions),
            "macro_f1": f1_score(labels, predictions, average="macro"),
            "mcc": matthews_corrcoef(labels, predictions),
        }


def ours(labels, predictions, num_classes):
    confusion = confusion_matrix(torch.tensor(predictions), torch.tensor(labels), num_classes)
    return {name: score(confusion).item() for name, score in SCORES.items()}


@SINGLE
@pytest.mark.parametrize("present", [1.0, 0.4])
@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_scores_are_those_of_scikit_learn(num_classes, present):
    rng = np.random.default_rng(num_classes)
    for _ in range(50):
        # Some classes are absent from the labels, the predictions or both.
        labels, predictions = (rng.integers(0, max(1, round(present * num_classes * rng.random())), 40) for _ in "ab")
        expected = sklearn_scores(labels, predictions)
        assert ours(labels, predictions, num_classes) == pytest.approx(expected, abs=1e-12)


@SINGLE
@pytest.mark.parametrize(
    ("labels", "predictions", "num_classes", "mcc", "macro_f1"),
    [
        ([0] * 97 + [1] * 3, [0] * 100, 2, 0.0, 194 / 197 / 2),  # the rare class is never predicted
        ([0] * 3 + [1] * 97, [0] * 100, 2, 0.0, 6 / 103 / 2),
        ([0] * 100, [0] * 100, 2, 0.0, 1.0),  # the other class counts nothing
        ([0] * 100, [1] * 100, 2, 0.0, 0.0),
        ([0] * 100, [0] * 99 + [1], 2, 0.0, 198 / 199 / 2),  # a class that is predicted and not there counts 0
        ([0, 0, 1, 1], [0, 0, 1, 1], 4, 1.0, 1.0),
        ([0, 0, 1, 1], [1, 1, 0, 0], 2, -1.0, 0.0),
    ],
)
def test_classes_that_are_absent(labels, predictions, num_classes, mcc, macro_f1):
    scores = ours(labels, predictions, num_classes)
    assert scores["mcc"] == mcc
    assert scores["macro_f1"] == pytest.approx(macro_f1)
    assert scores == pytest.approx(sklearn_scores(labels, predictions), abs=1e-12)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_batches_add_up_to_all_rows_and_not_to_the_mean_of_their_scores(num_classes):
    torch.manual_seed(0)
    logits, labels = torch.randn(90, num_classes), torch.randint(0, num_classes, (90,))
    labels[:30] = 0  # the first batch lacks classes
    metrics = classification_metrics(num_classes).clone(prefix="val_")
    for part in range(3):
        metrics.update(logits[30 * part : 30 * part + 30], labels[30 * part : 30 * part + 30])
    found = {name: value.item() for name, value in metrics.compute().items()}
    expected = sklearn_scores(labels.numpy(), logits.argmax(-1).numpy())
    assert found == pytest.approx({f"val_{name}": value for name, value in expected.items()}, abs=1e-6)
    metrics.reset()
    metrics.update(torch.eye(num_classes), torch.arange(num_classes))
    assert metrics["mcc"].compute() == 1


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_that_are_no_class_are_named(label):
    with pytest.raises(DataError, match=f"the label {label} is no class id below num_classes = 3"):
        classification_metrics(3).update(torch.zeros(2, 3), torch.tensor([0, label]))


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
def test_calibration_is_that_of_others(num_classes, scale):
    torch.manual_seed(0)
    logits, labels = scale * torch.randn(300, num_classes), torch.randint(0, num_classes, (300,))
    found = calibration(logits, labels)
    probabilities = logits.double().softmax(-1)
    losses = [logsumexp(row) - row[label] for row, label in zip(logits.numpy().astype(float), labels, strict=True)]
    assert found["nll"] == pytest.approx(np.mean(losses))
    expected = multiclass_calibration_error(probabilities, labels, num_classes, n_bins=15, norm="l1")
    assert found["ece"] == pytest.approx(expected.item(), abs=1e-6)
    assert found["max_logit"] == max(max(row) - min(row) for row in logits.double().tolist())


def test_calibration_of_right_and_wrong_certainty():
    logits = torch.tensor([[30.0, -10.0], [30.0, -10.0]])
    assert calibration(logits, torch.tensor([0, 0])) == pytest.approx({"nll": 0, "ece": 0, "max_logit": 40}, abs=1e-12)
    assert calibration(logits, torch.tensor([1, 1])) == pytest.approx({"nll": 40, "ece": 1, "max_logit": 40})


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_logits_that_are_not_finite_are_the_worst(value):
    found = calibration(torch.tensor([[0.0, 1.0], [0.0, value]]), torch.tensor([0, 1]))
    assert found == {"nll": float("inf"), "ece": 1.0, "max_logit": float("inf")}
