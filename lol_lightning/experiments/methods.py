"""The methods that a benchmark compares: what each one trains on, its LightningModule and its search space."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

import numpy as np
from torch import Tensor

from lol_lightning.baselines.end_to_end import EndToEndClassifier
from lol_lightning.baselines.pseudolabels import pseudolabels
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.data import Prepared
from lol_lightning.lfs.record import Source
from lol_lightning.losses.resolve import PENALTY_DEFAULTS, WEIGHTS, defaults_of, resolve_penalty, resolve_weights
from lol_lightning.losses.weighting import VotesForWeights
from lol_lightning.models.classifier import LoLClassifier

__all__ = ["METHODS", "Method", "as_methods"]

OPTIMIZER = {"lr": (1e-3, 3e-2), "weight_decay": (1e-6, 1e-2)}
PENALTY = {"alpha": (0.1, 10.0), "c": (0.05, 0.5)}
SIMPLE = {"method": "lol-simple"}
FUSED = {**SIMPLE, "lf_weights": "uniform", "class_weights": None}
# Two networks that learn from each other need smaller steps than one.
END_TO_END = {"lr": (1e-4, 1e-2), "temperature": (0.3, 10.0)}

Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Method:
    """A method.

    Args:
        name: as in the results.
        trains_on: "votes" of the LFs, "labels" of labeled rows, or a key of ``PSEUDOLABELS``.
        options: arguments of the LightningModule that are not tuned.
        ranges: arguments that are tuned, each drawn evenly in its logarithm from (low, high).
        model: the LightningModule.
        sources: which findings of an inspection the gradients come from; ``None`` for the data module's own records.
        class_balance: shares of the classes that a label model is told, "validation" for those of the labeled rows,
            ``None`` for none.
    """

    name: str
    trains_on: str = "votes"
    options: Mapping[str, Any] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=lambda: OPTIMIZER)
    model: type[LoLClassifier] = LoLClassifier
    sources: tuple[Source, ...] | None = None
    class_balance: Literal["validation"] | tuple[float, ...] | None = None

    @property
    def defaults(self) -> dict[str, Any]:
        """Values of the tuned arguments in the first trial: those in ``options``, or the LightningModule's own.

        What the data decide is ``None`` but for a method that ``resolve`` returned.
        """
        given = self._given
        return {name: given[name] for name in self.ranges}

    def settings(self) -> dict[str, Any]:
        """All that defines the method, as plain types; with the arguments that it leaves at their defaults."""
        given = self._given
        by_data = {name for name in PENALTY_DEFAULTS if name in given and given[name] is None}
        told = {**given, **{name: f"the data module's, else {PENALTY_DEFAULTS[name]}" for name in by_data}}
        elsewhere = set(self.ranges) | {"network", "num_features", "num_classes", "num_lfs", "seed"}
        return {
            "trains_on": self.trains_on,
            "model": self.model.__name__,
            "sources": self.sources,
            "class_balance": self.class_balance,
            "first_trial": {name: told[name] for name in self.ranges},
            "ranges": dict(self.ranges),
            "options": {name: value for name, value in told.items() if name not in elsewhere},
        }

    @property
    def _given(self) -> dict[str, Any]:
        own = inspect.signature(self.model.__init__).parameters
        defaults = {name: p.default for name, p in own.items() if p.default is not inspect.Parameter.empty}
        return {**defaults, **self.options}

    def train_data(self, prepared: Prepared, labeled: np.ndarray, seed: int) -> LoLDataset:
        """Return the rows that the method trains on, with its votes.

        Args:
            prepared: the data.
            labeled: validation rows to train on, read by "labels" only.
            seed: of the pseudolabels.
        """
        if self.trains_on == "votes":
            return prepared.train_with(self.sources)
        if self.trains_on == "labels":
            batch = prepared.val.__getitems__(labeled.tolist())
            return LoLDataset(batch.features, cast(Tensor, batch.labels)[:, None])
        data = prepared.data
        if isinstance(self.class_balance, str):
            raise ConfigurationError(f"the shares of classes for {self.name!r} are not known yet; call resolve().")
        fused = pseudolabels(self.trains_on, data.train_votes, data.num_classes, seed, self.class_balance)
        return LoLDataset(prepared.train.features, fused[:, None, :])

    def resolve(self, prepared: Prepared, seen: np.ndarray, drawn_by_class: bool = False) -> Method:
        """Return the method with weights and shares of classes as numbers, computed once for all trials.

        Args:
            prepared: the data.
            seen: validation rows whose labels may be looked at.
            drawn_by_class: whether they were drawn class by class, so that shares of classes are not known.
        """
        data = prepared.data
        given = cast(VotesForWeights, VotesForWeights.of(data, data.num_classes)).seeing(seen, drawn_by_class)
        balance = self.class_balance
        if balance == "validation":
            shares = given.class_shares()
            # No class may have the share 0.
            balance = None if shares is None else tuple((len(seen) * shares + 1) / (len(seen) + len(shares)))
        asked, defaults = self._given, defaults_of(data)
        if self.trains_on != "votes" or not asked.keys() >= {*WEIGHTS, *PENALTY_DEFAULTS}:
            return replace(self, class_balance=balance)
        weights = resolve_weights(asked, given, defaults)
        numbers = {name: value.tolist() for name, value in weights.items() if value is not None}
        return replace(
            self, options={**self.options, **resolve_penalty(asked, defaults), **numbers}, class_balance=balance
        )

    def make_model(self, prepared: Prepared, hyperparameters: Mapping[str, Any], seed: int) -> LoLClassifier:
        """Build the LightningModule; its weights follow torch's global random state."""
        data = prepared.data
        sizes: dict[str, Any] = {"num_features": data.num_features, "num_classes": data.num_classes}
        if issubclass(self.model, EndToEndClassifier):
            sizes["num_lfs"] = data.num_lfs
        return self.model(**sizes, seed=seed, **{**self.options, **hyperparameters})


def _pseudolabeled(name: str, class_balance: Literal["validation"] | None = None) -> Method:
    return Method(name, name, FUSED, class_balance=class_balance)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        _pseudolabeled("mv"),
        # The triplets and WeaSEL take shares of the classes, too; told those of validation rows they become worse.
        _pseudolabeled("snorkel", class_balance="validation"),
        _pseudolabeled("t-mean"),
        _pseudolabeled("t-median"),
        Method("e2e", ranges={**OPTIMIZER, **END_TO_END}, model=EndToEndClassifier),
        _pseudolabeled("dawid-skene"),
        Method("lol-simple", options=SIMPLE),
        Method("lol", options={"method": "lol"}, ranges={**OPTIMIZER, **PENALTY}),
        Method("lol-sw", options={"method": "lol", "lf_weights": "snorkel"}, ranges={**OPTIMIZER, **PENALTY}),
        Method("valsup", "labels", FUSED),
    )
}
"""Every method by name, in the order of the paper's tables; all train the same network by the same code."""


def as_methods(
    names: list[str] | None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    ranges: Mapping[str, Sequence[float]] | None = None,
) -> list[Method]:
    """Look methods up, variants among them.

    Args:
        names: of methods and variants; by default the variants, or all methods but "valsup" where there are none.
        variants: by name, ``{"method": a name of METHODS, "sources": [...], "ranges": {argument: [low, high] or None},
            argument: value, ...}``. A value for a tuned argument is where its search starts; a range of ``None`` fixes
            it there.
        ranges: ``{argument: [low, high]}`` in place of the methods' own, for all that tune the argument; those of a
            variant count before these.

    Raises:
        ConfigurationError: if a method, argument or source is unknown, or a range is empty.

    Example:
        >>> (linear,) = as_methods(["lol-linear"], {"lol-linear": {"method": "lol", "penalty": "linear"}})
        >>> linear.options
        {'method': 'lol', 'penalty': 'linear'}
    """
    bases = {name: _with_ranges(method, ranges or {}) for name, method in METHODS.items()}
    if untuned := set(ranges or {}).difference(*(method.ranges for method in METHODS.values())):
        raise ConfigurationError(f"no method tunes {untuned.pop()!r}, for which a range is given.")
    known = {**bases, **{name: _variant(name, given, bases) for name, given in (variants or {}).items()}}
    if names is None:
        names = list(variants) if variants else [name for name in METHODS if name != "valsup"]
    if unknown := [name for name in names if name not in known]:
        raise ConfigurationError(f"method {unknown[0]!r} is not one of {', '.join(known)}.")
    if not names or len(set(names)) < len(names):
        raise ConfigurationError(f"methods = {list(names)}: name at least one, and each of them once.")
    return [known[name] for name in names]


def _with_ranges(method: Method, ranges: Mapping[str, Sequence[float]]) -> Method:
    changed = {name: _range(repr(name), limits) for name, limits in ranges.items() if name in method.ranges}
    return replace(method, ranges={**method.ranges, **changed}) if changed else method


def _range(of: str, limits: Sequence[float]) -> tuple[float, float]:
    if not (len(limits) == 2 and 0 < limits[0] < limits[1]):
        raise ConfigurationError(f"the range of {of} is {limits}; give [low, high] above 0, or null to a variant.")
    return float(limits[0]), float(limits[1])


def _variant(name: str, given: Mapping[str, Any], bases: Mapping[str, Method]) -> Method:
    options = dict(given)
    base, sources = options.pop("method", None), options.pop("sources", None)
    if base not in bases:
        raise ConfigurationError(f"variant {name!r} needs a `method`, one of {', '.join(METHODS)}; it has {base!r}.")
    method = bases[base]
    ranges: dict[str, Any] = {**method.ranges, **(options.pop("ranges", None) or {})}
    known = inspect.signature(method.model.__init__).parameters
    if unknown := [argument for argument in (*options, *ranges) if argument not in known]:
        raise ConfigurationError(f"variant {name!r} sets {unknown[0]!r}, which {method.model.__name__} has not.")
    if bad := set(sources or ()) - set(get_args(Source)):
        raise ConfigurationError(f"variant {name!r} has the source {bad.pop()!r}; there are {get_args(Source)}.")
    return replace(
        method,
        name=name,
        options={**method.options, **options},
        ranges={
            argument: _range(f"{argument!r} in variant {name!r}", limits)
            for argument, limits in ranges.items()
            if limits is not None
        },
        sources=None if sources is None else tuple(sources),
    )
