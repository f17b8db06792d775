"""A plugin that reads and writes Lightning checkpoints through the one careful reader and the one careful writer."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import torch

from lol_lightning._files.checkpoints import is_local, read_checkpoint
from lol_lightning._files.disk import make_directory_of, replacing
from lol_lightning._lightning import TorchCheckpointIO, Trainer
from lol_lightning.functional.short_repr import short_repr

__all__ = ["CarefulCheckpointIO", "use_careful_checkpoints"]


class CarefulCheckpointIO(TorchCheckpointIO):
    """A Lightning plugin that keeps the last good checkpoint, and says what is wrong with a broken one.

    A checkpoint goes to a temporary file in the same directory, reaches the disk, and then replaces the old one: after
    a full disk or a kill the old one is as it was. One that is read is checked as a whole before anything is changed;
    code in it is refused. Addresses, such as those of S3, are left to Lightning.

    Example:
        >>> from lol_lightning._lightning import Trainer
        >>> trainer = Trainer(plugins=[CarefulCheckpointIO()], accelerator="cpu", logger=False)
    """

    __repr__ = short_repr

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint as a whole.

        Raises:
            DataError: if it cannot be written; one that was there is then as it was.
        """
        if not is_local(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        make_directory_of(path)
        with replacing(path) as file:
            _save(checkpoint, file)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint, its tensors on the CPU.

        Raises:
            DataError: if the file is missing, broken or something else.
        """
        # Whoever asks for code in the file gets it.
        if not is_local(path) or weights_only is False:
            options = {} if map_location is None else {"map_location": map_location}
            return super().load_checkpoint(path, weights_only=weights_only, **options)
        return read_checkpoint(path)


def use_careful_checkpoints(trainer: Trainer) -> None:
    """Give a trainer a ``CarefulCheckpointIO``, unless the user or the strategy chose something else."""
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = CarefulCheckpointIO()


def _save(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
    problems: list[OSError] = []

    class Remembering:
        """A file that keeps its error: PyTorch replaces what is raised while it writes by an error of its own."""

        def write(self, content: Any) -> int:
            try:
                return file.write(content)
            except OSError as problem:
                problems.append(problem)
                raise

        def flush(self) -> None:
            file.flush()

    try:
        torch.save(checkpoint, Remembering())  # type: ignore[arg-type]
    except RuntimeError:
        if problems:
            raise problems[0] from None
        raise
