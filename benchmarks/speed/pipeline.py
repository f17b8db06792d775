"""From texts to a trained classifier, beside Snorkel: ``python benchmarks/speed/pipeline.py``.

Ours: the rules of ``lfs.json`` as labeling functions, their votes by ``fast_apply``, a bag of words, gradient targets,
30 epochs of LoL. Snorkel's: the same rules as one writes them for Snorkel, PandasLFApplier, LabelModel with its default
settings, the same bag of words, and the same network for 30 epochs on the model's soft labels. LFs without rules and
rows without a vote are left out on both sides.
"""

from __future__ import annotations

import json
from operator import add
from pathlib import Path

import torch
from jsonargparse import auto_cli
from snorkel.labeling import PandasLFApplier
from snorkel.labeling.model import LabelModel

from benchmarks.output import Row, show, wrench_root
from benchmarks.speed.timing import interleaved, speedup
from benchmarks.wrench_lfs import plain_lf
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.loader import LoLDataLoader
from lol_lightning.data.wrench import read_wrench_lfs, read_wrench_split
from lol_lightning.experiments.training import quiet, trainer
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.models.classifier import LoLClassifier

SETS = ["youtube", "sms"]
BATCH_SIZE = 128


def run(sets: list[str] = SETS, epochs: int = 30, rounds: int = 3, max_rows: int | None = None) -> list[Row]:
    """Compare whole pipelines and their two parts."""
    results = []
    for name in sets:
        ours, theirs = (kind(wrench_root() / name, epochs, max_rows) for kind in (OurPipeline, SnorkelPipeline))
        works = {(side, part): getattr(side, part) for side in (ours, theirs) for part in ("prepare", "train")}
        times = interleaved(works, rounds)
        case = f"pipeline, {name}, {len(ours.frame):,} rows, {len(theirs.lfs)} LFs, {epochs} epochs"
        whole = [list(map(add, times[side, "prepare"], times[side, "train"])) for side in (ours, theirs)]
        results.append(speedup(f"{case}, whole", *whole, "s", 1))
        results.append(speedup(f"{case}, until training", times[ours, "prepare"], times[theirs, "prepare"], "s"))
        results.append(speedup(f"{case}, training", times[ours, "train"], times[theirs, "train"], "s"))
    return results


class OurPipeline:
    """Labeling functions with known rules, and LoL."""

    method = "lol"

    def __init__(self, folder: Path, epochs: int, max_rows: int | None) -> None:
        self.frame = read_wrench_split(folder / "train.json").rows[["text"]].iloc[:max_rows]
        self.num_classes = len(json.loads((folder / "label.json").read_text()))
        self.lfs = self.read_lfs(folder / "lfs.json")
        self.epochs = epochs

    @staticmethod
    def read_lfs(path: Path) -> list:
        return read_wrench_lfs(path)[1]

    def prepare(self) -> None:
        data = LoLDataModule(self.frame, lfs=self.lfs, classes=self.num_classes, progress_bar=False)
        with quiet():
            data.setup("fit")
        self.dataset = data.train_dataloader().dataset

    def train(self) -> None:
        torch.manual_seed(0)
        model = LoLClassifier(None, self.dataset.features.shape[1], self.num_classes, method=self.method)
        with quiet():
            trainer(max_epochs=self.epochs).fit(model, LoLDataLoader(self.dataset, batch_size=BATCH_SIZE, shuffle=True))


class SnorkelPipeline(OurPipeline):
    """The same rules by hand, fused by Snorkel's label model."""

    method = "lol-simple"

    @staticmethod
    def read_lfs(path: Path) -> list:
        return [plain_lf(lf["name"], lf["rules"]) for lf in json.loads(path.read_text()) if lf["rules"]]

    def prepare(self) -> None:
        votes = PandasLFApplier(self.lfs).apply(self.frame, progress_bar=False)
        votes, covered = votes[(votes >= 0).any(1)], self.frame[(votes >= 0).any(1)]
        label_model = LabelModel(cardinality=self.num_classes, verbose=False)
        label_model.fit(votes, progress_bar=False)
        soft_labels = label_model.predict_proba(votes).astype("float32")
        self.dataset = LoLDataset(BagOfWords().fit_transform(covered), soft_labels[:, None, :])


def main(sets: list[str] = SETS, epochs: int = 30, rounds: int = 3) -> None:
    """Compare pipelines.

    Args:
        sets: WRENCH sets.
        epochs: of the classifier.
        rounds: how often each is timed.
    """
    show("Pipelines", run(sets, epochs, rounds))


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
