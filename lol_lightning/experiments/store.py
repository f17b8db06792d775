"""Where trials are kept: Optuna studies in an SQLite file, written by several processes, or nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lol_lightning._files.disk import make_directory_of
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.functional.short_repr import short_repr

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

__all__ = ["TrialStore", "import_optuna"]

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
        DataError: if the file's directory cannot be made.
    """

    __repr__ = short_repr

    def __init__(self, path: str | Path | None) -> None:
        optuna = import_optuna()
        self._storage = None
        if path is not None:
            make_directory_of(path)
            self._storage = optuna.storages.RDBStorage(
                f"sqlite:///{Path(path).as_posix()}", engine_kwargs={"connect_args": {"timeout": TIMEOUT_S}}
            )

    def outcomes(self, trials: int) -> dict[str, dict[str, Any] | None]:
        """Return what came out of the first ``trials`` trials of each study that is kept, ``None`` where it is open."""
        if self._storage is None:
            return {}
        return {study.study_name: study.user_attrs.get(_key(trials)) for study in self._storage.get_all_studies()}

    def trials(self, name: str) -> list[FrozenTrial]:
        """Return the finished trials of a study, in their order."""
        return [] if self._storage is None else self._study(name).get_trials(deepcopy=False)

    def add(self, name: str, trial: FrozenTrial) -> None:
        """Keep a finished trial.

        Raises:
            ConfigurationError: if the trial is not the next one of its study, since someone else writes there.
        """
        if self._storage is None:
            return
        study = self._study(name)
        if (kept := len(study.get_trials(deepcopy=False))) != trial.number:
            raise ConfigurationError(
                f"the study {name!r} has {kept} trials where {trial.number} were expected: another run writes to the "
                "same storage. Wait for it, or give another storage."
            )
        study.add_trial(trial)

    def outcome(self, name: str, trials: int) -> dict[str, Any] | None:
        """Return what came out of the first ``trials`` trials of a study, ``None`` where it is open."""
        return None if self._storage is None else self._study(name).user_attrs.get(_key(trials))

    def set_outcome(self, name: str, trials: int, outcome: dict[str, Any]) -> None:
        """Keep what came out of a study; plain types."""
        if self._storage is not None:
            self._study(name).set_user_attr(_key(trials), json.loads(json.dumps(outcome)))

    def _study(self, name: str) -> Study:
        optuna = import_optuna()
        return optuna.create_study(storage=self._storage, study_name=name, direction="maximize", load_if_exists=True)


def _key(trials: int) -> str:
    return f"outcome of {trials} trials"
