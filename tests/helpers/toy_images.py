"""Small classes with attributes, for several tests: features, images and folders of files."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from lol_lightning.vision import (
    AttributeData,
    AttributeLabelers,
    ClassAttributeMatrix,
    LoLImageDataModule,
    RowTargetOptions,
    SplitOptions,
)

CLASSES = ("bat", "cat", "dog", "eel", "fox", "gnu", "hog", "jay", "ram", "yak")
ATTRIBUTES = ("flies", "furry", "swims", "big")
VALUES = torch.tensor(
    [
        [1, 1, 0, 0],
        [0, 1, 0, 0],
        [0, 1, 1, 1],
        [0, 0, 1, 0],
        [1, 0, 0, 1],
        [1, 0, 1, 1],
        [0, 0, 0, 1],
        [1, 0, 0, 0],
        [1, 0, 1, 0],
        [1, 1, 0, 1],
    ]
)
UNSEEN = ("fox", "gnu")
R = 8


def toy_matrix():
    return ClassAttributeMatrix(CLASSES, ATTRIBUTES, VALUES)


def toy_seen():
    return torch.tensor([name not in UNSEEN for name in CLASSES])


def toy_data(rows_per_class=40, noise=0.4, seed=0):
    """Features of which the first four show the attributes, the others nothing."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(CLASSES)).repeat(rows_per_class)
    features = torch.randn(len(labels), R, generator=generator) * noise
    features[:, :4] += 2.0 * VALUES[labels] - 1
    return AttributeData(features, labels, toy_matrix(), toy_seen())


def toy_image_data(rows_per_class=12, size=8, seed=0):
    """Images uint8 whose quarters are bright where the class has the attribute."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(CLASSES)).repeat(rows_per_class)
    images = torch.randint(40, (len(labels), 3, size, size), generator=generator)
    half = size // 2
    for attribute, (top, left) in enumerate([(0, 0), (0, half), (half, 0), (half, half)]):
        bright = VALUES[labels, attribute].view(-1, 1, 1, 1)
        images[:, :, top : top + half, left : left + half] += 180 * bright
    return AttributeData(images.to(torch.uint8), labels, toy_matrix(), toy_seen())


def small_backbone():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Flatten()
    )


def perfect_labelers():
    """Labelers that read the first four features, calibrated by hand."""
    labelers = AttributeLabelers(list(ATTRIBUTES), num_features=R)
    with torch.no_grad():
        labelers.heads.weight.copy_(3 * torch.eye(4, R))
        labelers.heads.bias.zero_()
    labelers.val_accuracies.fill_(0.9)
    return labelers.eval()


def write_images(root, rows_per_class=3, size=12):
    """A folder for each class, with files of noise."""
    rng = np.random.default_rng(0)
    for name in CLASSES:
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(rows_per_class):
            pixels = rng.integers(0, 255, (size, size + 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{name}_{number:04}.png")
    return root


def write_awa(root, rows_per_class=3):
    """The layout of Animals with Attributes."""
    write_images(root / "JPEGImages", rows_per_class)
    (root / "classes.txt").write_text("".join(f"{i + 1}\t{name}\n" for i, name in enumerate(CLASSES)))
    (root / "predicates.txt").write_text("".join(f"     {i + 1}\t{name}\n" for i, name in enumerate(ATTRIBUTES)))
    (root / "predicate-matrix-binary.txt").write_text("\n".join(" ".join(map(str, row)) for row in VALUES.tolist()))
    (root / "trainclasses.txt").write_text("\n".join(name for name in CLASSES if name not in UNSEEN) + "\n")
    (root / "testclasses.txt").write_text("\n".join(UNSEEN))
    return root


def small_backbone_of_96():
    backbone = small_backbone()
    backbone.num_features = 96
    return backbone


def toy_module(data=None, classes=("bat", "eel"), **changes):
    """A data module of two classes, with labelers that need no training; ``changes`` are arguments of it."""
    options = {
        "labelers": perfect_labelers(),
        "targets": RowTargetOptions(top_k=4),
        "split": SplitOptions(val_per_class=5),
        "batch_size": 16,
    }
    return LoLImageDataModule(data or toy_data(), classes, **{**options, **changes})
