"""A transformer that is fine-tuned on few rows, by the votes alone and with demands on inserted words.

    python benchmarks/accuracy/fine_tuning.py
    python benchmarks/accuracy/fine_tuning.py --sets '[youtube]' --seeds 1 --steps 20

Nothing is tuned: both methods have the same defaults, steps and rows; the checkpoint with the best validation accuracy
of four is tested once. Demands met are measured on all insertions, before and after. The encoder is MiniLM (see
``benchmarks/minilm.py``), or any other by name or folder.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jsonargparse import auto_cli

from benchmarks.minilm import minilm_folder
from benchmarks.output import RESULTS, Row, show, wrench_root
from lol_lightning import LoLClassifier
from lol_lightning._lightning import BACKEND, Trainer
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.tokens import TokenDataModule
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.losses import InsertionPenalty


def data_module(name: str, encoder: str, rows: int, seed: int) -> TokenDataModule:
    """Return a set with some of its training rows, as tokens."""
    whole = WrenchDataModule(wrench_root() / name, max_train_rows=rows, seed=seed, progress_bar=False)
    whole.setup("fit")
    whole.setup("test")
    splits = {split: whole._rows[split] for split in ("train", "val", "test")}
    votes = {split: whole._once[split] for split in splits}
    lfs: list[Any] = [{lf.name: lf for lf in whole.lfs}.get(lf, lf) for lf in whole.lf_names]
    return TokenDataModule(
        **splits, lfs=lfs, votes=votes, tokenizer=encoder, max_length=128, classes=whole.label_names, progress_bar=False
    )


def met_demands(model: LoLClassifier, data: TokenDataModule) -> float:
    """Return the part of the terms that add what their LFs demand, in percent; NaN without insertions."""
    bank = data.dataset("train").insertions
    if bank is None:
        return float("nan")
    votes = torch.zeros((1, data.num_lfs), dtype=torch.long)
    rows = next(iter(data.val_dataloader())).features
    met = []
    with torch.no_grad():
        for step in range(10):
            batch = LoLBatch({name: ids[:1] for name, ids in rows.items()}, votes, insertions=bank.draw(step))
            met.append(InsertionPenalty().measure(model.network, batch, step).met())
    return 100 * float(torch.stack(met).mean())


def fit(name: str, method: str, encoder: str, rows: int, steps: int, seed: int) -> Row:
    """Fine-tune once, and test the best of four checkpoints."""
    with tempfile.TemporaryDirectory() as directory:
        torch.manual_seed(seed)
        data = data_module(name, encoder, rows, seed)
        model = LoLClassifier(network=encoder, method=method, seed=seed, lr=5e-5)
        callbacks = __import__(f"{BACKEND}.callbacks", fromlist=["ModelCheckpoint"])
        best = callbacks.ModelCheckpoint(directory, monitor="val_accuracy", mode="max", save_weights_only=True)
        trainer = Trainer(
            max_steps=steps,
            val_check_interval=max(1, steps // 4),
            check_val_every_n_epoch=None,
            callbacks=[best],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, data)
        (tested,) = trainer.test(model, data, ckpt_path=best.best_model_path, verbose=False)
        validated = float(best.best_model_score)
        return {
            "dataset": name,
            "method": method,
            "seed": seed,
            "val_accuracy": 100 * validated,
            "test_accuracy": 100 * tested["test_accuracy"],
            "met_demands": met_demands(model, data),
        }


def main(
    sets: list[str] = ["youtube", "sms"],  # noqa: B006 - jsonargparse shows it
    methods: list[str] = ["lol-simple", "lol"],  # noqa: B006
    rows: int = 100,
    steps: int = 120,
    seeds: int = 3,
    encoder: str | None = None,
    output: str = str(RESULTS / "fine_tuning.csv"),
) -> None:
    """Fine-tune by each method on each set.

    Args:
        sets: of the WRENCH sets.
        methods: "lol-simple" and "lol".
        rows: number of unlabeled rows.
        steps: of 16 rows each.
        seeds: repetitions, each with rows of its own.
        encoder: name or folder; MiniLM by default.
        output: CSV, written after each fit.
    """
    lines: list[Row] = []
    with tempfile.TemporaryDirectory() as unpacked:
        folder = str(minilm_folder(unpacked) if encoder is None else encoder)
        for name in sets:
            for seed in range(seeds):
                for method in methods:
                    lines.append(fit(name, method, folder, rows, steps, seed))
                    pd.DataFrame(lines).to_csv(Path(output), index=False)
    frame = pd.DataFrame(lines)
    groups = frame.groupby(["dataset", "method"], sort=False)
    table = [
        {
            "dataset": name,
            "method": method,
            **{c: f"{of[c].mean():.1f} ± {np.std(of[c]):.1f}" for c in frame.columns[3:]},
        }
        for (name, method), of in groups
    ]
    show(f"{rows} unlabeled rows, {steps} steps, {seeds} seeds", table)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
