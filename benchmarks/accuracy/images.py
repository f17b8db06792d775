"""Attribute labelers on images: the pairs of the paper's Table 4 on awa1, and three pairs of CIFAR-10.

    python benchmarks/accuracy/images.py
    python benchmarks/accuracy/images.py --sets '[awa1]' --seeds 2 --trials 4
    python benchmarks/accuracy/images.py --sets '[awa1-10]' --methods '[lol-simple, lol]' --train_rows 100

Labelers are trained on the classes that are not to be told apart: linear ones on awa1's own features, anew for each
seed, and a ResNet18 with one head for each attribute on CIFAR-10, once for each pair. Every method gets as many trials;
one is chosen on the labeled validation rows, and the test rows are read once. Interrupted, it goes on where it stopped.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from jsonargparse import auto_cli

from benchmarks.accuracy.image_sets import (
    AWA1,
    AWA1_UNSEEN,
    CIFAR10,
    RESNET_EPOCHS,
    STEM,
    awa1_pair,
    cifar10_pair,
    train_cifar10,
)
from benchmarks.accuracy.sweep import in_processes
from benchmarks.output import RESULTS, console, show, vision_root
from lol_lightning.experiments.plan import Budget
from lol_lightning.experiments.report import print_results, write_report
from lol_lightning.experiments.results import read_knowledge
from lol_lightning.experiments.run import run_benchmark
from lol_lightning.vision.backbones import Stem

# alpha and c are those of the data module in every trial, so that LoL tunes what LoL-simple does; "lol-tuned" searches
# for them where image_penalty_grid.py looked. By default labelers count by how much they exceed guessing.
BY_DATA = {"ranges": {"alpha": None, "c": None}}
VARIANTS: dict[str, dict[str, Any]] = {
    "lol": {"method": "lol", **BY_DATA},
    "lol-sw": {"method": "lol-sw", **BY_DATA},
    "lol-tuned": {"method": "lol", "ranges": {"alpha": [0.03, 3.0], "c": [0.2, 1.0]}},
    "lol-simple-uniform": {"method": "lol-simple", "lf_weights": "uniform"},
    "lol-uniform": {"method": "lol", "lf_weights": "uniform", **BY_DATA},
}
METHODS = ["mv", "snorkel", "t-mean", "t-median", "e2e", "dawid-skene", "lol-simple", *VARIANTS]


def main(
    root: str | None = None,
    sets: tuple[str, ...] = ("awa1", "cifar10"),
    methods: list[str] = METHODS,
    seeds: int = 5,
    trials: int = 12,
    train_rows: str = "all",
    resnet_epochs: int = RESNET_EPOCHS,
    stem: Stem = STEM,
    jobs: int = 2,
    cache: str = "runs/images",
    output: str = str(RESULTS / "table4.csv"),
) -> None:
    """Compare methods on pairs of classes.

    Args:
        root: directory of the image sets.
        sets: the pairs of "awa1" and "cifar10", and "awa1-10" for all ten unseen classes at once, where attributes vote
            for several classes: for LoL and its variants only.
        methods: methods of the benchmark, and variants of this file.
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
    if "awa1-10" in sets:
        pairs["awa1 ten classes"] = partial(awa1_pair, root, AWA1_UNSEEN)
    if "cifar10" in sets:
        steps = in_processes(partial(train_cifar10, root, cache, resnet_epochs, stem), CIFAR10, jobs)
        show(f"ResNet18, {resnet_epochs} epochs over eight classes of CIFAR-10", steps)
        pairs |= {f"cifar10 {a} v. {b}": partial(cifar10_pair, root, cache, (a, b)) for a, b in CIFAR10}
    size = int(train_rows) if train_rows.isdecimal() else train_rows
    options: dict[str, Any] = {"variants": VARIANTS, "seeds": seeds, "budget": Budget(trials), "train_rows": size}
    frame = run_benchmark(
        pairs, methods, **options, jobs=jobs, output=output, storage=trial_storage(cache), console=console
    )
    knows = read_knowledge(output)
    print_results(frame, console, knows=knows)
    write_report(frame, Path(output).parent, Path(output).stem, knows=knows)


def trial_storage(cache: str) -> Path:
    """Return the file in which trials are kept."""
    Path(cache).mkdir(parents=True, exist_ok=True)
    return Path(cache) / "trials.sqlite"


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
