"""The command line: ``lol-lightning fit | validate | test | predict | inspect | demo | benchmark | report``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial

from jsonargparse import auto_cli

from lol_lightning._files.disk import first_cause
from lol_lightning.cli.inspect_command import inspect
from lol_lightning.cli.interrupts import telling_of_interrupts
from lol_lightning.cli.lightning_cli import LoLCLI
from lol_lightning.cli.options import check_configs
from lol_lightning.experiments.commands import benchmark, report, underscored
from lol_lightning.experiments.demo import demo
from lol_lightning.experiments.image_demo import image_demo

__all__ = ["main"]

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

`lol-lightning COMMAND --help` shows the options of a command, `fit --model.help` those of the model.
"""

USELESS_ADVICE = (
    "Checkpoint directory .* exists and is not empty",  # a run replaces the best checkpoint of the one before
    "The '.*_dataloader' does not have many workers",  # none are fastest for a bag of words
)

Command = Callable[[list[str]], object]


def main(args: list[str] | None = None) -> None:
    """Run a command; an error in the user's input ends it with one line on stderr and exit code 2.

    Ctrl-C and SIGTERM do so with the exit codes 130 and 143.

    Args:
        args: command and options; those of the process if ``None``.
    """
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    name, *options = args
    try:
        with telling_of_interrupts(name), warnings.catch_warnings():
            for advice in USELESS_ADVICE:
                warnings.filterwarnings("ignore", advice)
            check_configs(options)
            if name in COMMANDS:
                COMMANDS[name](options)
            else:
                LoLCLI(args)
    except ValueError as error:
        cause = first_cause(error)
        if cause is None:
            raise
        print(f"lol-lightning {name}: {cause}", file=sys.stderr)
        raise SystemExit(2) from None


def run_demo(options: list[str]) -> None:
    """Run the demo on comments, or with ``--images`` the one on digits."""
    if "--images" in options:
        run_function(image_demo, [option for option in options if option != "--images"], name="demo --images")
    else:
        run_function(demo, options, name="demo")


def run_function(function: Callable[..., None], options: list[str], name: str, as_positional: bool = False) -> None:
    """Call a function with options that are its arguments."""
    options = [underscored(option) for option in options]
    auto_cli(function, args=options, prog=f"lol-lightning {name}", as_positional=as_positional)


COMMANDS: dict[str, Command] = {
    "inspect": partial(run_function, inspect, name="inspect"),
    "demo": run_demo,
    "benchmark": benchmark,
    "report": partial(run_function, report, name="report", as_positional=True),
}
"""Commands that are not Lightning's."""
