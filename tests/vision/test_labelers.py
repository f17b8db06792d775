import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from snorkel.labeling import LFAnalysis, LFApplier, PandasLFApplier
from torch import nn
from toy import trainer_options
from toy_images import (
    ATTRIBUTES,
    VALUES,
    R,
    perfect_labelers,
    small_backbone,
    toy_data,
    toy_image_data,
    toy_matrix,
    toy_seen,
)

from lol_lightning.exceptions import ConfigurationError, DataError, LabelingFunctionError
from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.backbones import ResNet18Backbone, ResNet18Classifier
from lol_lightning.vision.labeler_training import train_labelers
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.lfs import as_labeling_functions
from lol_lightning.vision.resnet18_labelers import ResNet18AttributeLabelers
from lol_lightning.vision.seen_classes import SeenClasses

# The few rows here make few batches.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")


@pytest.fixture(scope="module")
def labelers():
    # It is made before the seed of the first test that asks for it is set.
    torch.manual_seed(0)
    return train_labelers(
        AttributeLabelers(ATTRIBUTES, num_features=R, lr=0.03), SeenClasses(toy_data(), batch_size=32), 30
    )


def unseen(data):
    rows = data.rows_of(["fox", "gnu"])
    return data.inputs[rows], VALUES[data.labels[rows]]


def test_labelers_of_seen_classes_know_the_attributes_of_unseen_ones(labelers):
    inputs, attributes = unseen(toy_data(seed=1))
    probabilities = labelers.probabilities(inputs)
    right = (probabilities >= labelers.thresholds) == attributes.bool()
    # The least of the four is between 0.66 and 0.80 over six seeds, their mean between 0.86 and 0.91.
    assert (right.float().mean(0) > 0.6).all()
    assert right.float().mean() > 0.8
    assert (labelers.val_accuracies > 0.9).all()
    assert not labelers.training


def test_calibration_and_thresholds_are_applied(labelers):
    inputs = toy_data().inputs[:5]
    logits = labelers.slope * labelers.heads(inputs) + labelers.intercept
    torch.testing.assert_close(labelers.probabilities(inputs), torch.sigmoid(logits).detach())
    assert not labelers.slope.equal(torch.ones(4))


def test_seen_classes_hold_rows_of_each_class_out():
    data = SeenClasses(toy_data(rows_per_class=10), val_fraction=0.2)
    assert torch.bincount(data.data.labels[data.val_rows]).tolist() == [2, 2, 2, 2, 0, 0, 2, 2, 2, 2]
    assert set(data.train_rows.tolist()).isdisjoint(data.val_rows.tolist())
    torch.testing.assert_close(data.positive_share, VALUES[toy_seen()].float().mean(0))
    inputs, attributes = next(iter(data.val_dataloader()))
    assert inputs.shape == (16, R)
    assert attributes.shape == (16, 4)


def test_test_rows_train_no_labelers():
    data = toy_data(rows_per_class=10)
    data.test = torch.arange(100) < 50
    assert not data.test[SeenClasses(data).train_rows].any()


def test_unknown_attributes_are_masked():
    labelers = AttributeLabelers(2, num_features=3)
    x, y = torch.randn(6, 3), torch.rand(6, 2).round()
    y[:, 1] = torch.nan
    labelers.log = lambda *args, **kwargs: None
    labelers.training_step((x, y), 0).backward()
    assert labelers.heads.weight.grad[1].equal(torch.zeros(3))
    assert labelers.heads.weight.grad[0].abs().sum() > 0


@pytest.mark.parametrize("freeze", [True, False])
def test_any_backbone_trains_or_stays_frozen(freeze):
    backbone = small_backbone()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    labelers = AttributeLabelers(ATTRIBUTES, backbone, num_features=96, freeze_backbone=freeze, lr=0.01)
    train_labelers(labelers, SeenClasses(toy_image_data(), batch_size=16), 5)
    changed = [name for name, value in backbone.state_dict().items() if not value.equal(before[name])]
    assert bool(changed) != freeze
    assert (labelers.val_accuracies > (0.6 if freeze else 0.85)).all()


def test_images_are_augmented_one_by_one():
    seen = []

    def augment(image):
        seen.append(image.shape)
        return image.flip(-1)

    data = SeenClasses(toy_image_data(), augment=augment)
    next(iter(data.train_dataloader()))
    assert seen == [(3, 8, 8)] * len(data.train_rows)
    seen.clear()
    next(iter(data.val_dataloader()))
    assert seen == []


def test_the_trainer_logs_the_accuracy():
    labelers = AttributeLabelers(ATTRIBUTES, num_features=R, lr=0.03)
    trainer = pl.Trainer(**trainer_options(max_epochs=10, log_every_n_steps=1))
    trainer.fit(labelers, datamodule=SeenClasses(toy_data(), batch_size=32))
    assert trainer.callback_metrics["val_accuracy"] > 0.9
    assert trainer.callback_metrics["val_loss"] < 0.4


def test_checkpoints_reload_with_calibration(labelers, tmp_path):
    trainer = pl.Trainer(**trainer_options(max_epochs=1))
    trainer.strategy.connect(labelers)
    path = tmp_path / "labelers.ckpt"
    trainer.save_checkpoint(path)
    again = AttributeLabelers.load_from_checkpoint(path, weights_only=True).eval()
    x = toy_data().inputs[:5]
    torch.testing.assert_close(again.probabilities(x), labelers.probabilities(x))
    assert again.attributes == ATTRIBUTES
    torch.testing.assert_close(again.thresholds, labelers.thresholds)


def test_a_backbone_in_training_mode_is_refused():
    labelers = AttributeLabelers(ATTRIBUTES, small_backbone(), num_features=96)
    with pytest.raises(ConfigurationError, match=r"'backbone.1' is in training mode: call .eval\(\)"):
        labelers.probabilities(torch.zeros(2, 3, 8, 8))
    frozen = AttributeLabelers(ATTRIBUTES, small_backbone(), num_features=96, freeze_backbone=True).train()
    assert frozen.probabilities(torch.zeros(2, 3, 8, 8)).shape == (2, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttributeLabelers(ATTRIBUTES, small_backbone()), "num_features is missing"),
        (lambda: AttributeLabelers([], num_features=3), "no attributes"),
        (lambda: perfect_labelers().calibrate(torch.zeros(2, 4), torch.zeros(2, 4), "isotonic"), "calibration = 'iso"),
    ],
)
def test_settings_that_cannot_work_are_explained(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


@pytest.mark.parametrize("attributes", [ATTRIBUTES, 4])
def test_attributes_that_were_only_counted_are_named(attributes):
    labelers = AttributeLabelers(attributes, num_features=R)
    labelers.name_attributes(ATTRIBUTES)
    assert labelers.attributes == ATTRIBUTES
    assert labelers.hparams["attributes"] == list(ATTRIBUTES)
    for others in (ATTRIBUTES[::-1], ATTRIBUTES[:3]):
        with pytest.raises(ConfigurationError, match=r"have 4 attributes .* names and order must be equal"):
            labelers.name_attributes(others)


def test_images_need_a_backbone():
    labelers = AttributeLabelers(ATTRIBUTES, num_features=192).eval()
    with pytest.raises(ConfigurationError, match=r"shape \(3, 8, 8\) need a backbone.*backbone=ResNet18Backbone\(\)"):
        labelers.probabilities(torch.zeros(2, 3, 8, 8))
    flat = AttributeLabelers(ATTRIBUTES, nn.Flatten(), num_features=192).eval()
    assert flat.probabilities(torch.zeros(2, 3, 8, 8)).shape == (2, 4)


def test_unknown_attributes_change_neither_calibration_nor_accuracies():
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(60, 4, generator=generator) > 0.5).float()
    logits = targets + torch.randn(60, 4, generator=generator)
    # What is unknown differs, and so does what the labelers say there.
    targets[:20, 0], targets[40:, 1] = torch.nan, torch.nan
    logits[:20, 0] += 9
    labelers, without_unknown = perfect_labelers(), perfect_labelers()
    labelers.calibrate(logits, targets)
    without_unknown.calibrate(logits[20:], targets[20:])
    for name in ("slope", "intercept", "thresholds", "val_accuracies"):
        torch.testing.assert_close(getattr(labelers, name)[0], getattr(without_unknown, name)[0])
        assert getattr(labelers, name)[2] != getattr(without_unknown, name)[2]


def test_calibration_needs_shapes_that_fit():
    with pytest.raises(DataError, match=r"logits \(2, 4\) and attributes \(3, 4\)"):
        perfect_labelers().calibrate(torch.zeros(2, 4), torch.zeros(3, 4))


def test_resnet_weights_come_from_a_file(tmp_path):
    source = ResNet18Backbone(stem="tiny").eval()
    path = tmp_path / "resnet18.pt"
    torch.save({**source.body.state_dict(), "fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}, path)
    labelers = ResNet18AttributeLabelers(ATTRIBUTES, weights=path, stem="tiny", freeze_backbone=True).eval()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(labelers.represent(images), source(images))
    assert not any(parameter.requires_grad for parameter in labelers.backbone.parameters())
    with pytest.raises(ConfigurationError, match=r"do not fit a ResNet18 of stem 'imagenet'.*conv1"):
        ResNet18Backbone(path)


def test_weights_that_cannot_be_had_say_how_to_give_them(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match="no file of weights"):
        ResNet18Backbone(tmp_path / "nowhere.pt")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(ConfigurationError, match="is not a state dict"):
        ResNet18Backbone(tmp_path / "text.pt")
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(ConfigurationError, match="holds a Tensor"):
        ResNet18Backbone(tmp_path / "tensor.pt")
    # A proxy that nothing answers at stands for a machine without a network.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"cannot be downloaded .* give its path as weights="):
        ResNet18AttributeLabelers(ATTRIBUTES)
    with pytest.raises(ConfigurationError, match="stem = 'huge'"):
        ResNet18Backbone(stem="huge")


@pytest.mark.parametrize(("stem", "side"), [("imagenet", 1), ("tiny", 2), ("small", 4)])
def test_stems_halve_the_image_as_often_as_they_say(stem, side):
    body = ResNet18Backbone(stem=stem).body
    shapes = []
    body.layer4.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape[-1]))
    body.eval()(torch.zeros(1, 3, 32, 32))
    assert shapes == [side]


def test_classifier_gives_logits():
    assert ResNet18Classifier(3, stem="tiny").eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x


# Snorkel's analysis and the newest SciPy.
@pytest.mark.filterwarnings("ignore:Input has data type:FutureWarning")
def test_labelers_are_snorkel_lfs():
    data, labelers = toy_data(rows_per_class=4), perfect_labelers()
    labelers.backbone = Counted().eval()
    task = AttributeTask.between(toy_matrix(), ["bat", "eel"])
    lfs = as_labeling_functions(labelers, task)
    rows = list(data.inputs[data.rows_of(["bat", "eel"])].numpy())
    votes = LFApplier(lfs).apply(rows, progress_bar=False)
    assert labelers.backbone.calls == len(rows)
    expected = task.votes(labelers.probabilities(torch.from_numpy(np.stack(rows))), labelers.thresholds)
    assert (votes == expected.numpy()).all()
    assert list(LFAnalysis(votes, lfs).lf_summary().index) == ["flies", "furry", "swims"]


def test_lfs_read_columns_keys_and_attributes():
    task = AttributeTask.between(toy_matrix(), ["bat", "eel"])
    lfs = as_labeling_functions(perfect_labelers(), task, column="vector")
    row = np.array([1.0, 1, -1, 0, 0, 0, 0, 0])
    frame = pd.DataFrame({"vector": [row, -row]})
    assert PandasLFApplier(lfs).apply(frame, progress_bar=False).tolist() == [[0, 0, 0], [1, 1, 1]]
    assert lfs[0]({"vector": row}) == 0
    with pytest.raises(LabelingFunctionError, match="a data point of type dict has no 'vector'"):
        lfs[0]({"image": row})


def test_lfs_of_several_classes_are_refused():
    task = AttributeTask.between(toy_matrix(), ["bat", "cat", "eel"])
    with pytest.raises(ConfigurationError, match="a Snorkel LF votes for one"):
        as_labeling_functions(perfect_labelers(), task)
