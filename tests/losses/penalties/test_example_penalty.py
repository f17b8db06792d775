import oracles
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.attention import SDPBackend, sdpa_kernel
from toy import assert_same_loss, loader, trainer_options

from lol_lightning.data.batch import LoLBatch, SparseRows
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.loader import LoLDataLoader
from lol_lightning.exceptions import ConfigurationError, DataError, TargetsError
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.losses import ExamplePenalty
from lol_lightning.losses.penalties.example_penalty import example_gradient
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.training_monitor import DeadPenaltyWarning

B, M, K, D, TOP = 12, 4, 3, 6, 2
SIZES = {"num_features": D, "num_classes": K, "hidden_sizes": (8,)}
WEIGHTS, PENALTY_WEIGHTS = [1.0, 2.0, 0.5, 1.0], [1.0, 1.0, 0.0, 2.0]


def example_batch(shape=(D,), num_rows=B, dtype=torch.float):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(num_rows, *shape, generator=generator).to(dtype)
    votes = torch.randint(-1, K, (num_rows, M), generator=generator)
    votes[1] = -1
    index = torch.rand(num_rows, M, x[0].numel(), generator=generator).argsort(-1)[..., :TOP]
    value = torch.randn(num_rows, M, TOP, generator=generator).half()
    targets = ExampleTargets(index.short(), value, x[0].numel())
    return LoLBatch(x, votes, example_targets=targets)


def fit(model, *batches, **options):
    trainer = pl.Trainer(**trainer_options(**{"max_epochs": 3, **options}))
    trainer.fit(model, loader(*batches))
    return trainer


def test_one_training_step_has_the_gradients_of_the_papers_loss():
    paper = {"hold_factor": False, "reduction": "sum", "factors": "votes"}
    penalty = ExamplePenalty(alpha=3.0, c=0.3, weights=PENALTY_WEIGHTS, **paper)
    model = LoLClassifier(**SIZES, dropout=0.0, penalty=penalty, lf_weights=WEIGHTS).double()
    batch, network = example_batch(dtype=torch.double), model.network
    fit(model, batch, max_epochs=1, limit_train_batches=0, precision="64-true")
    demands = batch.example_targets.demands(torch.double)
    entries = [
        [list(zip(j, v, strict=True)) for j, v in zip(js, vs, strict=True)]
        for js, vs in zip(batch.example_targets.index.tolist(), demands.tolist(), strict=True)
    ]
    penalties = oracles.example_penalties(network, batch.features, batch.votes, entries, 0.3)
    logits = network(batch.features)
    expected = oracles.example_lol_loss(logits, batch.votes, WEIGHTS, penalties, PENALTY_WEIGHTS, 3.0)
    loss = model.train().lol(network, batch).loss
    assert_same_loss(loss, expected, network)


def test_training_raises_the_gradient_where_labelers_ask_for_it():
    met = {}
    for method in ("lol", "lol-simple"):
        pl.seed_everything(0, verbose=False)
        penalty = ExamplePenalty(alpha=10.0, c=0.5, unit="log-odds")
        model = LoLClassifier(**SIZES, method=method, penalty=penalty if method == "lol" else None)
        batch = example_batch()
        batch.example_targets.unit = "log-odds"
        trainer = fit(model, batch, max_epochs=60, log_every_n_steps=1)
        assert ("train_penalty" in trainer.callback_metrics) == (method == "lol")
        reached = example_gradient(model.network, batch, "log-odds", K).detach()
        asked = batch.votes != -1
        met[method] = (reached * batch.example_targets.value.sign())[asked].mean()
    assert met["lol"] > met["lol-simple"] + 0.05


class Pixels(nn.Module):
    """A small network on images, with parts whose mode matters."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(16, K),
        )
        self.modes = []

    def forward(self, x):
        self.modes.append(self.layers[1].training)
        return self.layers(x)


def test_a_network_on_pixels_is_differentiated_in_evaluation_mode_after_the_batch():
    network = Pixels()
    model = LoLClassifier(network, num_classes=K, penalty=ExamplePenalty())
    trainer = fit(model, example_batch((1, 4, 4)), max_epochs=4)
    # Its outputs are counted before, and when so short a fit has ended, its predictions on the last batch.
    assert network.modes == [False, *[True, False] * 4, False]
    assert trainer.callback_metrics["train_penalty"] > 0
    assert network.layers[1].num_batches_tracked == 4


def test_all_classes_come_from_one_pass():
    network = Pixels().eval()
    batch = example_batch((1, 4, 4))
    reached = example_gradient(network, batch, "probability", K)
    assert len(network.modes) == 1
    row, lf = 0, int((batch.votes[0] != -1).nonzero()[0])
    leaf = batch.features[row : row + 1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(leaf).softmax(-1)[0, batch.votes[row, lf]], leaf)
    torch.testing.assert_close(reached[row, lf], gradient.flatten()[batch.example_targets.index[row, lf].long()])


class OnceOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class Once(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(D, K)

    def forward(self, x):
        return OnceOnly.apply(self.linear(x))


class Fast(Once):
    """PyTorch's own fast attention, which has no second derivative."""

    def forward(self, x):
        heads = self.linear(x).view(len(x), 1, 1, K).expand(-1, 1, 4, -1)
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return nn.functional.scaled_dot_product_attention(heads, heads, heads)[:, 0, 0]


@pytest.mark.parametrize("network", [Once, Fast])
def test_a_network_that_can_be_differentiated_once_only_is_refused(network):
    model = LoLClassifier(network(), num_classes=K, penalty=ExamplePenalty())
    with pytest.raises(ConfigurationError, match="cannot be differentiated twice"):
        fit(model, example_batch())


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(D, K)

    def forward(self, x):
        return self.linear(x.detach())


def test_a_network_that_detaches_its_input_is_refused():
    with pytest.raises(TargetsError, match="cannot be differentiated with respect to its input"):
        fit(LoLClassifier(Detached(), num_classes=K, penalty=ExamplePenalty()), example_batch())


def test_units_of_model_and_labelers_must_agree():
    with pytest.raises(TargetsError, match="are in probability and the model's unit is 'log-odds'"):
        fit(LoLClassifier(**SIZES, penalty=ExamplePenalty(unit="log-odds")), example_batch())


def test_targets_of_other_features_are_refused():
    batch = example_batch()
    batch.example_targets.num_features = D + 1
    with pytest.raises(TargetsError, match=f"'features': {D + 1}"):
        fit(LoLClassifier(**SIZES, penalty=ExamplePenalty()), batch)


def test_sparse_rows_have_no_gradient_of_their_own():
    batch = example_batch()
    batch.features = SparseRows(torch.zeros(B).long(), torch.arange(B + 1), None, D)
    with pytest.raises(TargetsError, match="dense features"):
        fit(LoLClassifier(**SIZES, penalty=ExamplePenalty()), batch)


def test_a_dataset_cuts_the_targets_of_its_rows():
    batch = example_batch()
    dataset = LoLDataset(batch.features, batch.votes, example_targets=batch.example_targets)
    (first, *_) = LoLDataLoader(dataset, batch_size=5, sampler=[3, 1, 4, 0, 2])
    rows = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(first.example_targets.value, batch.example_targets.value[rows])
    torch.testing.assert_close(first.features, batch.features[rows])
    assert first.to("cpu").example_targets.unit == "probability"


def test_a_dataset_transforms_the_features_of_a_batch():
    dataset = LoLDataset(torch.full((4, 2), 255, dtype=torch.uint8), torch.zeros(4, 1), transform=lambda x: x / 255)
    torch.testing.assert_close(dataset.__getitems__([0, 2]).features, torch.ones(2, 2))


def test_a_dataset_takes_targets_of_one_kind_and_of_every_row():
    batch = example_batch()
    with pytest.raises(DataError, match="'example_targets': 11"):
        LoLDataset(batch.features, batch.votes, example_targets=batch.example_targets.rows(torch.arange(11)))


def test_labelers_of_no_weight_leave_nothing_to_miss(recwarn):
    model = LoLClassifier(**SIZES, lf_weights=[1.0] * M, penalty=ExamplePenalty(weights=[0.0] * M))
    trainer = fit(model, example_batch(), max_epochs=1, log_every_n_steps=1)
    assert trainer.callback_metrics["train_met_demands"] == 1
    assert not [w for w in recwarn if issubclass(w.category, DeadPenaltyWarning)]


def test_the_other_penalty_names_the_one_that_reads_these_targets():
    with pytest.raises(TargetsError, match=r"give penalty=ExamplePenalty\(\)"):
        fit(LoLClassifier(**SIZES), example_batch())
