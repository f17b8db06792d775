"""The pairs of classes of the measurements on images: awa1's own features, and CIFAR-10 by a ResNet18."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lol_lightning.experiments.training import quiet
from lol_lightning.vision.awa import AttributeData, read_features
from lol_lightning.vision.backbones import Stem
from lol_lightning.vision.datamodule import LoLImageDataModule
from lol_lightning.vision.images import Standardise
from lol_lightning.vision.labeler_training import LabelerTraining, train_labelers
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.matrices import ClassAttributeMatrix
from lol_lightning.vision.options import SplitOptions
from lol_lightning.vision.resnet18_labelers import ResNet18AttributeLabelers
from lol_lightning.vision.seen_classes import SeenClasses
from lol_lightning.vision.task_rows import divide

Pair = tuple[str, str]

AWA1: list[Pair] = [("seal", "humpback+whale"), ("raccoon", "rat"), ("humpback+whale", "hippopotamus")]
AWA1_UNSEEN = "chimpanzee giant+panda hippopotamus humpback+whale leopard persian+cat pig raccoon rat seal".split()
CIFAR10: list[Pair] = [("deer", "truck"), ("bird", "horse"), ("cat", "frog")]

VAL_PER_CLASS = 50
SPLIT = SplitOptions(None, VAL_PER_CLASS, test_fraction=0.3)

RESNET_EPOCHS = 8
STEM: Stem = "imagenet"

CIFAR10_ATTRIBUTES = {
    "animal": "bird cat deer dog frog horse",
    "flies": "airplane bird",
    "wheels": "airplane automobile truck",
    "on the road": "automobile truck",
    "on water": "frog ship",
    "windows": "airplane automobile ship truck",
    "carries people": "airplane automobile horse ship truck",
    "carries cargo": "airplane ship truck",
    "boxy": "automobile ship truck",
    "smooth": "airplane automobile frog ship truck",
    "against the sky": "airplane bird ship",
    "against grass": "deer dog frog horse",
    "fur": "cat deer dog horse",
    "hooves": "deer horse",
    "paws": "cat dog",
    "pet": "bird cat dog",
    "pointed ears": "cat deer dog horse",
    "long neck": "bird deer horse",
    "larger than a human": "airplane automobile deer horse ship truck",
    "smaller than a cat": "bird frog",
    "lays eggs": "bird frog",
    "eats meat": "bird cat dog frog",
    "tail": "airplane bird cat deer dog horse",
}


def awa1_pair(root: str, pair: Sequence[str], seed: int) -> LoLImageDataModule:
    """Return the rows of a pair or of more classes, and those of the 40 seen classes to train labelers on."""
    labelers, split = LabelerTraining(epochs=5), SplitOptions(None, VAL_PER_CLASS)
    return LoLImageDataModule(awa1_features(root), pair, labelers=labelers, split=split, seed=seed)


@lru_cache(maxsize=1)
def awa1_features(root: str) -> AttributeData:
    """Read Animals with Attributes, once in a process."""
    return read_features(Path(root) / "awa1_svd256.npz")


def blended_pair(root: str, pair: Pair, quality: float, seed: int) -> LoLImageDataModule:
    """Return a pair's rows with labelers of some quality in [-1, 1]."""
    seen, other = (_trained(root, kind, pair, seed) for kind in ("seen", "all" if quality > 0 else "shuffled"))
    data = awa1_features(root)
    labelers = AttributeLabelers(list(data.matrix.attributes), num_features=data.inputs.shape[1])  # type: ignore[union-attr]
    fraction = abs(quality)
    with torch.no_grad():
        for name in ("weight", "bias"):
            mixed = (1 - fraction) * getattr(seen.heads, name) + fraction * getattr(other.heads, name)
            getattr(labelers.heads, name).copy_(mixed)
        # Each is calibrated on seen classes as it is: a spoilt labeler does not know that it is.
        for name in ("slope", "intercept", "thresholds", "val_accuracies"):
            mixed = (1 - fraction) * getattr(seen, name) + fraction * getattr(other, name)
            getattr(labelers, name).copy_(mixed)
    return LoLImageDataModule(data, pair, labelers=labelers.eval(), split=SPLIT, seed=seed)


@lru_cache(maxsize=16)
def _trained(root: str, kind: str, pair: Pair, seed: int) -> AttributeLabelers:
    data = awa1_features(root)
    names, rows = data.matrix.classes, None
    if kind == "shuffled":
        order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
        matrix = ClassAttributeMatrix(names, data.matrix.attributes, data.matrix.values[order])
        data = AttributeData(data.inputs, data.labels, matrix, data.is_seen)
    if kind == "all":
        # The rows that the pair is tested on stay out of it.
        test = torch.zeros(len(data.labels), dtype=torch.bool)
        test[divide(data, pair, SPLIT, seed)["test"]] = True
        data = AttributeData(data.inputs, data.labels, data.matrix, data.is_seen, test)
        rows = [name for name, is_seen in zip(names, data.is_seen.tolist(), strict=True) if is_seen or name in pair]
    torch.manual_seed(seed)
    labelers = AttributeLabelers(list(data.matrix.attributes), num_features=data.inputs.shape[1])  # type: ignore[union-attr]
    with quiet():
        return train_labelers(labelers, SeenClasses(data, rows, seed=seed), max_epochs=5)


def cifar10_data(root: str | Path, pair: Pair) -> AttributeData:
    """Return CIFAR-10 with attributes; the classes of a pair are unseen."""
    with np.load(Path(root) / "cifar10_15k.npz", allow_pickle=False) as archive:
        images = np.concatenate([archive["x_train"], archive["x_test"]]).transpose(0, 3, 1, 2)
        labels = np.concatenate([archive["y_train"], archive["y_test"]])
        test = np.arange(len(labels)) >= len(archive["y_train"])
        classes = tuple(map(str, archive["classes"]))
    values = torch.tensor([[name in having.split() for having in CIFAR10_ATTRIBUTES.values()] for name in classes])
    matrix = ClassAttributeMatrix(classes, tuple(CIFAR10_ATTRIBUTES), values)
    seen = torch.tensor([name not in pair for name in classes])
    return AttributeData(torch.from_numpy(images), torch.from_numpy(labels), matrix, seen, torch.from_numpy(test))


def train_cifar10(root: str, cache: str, epochs: int, stem: Stem, pair: Pair) -> dict[str, Any]:
    """Train a ResNet18 with a head for each attribute, and keep the representations of the pair's images."""
    from torchvision.transforms import v2

    path = _kept(cache, pair)
    if path.exists():
        return torch.load(path, weights_only=True)["steps"]
    data, transform = cifar10_data(root, pair), Standardise()
    augment = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()])
    seen = SeenClasses(data, val_fraction=0.1, augment=augment, transform=transform)
    torch.manual_seed(0)
    labelers: AttributeLabelers = ResNet18AttributeLabelers(data.matrix.attributes, weights=None, stem=stem, lr=2e-3)
    start = time.perf_counter()
    with quiet():
        train_labelers(labelers, seen, epochs)
    trained = time.perf_counter()
    rows = data.rows_of(pair)
    features = labelers.representations(data.inputs[rows], transform)  # type: ignore[index]
    steps = {
        "pair": " v. ".join(pair),
        "seconds of training": trained - start,
        "seconds of representations": time.perf_counter() - trained,
        "accuracy on seen classes %": 100 * labelers.val_accuracies.nanmean().item(),
    }
    state = {name: value for name, value in labelers.state_dict().items() if not name.startswith("backbone")}
    kept = {"features": features, "labels": data.labels[rows], "test": data.test[rows], "state": state, "steps": steps}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(kept, path)
    return steps


def cifar10_pair(
    root: str, cache: str, pair: Pair, seed: int, val_per_class: int = VAL_PER_CLASS
) -> LoLImageDataModule:
    """Return the representations of a pair's images, with the labelers that were trained on the other classes."""
    kept = torch.load(_kept(cache, pair), weights_only=True)
    whole = cifar10_data(root, pair)
    data = AttributeData(kept["features"], kept["labels"], whole.matrix, whole.is_seen, kept["test"])
    labelers = AttributeLabelers(list(whole.matrix.attributes), num_features=kept["features"].shape[1])
    labelers.load_state_dict(kept["state"])
    return LoLImageDataModule(data, pair, labelers=labelers.eval(), split=SplitOptions(None, val_per_class), seed=seed)


def _kept(cache: str, pair: Pair) -> Path:
    return Path(cache) / f"cifar10_{'_'.join(pair)}.pt"
