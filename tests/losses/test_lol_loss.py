import oracles
import pytest
import torch
from torch import nn
from toy import NUM_CLASSES, NUM_FEATURES, noisy_votes, toy_batch, toy_problem

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, TargetsError, VotesError
from lol_lightning.losses import ExamplePenalty, GradientPenalty, LoLLoss
from lol_lightning.losses.penalties import DEFAULT_ALPHA, DEFAULT_C, Penalty, as_penalty
from lol_lightning.losses.weights import class_weights, lf_weights
from lol_lightning.networks import SparseMLP


@pytest.fixture
def network():
    return SparseMLP(NUM_FEATURES, NUM_CLASSES, dropout=0.0)


def test_the_terms_add_up_to_equation_4(network):
    network = network.double()
    weights, factors = [1.0, 2.0, 0.5, 1.0, 1.0], [0.5, 1.0, 2.0]
    penalty = GradientPenalty(alpha=3.0, c=0.3, reduction="sum", factors="votes")
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
    assert (DEFAULT_ALPHA, DEFAULT_C) == (1.0, 0.2)
    penalty = GradientPenalty()
    assert (penalty.alpha, penalty.alpha_, penalty.c_) == (None, DEFAULT_ALPHA, DEFAULT_C)
    assert penalty.set_alpha_and_c(0.5, None) == ["alpha"]
    assert (penalty.alpha_, penalty.c_) == (0.5, DEFAULT_C)
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
    assert repr(penalty) == f"{cls.__name__}(alpha=0.5, c=0.2, hinge='linear', weights=<2 numbers>)"
    assert issubclass(cls, Penalty)
    assert cls.needs_second_derivative
