from dataclasses import replace

import numpy as np
import oracles
import pytest
import torch
from torch import nn
from toy import NUM_CLASSES, NUM_FEATURES, noisy_votes, toy_batch, toy_problem

from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.options import ClassShares
from lol_lightning.exceptions import ConfigurationError, TargetsError, VotesError
from lol_lightning.functional import GradientTargets
from lol_lightning.losses import ExamplePenalty, GradientPenalty, LoLLoss
from lol_lightning.losses.penalties import DEFAULT_ALPHA, DEFAULT_C, Penalty, as_penalty
from lol_lightning.losses.penalties.gradient_penalty import REACHABLE_C
from lol_lightning.losses.weights import class_weights, lf_weights
from lol_lightning.networks import SparseMLP


@pytest.fixture
def network():
    return SparseMLP(NUM_FEATURES, NUM_CLASSES, dropout=0.0)


def test_the_terms_add_up_to_equation_4(network):
    network = network.double()
    weights, factors = [1.0, 2.0, 0.5, 1.0, 1.0], [0.5, 1.0, 2.0]
    penalty = GradientPenalty(alpha=3.0, c=0.3, hold_factor=False, reduction="sum", factors="votes")
    lol, batch = LoLLoss(penalty, weights, factors).double(), toy_batch()
    terms = lol(network, batch, step=5)
    dense, votes, _ = toy_problem()
    samples = penalty.smoothed_model._samples(batch.gradient_targets, dense.double(), 5)
    gradient = oracles.input_gradient(network, samples, NUM_CLASSES)
    entries = [(lf, lf % NUM_CLASSES, lf, 1.0) for lf in range(4)]
    plain = oracles.vote_loss(network(dense.double()), votes, weights)
    expected = oracles.lol_loss(network(dense.double()), votes, weights, gradient, entries, 3.0, 0.3) - plain
    torch.testing.assert_close(terms.loss - terms.vote_loss, expected)
    voted = oracles.vote_loss(network(dense.double()), votes, weights, factors)
    torch.testing.assert_close(terms.vote_loss, voted)
    torch.testing.assert_close(terms.loss, terms.vote_loss + 3.0 * terms.penalty)
    torch.testing.assert_close(terms.logits, network(dense.double()))
    assert set(terms.logs("x_")) == {"x_loss", "x_vote_loss", "x_penalty"}
    assert not any(value.requires_grad for value in terms.logs().values())


def test_evaluation_mode_has_the_vote_loss_alone(network):
    lol = LoLLoss(GradientPenalty(alpha=3.0))
    training = lol(network, toy_batch())
    evaluated = lol.eval()(network, toy_batch())
    assert evaluated.penalty is None
    torch.testing.assert_close(evaluated.loss, training.vote_loss)


def test_lol_simple_is_the_vote_loss(network):
    terms = LoLLoss(penalty=False)(network, toy_batch())
    assert terms.penalty is None
    assert terms.loss is terms.vote_loss


def test_votes_configure_the_weights():
    votes = noisy_votes()
    lol = LoLLoss(GradientPenalty(weights="above-chance"), "coverage", "validation")
    lol.configure(votes)
    lfs = lf_weights("coverage", votes)
    for actual, expected in (
        (lol.lf_weights, lfs),
        (lol.penalty.lf_weights, lf_weights("above-chance", votes, scaled=False)),
        (lol.class_weights, class_weights("validation", votes, lfs)),
    ):
        torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float32))
    uniform = LoLLoss()
    uniform.configure(votes)
    assert uniform.lf_weights.tolist() == uniform.penalty.lf_weights.tolist() == [1.0] * 4


def test_penalties_take_the_weights_of_the_votes_unless_they_have_their_own():
    lol = LoLLoss(lf_weights=[1.0, 2.0], class_weights=None)
    assert lol.penalty.lf_weights.tolist() == [1.0, 2.0]
    lol = LoLLoss(GradientPenalty(weights=[0.0, 3.0]), lf_weights=[1.0, 2.0])
    assert (lol.lf_weights.tolist(), lol.penalty.lf_weights.tolist()) == ([1.0, 2.0], [0.0, 3.0])


def test_weights_by_name_need_votes():
    with pytest.raises(ConfigurationError, match="'coverage' needs the votes on all training rows"):
        LoLLoss(lf_weights="coverage").configure(None)
    with pytest.raises(ConfigurationError, match="'agreement' needs the votes on all training rows"):
        LoLLoss(GradientPenalty(weights="agreement")).configure(None)


def test_state_moves_to_a_loss_of_other_sizes_and_another_penalty():
    lol = LoLLoss(ExamplePenalty(alpha=0.3, unit="log-odds", weights="above-chance"), "coverage")
    lol.configure(noisy_votes())
    again = LoLLoss()
    again.load_state_dict(lol.state_dict())
    assert isinstance(again.penalty, ExamplePenalty)
    assert (again.penalty.alpha_, again.penalty.c_, again.penalty.unit) == (0.3, DEFAULT_C, "log-odds")
    for name, value in lol.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)
    assert lol.state_dict().keys() == again.state_dict().keys()


def test_a_state_without_weights_leaves_none():
    again = LoLLoss(lf_weights=[1.0, 2.0])
    again.load_state_dict(LoLLoss().state_dict())
    assert again.lf_weights is None


class Detaching(GradientPenalty):
    def measure(self, network, batch, step):
        measurement = super().measure(network, batch, step)
        return measurement._replace(penalty=measurement.penalty.detach())


def test_a_penalty_that_is_detached_from_the_weights_is_refused(network):
    with pytest.raises(TargetsError, match="detached"):
        LoLLoss(Detaching())(network, toy_batch())
    with torch.no_grad():
        assert LoLLoss(Detaching())(network, toy_batch()).penalty >= 0
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    assert LoLLoss(Detaching())(network, toy_batch()).penalty >= 0


class TokenNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, input_ids, attention_mask):
        hidden = (self.embedding(input_ids) * attention_mask.unsqueeze(-1)).sum(1)
        return type("Output", (), {"logits": self.head(hidden)})()


def test_token_dictionaries_reach_a_network_as_keywords():
    tokens = {"input_ids": torch.randint(9, (4, 5)), "attention_mask": torch.ones(4, 5)}
    batch = LoLBatch(tokens, torch.tensor([[0], [1], [2], [-1]]))
    network = TokenNetwork()
    terms = LoLLoss(penalty=False)(network, batch.to("cpu"))
    expected = oracles.vote_loss(network(**tokens).logits, batch.votes, [1.0])
    torch.testing.assert_close(terms.loss, expected)


def test_numbers_that_cannot_be_weights_are_named():
    with pytest.raises(ConfigurationError, match=r"class_weights = \[1.0, -1.0\]"):
        LoLLoss(class_weights=[1.0, -1.0])
    with pytest.raises(ConfigurationError, match=r"penalty weights = \[-1.0\]"):
        LoLLoss(GradientPenalty(weights=[-1.0]))


@pytest.mark.usefixtures("unchecked_types")
def test_weights_of_another_number_of_lfs_are_refused(network):
    with pytest.raises(VotesError, match="2 lf_weights met votes of 5 LFs"):
        LoLLoss(penalty=False, lf_weights=[1.0, 2.0])(network, toy_batch())


def test_defaults_stand_in_one_place():
    assert (DEFAULT_ALPHA, DEFAULT_C, REACHABLE_C) == (1.0, 0.2, 0.7)
    for plain in (GradientPenalty(hold_factor=False), GradientPenalty(unit="log-odds"), ExamplePenalty()):
        assert (plain.alpha, plain.alpha_, plain.c_) == (None, DEFAULT_ALPHA, DEFAULT_C)
    penalty = GradientPenalty()
    assert (penalty.alpha, penalty.alpha_, penalty.c_) == (None, DEFAULT_ALPHA, REACHABLE_C)
    assert penalty.set_alpha_and_c(0.5, None) == ["alpha"]
    assert (penalty.alpha_, penalty.c_) == (0.5, REACHABLE_C)
    fixed = GradientPenalty(alpha=2.0)
    assert fixed.set_alpha_and_c(0.5, 0.4) == ["c"]
    assert (fixed.alpha_, fixed.c_) == (2.0, 0.4)


@pytest.mark.parametrize("cls", [GradientPenalty, ExamplePenalty])
def test_a_penalty_is_built_again_from_its_plain_form(cls):
    penalty = cls(alpha=0.5, hinge="linear", weights=[1.0, 0.0])
    again = as_penalty(penalty.plain(), GradientPenalty)
    assert type(again) is cls
    assert again.plain() == penalty.plain()
    short = as_penalty({"class_path": f"lol_lightning.losses.{cls.__name__}", "init_args": {"c": 0.4}}, GradientPenalty)
    assert (type(short), short.c) == (cls, 0.4)
    assert repr(penalty) == f"{cls.__name__}(alpha=0.5, c={penalty.default_c}, hinge='linear', weights=<2 numbers>)"
    assert issubclass(cls, Penalty)
    assert cls.needs_second_derivative


def test_class_shares_add_the_divergence_of_the_mean_prediction(network):
    shares, batch = [0.7, 0.2, 0.1], toy_batch()
    lol = LoLLoss(penalty=False, class_shares=shares, shares_weight=3.0)
    terms = lol(network, batch)
    h = network(batch.features).softmax(-1).mean(0)
    pi = torch.tensor(shares)
    mean = 0.9 * pi + 0.1 * h.detach()
    torch.testing.assert_close(lol.mean_prediction, mean)
    torch.testing.assert_close(terms.shares_loss.detach(), (pi * (pi / mean).log()).sum())
    torch.testing.assert_close(terms.loss, terms.vote_loss + 3.0 * terms.shares_loss)
    assert set(terms.logs("x_")) == {"x_loss", "x_vote_loss", "x_shares_loss"}
    gradients = torch.autograd.grad(terms.shares_loss, list(network.parameters()), retain_graph=True)
    # The gradient of KL(pi || h) at h = mean.
    torch.testing.assert_close(gradients, torch.autograd.grad(-((pi / mean) * h).sum(), list(network.parameters())))


def test_a_later_step_leaves_the_gradients_of_an_earlier_one_alone(network):
    lol = LoLLoss(penalty=False, class_shares=[0.7, 0.2, 0.1])
    first = lol(network, toy_batch()).shares_loss
    expected = torch.autograd.grad(first, list(network.parameters()), retain_graph=True)
    lol(network, toy_batch())
    torch.testing.assert_close(torch.autograd.grad(first, list(network.parameters())), expected)


def test_class_shares_count_in_training_only(network):
    lol = LoLLoss(penalty=False, class_shares=[0.7, 0.2, 0.1]).eval()
    before = lol.mean_prediction
    terms = lol(network, toy_batch())
    assert terms.shares_loss is None
    assert lol.mean_prediction is before
    assert (
        LoLLoss(penalty=False, class_shares=[0.7, 0.2, 0.1], shares_weight=0)(network, toy_batch()).shares_loss is None
    )


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_predictions_without_evidence_end_at_the_class_shares(share):
    """Rows without a word and without a vote: whatever the demands ask for, they are answered with the class shares."""
    torch.manual_seed(0)
    network = SparseMLP(NUM_FEATURES, 2, dropout=0.0)
    dense = torch.zeros(40, NUM_FEATURES)
    # One row in four has a vote, on the word of its class.
    dense[0, 0] = dense[1:10, 1] = 1
    votes = torch.full((40, 2), -1)
    votes[0, 1], votes[1:10, 0] = 1, 0
    entries = [(1, 1, j, 1.0) for j in range(NUM_FEATURES) if j % 2 == 0]
    frequency = torch.full((NUM_FEATURES,), 0.2)
    targets = GradientTargets.from_entries(entries, 2, 2, NUM_FEATURES, frequency)
    batch = LoLBatch(dense, votes, targets)
    lol = LoLLoss(GradientPenalty(alpha=3.0), class_shares=[1 - share, share], shares_weight=5.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.005 * (1 - step / 400)
        optimizer.zero_grad()
        lol(network, batch, step).loss.backward()
        optimizer.step()
    mean = network(dense).softmax(-1).mean(0)[1].item()
    empty = network(torch.zeros(1, NUM_FEATURES)).softmax(-1)[0, 1].item()
    assert mean == pytest.approx(share, abs=0.03)
    # Of 40 rows, 9 are voted negative and 1 positive; the share that is left is that of the other 30.
    assert empty == pytest.approx(max(40 * share - 1, 0) / 30, abs=0.06)


def test_shares_that_few_labels_tell_are_pulled_towards_those_of_the_votes():
    votes = noisy_votes()
    lol = LoLLoss(penalty=False)
    lol.configure(votes)
    of_votes = votes.soft_votes().sum(0) / votes.soft_votes().sum()
    known = votes.shares_of_classes()
    count, rows = known.num_labels, 3 * votes.num_classes
    expected = (count * known.shares + rows * of_votes) / (count + rows)
    torch.testing.assert_close(lol.class_shares, torch.tensor(expected, dtype=torch.float32))
    torch.testing.assert_close(lol.class_shares.sum(), torch.tensor(1.0))
    certain = replace(votes, class_shares=ClassShares(np.array([0.5, 0.25, 0.25])))
    lol.configure(certain)
    assert lol.class_shares.tolist() == [0.5, 0.25, 0.25]
    lol.configure(replace(votes, labels=None, labeled_votes=None))
    assert lol.class_shares is lol.mean_prediction is None


@pytest.mark.parametrize("weights", [None, "validation", [1.0, 2.0]])
def test_rows_without_votes_leave_the_size_of_the_vote_loss(weights):
    votes, losses = noisy_votes(), []
    network, batch = nn.Linear(3, 2), LoLBatch(torch.randn(8, 3), torch.as_tensor(votes.votes[:8]))
    for uncovered in (0, len(votes.votes)):
        lol = LoLLoss(penalty=False, class_weights=weights, class_shares=None)
        lol.configure(replace(votes, num_uncovered_rows=uncovered))
        losses.append(lol(network, batch).vote_loss)
        torch.testing.assert_close(lol.eval()(network, batch).vote_loss, losses[0])
    torch.testing.assert_close(losses[1], 2 * losses[0])
    again = LoLLoss(penalty=False, class_shares=None)
    again.load_state_dict(lol.state_dict())
    torch.testing.assert_close(again(network, batch).vote_loss, losses[1])


def test_class_shares_are_part_of_a_state():
    lol = LoLLoss(class_shares=[0.7, 0.2, 0.1])
    lol(SparseMLP(NUM_FEATURES, NUM_CLASSES), toy_batch())
    again = LoLLoss()
    again.load_state_dict(lol.state_dict())
    torch.testing.assert_close(again.class_shares, lol.class_shares)
    torch.testing.assert_close(again.mean_prediction, lol.mean_prediction)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_shares": "val"}, "class_shares = 'val'"),
        ({"class_shares": [0.5, -0.5]}, r"class_shares = \[0.5, -0.5\]"),
        ({"class_shares": [0.0, 0.0]}, "not all 0"),
        ({"class_shares": 0.5}, "class_shares = 0.5"),
        ({"class_shares": [[0.5, 0.5]]}, "class_shares = "),
        ({"shares_weight": -1.0}, "shares_weight = -1.0"),
        ({"shares_weight": float("inf")}, "shares_weight = inf"),
    ],
)
def test_class_shares_that_cannot_work_are_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        LoLLoss(**arguments)


def test_class_shares_must_fit_the_classes(network):
    with pytest.raises(VotesError, match="2 class_shares met 3 classes"):
        LoLLoss(penalty=False, class_shares=[0.5, 0.5])(network, toy_batch())


def test_the_running_mean_has_single_precision_where_the_module_has_half(network):
    lol = LoLLoss(penalty=False, class_shares=[0.7, 0.2, 0.1])
    half = LoLLoss(penalty=False, class_shares=[0.7, 0.2, 0.1]).to(torch.bfloat16)
    for _ in range(3):
        expected, actual = (module(network, toy_batch()).shares_loss for module in (lol, half))
    assert half.mean_prediction.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=0.05, atol=1e-3)


def test_a_step_that_is_not_finite_does_not_stay_in_the_mean_prediction():
    lol = LoLLoss(False, class_shares=[0.5, 0.5])
    before = lol.mean_prediction
    lol.shares_loss(torch.tensor([[float("nan"), 0.0]]))
    torch.testing.assert_close(lol.mean_prediction, before)
    assert lol.shares_loss(torch.zeros(3, 2)) == 0


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
def test_a_state_is_loaded_where_the_module_is():
    lol = LoLLoss(class_shares=[0.2, 0.3, 0.5], lf_weights=[1.0] * 5)
    state = lol.state_dict()
    moved = LoLLoss(class_shares=[0.2, 0.3, 0.5], lf_weights=[1.0] * 5).to("meta")
    moved.load_state_dict(state)
    assert {buffer.device.type for buffer in moved.buffers()} == {"meta"}


def test_weights_that_leave_no_penalty_are_said(caplog):
    with caplog.at_level("INFO"):
        LoLLoss(GradientPenalty(weights=[0.0] * 4)).configure(noisy_votes())
    assert caplog.text.count("No LF's penalty counts") == 1
