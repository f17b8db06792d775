"""Settings that belong together: of the loaders, of the classes, and what data decide about a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lol_lightning.exceptions import ConfigurationError, check_number
from lol_lightning.functional.short_repr import short_repr

__all__ = ["ClassShares", "Classes", "LoaderOptions", "ModelDefaults", "alpha_of_prior", "in_order_of_classes"]


@dataclass(frozen=True)
class LoaderOptions:
    """How batches are cut and delivered.

    Args:
        num_workers: processes that cut batches; 0 is fastest for a bag of words.
        pin_memory: whether batches go to page-locked memory.
        on_device: keep all rows on the trainer's device and cut the batches there, for rows that fit into its memory.
        seed: of the order of the training rows.

    Raises:
        ConfigurationError: if a number is out of range, or ``on_device`` combined with workers or page-locked memory.

    Example:
        >>> LoaderOptions(num_workers=2)
        LoaderOptions(num_workers=2, pin_memory=False, on_device=False, seed=0)
    """

    num_workers: int = 0
    pin_memory: bool = False
    on_device: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("num_workers", self.num_workers, at_least=0, whole=True)
        check_number("seed", self.seed, whole=True)
        if self.on_device and (self.num_workers or self.pin_memory):
            raise ConfigurationError(
                f"on_device leaves nothing to num_workers = {self.num_workers} and pin_memory = {self.pin_memory}; "
                "drop them."
            )


@dataclass(frozen=True, eq=False)
class ClassShares:
    """Which share of the rows each class has, and how certain that is.

    Args:
        shares: float (K,), not negative, summing to 1.
        num_labels: number of labeled rows that the shares were counted on; ``None`` for shares that are certain.
    """

    shares: Float[np.ndarray, " cls"]
    num_labels: int | None = None

    __repr__ = short_repr

    @classmethod
    def counted(cls, labels: Int[np.ndarray, " row"], num_classes: int) -> ClassShares:
        """Count the shares among labels int (n,) in [0, K), n > 0.

        Example:
            >>> ClassShares.counted(np.array([0, 1, 1, 1]), num_classes=2)
            ClassShares(shares=[0.25, 0.75], num_labels=4)
        """
        return cls(np.bincount(labels, minlength=num_classes) / len(labels), len(labels))


def in_order_of_classes(shares: Any, num_classes: int, names: Sequence[str] | None = None) -> Any:
    """Return class shares by class, where they are a mapping or a Series with classes as its index.

    ``value_counts(normalize=True)`` of pandas sorts by share; its index says which class each share is of.

    Raises:
        ConfigurationError: if the keys are neither the K classes nor their names.

    Example:
        >>> in_order_of_classes({1: 0.1, 0: 0.9}, num_classes=2)
        [0.9, 0.1]
    """
    if not isinstance(shares, Mapping) and not (hasattr(shares, "index") and hasattr(shares, "items")):
        return shares
    by_class = dict(shares.items())
    for classes in (list(range(num_classes)), list(names or ())):
        if classes and set(by_class) == set(classes):
            return [by_class[cls] for cls in classes]
    wanted = f"the classes 0 .. {num_classes - 1}" + (f", or {list(names)}" if names else "")
    raise ConfigurationError(f"class shares have the keys {list(by_class)}; they must be {wanted}.")


def alpha_of_prior(num_rows: int, prior_rows: float, max_alpha: float) -> float:
    r"""Weight of a penalty that is worth a number of rows: :math:`\min(\alpha_{\max}, R / n)`.

    The vote loss is a mean over rows, so that its certainty grows with their number n; what gradients tell does not.

    Args:
        num_rows: n, rows with a vote, at least 1.
        prior_rows: R.
        max_alpha: the weight where rows are few.

    Example:
        >>> [alpha_of_prior(n, prior_rows=1000, max_alpha=10) for n in (50, 400, 10_000)]
        [10, 2.5, 0.1]
    """
    return min(max_alpha, prior_rows / num_rows)


@dataclass(frozen=True)
class ModelDefaults:
    """What a data module sets where the arguments of a model and its penalty are ``None``.

    Args:
        alpha: weight of the penalty.
        c: fraction of each gradient target that the model's gradient must reach.
        lf_weights: how much the votes of each LF count, see ``LoLLoss``.
        penalty_weights: how much the penalty of each LF counts.
    """

    alpha: float | None = None
    c: float | None = None
    lf_weights: str | list[float] | None = None
    penalty_weights: str | list[float] | None = None

    __repr__ = short_repr


@dataclass(frozen=True)
class Classes:
    """The classes of a data module.

    Args:
        names: one for each class.
        number: K; by default the number of ``names`` or of shares in ``balance``, else the smallest with room for all
            labels, votes and LFs.
        balance: float (K,), positive, or ``{class or its name: share}``: the shares of the classes among all rows,
            where they are known. A model then need not count them on labeled validation rows. ``ClassShares`` also say
            how many labels tell them.

    Raises:
        ConfigurationError: if K is below 2, the three contradict each other, or a share is not positive.

    Example:
        >>> Classes(["ham", "spam"], balance=[3, 1]).shares()
        ClassShares(shares=[0.75, 0.25], num_labels=None)
    """

    names: Sequence[str] | None = None
    number: int | None = None
    balance: Sequence[float] | Mapping[Any, float] | ClassShares | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if self.balance is not None and not isinstance(self.balance, ClassShares):
            size = self.number or len(self.names or self.balance)
            object.__setattr__(self, "balance", in_order_of_classes(self.balance, size, self.names))
        shares = self.balance.shares if isinstance(self.balance, ClassShares) else self.balance
        sizes = {
            "number": self.number,
            "names": None if self.names is None else len(self.names),
            "balance": None if shares is None else len(shares),
        }
        stated = {name: size for name, size in sizes.items() if size is not None}
        if len(set(stated.values())) > 1:
            raise ConfigurationError(f"the classes contradict each other: {stated}. Give one entry for each class.")
        if (size := next(iter(stated.values()), 2)) < 2:
            raise ConfigurationError(f"a classifier needs at least 2 classes, got {size}.")
        if self.names is not None and len(set(self.names)) < len(self.names):
            raise ConfigurationError(f"classes need distinct names, got {list(self.names)}.")
        if shares is not None and not all(0 < share < float("inf") for share in shares):
            raise ConfigurationError(f"balance = {list(shares)}; each class needs a share above 0.")
        object.__setattr__(self, "number", next(iter(stated.values()), None))

    @classmethod
    def of(cls, classes: int | Sequence[str] | Classes | None) -> Classes:
        """Read the number of the classes, or their names, as ``Classes``.

        Example:
            >>> Classes.of(["ham", "spam"]).number
            2
        """
        if isinstance(classes, Classes):
            return classes
        if classes is None or (isinstance(classes, int | np.integer) and not isinstance(classes, bool)):
            return cls(number=None if classes is None else int(classes))
        if isinstance(classes, str) or not (
            isinstance(classes, Iterable) and all(isinstance(name, str) for name in classes)
        ):
            raise ConfigurationError(f"classes = {classes!r}; give their number, a list of names, or Classes(...).")
        return cls(names=list(classes))

    def shares(self) -> ClassShares | None:
        """Return ``balance`` scaled to the sum 1, ``None`` where there is none."""
        balance = self.balance
        if balance is None:
            return None
        if isinstance(balance, ClassShares):
            total = float(np.sum(balance.shares))
            return balance if np.isclose(total, 1) else ClassShares(balance.shares / total, balance.num_labels)
        shares = np.asarray(balance, dtype=np.float64)
        return ClassShares(shares / shares.sum())
