"""The methods that an experiment compares, and variants of them by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from lol_lightning.baselines.end_to_end import EndToEndClassifier
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.method import OPTIMIZER, PENALTY_NUMBERS, Method
from lol_lightning.lfs.record import Source

__all__ = ["METHODS", "Method", "as_methods"]

PENALTY = {"alpha": (0.1, 30.0), "c": (0.1, 1.0)}
SIMPLE = {"method": "lol-simple"}
FUSED = {**SIMPLE, "lf_weights": "uniform", "class_weights": None}
# Two networks that learn from each other need smaller steps than one.
END_TO_END = {"lr": (1e-4, 1e-2), "temperature": (0.3, 10.0)}


def _pseudolabeled(name: str) -> Method:
    return Method(name, name, FUSED, class_balance="validation")


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        _pseudolabeled("mv"),
        _pseudolabeled("snorkel"),
        _pseudolabeled("t-mean"),
        _pseudolabeled("t-median"),
        Method("e2e", ranges={**OPTIMIZER, **END_TO_END}, model=EndToEndClassifier, class_balance="validation"),
        _pseudolabeled("dawid-skene"),
        Method("lol-simple", options=SIMPLE),
        Method("lol", options={"method": "lol"}, ranges={**OPTIMIZER, **PENALTY}),
        Method("lol-sw", options={"method": "lol", "lf_weights": "snorkel"}, ranges={**OPTIMIZER, **PENALTY}),
        Method("valsup", "labels", FUSED),
    )
}
"""Every method by name, in the order of the paper's tables; all train the same network by the same code.

What LoL may know of the class shares, each of them may: the end model, and the label model of a baseline where shares
make its posterior better on validation rows (``choose_variant``)."""


def as_methods(
    names: list[str] | None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    ranges: Mapping[str, Sequence[float]] | None = None,
) -> list[Method]:
    """Look methods up, variants among them.

    Args:
        names: of methods and variants; by default the variants, or all methods but "valsup" where there are none.
        variants: by name, ``{"method": a name of METHODS, "sources": [...], "ranges": {argument: [low, high] or None},
            "penalty": {argument: value, ...}, argument: value, ...}``, with the arguments of ``LoLClassifier``. A value
            for a tuned argument is where its search starts; a range of ``None`` fixes it there. ``alpha`` and ``c`` may
            stand beside ``penalty`` or in it.
        ranges: ``{argument: [low, high]}`` in place of the methods' own, for all that tune the argument; those of a
            variant count before these.

    Raises:
        ConfigurationError: if a method, argument or source is unknown, or a range is empty.

    Example:
        >>> (linear,) = as_methods(["lol-linear"], {"lol-linear": {"method": "lol", "penalty": {"hinge": "linear"}}})
        >>> linear.options
        {'method': 'lol', 'penalty': {'hinge': 'linear'}}
    """
    bases = {name: _with_ranges(method, ranges or {}) for name, method in METHODS.items()}
    if untuned := set(ranges or {}).difference(*(method.ranges for method in METHODS.values())):
        raise ConfigurationError(f"no method tunes {untuned.pop()!r}, for which `ranges` has a range.")
    by_name = {**bases, **{name: _variant(name, variant, bases) for name, variant in (variants or {}).items()}}
    if names is None:
        names = list(variants) if variants else [name for name in METHODS if name != "valsup"]
    if unknown := [name for name in names if name not in by_name]:
        raise ConfigurationError(f"method {unknown[0]!r} is not one of {', '.join(by_name)}.")
    if not names or len(set(names)) < len(names):
        raise ConfigurationError(f"methods = {list(names)}: name at least one, and each of them once.")
    return [by_name[name] for name in names]


def _with_ranges(method: Method, ranges: Mapping[str, Sequence[float]]) -> Method:
    changed = {name: _range(repr(name), limits) for name, limits in ranges.items() if name in method.ranges}
    return replace(method, ranges={**method.ranges, **changed}) if changed else method


def _range(of: str, limits: Sequence[float]) -> tuple[float, float]:
    if not (len(limits) == 2 and 0 < limits[0] < limits[1]):
        raise ConfigurationError(f"the range of {of} is {limits}; write [low, high] above 0, or null in a variant.")
    return float(limits[0]), float(limits[1])


def _variant(name: str, variant: Mapping[str, Any], bases: Mapping[str, Method]) -> Method:
    options = dict(variant)
    base, sources = options.pop("method", None), options.pop("sources", None)
    if base not in bases:
        raise ConfigurationError(f"variant {name!r} needs a `method`, one of {', '.join(METHODS)}; it has {base!r}.")
    method = bases[base]
    ranges: dict[str, Any] = {**method.ranges, **(options.pop("ranges", None) or {})}
    if unknown := [argument for argument in (*options, *ranges) if argument not in method.arguments]:
        raise ConfigurationError(f"variant {name!r} sets {unknown[0]!r}, which {method.model.__name__} has not.")
    if bad := set(sources or ()) - set(get_args(Source)):
        raise ConfigurationError(f"variant {name!r} has the source {bad.pop()!r}; there are {get_args(Source)}.")
    changed = replace(
        method,
        name=name,
        options=_with_penalty(method.options, options),
        ranges={
            argument: _range(f"{argument!r} in variant {name!r}", limits)
            for argument, limits in ranges.items()
            if limits is not None
        },
        sources=None if sources is None else tuple(sources),
    )
    if changed.has_penalty:
        try:
            changed.penalty()
        except ConfigurationError as error:
            raise ConfigurationError(f"variant {name!r}: {error}") from error
    return changed


def _with_penalty(base: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Merge options of a variant into those of its method; ``alpha`` and ``c`` move into the penalty."""
    rest = {name: value for name, value in options.items() if name not in (*PENALTY_NUMBERS, "penalty")}
    numbers = {name: value for name, value in options.items() if name in PENALTY_NUMBERS}
    penalty = options.get("penalty", base.get("penalty")) or {}
    if not isinstance(penalty, Mapping):
        raise ConfigurationError(f"penalty = {penalty!r}: write its arguments, as in {{hinge: linear}}.")
    if "class_path" in penalty:
        penalty = {**penalty, "init_args": {**(penalty.get("init_args") or {}), **numbers}}
    else:
        penalty = {**penalty, **numbers}
    return {**base, **rest, **({"penalty": penalty} if penalty else {})}
