"""The settings of the image data module, as a configuration file states them."""

import numpy as np
import pytest
from jsonargparse import ArgumentParser
from torch import nn
from torchvision.transforms import v2

from lol_lightning._lightning import LightningDataModule
from lol_lightning.data import LoaderOptions
from lol_lightning.vision import (
    AttributeLabelers,
    LabelerTraining,
    LoLImageDataModule,
    RowTargetOptions,
    Standardise,
    digits_data,
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    data, path = digits_data(), tmp_path_factory.mktemp("digits") / "digits.npz"
    names = {"classes": data.matrix.classes, "attributes": data.matrix.attributes}
    values = {"class_attributes": data.matrix.values.numpy(), "seen_class": data.is_seen.numpy()}
    np.savez(path, features=data.inputs.numpy(), labels=data.labels.numpy(), **names, **values)
    return path


@pytest.fixture
def build(archive, monkeypatch):
    # As the command line does: the names that older versions have are deprecated in newer ones.
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

    def build_module(*options, **arguments):
        parser = ArgumentParser(exit_on_error=False)
        parser.add_subclass_arguments(LightningDataModule, "data", required=True)
        arguments = {"root": str(archive), "classes": ["3", "5"], **arguments}
        section = {"class_path": "lol_lightning.vision.LoLImageDataModule", "init_args": arguments}
        parser.set_defaults({"data": section})
        return parser.instantiate_classes(parser.parse_args(list(options))).data

    return build_module


def test_nothing_is_needed(build):
    data = build()
    assert isinstance(data, LoLImageDataModule)
    assert data._training == LabelerTraining()
    assert (data.targets, data.transform, data.loader) == (RowTargetOptions(), Standardise(), LoaderOptions())


def test_settings_are_nested_mappings(build):
    data = build(
        labelers={"epochs": 7, "path": "labelers.pt", "backbone": {"class_path": "torch.nn.Flatten"}},
        targets={"level": "pixels", "top_k": 4, "unit": "log-odds", "agreeing_only": True},
        split={"max_train_rows": 100, "val_per_class": 5, "test_fraction": 0.5},
        images={"transform": {"mean": [0.5], "std": [0.25]}},
        loader={"num_workers": 2, "seed": 3},
    )
    assert (data._training.epochs, data._training.path, type(data._training.backbone)) == (7, "labelers.pt", nn.Flatten)
    assert data.targets == RowTargetOptions("pixels", 4, "log-odds", True)
    assert [data.num_rows(split) for split in ("train", "val", "test")] == [100, 10, 182]
    assert data.transform == Standardise([0.5], [0.25])
    assert data.loader == LoaderOptions(num_workers=2, seed=3)


def test_settings_are_options_of_the_command_line(build):
    data = build("--data.labelers.epochs=2", "--data.split.val_per_class=3", "--data.targets.top_k=5")
    assert data._training.epochs == 2
    assert data.num_rows("val") == 6
    assert data.targets.top_k == 5


@pytest.mark.parametrize(
    ("labelers", "attribute", "expected"),
    [
        ("labelers.pt", "path", str),
        ({"class_path": "lol_lightning.vision.LabelerTraining", "init_args": {"epochs": 3}}, "epochs", int),
        ({"augment": {"class_path": "torchvision.transforms.v2.RandomHorizontalFlip"}}, "augment", v2.Transform),
        (
            {
                "class_path": "lol_lightning.vision.AttributeLabelers",
                "init_args": {"attributes": 18, "num_features": 64},
            },
            "labelers",
            AttributeLabelers,
        ),
    ],
)
def test_labelers_are_a_file_a_training_or_a_class(build, labelers, attribute, expected):
    assert isinstance(getattr(build(labelers=labelers)._training, attribute), expected)
