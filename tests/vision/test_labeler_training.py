import pytest
import torch
from torch import nn
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

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.vision import AttributeLabelers, ImageOptions, LabelerTraining, SplitOptions

PAIR = ["bat", "eel"]
FEW = SplitOptions(val_per_class=2)

# The few rows here make few batches.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")


def test_labelers_are_trained_in_setup():
    data = make(labelers=LabelerTraining(epochs=30, lr=0.05))
    data.setup("fit")
    assert (data.labelers.val_accuracies > 0.8).all()
    before = data.labelers
    data.setup("test")
    assert data.labelers is before


def test_labelers_that_are_not_calibrated_are_trained():
    labelers = AttributeLabelers(ATTRIBUTES, num_features=R)
    data = make(labelers=LabelerTraining(labelers, epochs=1))
    data.setup()
    assert data.labelers is labelers
    assert not labelers.val_accuracies.isnan().any()


def test_nonlinear_heads_have_gradients_of_their_own():
    heads = nn.Sequential(nn.Linear(R, 6), nn.Tanh(), nn.Linear(6, 4))
    data = make(labelers=LabelerTraining(AttributeLabelers(ATTRIBUTES, num_features=R, heads=heads), epochs=2))
    data.setup()
    assert data.example_targets.index[:, 0].unique(dim=0).shape[0] > 1


def test_labelers_of_a_seed_are_the_same_whatever_was_drawn_before():
    modules = []
    for number in range(2):
        torch.manual_seed(number)
        module = make(labelers=LabelerTraining(epochs=1))
        module.setup("fit")
        modules.append(module)
        assert torch.initial_seed() == number
    first, second = (module.dataset("train") for module in modules)
    torch.testing.assert_close(first.votes, second.votes, rtol=0, atol=0)
    torch.testing.assert_close(first.example_targets.value, second.example_targets.value, rtol=0, atol=0)


def test_classes_that_are_told_apart_train_no_labeler_even_if_they_are_seen():
    rows, other = toy_data(), toy_data()
    for name in PAIR:
        other.inputs[other.labels == other.matrix.index(name)] *= -1
    modules = [make(one, labelers=LabelerTraining(epochs=2)) for one in (rows, other)]
    for module in modules:
        module.setup("test")
    one, two = (module.labelers.heads.weight for module in modules)
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_labelers_are_kept_in_a_file_and_read_again(tmp_path):
    path = tmp_path / "kept" / "labelers.pt"
    kept = {"epochs": 3, "path": path}
    first = make(labelers=LabelerTraining(**kept))
    first.setup("fit")
    assert [file.name for file in path.parent.iterdir()] == ["labelers.pt"]
    before = path.stat().st_mtime_ns
    again = make(labelers=LabelerTraining(**kept))
    again.setup("test")
    assert path.stat().st_mtime_ns == before
    for name, value in first.labelers.state_dict().items():
        torch.testing.assert_close(again.labelers.state_dict()[name], value, equal_nan=True)
    others = {
        "seen": {"classes": ["fox", "gnu"], "labelers": LabelerTraining(**kept)},
        "seed = 0": {"seed": 1, "labelers": LabelerTraining(**kept)},
        "calibration": {"labelers": LabelerTraining(**kept, calibration="none")},
        "epochs = 3": {"labelers": str(path)},
        "lr = 0.003": {"labelers": LabelerTraining(AttributeLabelers(ATTRIBUTES, num_features=R, lr=0.1), **kept)},
    }
    for message, changes in others.items():
        with pytest.raises(DataError, match=rf"labelers.pt were trained with {message}"):
            make(**changes).setup()
    with pytest.raises(DataError, match=r"labelers.pt have another backbone"):
        make(labelers=LabelerTraining(**kept, backbone=nn.Linear(R, R))).setup()
    for content in (b"no labelers", b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"labelers.pt is not a file of labelers"):
            make(labelers=path).setup()


def test_a_path_alone_names_the_file_of_the_labelers(tmp_path):
    for labelers in (str(tmp_path / "labelers.pt"), tmp_path / "labelers.pt"):
        make(labelers=labelers).setup("fit")
        assert (tmp_path / "labelers.pt").exists()


def test_images_of_seen_classes_are_augmented():
    calls = []

    def augment(image):
        calls.append(image.shape)
        return image.flip(-1)

    training = LabelerTraining(backbone=small_backbone_of_96(), augment=augment, epochs=1)
    data = make(toy_image_data(), labelers=training)
    data.setup("fit")
    assert set(calls) == {(3, 8, 8)}


def test_labelers_with_a_number_of_attributes_get_the_names_of_the_matrix():
    labelers = AttributeLabelers(4, num_features=R)
    data = make(labelers=LabelerTraining(labelers, epochs=1))
    data.setup()
    assert labelers.attributes == ATTRIBUTES


def test_the_size_of_a_backbone_is_found_and_images_without_one_are_refused():
    data = make(toy_image_data(), labelers=LabelerTraining(backbone=small_backbone(), epochs=1), split=FEW)
    data.setup()
    assert data.num_features == 96
    with pytest.raises(ConfigurationError, match=r"shape \(3, 8, 8\) need a backbone"):
        make(toy_image_data(), labelers=LabelerTraining(), split=FEW).setup()


def test_labelers_train_a_copy_of_the_backbone():
    backbone = nn.Sequential(nn.Linear(R, 6), nn.BatchNorm1d(6))
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    data = make(labelers=LabelerTraining(backbone=backbone, freeze_backbone=True, epochs=1))
    data.setup()
    trained = make(labelers=LabelerTraining(backbone=backbone, epochs=1))
    trained.setup()
    for name, value in backbone.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    assert not trained.labelers.backbone[0].weight.equal(backbone[0].weight)


@pytest.mark.filterwarnings("ignore::lol_lightning.vision.images.CorruptImageWarning")
def test_a_corrupt_first_file_is_not_what_a_backbone_is_tried_on(tmp_path):
    class Flat(nn.Module):
        def forward(self, x):
            return x.mean(1).view(x.size(0), -1)

    root = write_awa(tmp_path, rows_per_class=8)
    (root / "JPEGImages" / "bat" / "bat_0000.png").write_text("no image")
    options = {"images": ImageOptions(4, "skip"), "split": SplitOptions(val_per_class=1)}
    data = make(root, ["fox", "gnu"], labelers=LabelerTraining(backbone=Flat(), epochs=1), **options)
    data.setup()
    assert data.num_features == 16


@pytest.mark.parametrize("content", [{}, {"settings": {}, "state": {}}, {"state": perfect_labelers().state_dict()}])
def test_other_files_than_labelers(tmp_path, content):
    torch.save(content, path := tmp_path / "file")
    data, training = toy_data(rows_per_class=2), LabelerTraining(path=path, epochs=1)
    with pytest.raises(DataError, match=r"file is not a file of labelers that a LoLImageDataModule wrote: it"):
        training.trained(training.untrained(data, torch.Tensor.float), data, [], torch.Tensor.float)
