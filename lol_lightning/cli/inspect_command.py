"""The command ``lol-lightning inspect``: the labeling functions of a data module, and what each one inspects."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from lol_lightning._files.disk import building
from lol_lightning._files.yaml_files import read_yaml
from lol_lightning._parsing import BriefParser
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.experiments.console import output_console

__all__ = ["data_of_config", "data_of_directory", "inspect"]


def inspect(data: str | None = None, config: str | None = None) -> None:
    """Show the labeling functions, what each one inspects, and which features that became.

    Args:
        data: a WRENCH directory.
        config: a YAML file with a ``data`` section, as ``lol-lightning fit`` reads it.
    """
    if (data is None) == (config is None):
        raise ConfigurationError("give --data DIRECTORY or --config FILE, one of them.")
    datamodule = data_of_directory(data) if data is not None else data_of_config(str(config))
    datamodule.setup("fit")
    console = output_console()
    print_frame(console, "Labeling functions", datamodule.lf_summary())
    print_frame(console, "What they inspect, and its features", datamodule.audit, index=False)


def data_of_directory(data: str) -> LoLDataModule:
    """Build a data module of a WRENCH directory.

    Raises:
        DataError: if there is no such directory.
    """
    if Path(data).is_file():
        raise DataError(f"--data {data} is a file, and no WRENCH directory; give a configuration as --config {data}.")
    if not Path(data).is_dir():
        raise DataError(f"--data {data}: there is no such directory.")
    return WrenchDataModule(data)


def data_of_config(config: str) -> LoLDataModule:
    """Build a data module from the ``data`` section of a YAML file.

    Raises:
        DataError: if there is no such file, or it is no YAML or has no ``data`` section.
    """
    path = Path(config)
    content = read_yaml(path)
    section = content.get("data") if isinstance(content, dict) else None
    if section is None:
        raise DataError(f"{config} has no `data` section; see configs/youtube.yaml for one.")
    parser = BriefParser(prog="lol-lightning inspect", exit_on_error=False)
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
