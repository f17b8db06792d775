"""The command line: ``lol-lightning fit | validate | test | predict | inspect | demo | benchmark | report``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any, cast

import pandas as pd
import pytorch_lightning as pl
import torch
import yaml
from jaxtyping import Float
from jsonargparse import ArgumentParser, auto_cli
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, instantiate_class
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.optim import Optimizer

from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.exceptions import ConfigurationError, DataError, LoLError
from lol_lightning.experiments.commands import benchmark, report, spelled
from lol_lightning.experiments.demo import demo
from lol_lightning.experiments.image_demo import image_demo
from lol_lightning.models.classifier import LoLClassifier

__all__ = ["LoLCLI", "inspect", "main"]

USAGE = """\
usage: lol-lightning COMMAND [OPTIONS]

Losses over Labels for Snorkel labeling functions.

  fit       train a classifier: lol-lightning fit --config configs/youtube.yaml
  validate  evaluate a checkpoint on the validation rows
  test      evaluate a checkpoint on the test rows: test --config ... --ckpt_path runs/youtube/best.ckpt
  predict   write the class probabilities of the prediction rows to a CSV: predict ... --output predictions.csv
  inspect   show the labeling functions and what each one inspects: inspect --data configs/youtube.yaml
  demo      compare four methods on few unlabeled rows; demo --images does so on hand-written digits
  benchmark compare methods with equal budgets: benchmark --data DIR ... --methods mv lol ... --output results.csv
  report    write tables and pictures of such results: report results.csv

`lol-lightning COMMAND --help` shows the options of a command.
"""


class LoLTrainer(pl.Trainer):
    """Lightning's Trainer, whose ``predict`` can write a CSV."""

    def predict(self, *args: Any, output: str | None = None, **kwargs: Any) -> Any:
        """Run the model over the prediction rows.

        Args:
            args: passed on to ``Trainer.predict``.
            output: CSV to write: row, the probability of each class, the predicted class.
            kwargs: passed on to ``Trainer.predict``.
        """
        if output is not None and self.world_size > 1:
            raise ConfigurationError(
                f"--output {output} needs all rows in one process, there are {self.world_size}: "
                "set --trainer.devices 1."
            )
        batches = super().predict(*args, **kwargs)
        if output is not None:
            write_predictions(torch.cat(cast("list[Tensor]", batches)), output)
        return batches


class LoLCLI(LightningCLI):
    """LightningCLI for ``LoLClassifier`` and any data module; keeps the checkpoint that validates best."""

    def __init__(self, args: list[str] | None = None) -> None:
        super().__init__(
            LoLClassifier,
            pl.LightningDataModule,
            trainer_class=LoLTrainer,
            subclass_mode_data=True,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            # The model's hyperparameters are plain types: a checkpoint reloads without the recipe of its configuration.
            load_from_checkpoint_support=False,
            save_config_kwargs={"overwrite": True},
            parser_kwargs={"prog": "lol-lightning"},
            args=args,
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse ``args`` as they are; unlike Lightning's, without a warning where ``sys.argv`` holds others."""
        self.config = parser.parse_args(args)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the checkpoint callback and an optimizer and scheduler by class path."""
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.set_defaults(
            {
                "checkpoint.monitor": "val_accuracy",
                "checkpoint.mode": "max",
                "checkpoint.filename": "best",
                "checkpoint.enable_version_counter": False,
            }
        )
        parser.add_optimizer_args((Optimizer,))
        parser.add_lr_scheduler_args()

    def after_instantiate_classes(self) -> None:
        """Hand the optimizer to the model as a recipe: its network exists only once the data are known."""
        chosen = self.config_init[self.subcommand]
        if not chosen.get("optimizer"):
            return

        def configure_optimizers(model: pl.LightningModule) -> Any:
            optimizer: Optimizer = instantiate_class(model.parameters(), chosen.optimizer)
            scheduler = chosen.get("lr_scheduler")
            schedule = instantiate_class(optimizer, scheduler) if scheduler else None
            return self.configure_optimizers(model, optimizer, schedule)

        self.model.configure_optimizers = MethodType(configure_optimizers, self.model)


def inspect(data: str) -> None:
    """Show the labeling functions, what each one inspects, and which features that became.

    Args:
        data: a WRENCH directory, or a YAML file with a ``data`` section, such as those in ``configs/``.
    """
    datamodule = load_data(data)
    datamodule.setup("fit")
    console = Console()
    print_frame(console, "Labeling functions", datamodule.lf_summary())
    print_frame(console, "What they inspect, and its features", datamodule.audit, index=False)


def load_data(data: str) -> LoLDataModule:
    """Build a data module from a WRENCH directory or from the ``data`` section of a YAML file.

    Raises:
        DataError: if there is no such directory or file, or the file has no ``data`` section.
    """
    path = Path(data)
    if path.is_dir():
        return WrenchDataModule(path)
    if not path.is_file():
        raise DataError(f"--data {data} is neither a directory nor a file.")
    section = (yaml.safe_load(path.read_text()) or {}).get("data")
    if section is None:
        raise DataError(f"{data} has no `data` section; see configs/youtube.yaml for one.")
    parser = ArgumentParser()
    parser.add_subclass_arguments(LoLDataModule, "data", required=True)
    return parser.instantiate_classes(parser.parse_object({"data": section})).data


def write_predictions(probabilities: Float[Tensor, "row cls"], path: str) -> None:
    """Write class probabilities float (n, K) as a CSV: row, one column for each class, prediction."""
    names = [f"class_{k}" for k in range(probabilities.shape[1])]
    frame = pd.DataFrame(probabilities.float().cpu().numpy(), columns=names)
    frame["prediction"] = probabilities.argmax(-1).cpu().numpy()
    frame.to_csv(path, index_label="row")


def print_frame(console: Console, title: str, frame: pd.DataFrame, index: bool = True) -> None:
    """Print a DataFrame as a table; numbers with three decimals."""
    frame = frame.reset_index() if index else frame
    table = Table(title=title, title_justify="left")
    for column in frame.columns:
        number = pd.api.types.is_numeric_dtype(frame[column])
        table.add_column(str(column), justify="right" if number else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row))
    console.print(table)


def main(args: list[str] | None = None) -> None:
    """Run a command; an error in the user's input ends it with one line on stderr and exit code 2.

    Args:
        args: command and options; those of the process if ``None``.
    """
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    command, *options = args
    if command == "demo" and "--images" in options:
        command, options = "demo --images", [option for option in options if option != "--images"]
    # Lightning calls jsonargparse by names that are deprecated there; whoever runs a command cannot mend that.
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    try:
        with warnings.catch_warnings():
            for advice in USELESS_ADVICE:
                warnings.filterwarnings("ignore", advice)
            if command in FUNCTIONS:
                function, prog = FUNCTIONS[command], f"lol-lightning {command}"
                spelling = spelled(options) if command == "benchmark" else options
                auto_cli(function, args=spelling, prog=prog, as_positional=command == "report")
            else:
                LoLCLI(args)
    except ValueError as error:
        cause = first_cause(error)
        if cause is None:
            raise
        print(f"lol-lightning {command}: {cause}", file=sys.stderr)
        raise SystemExit(2) from None


def first_cause(error: BaseException | None) -> LoLError | None:
    """Find the package's own error: jsonargparse wraps what a constructor raises."""
    while error is not None and not isinstance(error, LoLError):
        error = error.__cause__
    return error


FUNCTIONS: dict[str, Callable[..., None]] = {
    "inspect": inspect,
    "demo": demo,
    "demo --images": image_demo,
    "benchmark": benchmark,
    "report": report,
}

USELESS_ADVICE = (
    "Checkpoint directory .* exists and is not empty",  # a run replaces the best checkpoint of the one before
    "The '.*_dataloader' does not have many workers",  # none are fastest for a bag of words
)
