import pytest
import torch
from sklearn.linear_model import LogisticRegression

from lol_lightning.functional.attributes import (
    attribute_loss,
    balanced_accuracies,
    best_thresholds,
    calibrate,
    centred_probabilities,
)

N, A = 60, 3


@pytest.fixture
def case():
    targets = (torch.rand(N, A) < torch.tensor([0.2, 0.5, 0.8])).float()
    logits = 3 * (targets - 0.5) + 2 * torch.randn(N, A) + torch.tensor([1.0, 0.0, -2.0])
    targets[::7, 1] = torch.nan
    return logits.double(), targets.double()


def test_loss_is_the_balanced_mean_over_known_attributes(case):
    logits, targets = case
    share = torch.tensor([0.2, 0.5, 0.9]).double()
    total, count = 0.0, 0
    for row in range(N):
        for attribute in range(A):
            y = targets[row, attribute]
            if torch.isnan(y):
                continue
            weight = 0.5 / share[attribute] if y == 1 else 0.5 / (1 - share[attribute])
            p = 1 / (1 + torch.exp(-logits[row, attribute]))
            total += weight * -(torch.log(p) if y == 1 else torch.log(1 - p))
            count += 1
    torch.testing.assert_close(attribute_loss(logits, targets, share), total / count)


def test_unknown_attributes_alone_give_a_zero_with_a_graph():
    logits = torch.zeros(3, 2, requires_grad=True)
    loss = attribute_loss(logits, torch.full((3, 2), torch.nan), torch.full((2,), 0.5))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.equal(torch.zeros(3, 2))


def test_platt_scaling_is_balanced_logistic_regression(case):
    logits, targets = case
    slope, intercept = calibrate(logits, targets)
    for attribute in range(A):
        known = ~targets[:, attribute].isnan()
        fitted = LogisticRegression(C=1e3, class_weight="balanced").fit(
            logits[known, attribute : attribute + 1].numpy(), targets[known, attribute].numpy()
        )
        assert slope[attribute].item() == pytest.approx(fitted.coef_.item(), rel=0.05)
        assert intercept[attribute].item() == pytest.approx(fitted.intercept_.item(), rel=0.05, abs=0.03)


def test_temperature_shifts_nothing_and_none_changes_nothing(case):
    logits, targets = case
    slope, intercept = calibrate(logits, targets, "temperature")
    assert intercept.equal(torch.zeros(A).double())
    assert (slope > 0).all()
    assert not slope.allclose(torch.ones(A).double())
    slope, intercept = calibrate(logits, targets, "none")
    assert slope.equal(torch.ones(A).double())
    assert intercept.equal(torch.zeros(A).double())


def test_calibration_undoes_a_scale_and_a_shift(case):
    logits, targets = case
    once = calibrate(logits, targets)
    p = torch.sigmoid(once[0] * logits + once[1])
    changed = 5 * logits + 3
    again = calibrate(changed, targets)
    torch.testing.assert_close(torch.sigmoid(again[0] * changed + again[1]), p, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_separable_and_tiny_logits_stay_finite(scale):
    targets = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    slope, intercept = calibrate(scale * (2 * targets - 1), targets)
    assert slope.isfinite().all()
    assert intercept.isfinite().all()
    assert slope > 0


def test_an_attribute_of_all_rows_is_left_alone():
    slope, intercept = calibrate(torch.randn(5, 1), torch.ones(5, 1))
    assert (slope.item(), intercept.item()) == (1.0, 0.0)
    assert best_thresholds(torch.rand(5, 1), torch.ones(5, 1)).isnan().all()


def test_thresholds_have_the_greatest_balanced_accuracy(case):
    logits, targets = case
    thresholds = best_thresholds(logits, targets)
    ours = balanced_accuracies(logits >= thresholds, targets)
    for attribute in range(A):
        tried = [balanced_accuracies(logits >= value, targets)[attribute] for value in logits[:, attribute].tolist()]
        torch.testing.assert_close(ours[attribute], torch.stack(tried).max())


def test_balanced_accuracy_is_the_mean_of_two_recalls(case):
    logits, targets = case
    for attribute, ours in enumerate(balanced_accuracies(logits > 0, targets)):
        y, said = targets[:, attribute], logits[:, attribute] > 0
        expected = (said[y == 1].double().mean() + (~said[y == 0]).double().mean()) / 2
        assert ours.item() == pytest.approx(expected.item(), abs=1e-6)


def test_centred_probabilities_keep_the_order_and_move_the_threshold():
    p = torch.linspace(0.01, 0.99, 50).unsqueeze(1)
    centred = centred_probabilities(p, torch.tensor([0.3]))
    assert (centred.diff(dim=0) > 0).all()
    assert ((centred >= 0.5) == (p >= 0.3)).all()


def test_unknown_rows_do_not_move_a_threshold():
    scores = torch.tensor([[0.1], [0.35], [0.4], [0.6], [0.9]])
    targets = torch.tensor([[0.0], [torch.nan], [torch.nan], [1.0], [torch.nan]])
    torch.testing.assert_close(best_thresholds(scores, targets), torch.tensor([0.35]))
    # Wrong way round, no threshold is better than one that is out of reach.
    assert best_thresholds(scores, 1 - targets).isfinite().all()
    assert best_thresholds(scores, torch.full((5, 1), torch.nan)).isnan().all()
