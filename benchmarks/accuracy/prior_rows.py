"""How many rows are gradients worth? Validation accuracy of LoL under alpha = min(10, R / n), by R and number of rows.

    python benchmarks/accuracy/prior_rows.py
    python benchmarks/accuracy/prior_rows.py --sets '[youtube]' --rows '[100]' --seeds 1

R = 0 is LoL-simple. The best R of five sets is judged on the sixth, in turn. A fit is checked ten times on validation
rows and its best check counts, as in ``lol-lightning benchmark``; test rows are never read. Interrupted, it goes on
where it stopped.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from jsonargparse import auto_cli

from benchmarks.accuracy.sweep import SETS, Setting, checked_fit, resume
from benchmarks.output import RESULTS, show, wrench_root
from lol_lightning.data.base import MAX_ALPHA
from lol_lightning.data.options import alpha_of_prior
from lol_lightning.experiments.data import as_sets, prepare
from lol_lightning.experiments.methods import METHODS
from lol_lightning.experiments.plan import Budget
from lol_lightning.experiments.training import evaluation_batches, quiet

PRIORS = (0, 250, 500, 1000, 2000, 4000)


def run(settings: list[Setting]) -> list[Setting]:
    """Train with every R on one set, seed and number of rows."""
    first, budget, lines = settings[0], Budget(epochs=50, max_steps=800), []
    with quiet():
        (dataset,) = as_sets([wrench_root() / first["dataset"]])
        prepared = prepare(dataset, first["rows"] or None, first["seed"])
        labeled = np.arange(len(prepared.val))
        covered = prepared.train.num_covered_rows
        batch_size = budget.batch_size_of(covered, len(prepared.train) / covered)
        validation = evaluation_batches(prepared.val, labeled)
        methods = {name: METHODS[name].resolve(prepared, labeled) for name in ("lol-simple", "lol")}
    for setting in settings:
        method = methods["lol" if setting["prior"] else "lol-simple"]
        alpha = {"alpha": alpha_of_prior(covered, setting["prior"], MAX_ALPHA)} if setting["prior"] else {}
        make_model = partial(method.make_model, prepared, {**method.defaults, **alpha}, setting["seed"])
        at = budget.check_steps(covered)
        lines.append(
            {**setting, **checked_fit(make_model, prepared.train, validation, batch_size, at, setting["seed"])}
        )
    return lines


def main(
    sets: list[str] = SETS,
    rows: tuple[int, ...] = (25, 100, 400, 1600, 0),
    seeds: int = 3,
    jobs: int = 2,
    output: str = str(RESULTS / "prior_rows.csv"),
) -> None:
    """Compare values of R.

    Args:
        sets: WRENCH sets.
        rows: numbers of unlabeled rows, 0 for all.
        seeds: repetitions.
        jobs: processes.
        output: CSV.
    """
    groups = [
        [{"dataset": name, "rows": number, "seed": seed, "prior": prior} for prior in PRIORS]
        for number, seed, name in product(rows, range(seeds), sets)
    ]
    frame = resume(Path(output), groups, run, jobs)
    table = frame.pivot_table(index="prior", columns="rows", values="best")[list(rows)]
    table = table.rename(columns={number: f"{number or 'all'} rows" for number in rows})
    show(
        "Validation accuracy %, mean of the sets",
        table.assign(mean=table.mean(axis=1)).reset_index().to_dict("records"),
    )
    by_set = frame.pivot_table(index="prior", columns="dataset", values="best")
    lines = []
    for name in by_set.columns if by_set.shape[1] > 1 else ():
        chosen = by_set.drop(columns=name).mean(axis=1).idxmax()
        own = by_set[name]
        lines.append(
            {
                "set": name,
                "R of the others": chosen,
                "accuracy": own[chosen],
                "R = 0": own[0],
                "its own best": own.max(),
            }
        )
    if lines:
        show("R chosen on the other sets", lines)


if __name__ == "__main__":
    auto_cli(main, as_positional=False)
