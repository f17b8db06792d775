"""Where trials are kept: Optuna studies in an SQLite file, written by several processes, or nowhere."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lol_lightning._files.disk import make_directory_of, reading, regular_size
from lol_lightning._files.plain import check_fields, check_list
from lol_lightning._files.state import check_state
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.experiments.plan import UNBOUNDED
from lol_lightning.functional.short_repr import short_repr

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

__all__ = ["TrialStore", "import_optuna"]

_CURE = "Give another storage or output, or delete it."
_TABLES = {"studies", "study_user_attributes", "trials", "trial_params", "trial_values", "version_info"}
_OUTCOME: dict[str, Any] = {
    "metrics": dict,
    "seconds": float | int,
    "trial": int,
    "check": int,
    "pruned": int,
    "hyperparameters": dict,
}
TIMEOUT_S = 300
"""How long a process waits while another one writes."""


def import_optuna() -> Any:
    """Import Optuna, without its log of every trial.

    Raises:
        ConfigurationError: if it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigurationError(
            "the benchmark tunes with Optuna, which is not installed: pip install 'lol-lightning[benchmark]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class TrialStore:
    """Finished trials and outcomes of studies, by the name of the study.

    Only finished trials are written, each in one transaction: one that was interrupted leaves nothing behind.

    Args:
        path: an SQLite file, made if missing; ``None`` keeps nothing.

    Raises:
        ConfigurationError: if Optuna is not installed.
        DataError: if the file cannot be made, or is no file of studies; it is then as it was.
    """

    __repr__ = short_repr

    def __init__(self, path: str | Path | None) -> None:
        optuna = import_optuna()
        self._storage, self._path = None, path
        if path is not None:
            make_directory_of(path)
            with self._reading():
                if os.path.lexists(path):
                    _check_tables(Path(path))
                self._storage = optuna.storages.RDBStorage(
                    f"sqlite:///{Path(path).as_posix()}", engine_kwargs={"connect_args": {"timeout": TIMEOUT_S}}
                )

    def outcomes(self, trials: int) -> dict[str, dict[str, Any] | None]:
        """Return what came out of the first ``trials`` trials of each study that is kept, ``None`` where it is open.

        Raises:
            DataError: if the file is broken.
        """
        if self._storage is None:
            return {}
        with self._reading():
            studies = self._storage.get_all_studies()
            return {study.study_name: _outcome(study.user_attrs.get(_key(trials))) for study in studies}

    def trials(self, name: str) -> list[FrozenTrial]:
        """Return the finished trials of a study, in their order.

        Raises:
            DataError: if the file is broken.
        """
        if self._storage is None:
            return []
        with self._reading():
            return _checked(self._study(name).get_trials(deepcopy=False))

    def add(self, name: str, trial: FrozenTrial) -> None:
        """Keep a finished trial.

        Raises:
            ConfigurationError: if the trial is not the next one of its study, since someone else writes there.
            DataError: if the file is broken or cannot be written.
        """
        if self._storage is None:
            return
        with self._reading():
            study = self._study(name)
            kept = len(study.get_trials(deepcopy=False))
        if kept != trial.number:
            raise ConfigurationError(
                f"the study {name!r} has {kept} trials where {trial.number} were expected: another run writes to the "
                "same storage. Wait for it, or give another storage."
            )
        with self._reading():
            study.add_trial(trial)

    def outcome(self, name: str, trials: int) -> dict[str, Any] | None:
        """Return what came out of the first ``trials`` trials of a study, ``None`` where it is open."""
        if self._storage is None:
            return None
        with self._reading():
            return _outcome(self._study(name).user_attrs.get(_key(trials)))

    def set_outcome(self, name: str, trials: int, outcome: dict[str, Any]) -> None:
        """Keep what came out of a study; plain types."""
        if self._storage is not None:
            with self._reading():
                self._study(name).set_user_attr(_key(trials), json.loads(json.dumps(outcome)))

    def close(self) -> None:
        """Close the file; nothing can be read or kept after that."""
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()
            self._storage = None

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self._path or "", "a usable file of studies", _CURE)

    def _study(self, name: str) -> Study:
        optuna = import_optuna()
        return optuna.create_study(storage=self._storage, study_name=name, direction="maximize", load_if_exists=True)


def _check_tables(path: Path) -> None:
    """Check that a file is an intact SQLite database with Optuna's tables, which Optuna would otherwise add."""
    if not regular_size(path):
        raise DataError("it is empty")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT_S)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if missing := sorted(_TABLES - tables):
            held = ", ".join(sorted(map(str, tables))) or "nothing"
            raise DataError(f"it lacks the table {missing[0]!r} and holds {held}"[:300])
        ((answer,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        if answer != "ok":
            raise DataError(f"the database is damaged ({str(answer).splitlines()[-1]})"[:300])


def _checked(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Check that trials are finished ones that ``TrialStore.add`` was given."""
    for number, trial in enumerate(trials):
        where = f"trial {number}"
        if trial.number != number or trial.state.name not in ("COMPLETE", "PRUNED"):
            raise DataError(f"{where} has the number {trial.number} and the state {trial.state.name}")
        check_fields(trial.user_attrs, {"hyperparameters": dict, "check": int, "seconds": float | int}, where)
        numbers = [*trial.params.values(), *trial.user_attrs["hyperparameters"].values(), trial.user_attrs["seconds"]]
        numbers += [trial.value] if trial.state.name == "COMPLETE" else []
        check_state({"numbers": check_list(numbers, float | int, f"the numbers of {where}")}, where)
        if trial.user_attrs["check"] < 0:
            raise DataError(f"{where} has check = {trial.user_attrs['check']}")
    return trials


def _outcome(stored: Any) -> dict[str, Any] | None:
    """Check the fields of an outcome; those that are infinite are the metrics of a model that is not finite."""
    if stored is None:
        return None
    fields = check_fields(
        stored, {**_OUTCOME, **({"label_model": dict} if "label_model" in stored else {})}, "an outcome"
    )
    check_list(list(fields["metrics"].values()), float | int, "the metrics of an outcome")
    check_list(list(fields["hyperparameters"].values()), float | int, "the hyperparameters of an outcome")
    bounded = {name: value for name, value in fields["metrics"].items() if name not in UNBOUNDED}
    check_state({**fields, "metrics": bounded}, "an outcome")
    if any(value != value for value in fields["metrics"].values()):
        raise DataError("an outcome has a metric that is NaN")
    return fields


def _key(trials: int) -> str:
    return f"outcome of {trials} trials"
