import pytest
import torch
from torch import nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from toy_images import ATTRIBUTES, small_backbone

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.vision.backbones import ResNet18Backbone, check_evaluation_mode, representation_size
from lol_lightning.vision.labelers import AttributeLabelers


def test_stochastic_depth_in_training_mode_is_refused():
    blocks = [CNBlockConfig(8, 16, 2), CNBlockConfig(16, None, 2)]
    labelers = AttributeLabelers(ATTRIBUTES, ConvNeXt(blocks, 0.5, num_classes=4), num_features=4)
    images = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ConfigurationError, match=r"in training mode: call .eval\(\) on the labelers first"):
        labelers.probabilities(images)
    labelers.eval()
    assert labelers.probabilities(images).equal(labelers.probabilities(images))


class Noisy(nn.Linear):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), training=self.training)


@pytest.mark.parametrize("part", [nn.BatchNorm1d(4), nn.Dropout(), nn.RReLU(), Noisy(4, 4)])
def test_a_part_that_could_act_by_its_mode_is_named(part):
    network = nn.Sequential(nn.Linear(4, 4), part.train())
    with pytest.raises(ConfigurationError, match="'1' is in training mode"):
        check_evaluation_mode(network)
    check_evaluation_mode(network.eval())


def test_layers_that_do_the_same_in_all_modes_may_be_in_any():
    check_evaluation_mode(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)).train())


def test_the_size_of_a_representation_is_found():
    backbone = small_backbone().train()
    backbone[0].eval()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    assert representation_size(backbone, torch.ones(1, 3, 8, 8)) == 96
    # Not even one row is needed, as where the first file is corrupt.
    assert representation_size(backbone, torch.ones(0, 3, 8, 8)) == 96
    assert [part.training for part in backbone] == [False, True, True, True]
    assert all(value.equal(before[name]) for name, value in backbone.state_dict().items())
    assert representation_size(ResNet18Backbone(stem="tiny"), torch.ones(1, 3, 8, 8)) == 512
    assert representation_size(None, torch.ones(2, 7)) == 7
    with pytest.raises(ConfigurationError, match=r"shape \(3, 8, 8\) need a backbone"):
        representation_size(None, torch.ones(2, 3, 8, 8))
