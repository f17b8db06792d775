import builtins
from io import BytesIO

import pytest
import torch
from PIL import Image
from torch import nn
from toy_images import perfect_labelers, small_backbone, toy_data, toy_image_data

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.vision import LabelerTraining, LoLImageDataModule, RowTargetOptions, SplitOptions
from lol_lightning.vision.plots import gradient_agreement, plot_agreement, plot_gradients, plot_heat_maps

NAMES = ["flies", "furry", "swims"]


@pytest.fixture
def batch():
    options = {"targets": RowTargetOptions(top_k=4), "split": SplitOptions(val_per_class=5)}
    data = LoLImageDataModule(toy_data(), ["bat", "eel"], labelers=perfect_labelers(), **options)
    data.setup()
    return next(iter(data.train_dataloader()))


@pytest.fixture
def follower():
    """A model that looks where the labelers look: bats fly and are furry, eels swim."""
    network = nn.Linear(8, 2)
    with torch.no_grad():
        network.weight.zero_()
        network.weight[0, :3] = torch.tensor([1.0, 1.0, -1.0])
    return network


def test_agreement_is_the_cosine_where_a_labeler_votes(batch, follower):
    agreement = gradient_agreement(follower, batch, 2)
    assert (agreement > 0.9).all()
    with torch.no_grad():
        follower.weight[0, :3] *= -1
    assert (gradient_agreement(follower, batch, 2) < -0.9).all()


def test_labelers_that_abstain_have_no_agreement(batch, follower):
    batch.votes[:, 1] = -1
    assert gradient_agreement(follower, batch, 2).isnan().tolist() == [False, True, False]


def test_bars_of_agreement(batch, follower):
    figure = plot_agreement({"before": nn.Linear(8, 2), "after": follower}, batch, NAMES, 2)
    (axes,) = figure.axes
    widths = [bar.get_width() for bar in axes.patches]
    torch.testing.assert_close(torch.tensor(widths[3:]).float(), gradient_agreement(follower, batch, 2))
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES


def test_top_k_beside_the_model(batch, follower):
    figure = plot_gradients({"before": nn.Linear(8, 2), "after": follower}, batch, NAMES, 2, row=1)
    assert [axes.get_title("left") for axes in figure.axes] == NAMES
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    torch.testing.assert_close(torch.tensor(heights).float(), batch.example_targets.demands()[1, 0])
    batch.votes[1] = -1
    with pytest.raises(TargetsError, match="no labeler demands anything on row 1"):
        plot_gradients({"after": follower}, batch, NAMES, 2, row=1)


def test_heat_maps_have_a_panel_for_each_labeler_and_network(batch, follower):
    images = batch.features.reshape(-1, 1, 2, 4)
    networks = {"before": nn.Linear(8, 2), "after": follower}
    figure = plot_heat_maps(images, networks, batch, NAMES, 2, lfs=(0, 2), class_names=["bat", "eel"])
    titles = [axes.get_title() for axes in figure.axes]
    voted = ["bat", "eel"][int(batch.votes[0, 0])]
    assert titles[:2] == ["image", f"flies: {voted}"]
    assert [title.partition(":")[0] for title in titles[3:]] == ["model before", "model after"]
    shown = figure.axes[1].images[0].get_array()
    assert shown[0, 0] == pytest.approx(batch.example_targets.demands()[0, 0, 0].item())


def test_heat_maps_need_targets_of_pixels(batch, follower):
    with pytest.raises(TargetsError, match="targets of the level 'pixels'"):
        plot_heat_maps(torch.zeros(len(batch), 3, 4, 4), {"after": follower}, batch, NAMES, 2)
    with pytest.raises(TargetsError, match="no example_targets"):
        gradient_agreement(follower, LoLBatch(batch.features, batch.votes), 2)


@pytest.mark.parametrize("unit", ["probability", "log-odds"])
def test_heat_maps_are_in_the_unit_of_the_targets(unit):
    options = {"targets": RowTargetOptions(top_k=4, unit=unit), "split": SplitOptions(val_per_class=5)}
    data = LoLImageDataModule(toy_data(), ["bat", "eel"], labelers=perfect_labelers(), **options)
    data.setup()
    batch, network = next(iter(data.train_dataloader())), nn.Linear(8, 2)
    figure = plot_heat_maps(batch.features.reshape(-1, 1, 2, 4), {"after": network}, batch, NAMES, 2, row=2)
    leading = int(figure.axes[-1].get_title()[-1])
    slope = network.weight[leading] - network.weight[1 - leading]
    if unit == "probability":
        slope = slope * network(batch.features[2]).softmax(-1).prod()
    shown = torch.from_numpy(figure.axes[-1].images[0].get_array().filled())
    torch.testing.assert_close(shown.flatten(), slope.detach())
    assert figure.get_supxlabel() == f"gradient in {unit}"


def test_heat_maps_show_the_first_labelers_that_there_are(batch, follower):
    images = batch.features.reshape(-1, 1, 2, 4)
    assert len(plot_heat_maps(images, {"after": follower}, batch, NAMES, 2).axes) == 5
    batch.example_targets = ExampleTargets(batch.example_targets.index[:, :1], batch.example_targets.value[:, :1], 8)
    batch.votes = batch.votes[:, :1]
    assert len(plot_heat_maps(images, {"after": follower}, batch, NAMES[:1], 2).axes) == 3


def test_rows_and_labelers_that_do_not_exist_are_named(batch, follower):
    images, networks = batch.features.reshape(-1, 1, 2, 4), {"after": follower}
    with pytest.raises(ConfigurationError, match=r"no labeler 3; choose one of 0 .. 2"):
        plot_heat_maps(images, networks, batch, NAMES, 2, lfs=(0, 3))
    with pytest.raises(ConfigurationError, match=f"no row {len(batch)}"):
        plot_heat_maps(images, networks, batch, NAMES, 2, row=len(batch))
    with pytest.raises(ConfigurationError, match=r"no row 5; choose one of 0 .. 4"):
        plot_heat_maps(images[:5], networks, batch, NAMES, 2, row=5)
    with pytest.raises(ConfigurationError, match="no row 1000"):
        plot_gradients(networks, batch, NAMES, 2, row=1000)


def test_a_model_that_has_no_network_yet_gets_the_cure(batch):
    networks = {"before": LoLClassifier().network}
    cure = r"'before' is None.*num_features and num_classes, or copy.deepcopy\(model.network\) after setup"
    with pytest.raises(ConfigurationError, match=cure):
        plot_heat_maps(batch.features.reshape(-1, 1, 2, 4), networks, batch, NAMES, 2)
    for plot in (plot_agreement, plot_gradients):
        with pytest.raises(ConfigurationError, match=cure):
            plot(networks, batch, NAMES, 2)
    with pytest.raises(ConfigurationError, match="is None"):
        gradient_agreement(networks["before"], batch, 2)


def test_images_of_the_batch_itself_are_shown_as_they_were():
    backbone = small_backbone()
    backbone.num_features = 96
    options = {"targets": RowTargetOptions("pixels", top_k=4), "split": SplitOptions(val_per_class=2)}
    training = LabelerTraining(backbone=backbone, epochs=1)
    data = LoLImageDataModule(toy_image_data(), ["bat", "eel"], labelers=training, **options)
    data.setup()
    batch, network = next(iter(data.train_dataloader())), nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    shown = [
        torch.from_numpy(figure.axes[0].images[0].get_array().filled())
        for figure in (
            plot_heat_maps(None, {"after": network}, batch, data.lf_names, 2, row=1, transform=data.transform),
            plot_heat_maps(None, {"after": network}, batch, data.lf_names, 2, row=1),
        )
    ]
    undone = data.transform.undo(batch.features)[1].permute(1, 2, 0)
    assert (data.data.inputs == (undone.permute(2, 0, 1) * 255).round()).flatten(1).all(1).any()
    torch.testing.assert_close(shown[0], undone)
    assert (shown[1].min(), shown[1].max()) == (0, 1)
    larger = torch.zeros(len(batch), 1, 16, 16, dtype=torch.uint8)
    figure = plot_heat_maps(larger, {"after": network}, batch, data.lf_names, 2)
    assert [axes.images[0].get_array().shape for axes in figure.axes[:2]] == [(16, 16), (8, 8)]


def test_features_that_are_no_images_are_named(batch, follower):
    with pytest.raises(ConfigurationError, match=r"shape \(\d+, 8\) and are no images.*or give images="):
        plot_heat_maps(None, {"after": follower}, batch, NAMES, 2)


def test_notebooks_show_figures_as_pictures(batch, follower):
    figure = plot_agreement({"after": follower}, batch, NAMES, 2)
    picture = Image.open(BytesIO(figure._repr_png_()))
    assert picture.format == "PNG"
    assert picture.width == figure.get_figwidth() * figure.get_dpi()


def test_missing_matplotlib_is_named(batch, follower, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"pip install 'lol-lightning\[plots\]'"):
        plot_agreement({"after": follower}, batch, NAMES, 2)
