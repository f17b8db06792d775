import builtins

import pytest
import torch
from torch import nn
from toy_images import perfect_labelers, toy_data

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.vision.datamodule import LoLImageDataModule
from lol_lightning.vision.plots import gradient_agreement, plot_agreement, plot_gradients, plot_heat_maps

NAMES = ["flies", "furry", "swims"]


@pytest.fixture
def batch():
    data = LoLImageDataModule(toy_data(), ["bat", "eel"], labelers=perfect_labelers(), top_k=4, val_per_class=5)
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


def test_missing_matplotlib_is_named(batch, follower, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"pip install 'lol-lightning\[plots\]'"):
        plot_agreement({"after": follower}, batch, NAMES, 2)
