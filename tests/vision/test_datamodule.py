import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from toy import trainer_options
from toy_images import (
    ATTRIBUTES,
    R,
    perfect_labelers,
    small_backbone,
    small_backbone_of_96,
    toy_data,
    toy_image_data,
    write_awa,
)
from toy_images import toy_module as make

from lol_lightning import LoLClassifier
from lol_lightning.data import BaseDataModule
from lol_lightning.exceptions import ConfigurationError, DataError, LabelingFunctionError, NotFittedError
from lol_lightning.experiments.data import Prepared
from lol_lightning.experiments.methods import METHODS
from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.losses import ExamplePenalty
from lol_lightning.losses.penalties.example_penalty import example_gradient
from lol_lightning.losses.weights import LabeledVotes, lf_weights
from lol_lightning.vision import (
    AttributeLabelers,
    ImageOptions,
    LabelerTraining,
    LoLImageDataModule,
    RowTargetOptions,
    SplitOptions,
)
from lol_lightning.vision.datamodule import MAX_ALPHA, PENALTY_C, PENALTY_ROWS
from lol_lightning.vision.images import CorruptImageWarning

PAIR = ["bat", "eel"]
FEW = SplitOptions(val_per_class=2)
PIXELS = RowTargetOptions("pixels", top_k=4)

# The few rows here make few batches.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")


@pytest.fixture
def data():
    module = make()
    module.setup()
    return module


def test_rows_are_divided_and_only_validation_and_test_have_labels(data):
    rows = data._rows
    assert {name: len(index) for name, index in rows.items()} == {"train": 46, "val": 10, "test": 24}
    assert len(set(torch.cat(list(rows.values())).tolist())) == 80
    assert data.dataset("train").labels is None
    assert np.bincount(data.val_labels).tolist() == [5, 5]
    assert data.num_features == R
    assert data.lf_names == ["flies", "furry", "swims"]


def test_batches_hold_features_votes_and_targets(data):
    batch = next(iter(data.train_dataloader()))
    assert batch.features.shape == (16, R)
    assert batch.votes.shape == (16, 3)
    assert batch.example_targets.index.shape == (16, 3, 4)
    assert batch.gradient_targets is None
    assert data.gradient_targets is None
    assert data.has_example_targets
    assert isinstance(data, BaseDataModule)
    assert batch.labels is None
    # Attribute 0 is read from feature 0 with weight 3: that is its largest entry, with the sign of the vote.
    assert batch.example_targets.index[:, 0, 0].eq(0).all()
    seen = batch.features[:, 0] > 0
    assert batch.example_targets.demands()[:, 0, 0].sign().eq(torch.where(seen, 1.0, -1.0)).all()
    assert batch.votes[:, 0].eq((~seen).long()).all()


def test_votes_are_those_of_good_labelers(data):
    correct = data.train_votes == data.train_classes.numpy()[:, None]
    assert correct.mean() > 0.9


@pytest.mark.parametrize("method", ["lol", "lol-simple"])
def test_a_real_trainer_learns_the_unseen_classes(method):
    pl.seed_everything(0, verbose=False)
    data = make()
    model = LoLClassifier(method=method, penalty={"alpha": 0.03}, hidden_sizes=(8,), lf_weights="snorkel")
    trainer = pl.Trainer(**trainer_options(max_epochs=30))
    trainer.fit(model, data)
    (tested,) = trainer.test(model, data, verbose=False)
    assert tested["test_accuracy"] > 0.9
    assert torch.cat(trainer.predict(model, data)).shape == (24, 2)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(small_backbone(), nn.Linear(96, 2))

    def forward(self, x):
        return self.layers(x)


@pytest.fixture(scope="module")
def image_labelers():
    labelers = AttributeLabelers(ATTRIBUTES, small_backbone(), num_features=96, lr=0.01)
    data = LoLImageDataModule(toy_image_data(), PAIR, labelers=LabelerTraining(labelers, epochs=10), split=FEW)
    data.setup()
    return data.labelers


def test_pixels_are_matched_end_to_end(image_labelers):
    data = make(toy_image_data(), labelers=image_labelers, targets=RowTargetOptions("pixels", 20), split=FEW)
    model = LoLClassifier(Network(), penalty=ExamplePenalty(alpha=10.0, c=1.0), lr=1e-3)
    trainer = pl.Trainer(**trainer_options(max_epochs=6, log_every_n_steps=1))
    trainer.fit(model, data)
    assert trainer.callback_metrics["train_penalty"] > 0
    batch = next(iter(data.train_dataloader()))
    assert batch.features.shape == (13, 3, 8, 8)
    assert batch.features.dtype == torch.float
    assert batch.example_targets.num_features == 192
    assert data.num_features == 192
    assert model_input_gradient(model.network.eval(), batch.features, 2).shape == (2, 3, 8, 8)


def test_a_backbone_makes_the_representation(image_labelers):
    data = make(toy_image_data(), labelers=image_labelers, split=FEW)
    data.setup()
    assert data.num_features == 96
    images = data.data.inputs[data._rows["val"]]
    expected = image_labelers.represent(data.transform(images)).detach()
    torch.testing.assert_close(data.dataset("val").features, expected)


def test_targets_are_mapped_from_disk_when_asked_for(tmp_path):
    here, mapped = make(), make(targets=RowTargetOptions(top_k=4, cache=str(tmp_path / "cache")))
    here.setup()
    mapped.setup()
    assert (tmp_path / "cache" / "index.npy").exists()
    rows = torch.tensor([3, 5])
    torch.testing.assert_close(
        mapped.example_targets.rows(rows).demands(), here.example_targets.rows(rows).demands(), rtol=2e-3, atol=1e-5
    )


def test_more_than_two_classes_keep_probabilities():
    data = make(classes=["bat", "eel", "hog"])
    data.setup()
    assert data.dataset("train").votes.shape == (len(data._rows["train"]), 4, 3)
    assert data.train_votes.shape == (len(data._rows["train"]), 4)
    pl.seed_everything(0, verbose=False)
    model = LoLClassifier(penalty={"alpha": 0.1}, hidden_sizes=(8,), lf_weights="above-chance")
    trainer = pl.Trainer(**trainer_options(max_epochs=30))
    trainer.fit(model, data)
    assert trainer.test(model, data, verbose=False)[0]["test_accuracy"] > 0.8


def test_a_labeler_that_never_votes_is_named_or_left_out():
    labelers = perfect_labelers()
    labelers.intercept[0] = -100.0
    with pytest.raises(LabelingFunctionError, match=r"\['flies'\] never vote on the 46 training rows.*silent='drop'"):
        make(labelers=labelers, polarity="unipolar").setup()
    data = make(labelers=labelers, polarity="unipolar", silent="drop")
    data.setup()
    assert data.lf_names == ["furry", "swims"]
    assert data.example_targets.num_lfs == data.train_votes.shape[1] == 2
    assert (data.train_votes == -1).any()


def test_rows_to_train_on_are_limited():
    data = make(split=SplitOptions(max_train_rows=7, val_per_class=5))
    data.setup()
    assert len(data.train_votes) == 7
    drawn = make()
    drawn.draw_train_rows(5, seed=1)
    drawn.setup()
    assert len(drawn.train_votes) == 5
    assert set(drawn._rows["train"].tolist()) < set(make()._rows["train"].tolist())
    with pytest.raises(ConfigurationError, match="are ready"):
        drawn.draw_train_rows(3, seed=1)
    with pytest.raises(ConfigurationError, match="max_train_rows = 0"):
        make().draw_train_rows(0, seed=1)


def test_labelers_count_by_what_they_exceed_chance_unless_other_weights_are_asked_for():
    labelers = perfect_labelers()
    with torch.no_grad():
        labelers.heads.weight[1] = 0
        labelers.heads.weight[1, 7] = 3
    data = make(labelers=labelers, split=SplitOptions(val_per_class=15))
    model = LoLClassifier(hidden_sizes=(8,))
    pl.Trainer(**trainer_options(max_epochs=1)).fit(model, data)
    of_penalty = model.lol.penalty.lf_weights
    assert of_penalty[1] < 0.4
    assert (of_penalty[[0, 2]] > 0.8).all()
    torch.testing.assert_close(model.lol.lf_weights, of_penalty / of_penalty.mean())
    model = LoLClassifier(hidden_sizes=(8,), lf_weights="uniform")
    pl.Trainer(**trainer_options(max_epochs=1)).fit(model, data)
    assert model.lol.lf_weights.tolist() == [1, 1, 1]
    assert model.lol.penalty.lf_weights[1] < 0.4
    model = LoLClassifier(hidden_sizes=(8,), penalty=ExamplePenalty(weights="uniform"))
    pl.Trainer(**trainer_options(max_epochs=1)).fit(model, data)
    assert model.lol.penalty.lf_weights.tolist() == [1, 1, 1]
    defaults = make(split=SplitOptions(val_per_class=0)).model_defaults
    assert (defaults.lf_weights, defaults.penalty_weights) == ("uniform", "agreement")


@pytest.mark.parametrize(("rows", "alpha"), [(10, MAX_ALPHA), (PENALTY_ROWS, 1.0), (2 * PENALTY_ROWS, 0.5)])
def test_the_penalty_counts_as_much_as_some_rows_unless_it_is_told_its_weight(rows, alpha):
    data = make(toy_data(rows_per_class=150), split=SplitOptions(max_train_rows=rows, val_per_class=5))
    model = LoLClassifier(hidden_sizes=(8,))
    own = LoLClassifier(hidden_sizes=(8,), penalty=ExamplePenalty(alpha=3.0, c=0.1))
    for classifier in (model, own):
        pl.Trainer(**trainer_options(max_epochs=1)).fit(classifier, data)
    assert isinstance(model.lol.penalty, ExamplePenalty)
    assert (model.lol.penalty.alpha_, model.lol.penalty.c_) == (alpha, PENALTY_C)
    assert (own.lol.penalty.alpha_, own.lol.penalty.c_) == (3.0, 0.1)
    first = METHODS["lol"].resolve(Prepared(data), np.arange(10)).defaults
    assert {name: first[name] for name in ("alpha", "c")} == {"alpha": alpha, "c": PENALTY_C}


def test_what_a_penalty_at_the_rows_leaves_out_is_said(data, caplog):
    model = LoLClassifier(hidden_sizes=(8,), penalty={"hinge": "linear", "num_samples": 3}, seed=5)
    with caplog.at_level("INFO"):
        pl.Trainer(**trainer_options(max_epochs=1)).fit(model, data)
    assert model.lol.penalty.hinge == "linear"
    assert caplog.text.count("no smoothing samples: num_samples=3 of penalty= has no effect") == 1


def test_a_benchmark_weighs_labelers_as_the_data_module_does(data):
    resolved = METHODS["lol"].resolve(Prepared(data), np.arange(10)).options
    votes = LabeledVotes(data.train_votes, 2, data.val_votes, data.val_labels)
    of_penalty = resolved["penalty"]["init_args"]["weights"]
    np.testing.assert_allclose(of_penalty, lf_weights("above-chance", votes, scaled=False), rtol=1e-6)
    np.testing.assert_allclose(resolved["lf_weights"], lf_weights("above-chance", votes), rtol=1e-6)


def test_a_division_that_the_data_make_is_kept():
    rows = toy_data()
    rows.test = torch.arange(len(rows.labels)) < 100
    data = make(rows)
    assert rows.test[data._rows["test"]].all()
    assert not rows.test[data._rows["train"]].any()


def test_only_agreeing_entries_are_kept():
    labelers = perfect_labelers()
    with torch.no_grad():
        labelers.heads.weight[:, 5] = 1.0
    free, agreeing = (
        make(labelers=labelers),
        make(labelers=labelers, targets=RowTargetOptions(top_k=4, agreeing_only=True)),
    )
    for module in (free, agreeing):
        module.setup()
    # All labelers look at feature 5; swimming is on the other side than flying and fur.
    at_5 = [(m.example_targets.index[0] == 5) & (m.example_targets.value[0] != 0) for m in (free, agreeing)]
    assert at_5[0].any(-1).tolist() == [True, True, True]
    assert at_5[1].any(-1)[2].item() is False


def test_corrupt_images_are_skipped_or_fatal_by_choice(tmp_path):
    root = write_awa(tmp_path, rows_per_class=8)
    (root / "JPEGImages" / "fox" / "fox_0000.png").write_text("no image")
    options = {"split": SplitOptions(val_per_class=1), "targets": RowTargetOptions(top_k=3)}
    training = LabelerTraining(backbone=small_backbone_of_96(), epochs=1)
    with pytest.raises(DataError, match=r"fox_0000.png cannot be decoded"):
        make(root, ["fox", "gnu"], labelers=training, images=ImageOptions(8), **options).setup()
    data = make(root, ["fox", "gnu"], labelers=training, images=ImageOptions(8, "skip"), **options)
    with pytest.warns(CorruptImageWarning, match="fox_0000"):
        data.setup()
    assert sum(len(data.dataset(split)) for split in ("train", "val", "test")) == 15
    assert len(data.train_classes) == len(data.train_votes) == len(data.train_rows)
    assert sum(data.num_rows(split) for split in ("train", "val", "test")) == 16


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"targets": RowTargetOptions(top_k=R + 1)}, ConfigurationError, "top_k = 9 must be 1 to 8"),
        (
            {"labelers": LabelerTraining(), "targets": RowTargetOptions(top_k=0)},
            ConfigurationError,
            "top_k = 0 must be 1 to 8",
        ),
        ({"split": SplitOptions(val_per_class=40)}, DataError, "none are left to train on"),
        ({"labelers": AttributeLabelers(3, num_features=R)}, ConfigurationError, "have 3 attributes"),
    ],
)
def test_what_cannot_work_is_explained(changes, error, message):
    with pytest.raises(error, match=message):
        make(**changes).setup()


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (lambda: RowTargetOptions("edges"), "level = 'edges'"),
        (lambda: RowTargetOptions(unit="logodds"), "unit = 'logodds'"),
        (lambda: SplitOptions(test_fraction=1.5), "test_fraction = 1.5"),
        (lambda: SplitOptions(val_per_class=-1), "val_per_class = -1"),
        (lambda: SplitOptions(max_train_rows=0), "max_train_rows = 0 must"),
        (lambda: ImageOptions(size=0), "size = 0 must"),
        (lambda: ImageOptions(on_corrupt="ignore"), "on_corrupt = 'ignore'"),
        (lambda: LabelerTraining(calibration="plat"), "calibration = 'plat'"),
        (lambda: LabelerTraining(epochs=0), "epochs = 0 must"),
        (lambda: LabelerTraining(perfect_labelers(), backbone=nn.Flatten()), "have their own backbone"),
        (lambda: LabelerTraining(perfect_labelers(), freeze_backbone=True), "have their own backbone"),
        (lambda: make(silent="dorp"), "silent = 'dorp'"),
        (lambda: make(polarity="tripolar"), "polarity = 'tripolar'"),
        (lambda: make(matrix="attributes.csv"), "drop matrix"),
        (lambda: make(batch_size=0), "batch_size = 0 must"),
    ],
)
def test_arguments_out_of_range_are_named(make_it, message):
    with pytest.raises(ConfigurationError, match=message):
        make_it()


def test_rows_are_ready_after_setup_only():
    with pytest.raises(NotFittedError, match="call setup"):
        make().train_votes  # noqa: B018


@pytest.mark.parametrize("classes", [["fox", "gnu", "cat", "hog"], ["gnu", "eel", "cat", "dog", "yak"]])
def test_a_model_that_is_a_labelers_own_vote_meets_its_demands(classes):
    data = make(toy_data(noise=2.0), classes)
    data.setup()
    batch = data.dataset("train").__getitems__(list(range(60)))
    counts = {int(column): 0 for column in data.task.columns}
    for lf, column in enumerate(data.task.columns.tolist()):

        class Vote(nn.Module):
            def forward(self, x, lf=lf):
                probabilities = data.labelers.calibrated(x).sigmoid()
                return data.task.votes(probabilities, data.labelers.thresholds)[:, lf].log()

        reached = example_gradient(Vote(), batch, "probability", len(classes))[:, lf]
        demands = batch.example_targets.demands()[:, lf]
        torch.testing.assert_close(reached[demands != 0], demands[demands != 0], rtol=2e-2, atol=1e-4)
        counts[column] = int((demands != 0).any(-1).sum())
    assert min(counts.values()) > 50


def test_a_test_needs_no_training_rows():
    data = make()
    data.setup("test")
    assert data.num_features == R
    with pytest.raises(NotFittedError, match="train rows are not ready"):
        data.example_targets  # noqa: B018
    data.setup("fit")
    assert len(data.example_targets) == 46
    tested = make()
    pl.Trainer(**trainer_options()).test(LoLClassifier(num_classes=2), tested, verbose=False)
    assert tested.num_features == R
    with pytest.raises(NotFittedError, match="train rows are not ready"):
        tested.train_votes  # noqa: B018
    with pytest.raises(NotFittedError, match="val rows are not ready"):
        tested.val_votes  # noqa: B018


def test_a_single_row_is_left_out_at_the_end_of_an_epoch():
    data = make(split=SplitOptions(max_train_rows=33, val_per_class=5))
    network = nn.Sequential(nn.Linear(R, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    pl.Trainer(**trainer_options(max_epochs=2)).fit(LoLClassifier(network, num_classes=2), data)
    assert [len(batch) for batch in data.train_dataloader()] == [16, 16]
    alone = make(split=SplitOptions(max_train_rows=1, val_per_class=5))
    alone.setup()
    assert [len(batch) for batch in alone.train_dataloader()] == [1]


def test_images_need_a_network_of_ones_own():
    data = make(toy_image_data(), labelers=LabelerTraining(backbone=small_backbone_of_96()), targets=PIXELS)
    with pytest.raises(DataError, match=r"LoLClassifier\(network=...\)"):
        pl.Trainer(**trainer_options(max_epochs=1)).fit(LoLClassifier(), data)


def test_features_go_through_a_backbone_where_its_input_is_matched():
    backbone = nn.Sequential(nn.Linear(R, 5), nn.Tanh())
    data = make(labelers=LabelerTraining(backbone=backbone, epochs=1), targets=PIXELS)
    data.setup()
    assert data.num_features == R
    batch = data.dataset("train").__getitems__([0, 1])
    labelers, columns = data.labelers, data.task.columns
    x = batch.features.clone().requires_grad_()
    labelers.calibrated(labelers.represent(x)).sigmoid()[0, columns[0]].backward()
    demands, index = batch.example_targets.demands()[0, 0], batch.example_targets.index[0, 0].long()
    torch.testing.assert_close(demands.abs(), x.grad[0, index].abs(), rtol=1e-2, atol=1e-5)


def test_grey_images_that_the_transform_makes_coloured_are_counted_as_such():
    grey = toy_image_data()
    grey.inputs = grey.inputs[:, :1]

    def in_colour(images):
        return (images.float() / 128 - 1).expand(-1, 3, -1, -1)

    torch.manual_seed(0)
    training = LabelerTraining(backbone=small_backbone_of_96(), epochs=1)
    data = make(grey, labelers=training, images=ImageOptions(transform=in_colour), targets=PIXELS, split=FEW)
    model = LoLClassifier(Network(), num_classes=2)
    pl.Trainer(**trainer_options(max_epochs=1)).fit(model, data)
    assert data.num_features == data.example_targets.num_features == 192
