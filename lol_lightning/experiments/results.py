"""Results as a tidy table: one line for each metric of a study, in a CSV with its circumstances beside it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from lol_lightning._files.disk import make_directory_of, read_text, reading, write_text
from lol_lightning._files.plain import check_list, read_json, write_json
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.experiments.environment import PACKAGES, command_line, environment
from lol_lightning.experiments.plan import UNBOUNDED, Outcome, StudyPlan
from lol_lightning.functional.short_repr import short_repr

__all__ = ["COLUMNS", "KEY", "Finished", "ResultFiles", "read_knowledge", "read_results", "results_of"]

KEY = ["dataset", "method", "seed", "train_rows", "val_per_class"]
"""Columns that name a study."""
_CURE = "`lol-lightning benchmark` writes one; give another output, or delete that one."
_WHAT, _WHAT_BESIDE = "a CSV of results", "the JSON beside a CSV of results"
_TEXTS = ("dataset", "method", "train_rows", "val_per_class", "metric")
COLUMNS = [*KEY, "metric", "value", "trials", "seconds"]

Finished: TypeAlias = tuple[StudyPlan, Outcome]
"""A study and what came out of it."""


def results_of(finished: Iterable[Finished]) -> pd.DataFrame:
    """Return tidy results: columns ``COLUMNS``, rows in order; of the values, see ``METRICS``, most are in [0, 1].

    ``train_rows`` and ``val_per_class`` are texts, a number or "all".
    """
    lines = [
        {
            **plan.key,
            "metric": metric,
            "value": value,
            "trials": plan.budget.trials,
            "seconds": round(outcome.seconds, 2),
        }
        for plan, outcome in finished
        for metric, value in outcome.metrics.items()
    ]
    return _in_order(pd.DataFrame(lines, columns=COLUMNS))


def read_results(path: str | Path) -> pd.DataFrame:
    """Read the CSV of a benchmark.

    Raises:
        DataError: if there is no such file, or it lacks a column or has no rows.
    """
    text = read_text(path, _WHAT, _CURE)
    with reading(path, _WHAT, _CURE):
        # Texts are taken as they are written: a method may be called "null".
        frame = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False)
        if missing := [name for name in COLUMNS if name not in frame.columns]:
            raise DataError(f"it lacks the column {missing[0]!r}; results have {', '.join(COLUMNS)}")
        if frame.empty:
            raise DataError("it holds no results")
        for name in _TEXTS:
            if (empty := frame[name] == "").any():
                raise DataError(f"the column {name!r} is empty in row {int(empty.to_numpy().argmax())}")
        for name in ("seed", "trials"):
            if not pd.api.types.is_integer_dtype(frame[name]):
                raise DataError(f"the column {name!r} holds something else than whole numbers")
        for name in ("value", "seconds"):
            frame[name] = frame[name].astype(float)
        unbounded = frame["metric"].isin(UNBOUNDED) & (frame["value"] == np.inf)
        for name in ("value", "seconds"):
            if not (np.isfinite(frame[name]) | (unbounded & (name == "value"))).all():
                raise DataError(f"the column {name!r} holds a number that is missing or not finite")
        return _in_order(frame)


def read_knowledge(path: str | Path) -> dict[str, str]:
    """Read what each method of a benchmark knows, from the JSON beside its CSV.

    Returns:
        ``Method.knows`` by name; empty where the file is missing or older than this column.

    Raises:
        DataError: if the file is broken.
    """
    beside = Path(path).with_suffix(".json")
    return _described(beside)["knows"] if beside.exists() else {}


class ResultFiles:
    """A CSV of results and a JSON of the same name: command, versions, machine, settings and chosen trials.

    What the CSV holds of other studies stays, if the settings are the same: a benchmark may be run in pieces.

    Args:
        path: the CSV.
        settings: what makes results comparable, as plain types.
        methods: settings of each method by name.
        knows: what each method trains on by name, see ``Method.knows``.

    Raises:
        ConfigurationError: if the files hold results of other settings.
        DataError: if their directory cannot be made, or they are none of results.
    """

    __repr__ = short_repr

    def __init__(
        self,
        path: str | Path,
        settings: dict[str, Any],
        methods: dict[str, Any],
        knows: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.beside = Path(path), Path(path).with_suffix(".json")
        if self.path == self.beside:
            raise ConfigurationError(f"output = {str(path)!r} must not end in .json; results are a CSV.")
        make_directory_of(self.path)
        self._settings, self._methods, self._knows = _plain(settings), _plain(methods), dict(knows or {})
        self._frame = pd.DataFrame(columns=COLUMNS)
        self._chosen: list[dict[str, Any]] = []
        if self.path.exists():
            self._frame = read_results(self.path)
            self._take_over(_described(self.beside) if self.beside.exists() else {})

    def write(self, finished: Sequence[Finished]) -> pd.DataFrame:
        """Write these results beside those that the files hold, each file in one go, and return all."""
        frame, chosen = results_of(finished), [_chosen(plan, outcome) for plan, outcome in finished]
        names = {tuple(plan.key.values()) for plan, _ in finished}
        old = self._frame[[key not in names for key in self._frame[KEY].itertuples(index=False, name=None)]]
        frame = _in_order(pd.concat([old, frame], ignore_index=True)) if len(old) else frame
        chosen += [line for line in self._chosen if tuple(line[name] for name in KEY) not in names]
        described = {
            "command": command_line(),
            **environment((*PACKAGES, "optuna")),
            "settings": self._settings,
            "methods": self._methods,
            "knows": self._knows,
            "chosen": _sorted(chosen),
        }
        write_text(self.path, frame.to_csv(index=False))
        write_json(self.beside, described, indent=1)
        return frame

    def _take_over(self, described: dict[str, Any]) -> None:
        methods = described.get("methods", {})
        same = all(methods[name] == method for name, method in self._methods.items() if name in methods)
        if not described or _chosen_by(described["settings"]) != _chosen_by(self._settings) or not same:
            raise ConfigurationError(
                f"{self.path} holds results of other settings or methods, see {self.beside.name}. "
                "Give another output, or delete it."
            )
        self._methods = {**methods, **self._methods}
        self._knows = {**described["knows"], **self._knows}
        self._chosen = described["chosen"]


def _described(path: Path) -> dict[str, Any]:
    described = read_json(path, _WHAT_BESIDE, _CURE)
    with reading(path, _WHAT_BESIDE, _CURE):
        described = {"settings": {}, "methods": {}, "knows": {}, "chosen": [], **described}
        check_list([described[name] for name in ("settings", "methods", "knows")], dict, "settings, methods and knows")
        check_list(list(described["knows"].values()), str, "knows")
        for line in check_list(described["chosen"], dict, "chosen"):
            if missing := [name for name in KEY if name not in line]:
                raise DataError(f"a line of chosen trials lacks {missing[0]!r}")
            check_list([line[name] for name in KEY if name != "seed"], str, "the names of chosen trials")
            check_list([line["seed"]], int, "the seeds of chosen trials")
        return {**described, "chosen": _sorted(described["chosen"])}


def _chosen_by(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of files from before there was a choice are those of accuracy."""
    return {"select_by": "accuracy", **settings}


def _chosen(plan: StudyPlan, outcome: Outcome) -> dict[str, Any]:
    of_trial = {"trial": outcome.trial, "check": outcome.check, "pruned": outcome.pruned}
    of_label_model = {"label_model": outcome.label_model} if outcome.label_model else {}
    return {**plan.key, **of_trial, **outcome.hyperparameters, **of_label_model}


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    for name in ("train_rows", "val_per_class"):
        frame[name] = frame[name].astype(str)
    order = frame.sort_values([*KEY, "metric"], key=_sizes, kind="stable")
    return order[[*COLUMNS, *(name for name in frame.columns if name not in COLUMNS)]].reset_index(drop=True)


def _sizes(column: pd.Series) -> pd.Series:
    """Numbers before "all" among sizes; other columns as they are."""
    if column.name not in ("train_rows", "val_per_class"):
        return column
    return pd.to_numeric(column.replace("all", "inf"))


def _sorted(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def key(line: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(float("inf") if line[name] == "all" else float(line[name]) for name in KEY[3:])

    return sorted(lines, key=lambda line: (line["dataset"], line["method"], line["seed"], *key(line)))


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))
