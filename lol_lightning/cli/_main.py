"""The command line: ``lol-lightning COMMAND [OPTIONS]``; help and errors of names come without importing PyTorch."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial

from lol_lightning import __version__
from lol_lightning._files.disk import first_cause
from lol_lightning._parsing import call
from lol_lightning.cli.configs import named_configurations, print_configurations
from lol_lightning.cli.interrupts import telling_of_interrupts
from lol_lightning.cli.options import check_configs
from lol_lightning.exceptions import ConfigurationError, did_you_mean

__all__ = ["main"]

USAGE = """\
usage: lol-lightning COMMAND [OPTIONS]

Losses over Labels for Snorkel labeling functions.

  fit       train a classifier: lol-lightning fit --config configs/youtube.yaml
  validate  evaluate the best checkpoint of a configuration on the validation rows
  test      evaluate it on the test rows: test --config configs/youtube.yaml [--ckpt_path runs/youtube/best.ckpt]
  predict   write the class probabilities of the prediction rows to a CSV: predict ... --output predictions.csv
  inspect   show the labeling functions and what each one inspects: inspect --config configs/youtube.yaml
  demo      compare four methods on few unlabeled rows; demo --images does so on hand-written digits
  benchmark compare methods with equal budgets: benchmark --data DIR ... --methods mv lol ... --output results.csv
  report    write tables and pictures of such results: report results.csv
  data      say where data sets are, or write one of generated comments: data comments
  configs   list the configurations that --config takes by name: fit --config youtube

`lol-lightning COMMAND --help` shows the options of a command, `fit --model.help` those of the model,
`lol-lightning --version` the version.
"""

USELESS_ADVICE = (
    "Checkpoint directory .* exists and is not empty",  # a run replaces the best checkpoint of the one before
    "The '.*_dataloader' does not have many workers",  # none are fastest for a bag of words
    ".*LeafSpec",  # Lightning's own use of PyTorch
)

Command = Callable[[list[str]], object]


def main(args: list[str] | None = None) -> None:
    """Run a command; an error in the user's input ends it with one line on stderr and exit code 2.

    Ctrl-C and SIGTERM do so with the exit codes 130 and 143.

    Args:
        args: command and options; those of the process if ``None``.
    """
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return
    if args[0] in ("--version", "-V"):
        print(f"lol-lightning {__version__}")
        return
    name, *options = args
    try:
        with telling_of_interrupts(name), warnings.catch_warnings():
            for advice in USELESS_ADVICE:
                warnings.filterwarnings("ignore", advice)
            options = named_configurations(options)
            check_configs(options)
            _command(name)(options)
    except (ValueError, OSError) as error:
        cause = first_cause(error) or (error if isinstance(error, FileNotFoundError | PermissionError) else None)
        if cause is None:
            raise
        print(f"lol-lightning {name}: {cause}", file=sys.stderr)
        raise SystemExit(2) from None


def _lightning(name: str, options: list[str]) -> None:
    from lol_lightning.cli.lightning_cli import LoLCLI

    LoLCLI([name, *options])


def _inspect(options: list[str]) -> None:
    from lol_lightning.cli.inspect_command import inspect

    call(inspect, options, name="inspect")


def _demo(options: list[str]) -> None:
    if "--images" in options:
        from lol_lightning.experiments.image_demo import image_demo

        call(image_demo, [option for option in options if option != "--images"], name="demo --images")
    else:
        from lol_lightning.experiments.demo import demo

        call(demo, options, name="demo")


def _benchmark(options: list[str]) -> None:
    from lol_lightning.experiments.commands import benchmark

    benchmark(options)


def _report(options: list[str]) -> None:
    from lol_lightning.experiments.commands import report

    call(report, options, name="report", as_positional=True)


def _data(options: list[str]) -> None:
    from lol_lightning.experiments.data_command import data

    if options and not options[0].startswith("-"):
        # The directory stands without a name.
        options = [f"--directory={options[0]}", *options[1:]]
    call(data, options, name="data")


COMMANDS: dict[str, Command] = {
    **{name: partial(_lightning, name) for name in ("fit", "validate", "test", "predict")},
    "inspect": _inspect,
    "demo": _demo,
    "benchmark": _benchmark,
    "report": _report,
    "data": _data,
    "configs": print_configurations,
}


def _command(name: str) -> Command:
    if name not in COMMANDS:
        raise ConfigurationError(
            f"there is no command {name!r}{did_you_mean(name, COMMANDS)} Commands: {', '.join(COMMANDS)}."
        )
    return COMMANDS[name]
