"""GradientTargets: what the labeling functions demand of the model's input gradient."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.short_repr import html_table, short_repr

__all__ = ["GradientTargets"]


@dataclass(eq=False)
class GradientTargets:
    r"""Smoothed gradients of labeling functions on the features that they inspect, as COO entries.

    Entry ``e`` says that the smoothed LF ``lf[e]`` has the derivative ``value[e]`` of its class ``cls[e]`` with
    respect to feature ``feature[e]`` (Sec. 4.2 of Sam and Kolter, 2023). Entries that are absent are not penalised.

    Args:
        lf: int64 (E,), in [0, num_lfs).
        cls: int64 (E,), in [0, num_classes).
        feature: int64 (E,), in [0, num_features).
        value: float (E,), non-zero, in [-1, 1] for 0/1 features.
        num_lfs: m.
        num_classes: K.
        num_features: d.
        document_frequency: float (d,) in [0, 1], share of the rows in which a feature is present; the smoothing
            distribution ``phi="document-frequency"`` draws from it.
        feature_scale: float (d,), the value that a feature has where it is present: 1 for a binary bag of words
            (``None`` stands for that), the column's standard deviation for a table. One unit of ``value`` is one
            ``feature_scale``.

    Raises:
        TargetsError: if an index lies outside its range, lengths differ, or a value is not finite or zero.

    Example:
        >>> targets = GradientTargets.from_entries([(0, 1, 2, 1.0)], num_lfs=1, num_classes=2, num_features=4)
        >>> targets.features, len(targets)
        (tensor([2]), 1)
    """

    lf: Int[Tensor, " entry"]
    cls: Int[Tensor, " entry"]
    feature: Int[Tensor, " entry"]
    value: Float[Tensor, " entry"]
    num_lfs: int
    num_classes: int
    num_features: int
    document_frequency: Float[Tensor, " feature"] | None = None
    feature_scale: Float[Tensor, " feature"] | None = None
    features: Int[Tensor, " inspected"] = field(init=False)
    """int64 (F,), sorted: the distinct features that some LF inspects."""
    position: Int[Tensor, " entry"] = field(init=False)
    """int64 (E,): the index into ``features`` of each entry."""
    slot: Int[Tensor, " entry"] = field(init=False)
    """int64 (E,): the place of each entry in a gradient (K, F), row by row."""
    sign: Float[Tensor, " entry"] = field(init=False)
    """float (E,): -1 or 1, the sign of ``value``."""
    magnitude: Float[Tensor, " entry"] = field(init=False)
    """float (E,): the magnitude of ``value``."""
    entries_per_lf: Int[Tensor, " lf"] = field(init=False)
    """int64 (m,): the number of entries of each LF, 1 where it has none; to divide by."""
    unit_offsets: Int[Tensor, " inspected_plus_2"] = field(init=False)
    """int64 (F + 2,): where the rows of the F unit vectors of ``features``, and one empty row, start in bag form."""
    _moved: dict[torch.device, GradientTargets] = field(init=False, repr=False, default_factory=dict)

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        """Return the number of entries and the largest magnitude of each LF and class as a table for notebooks."""
        import pandas as pd

        entries = pd.DataFrame(
            {"lf": self.lf.tolist(), "class": self.cls.tolist(), "|value|": self.value.abs().tolist()}
        )
        table = entries.groupby(["lf", "class"])["|value|"].agg(["size", "max"])
        return html_table(table.rename(columns={"size": "targets", "max": "largest |value|"}), repr(self))

    def __post_init__(self) -> None:
        self._check()
        self.features, self.position = torch.unique(self.feature, return_inverse=True)
        size = len(self.features)
        self.slot = self.cls * size + self.position
        self.sign, self.magnitude = self.value.sign(), self.value.abs()
        self.entries_per_lf = torch.bincount(self.lf, minlength=self.num_lfs).clamp(min=1)
        self.unit_offsets = torch.arange(size + 2).clamp(max=size)

    @classmethod
    def from_entries(
        cls,
        entries: list[tuple[int, int, int, float]],
        num_lfs: int,
        num_classes: int,
        num_features: int,
        document_frequency: Float[Tensor, " feature"] | None = None,
        feature_scale: Float[Tensor, " feature"] | None = None,
    ) -> GradientTargets:
        """Build targets from tuples ``(lf, class, feature, value)``; no tuples give targets without demands."""
        lf, klass, feature, value = zip(*entries, strict=True) if entries else ((), (), (), ())
        return cls(
            torch.tensor(lf, dtype=torch.long),
            torch.tensor(klass, dtype=torch.long),
            torch.tensor(feature, dtype=torch.long),
            torch.tensor(value, dtype=torch.get_default_dtype()),
            num_lfs,
            num_classes,
            num_features,
            document_frequency,
            feature_scale,
        )

    def __len__(self) -> int:
        """Return E, the number of entries."""
        return self.value.shape[0]

    @property
    def lfs_without_features(self) -> list[int]:
        """Indices of the LFs that have no entry and so train with their vote loss alone."""
        inspected = set(self.lf.tolist())
        return [i for i in range(self.num_lfs) if i not in inspected]

    def check_fits(self, num_lfs: int, num_classes: int) -> None:
        """Raise ``TargetsError`` unless these targets are for votes of m LFs and a model of K classes."""
        if (self.num_lfs, self.num_classes) != (num_lfs, num_classes):
            raise TargetsError(
                f"gradient targets of {self.num_lfs} LFs and {self.num_classes} classes met votes of {num_lfs} LFs "
                f"and a model of {num_classes} classes. Map the records of the LFs that vote."
            )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> GradientTargets:
        """Return these targets on ``device``; a copy is made once for each device and kept."""
        device = torch.device(device)
        if device == self.value.device:
            return self
        if device not in self._moved:
            moved = copy.copy(self)
            moved._moved = {}
            for item in fields(self):
                if isinstance(value := getattr(self, item.name), Tensor):
                    setattr(moved, item.name, value.to(device, non_blocking=non_blocking))
            self._moved[device] = moved
        return self._moved[device]

    def _check(self) -> None:
        lengths = {name: getattr(self, name).shape for name in ("lf", "cls", "feature", "value")}
        if len(set(lengths.values())) != 1 or self.value.ndim != 1:
            raise TargetsError(f"gradient targets need four vectors of one length, got shapes {lengths}.")
        bounds = {"lf": self.num_lfs, "cls": self.num_classes, "feature": self.num_features}
        for name, bound in bounds.items():
            index = getattr(self, name)
            bad = (index < 0) | (index >= bound)
            if bad.any():
                entry = int(bad.nonzero()[0])
                raise TargetsError(
                    f"gradient target {entry} has {name} = {int(index[entry])}, outside [0, {bound}). "
                    "Map the records against the feature space that the model is trained on."
                )
        bad = ~torch.isfinite(self.value) | (self.value == 0)
        if bad.any():
            entry = int(bad.nonzero()[0])
            raise TargetsError(
                f"gradient target {entry} has value {float(self.value[entry])}; values must be finite and not 0 "
                "(leave an entry out to make no demand)."
            )
        for name in ("document_frequency", "feature_scale"):
            vector = getattr(self, name)
            if vector is not None and vector.shape != (self.num_features,):
                raise TargetsError(f"{name} has shape {tuple(vector.shape)}, expected ({self.num_features},).")
