"""The command ``lol-lightning inspect``: the labeling functions of a data module, and what each one inspects."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from jsonargparse import ArgumentParser
from rich.console import Console
from rich.table import Table

from lol_lightning._files.disk import building
from lol_lightning._files.yaml_files import read_yaml
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.exceptions import DataError

__all__ = ["inspect", "load_data"]


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
        DataError: if there is no such directory or file, or the file is no YAML or has no ``data`` section.
    """
    path = Path(data)
    if path.is_dir():
        return WrenchDataModule(path)
    if not path.is_file():
        raise DataError(f"--data {data} is neither a directory nor a file.")
    content = read_yaml(path)
    section = content.get("data") if isinstance(content, dict) else None
    if section is None:
        raise DataError(f"{data} has no `data` section; see configs/youtube.yaml for one.")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LoLDataModule, "data", required=True)
    with building(path, "a file with a `data` section", "See configs/youtube.yaml for one."):
        return parser.instantiate_classes(parser.parse_object({"data": section})).data


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
