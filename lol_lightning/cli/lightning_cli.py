"""LoLCLI: Lightning's command line for ``LoLClassifier``, other models and any data module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from lol_lightning._files.checkpoints import read_checkpoint
from lol_lightning._lightning import (
    BasePredictionWriter,
    LightningDataModule,
    LightningModule,
    Trainer,
    lightning_module,
)
from lol_lightning._parsing import BriefParser
from lol_lightning.cli.best_checkpoint import BestCheckpoint
from lol_lightning.cli.checkpoints import checkpoint_of
from lol_lightning.cli.optimizers import use_optimizer
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.models.checkpoint_io import use_careful_checkpoints
from lol_lightning.models.prediction_writer import PredictionWriter

__all__ = ["LoLCLI"]

LightningCLI: Any = lightning_module("cli").LightningCLI
LightningArgumentParser: Any = lightning_module("cli").LightningArgumentParser


SaveConfigCallback: Any = lightning_module("cli").SaveConfigCallback


class _SaveConfig(SaveConfigCallback):  # type: ignore[misc]
    """Keeps the configuration of a fit beside its logs, unless the user's own file lies there."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the configuration before a fit; other commands leave that of the fit as it is."""
        directory = trainer.log_dir
        target = None if directory is None else (Path(directory) / self.config_filename).resolve()
        read = {Path(str(path)).resolve() for path in self.config.get("config") or ()}
        if stage == "fit" and target not in read:
            super().setup(trainer, pl_module, stage)


class _Parser(BriefParser, LightningArgumentParser):  # type: ignore[misc]
    """Lightning's parser, whose errors are one line."""


class LoLCLI(LightningCLI):  # type: ignore[misc]
    """LightningCLI whose model is a ``LoLClassifier`` unless ``--model`` names another class.

    Arguments of the model stand in the section ``model`` as they are, or below ``class_path`` and ``init_args``.

    Args:
        args: of the command line, those of the process if ``None``.
    """

    def __init__(self, args: list[str] | None = None) -> None:
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            # The model's hyperparameters are plain types: a checkpoint reloads without the recipe of its configuration.
            load_from_checkpoint_support=False,
            save_config_callback=_SaveConfig,
            save_config_kwargs={"overwrite": True},
            parser_kwargs={"prog": "lol-lightning"},
            args=args,
        )

    def init_parser(self, **kwargs: Any) -> Any:
        """Return Lightning's parser, whose errors are one line."""
        parser = _Parser(**kwargs)
        parser.add_argument("-c", "--config", action="config", help="YAML or JSON file of options.")
        return parser

    def parse_arguments(self, parser: Any, args: Any) -> None:
        """Parse ``args`` as they are; unlike Lightning's, without a warning where ``sys.argv`` holds others."""
        self.config = parser.parse_args(args)

    def add_arguments_to_parser(self, parser: Any) -> None:
        """Add the checkpoint callback, and an optimizer and a scheduler by class path."""
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.set_defaults({"model": {"class_path": "lol_lightning.LoLClassifier"}})
        parser.add_optimizer_args((Optimizer,))
        parser.add_lr_scheduler_args()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the Trainer, without the checkpoint callback where checkpoints are switched off."""
        settings = self.config_init[self.subcommand].trainer
        if settings.enable_checkpointing is False or settings.barebones:
            keys = self._parser(self.subcommand).callback_keys
            keys[:] = [key for key in keys if key != "checkpoint"]
        trainer = super().instantiate_trainer(**kwargs)
        use_careful_checkpoints(trainer)
        return trainer

    def after_instantiate_classes(self) -> None:
        """Hand optimizer and scheduler to the model as recipes: its network has a size only once data are read."""
        recipes = (self.config_init[self.subcommand].get(name) for name in ("optimizer", "lr_scheduler"))
        use_optimizer(self.model, *(recipe.as_dict() if recipe else None for recipe in recipes))

    def before_predict(self) -> None:
        """Write predictions to the file that ``--output`` names.

        Raises:
            ConfigurationError: if there is neither that nor a callback that writes predictions.
        """
        if output := self.config_init[self.subcommand].output:
            self.trainer.callbacks.append(PredictionWriter(output))
        elif not any(isinstance(callback, BasePredictionWriter) for callback in self.trainer.callbacks):
            raise ConfigurationError("nothing would be kept of the predictions: give --output predictions.csv.")

    def _parse_ckpt_path(self) -> None:
        """Take the model's arguments from the checkpoint instead of the configuration.

        Lightning's own method takes them for those of the default class, and cannot replace a penalty by another one.
        """
        section = self.config[self.config.subcommand]
        path = section.ckpt_path = checkpoint_of(section, self.config.subcommand)
        if path is None or not Path(path).is_file():
            return
        checkpoint = read_checkpoint(path)
        saved = checkpoint.get("hyper_parameters", {})
        model = section.model.as_dict()
        arguments = model.get("init_args", {})
        model["init_args"] = {**arguments, **{name: saved[name] for name in arguments if name in saved}}
        section.model = None
        self.config = self.parser.parse_object({self.config.subcommand: {"model": model}}, self.config)

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> Any:
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand == "predict":
            parser.add_argument(
                "--output",
                type=str | None,
                help="CSV to write: row, the probability of each class, the predicted class.",
            )
        return parser
