import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from toy import trainer_options
from toy_images import ATTRIBUTES, CLASSES, UNSEEN, VALUES, R, toy_data, toy_image_data, toy_seen, write_awa

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.vision.awa import read_awa
from lol_lightning.vision.images import CorruptImageWarning
from lol_lightning.vision.labeler_training import train_labelers
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.matrices import ClassAttributeMatrix
from lol_lightning.vision.seen_classes import SeenClasses

# The few rows here make few batches.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")


def partly_known():
    """Rows of classes; the matrix does not say whether some of them fly, nor whether any seen one is big."""
    values = VALUES.float()
    values[:3, 0] = torch.nan
    values[toy_seen(), 3] = torch.nan
    data = toy_data()
    data.matrix = ClassAttributeMatrix(CLASSES, ATTRIBUTES, values)
    return data, values


def norm_at_one_pixel():
    return nn.Sequential(nn.Conv2d(3, 6, 8), nn.BatchNorm2d(6), nn.Flatten())


def test_unknown_attributes_are_served_as_nan():
    data, values = partly_known()
    seen = SeenClasses(data)
    inputs, attributes = next(iter(seen.val_dataloader()))
    expected = values[data.labels[seen.val_rows]]
    torch.testing.assert_close(attributes, expected, equal_nan=True)
    assert inputs.shape == (len(attributes), R)
    # The matrix says of five seen classes whether they fly: jay, ram and yak do.
    torch.testing.assert_close(seen.positive_share, torch.tensor([0.6, 0.5, 0.375, 0.5]))


def test_labelers_learn_what_is_known():
    data, _ = partly_known()
    labelers = AttributeLabelers(ATTRIBUTES, num_features=R, lr=0.03, weight_decay=0.0)
    before = labelers.heads.bias[3].item()
    train_labelers(labelers, SeenClasses(data, batch_size=32), 30)
    assert (labelers.val_accuracies[:3] > 0.9).all()
    assert labelers.val_accuracies[3].isnan()
    assert labelers.heads.bias[3].item() == before
    inputs = data.inputs[data.rows_of(UNSEEN)]
    right = (labelers.probabilities(inputs) >= labelers.thresholds) == VALUES[data.labels[data.rows_of(UNSEEN)]].bool()
    assert (right.float().mean(0)[1:3] > 0.9).all()


@pytest.mark.parametrize(("batch_size", "sizes"), [(71, [71]), (70, [70, 2]), (36, [36, 36]), (72, [72])])
def test_a_last_batch_of_one_row_is_left_out(batch_size, sizes):
    data = SeenClasses(toy_data(rows_per_class=9), val_fraction=0.0, batch_size=batch_size)
    assert [len(targets) for _, targets in data.train_dataloader()] == sizes
    assert len(data.train_dataloader()) == len(sizes)


def test_batch_norm_trains_where_one_row_would_be_left():
    data = SeenClasses(toy_image_data())
    data.batch_size = len(data.train_rows) - 1
    labelers = train_labelers(AttributeLabelers(ATTRIBUTES, norm_at_one_pixel(), num_features=6), data, 1)
    assert not labelers.val_accuracies.isnan().any()
    alone = SeenClasses(toy_data(), batch_size=1)
    assert len(alone.train_dataloader()) == len(alone.train_rows)


def corrupt(root, classes, readable=0):
    files = [path for name in classes for path in sorted((root / "JPEGImages" / name).iterdir())]
    for path in files[readable:]:
        path.write_text("no image")


@pytest.mark.filterwarnings("ignore:left out")
@pytest.mark.parametrize(("readable", "sizes"), [(1, {1, 2}), (2, {2}), (3, {2, 3})])
def test_corrupt_files_are_replaced_in_training(tmp_path, readable, sizes):
    root = write_awa(tmp_path, rows_per_class=5)
    seen = [name for name in CLASSES if name not in UNSEEN]
    corrupt(root, seen[1:])
    corrupt(root, seen[:1], readable)
    data = SeenClasses(
        read_awa(root, 8, "skip"), val_fraction=0.0, batch_size=4, augment=lambda image: image.flip(-1), seed=1
    )
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader()) == 10
    assert {len(inputs) for inputs, _ in batches} <= sizes
    bat = VALUES[CLASSES.index("bat")].float()
    assert all(row.equal(bat) for _, targets in batches for row in targets)


@pytest.mark.filterwarnings("ignore:left out")
def test_batches_of_corrupt_files_train_and_judge_nothing(tmp_path):
    root = write_awa(tmp_path, rows_per_class=5)
    corrupt(root, ["bat", "cat", "dog", "eel"])
    data = SeenClasses(read_awa(root, 8, "skip"), val_fraction=0.4, batch_size=2, augment=lambda image: image)
    assert 0 in [len(targets) for _, targets in data.val_dataloader()]
    labelers = AttributeLabelers(ATTRIBUTES, norm_at_one_pixel(), num_features=6)
    trainer = pl.Trainer(**trainer_options(max_epochs=1))
    trainer.fit(labelers, datamodule=data)
    assert trainer.global_step == len(data.train_rows) // 2
    assert trainer.callback_metrics["val_loss"] > 0
    assert train_labelers(labelers, data, 1).thresholds.isfinite().all()


def test_no_image_that_can_be_decoded_is_an_error(tmp_path):
    root = write_awa(tmp_path, rows_per_class=2)
    corrupt(root, CLASSES)
    data = SeenClasses(read_awa(root, 8, "skip"), val_fraction=0.0, batch_size=4)
    with (
        pytest.warns(CorruptImageWarning),
        pytest.raises(DataError, match="none of the 16 images of seen classes can be decoded"),
    ):
        next(iter(data.train_dataloader()))


def test_settings_are_checked_before_training():
    labelers = AttributeLabelers(ATTRIBUTES, num_features=R)
    before = labelers.heads.weight.clone()
    with pytest.raises(ConfigurationError, match="calibration = 'plat'; use one of 'platt'"):
        train_labelers(labelers, SeenClasses(toy_data()), 1, "plat")
    assert labelers.heads.weight.equal(before)
    with pytest.raises(ConfigurationError, match="need a backbone"):
        train_labelers(AttributeLabelers(ATTRIBUTES, num_features=192), SeenClasses(toy_image_data()), 1)
