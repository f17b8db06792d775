import pytest
import torch

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.vision.penalty_weights import PENALTY_WEIGHTS, LabelerEvidence, class_ids, penalty_weights


@pytest.fixture
def given():
    labels = torch.tensor([0, 1]).repeat(200)
    right = torch.rand(400, 3) < torch.tensor([0.95, 0.5, 0.1])
    votes = torch.where(right, labels.unsqueeze(1), 1 - labels.unsqueeze(1))
    return LabelerEvidence(votes, 2, votes, labels, torch.tensor([0.9, 0.6, 0.4]))


def test_accuracy_is_what_exceeds_chance(given):
    weights = penalty_weights("accuracy", given)
    assert weights[0] == pytest.approx(0.9, abs=0.06)
    assert weights[1] < 0.15
    assert weights[2] == 0


def test_accuracy_does_not_reward_the_majority_class():
    labels = torch.tensor([0] * 90 + [1] * 10)
    always = torch.zeros(100, 1).long()
    assert penalty_weights("accuracy", LabelerEvidence(always, 2, always, labels)).item() < 0.1


def test_soft_votes_and_class_ids_have_the_same_weights(given):
    soft = 0.1 + 0.8 * torch.nn.functional.one_hot(given.votes, 2).float()
    other = LabelerEvidence(soft, 2, soft, given.val_labels)
    for name in ("accuracy", "agreement"):
        torch.testing.assert_close(penalty_weights(name, other), penalty_weights(name, given))
    assert class_ids(soft, 2).equal(given.votes)


def test_agreement_needs_no_labels():
    labels = torch.tensor([0, 1]).repeat(200)
    right = torch.rand(400, 5) < torch.tensor([0.9, 0.9, 0.9, 0.9, 0.5])
    votes = torch.where(right, labels.unsqueeze(1), 1 - labels.unsqueeze(1))
    weights = penalty_weights("agreement", LabelerEvidence(votes, 2))
    assert (weights[:4] > 0.6).all()
    assert weights[4] < 0.2


def test_seen_accuracies_and_lists(given):
    torch.testing.assert_close(penalty_weights("seen-accuracy", given), torch.tensor([0.8, 0.2, 0.0]))
    torch.testing.assert_close(penalty_weights([1, 0, 2], given), torch.tensor([1.0, 0.0, 2.0]))
    assert penalty_weights("uniform", given) is None
    assert PENALTY_WEIGHTS["uniform"](given).equal(torch.ones(3))


def test_a_vote_for_several_classes_is_no_class_id():
    votes = torch.tensor([[[0.4, 0.4, 0.2], [0.1, 0.8, 0.1], [0.0, 0.0, 0.0]]])
    assert class_ids(votes, 3).tolist() == [[-1, 1, -1]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("accuracy", "needs labeled validation rows"),
        ("seen-accuracy", "calibrated on held-out rows"),
        ("best", "penalty_weights = 'best'"),
    ],
)
def test_what_cannot_be_computed_is_refused(name, message):
    with pytest.raises(ConfigurationError, match=message):
        penalty_weights(name, LabelerEvidence(torch.zeros(2, 3).long(), 2))
