"""Peak memory and seconds an epoch of large fits, each in a process of its own: ``python benchmarks/speed/memory.py``.

AG News size: 96,000 rows of 40 words, V = 50,000, generated in the process that trains on them. imdb: the real
``lol-lightning fit``, from JSON to a checkpoint. Goals: less than 1,500 MB in all, less than 500 MB of ours above the
imports.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any

from jsonargparse import auto_cli

from benchmarks.output import Row, show, wrench_root
from benchmarks.speed.timing import cost, peak_megabytes

PROCESS_LIMIT, OWN_LIMIT = 1_500.0, 500.0


def run(rows: int = 96_000, num_features: int = 50_000, epochs: int = 2, imdb: bool = True) -> list[Row]:
    """Compare peaks with their limits."""
    fit = measured("generated_rows", rows=rows, num_features=num_features, epochs=epochs)
    case = f"fit of {rows:,} rows, V={num_features:,}"
    results = peaks(case, fit)
    results.append(cost(f"{case}, one epoch", [fit["seconds"] / epochs], [60.0], "s", 1))
    if imdb and (wrench_root() / "imdb").is_dir():
        results += peaks("lol-lightning fit, imdb", measured("command_line", root=str(wrench_root() / "imdb")))
    return results


def peaks(case: str, fit: dict[str, float]) -> list[Row]:
    own = fit["peak"] - fit["imports"]
    return [
        cost(f"{case}, peak of the process / {PROCESS_LIMIT:,.0f} MB", [fit["peak"]], [PROCESS_LIMIT], "MB", 1),
        cost(f"{case}, peak above the imports / {OWN_LIMIT:,.0f} MB", [own], [OWN_LIMIT], "MB", 1),
    ]


def measured(kind: str, **arguments: Any) -> dict[str, float]:
    """Run a fit of ``FITS`` in a fresh process and return what it prints last."""
    command = [sys.executable, __file__, "child", "--kind", kind, "--arguments", json.dumps(arguments)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def child(kind: str, arguments: dict[str, Any]) -> None:
    """Fit in this process and print its peaks in MB and its seconds.

    Args:
        kind: a key of ``FITS``.
        arguments: of that function.
    """
    print(json.dumps(FITS[kind](**arguments)))


def generated_rows(rows: int, num_features: int, epochs: int) -> dict[str, float]:
    """Fit generated rows in a Trainer."""
    from bare_loop import fit_epoch, generated

    imports = peak_megabytes()
    dataset = generated(rows, num_features, num_lfs=10, num_classes=4, num_inspected=300)
    seconds = sum(fit_epoch(dataset) for _ in range(epochs))
    return {"imports": imports, "peak": peak_megabytes(), "seconds": seconds}


def command_line(root: str, epochs: int = 1) -> dict[str, float]:
    """Run ``lol-lightning fit`` on a WRENCH directory."""
    from lol_lightning.cli import main as lol_lightning

    imports = peak_megabytes()
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "--data": "lol_lightning.WrenchDataModule",
            "--data.root": root,
            "--trainer.max_epochs": str(epochs),
            "--trainer.accelerator": "cpu",
            "--trainer.default_root_dir": folder,
            "--trainer.enable_progress_bar": "false",
        }
        lol_lightning(["fit", *(part for option in options.items() for part in option)])
    return {"imports": imports, "peak": peak_megabytes()}


FITS = {"generated_rows": generated_rows, "command_line": command_line}


def main(rows: int = 96_000, num_features: int = 50_000, epochs: int = 2, imdb: bool = True) -> None:
    """Measure memory.

    Args:
        rows: generated rows.
        num_features: their vocabulary V.
        epochs: passes over them.
        imdb: whether to fit imdb on the command line, too.
    """
    show("Memory", run(rows, num_features, epochs, imdb))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        auto_cli(child, args=sys.argv[2:], as_positional=False)
    else:
        auto_cli(main, as_positional=False)
