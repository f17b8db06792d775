"""Attribute labelers on images: the pairs of the paper's Table 4 on awa1, and three pairs of CIFAR-10.

    python benchmarks/images.py
    python benchmarks/images.py --sets '[awa1]' --seeds 2 --trials 4

Labelers are trained on the classes that are not to be told apart: linear ones on awa1's given features, anew for each
seed, and a ResNet18 with one head for each attribute on CIFAR-10, once for each pair. Every method gets as many trials;
one is chosen on the labeled validation rows, and the test rows are read once. Interrupted, it goes on where it stopped.
"""

from __future__ import annotations

import time
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy import in_processes
from jsonargparse import auto_cli
from timing import RESULTS, console, show, vision_root

from lol_lightning.benchmark.report import print_results, write_report
from lol_lightning.benchmark.run import run_benchmark
from lol_lightning.benchmark.training import quiet
from lol_lightning.vision.awa import AttributeData, read_features
from lol_lightning.vision.backbones import Stem
from lol_lightning.vision.datamodule import LoLImageDataModule
from lol_lightning.vision.images import Standardise
from lol_lightning.vision.labelers import AttributeLabelers, ResNet18AttributeLabelers
from lol_lightning.vision.matrices import ClassAttributeMatrix
from lol_lightning.vision.seen_classes import SeenClasses, train_labelers

Pair = tuple[str, str]

AWA1: list[Pair] = [("seal", "humpback+whale"), ("raccoon", "rat"), ("humpback+whale", "hippopotamus")]
CIFAR10: list[Pair] = [("deer", "truck"), ("bird", "horse"), ("cat", "frog")]

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

# By default the gradient of a labeler counts by how much the labeler exceeds guessing.
VARIANTS: dict[str, dict[str, Any]] = {
    "lol-uniform": {"method": "lol", "penalty_weights": "uniform"},
    "lol-simple-weighted": {"method": "lol-simple", "lf_weights": "above-chance"},
    "lol-weighted": {"method": "lol", "lf_weights": "above-chance"},
}
METHODS = ["mv", "snorkel", "t-mean", "t-median", "e2e", "dawid-skene", "lol-simple", "lol", "lol-sw", *VARIANTS]


def awa1_pair(root: str, pair: Pair, seed: int) -> LoLImageDataModule:
    """Return the rows of a pair, and those of the 40 seen classes to train labelers on."""
    return LoLImageDataModule(awa1_features(root), pair, labeler_epochs=5, val_per_class=50, seed=seed)


@lru_cache(maxsize=1)
def awa1_features(root: str) -> AttributeData:
    """Read Animals with Attributes, once in a process."""
    return read_features(Path(root) / "awa1_svd256.npz")


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
    seen = SeenClasses(data, val_share=0.1, augment=augment, transform=transform)
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


def cifar10_pair(root: str, cache: str, pair: Pair, seed: int, val_per_class: int = 50) -> LoLImageDataModule:
    """Return the representations of a pair's images, with the labelers that were trained on the other classes."""
    kept = torch.load(_kept(cache, pair), weights_only=True)
    whole = cifar10_data(root, pair)
    data = AttributeData(kept["features"], kept["labels"], whole.matrix, whole.seen, kept["test"])
    labelers = AttributeLabelers(list(whole.matrix.attributes), num_features=kept["features"].shape[1])
    labelers.load_state_dict(kept["state"])
    return LoLImageDataModule(data, pair, labelers=labelers.eval(), val_per_class=val_per_class, seed=seed)


def _kept(cache: str, pair: Pair) -> Path:
    return Path(cache) / f"cifar10_{'_'.join(pair)}.pt"


def main(
    root: str | None = None,
    sets: tuple[str, ...] = ("awa1", "cifar10"),
    methods: list[str] = METHODS,
    seeds: int = 5,
    trials: int = 12,
    train_rows: str = "all",
    resnet_epochs: int = 8,
    stem: Stem = "imagenet",
    jobs: int = 2,
    cache: str = "runs/images",
    output: str = str(RESULTS / "table4.csv"),
) -> None:
    """Compare methods on pairs of classes.

    Args:
        root: directory of the image sets.
        sets: "awa1" and "cifar10", or one of them.
        methods: methods of the benchmark, and those of this file.
        seeds: repetitions.
        trials: for each method, pair and seed.
        train_rows: number of unlabeled rows, or "all".
        resnet_epochs: passes over the seen classes of CIFAR-10.
        stem: of the ResNet18; an epoch takes about 1 ("imagenet"), 3.5 ("tiny") or 8 ("small") minutes of a core.
        jobs: processes.
        cache: directory for the representations of CIFAR-10.
        output: CSV.
    """
    root = str(root or vision_root())
    pairs: dict[str, Any] = {}
    if "awa1" in sets:
        pairs |= {f"awa1 {a} v. {b}": partial(awa1_pair, root, (a, b)) for a, b in AWA1}
    if "cifar10" in sets:
        steps = in_processes(partial(train_cifar10, root, cache, resnet_epochs, stem), CIFAR10, jobs)
        show(f"ResNet18, {resnet_epochs} epochs over eight classes of CIFAR-10", steps)
        pairs |= {f"cifar10 {a} v. {b}": partial(cifar10_pair, root, cache, (a, b)) for a, b in CIFAR10}
    size = int(train_rows) if train_rows.isdecimal() else train_rows
    options: dict[str, Any] = {"variants": VARIANTS, "seeds": seeds, "trials": trials, "train_rows": size}
    frame = run_benchmark(
        pairs, methods, **options, jobs=jobs, output=output, storage=trial_storage(cache), console=console
    )
    print_results(frame, console)
    write_report(frame, Path(output).parent, Path(output).stem)


def trial_storage(cache: str) -> Path:
    """Return the file in which trials are kept."""
    Path(cache).mkdir(parents=True, exist_ok=True)
    return Path(cache) / "trials.sqlite"


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
