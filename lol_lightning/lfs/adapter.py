"""Snorkel labeling functions that carry a record of the features that they inspect."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, SupportsIndex

from snorkel.labeling import LabelingFunction
from snorkel.preprocess import BasePreprocessor

from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.lfs.record import InspectedFeature, LFRecord

if TYPE_CHECKING:
    from lol_lightning.lfs.rules.rule_types import Rule

__all__ = ["DeclaredFeatures", "GradientLabelingFunction", "gradient_labeling_function"]

DeclaredFeatures = Mapping[int, Iterable[str | InspectedFeature]] | Iterable[InspectedFeature]
"""Features by the class that they speak for; the terms of one class are alternatives."""


class GradientLabelingFunction(LabelingFunction):  # type: ignore[misc]
    """A labeling function with the record of the features that it inspects.

    It is a Snorkel labeling function in every respect: appliers, ``LFAnalysis``, resources and preprocessors work as
    they do there. The vote is never changed.

    Args:
        name: name of the LF.
        f: the function from a data point to a class or ``ABSTAIN``.
        resources: keyword arguments for ``f``.
        pre: preprocessors that run before ``f``.
        features: what ``f`` inspects, ``{label: [terms]}`` or inspected features.
        record: a record made elsewhere, merged with ``features``.

    Raises:
        LabelingFunctionError: if ``f`` cannot be called, or a label or feature is ill-defined.

    Example:
        >>> from types import SimpleNamespace
        >>> lf = GradientLabelingFunction("spam", lambda x: 1 if "win" in x.text else -1, features={1: ["win"]})
        >>> lf(SimpleNamespace(text="you win")), [feature.term for feature in lf.record.features]
        (1, ['win'])
    """

    record: LFRecord
    """What the LF inspects."""

    def __init__(
        self,
        name: str,
        f: Callable[..., int],
        resources: Mapping[str, Any] | None = None,
        pre: Sequence[BasePreprocessor] | None = None,
        features: DeclaredFeatures | None = None,
        record: LFRecord | None = None,
    ) -> None:
        if not callable(f):
            raise LabelingFunctionError(f"labeling function {name!r} needs a function of a data point, got {f!r}.")
        super().__init__(name, f, resources, list(pre) if pre else None)
        declared = LFRecord(name, declare_features(features) if features is not None else ())
        self.record = declared if record is None else replace(record, name=name).merge(declared)

    @classmethod
    def wrap(cls, lf: LabelingFunction, features: DeclaredFeatures | None = None) -> GradientLabelingFunction:
        """Return a plain Snorkel LF as one that carries a record; one that already does is returned as it is.

        Args:
            lf: any Snorkel labeling function.
            features: what it inspects; added to the record that ``lf`` may already have.

        Example:
            >>> from snorkel.labeling import LabelingFunction
            >>> GradientLabelingFunction.wrap(LabelingFunction("long", lambda x: 1)).record
            LFRecord('long', nothing on record)
        """
        if isinstance(lf, cls):
            return lf if features is None else cls(lf.name, lf._f, lf._resources, lf._pre, features, lf.record)
        if not isinstance(lf, LabelingFunction):
            raise LabelingFunctionError(
                f"{lf!r} is no Snorkel labeling function; decorate it with @gradient_labeling_function()."
            )
        if type(lf).__call__ is not LabelingFunction.__call__:
            # A subclass that calls f in its own way (its own arguments, a cache) has to be called as a whole.
            return cls(lf.name, lf, features=features)
        return cls(lf.name, lf._f, lf._resources, lf._pre, features)

    @property
    def rules(self) -> tuple[Rule, ...] | None:
        """The ordered rules that the LF consists of, ``None`` where it is any other function."""
        return getattr(self._f, "rules", None)

    @property
    def column(self) -> str | None:
        """The attribute or column whose text the rules read, ``None`` for an LF without rules."""
        return getattr(self._f, "column", None)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        # A decorated function cannot be pickled, as its module holds this object under its name; the name is pickled.
        module, path = getattr(self._f, "__module__", None), getattr(self._f, "__qualname__", "<lambda>")
        if module not in (None, "__main__") and _find(module, path) is self:
            return _find, (module, path)
        return super().__reduce_ex__(protocol)


class gradient_labeling_function:
    """Decorator that makes a ``GradientLabelingFunction``, in the way of Snorkel's ``labeling_function``.

    Args:
        name: name of the LF, the function's own by default.
        resources: keyword arguments for the function.
        pre: preprocessors that run before the function.
        features: what the function inspects, ``{label: [terms]}``.

    Example:
        >>> @gradient_labeling_function(features={1: ["subscribe"]})
        ... def asks_to_subscribe(x):
        ...     return 1 if "subscribe" in x.text.lower() else -1
        >>> asks_to_subscribe
        GradientLabelingFunction asks_to_subscribe, Preprocessors: []
    """

    __repr__ = short_repr

    def __init__(
        self,
        name: str | None = None,
        resources: Mapping[str, Any] | None = None,
        pre: Sequence[BasePreprocessor] | None = None,
        features: DeclaredFeatures | None = None,
    ) -> None:
        if callable(name):
            raise LabelingFunctionError(
                "the decorator is missing its parentheses: write @gradient_labeling_function() above the function."
            )
        self.name, self.resources, self.pre, self.features = name, resources, pre, features

    def __call__(self, f: Callable[..., int]) -> GradientLabelingFunction:
        """Make the labeling function."""
        return GradientLabelingFunction(self.name or f.__name__, f, self.resources, self.pre, self.features)


def declare_features(features: DeclaredFeatures) -> tuple[InspectedFeature, ...]:
    """Return declared features in one form: the terms of a class become alternatives of one clause.

    Example:
        >>> [(f.term, f.label, f.clause) for f in declare_features({0: ["song"], 1: ["please", "plz"]})]
        [('song', 0, 0), ('please', 1, 1), ('plz', 1, 1)]
    """
    if not isinstance(features, Iterable):
        raise LabelingFunctionError(f"features = {features!r}; write features={{label: [terms]}}.")
    if not isinstance(features, Mapping):
        inspected = tuple(features)
        if wrong := [feature for feature in inspected if not isinstance(feature, InspectedFeature)]:
            raise LabelingFunctionError(f"feature {wrong[0]!r} has no class: write features={{label: [{wrong[0]!r}]}}.")
        return inspected
    declared = []
    for clause, (label, terms) in enumerate(features.items()):
        if isinstance(terms, bytes) or not isinstance(terms, Iterable):
            raise LabelingFunctionError(f"features of class {label!r} are {terms!r}; give a list of texts.")
        for term in [terms] if isinstance(terms, str) else terms:
            if isinstance(term, InspectedFeature):
                declared.append(replace(term, label=check_label(label)))
            else:
                declared.append(InspectedFeature(term, check_label(label), clause=clause))
    return tuple(declared)


def check_label(label: Any) -> int:
    """Return a class id as int, or say what is wrong with it."""
    try:
        index = label.__index__()
    except AttributeError:
        index = -1
    if index < 0:
        raise LabelingFunctionError(f"{label!r} is no class; classes are integers from 0 on.")
    return int(index)


def _find(module: str, path: str) -> Any:
    if module not in sys.modules:
        __import__(module)
    value: Any = sys.modules[module]
    for name in path.split("."):
        value = getattr(value, name, None)
    return value
