"""What every penalty has in common: how much it counts, what it asks of the network, and its state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar, get_args

from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, TargetsError, check_choice, check_number
from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.losses import HINGES, Hinge, Reduction
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.votes import LF_FACTORS, Factors
from lol_lightning.losses.weights.lf_weights import LFWeighting

__all__ = ["DEFAULT_ALPHA", "DEFAULT_C", "Measurement", "Penalty", "as_penalty", "unmet_fraction"]

DEFAULT_ALPHA, DEFAULT_C = 1.0, 0.2
"""alpha and c where neither the user nor the data module sets them; ``GradientPenalty`` has another c of its own."""


PenaltyT = TypeVar("PenaltyT", bound="Penalty")


class Measurement(NamedTuple):
    """What a penalty measures on one batch."""

    logits: Float[Tensor, "batch cls"]
    """float (B, K), of the batch, in the network's own mode."""
    penalty: Float[Tensor, ""]
    """float (), the penalty of Eq. 4 without alpha, at least 0."""
    met: Callable[[], Float[Tensor, ""]]
    """Returns the fraction of the demands that the network meets, in [0, 1]; computed when it is called."""
    per_lf: Callable[[], Float[Tensor, " lf"]]
    """Returns the penalty of each LF without its factor, float (m,), without a graph; computed when it is called."""

    def __repr__(self) -> str:
        return short_repr(self)


class Penalty(nn.Module, ABC):
    r"""A demand on the network's gradient, as a term of ``LoLLoss``.

    ``measure`` returns the penalty of Eq. 4 without :math:`\alpha`. ``LoLLoss`` multiplies it with ``alpha_at(step)``.

    A penalty of your own subclasses this, passes its arguments on, and lists those that it adds in ``init_args``.

    Args:
        alpha: weight of the penalty, at least 0. ``None``: the data module's, else ``DEFAULT_ALPHA``.
        c: the fraction of an LF's gradient that the model must reach, above 0. ``None``: the data module's, else
            ``default_c``.
        unit: unit of the gradients and so of ``c``. "probability" as in Eq. 3, where 0.05 to 0.4 is in reach;
            "log-odds" takes the gradient of log h / (1 - h), where 1 to 12 is in reach.
        hold_factor: hold the factor diag(h) - h h^T between the gradients of logits and probabilities constant in the
            backward pass, so that a demand is met by a larger slope of the logits and never by a less certain model.
            ``False`` differentiates it too, as Eq. 3 to the letter does.
        hinge: shape of the hinge, a key of ``HINGES``: "square" (Eq. 3), "linear" or "exponential".
        reduction: "sum" over the features of an LF as in Eq. 3, or "mean", so that one alpha fits LFs of three words
            and of thousands.
        factors: how much each LF's penalty counts: "votes" as in Eq. 4, or "equal", so that an LF counts even where
            it votes on few of the rows, or on none.
        weights: the weight of each LF's penalty: a key of ``LF_WEIGHTS``, or a number for each LF. Weights by name are
            not scaled to the mean 1: with "above-chance", LFs that are no better than chance demand nothing. ``None``:
            the data module's, else the weights of the votes, as in Eq. 4.
        every: compute the penalty in every s-th step only, with s times the weight, so that its mean is kept.
        warmup: number of steps over which alpha rises from 0 to its value, in equal amounts.

    Raises:
        ConfigurationError: if an argument lies outside its range.
    """

    needs_second_derivative: ClassVar[bool] = True
    """Whether the network is differentiated twice, which sharded parameters and flash attention do not allow."""

    lf_weights: Float[Tensor, " lf"] | None

    def __init__(
        self,
        alpha: float | None = None,
        c: float | None = None,
        unit: GradientUnit = "probability",
        hold_factor: bool = True,
        hinge: Hinge = "square",
        reduction: Reduction = "mean",
        factors: Factors = "equal",
        weights: LFWeighting | list[float] | None = None,
        every: int = 1,
        warmup: int = 0,
    ) -> None:
        super().__init__()
        check_choice("unit", unit, get_args(GradientUnit))
        check_choice("hinge", hinge, tuple(HINGES))
        check_choice("reduction", reduction, get_args(Reduction))
        check_choice("factors", factors, tuple(LF_FACTORS))
        check_alpha_and_c(alpha, c)
        check_number("every", every, at_least=1, whole=True)
        check_number("warmup", warmup, at_least=0, whole=True)
        self.alpha, self.c = alpha, c
        self.unit: GradientUnit = unit
        self.hold_factor = hold_factor
        self.hinge: Hinge = hinge
        self.reduction: Reduction = reduction
        self.factors: Factors = factors
        self.weights = weights
        self.every, self.warmup = every, warmup
        self.alpha_, self.c_ = DEFAULT_ALPHA if alpha is None else alpha, self.default_c if c is None else c
        self.register_buffer("lf_weights", None)

    @property
    def default_c(self) -> float:
        """Return c where neither the user nor the data module sets it."""
        return DEFAULT_C

    @property
    def _stays_within_reach(self) -> bool:
        """Whether demands are cut to what a probability can still rise or fall by."""
        return self.hold_factor and self.unit == "probability"

    @abstractmethod
    def measure(self, network: nn.Module, batch: LoLBatch, step: int) -> Measurement:
        """Send the batch through the network in its own mode, then measure the penalty in evaluation mode.

        Args:
            network: maps features to logits (N, K).
            batch: with the targets that this penalty reads.
            step: number of the optimizer step, equal on all ranks.

        Raises:
            TargetsError: if the targets do not fit the batch, the network or this penalty.
        """

    @abstractmethod
    def has_demands(self, batch: LoLBatch) -> bool:
        """Tell whether the batch holds targets of the kind that this penalty reads.

        Raises:
            TargetsError: if it holds targets of another kind, which would be ignored.
        """

    def init_args(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain types, as they were at construction."""
        weights = self.weights if self.weights is None or isinstance(self.weights, str) else list(self.weights)
        return {
            "alpha": self.alpha,
            "c": self.c,
            "unit": self.unit,
            "hold_factor": self.hold_factor,
            "hinge": self.hinge,
            "reduction": self.reduction,
            "factors": self.factors,
            "weights": weights,
            "every": self.every,
            "warmup": self.warmup,
        }

    @classmethod
    def in_place_of(cls: type[PenaltyT], penalty: Penalty) -> tuple[PenaltyT, list[str]]:
        """Return a penalty of this class with the arguments that it shares with another one, and those left out.

        Example:
            >>> from lol_lightning.losses.penalties import ExamplePenalty, GradientPenalty
            >>> ExamplePenalty.in_place_of(GradientPenalty(alpha=0.5, num_samples=7))
            (ExamplePenalty(alpha=0.5, c=0.2), ['num_samples=7'])
        """
        arguments, shared = penalty.init_args(), Penalty.init_args(penalty)
        defaults = type(penalty)().init_args()
        left_out = [
            f"{name}={value}"
            for name, value in arguments.items()
            if name not in {*shared, "seed"} and value != defaults[name]
        ]
        return cls(**shared), left_out

    def plain(self, in_force: bool = False) -> dict[str, Any]:
        """Return class path and arguments, from which ``as_penalty`` builds an equal penalty.

        Args:
            in_force: return the numbers in force in place of arguments that the data decide.
        """
        arguments = self.init_args()
        if in_force:
            arguments |= {"alpha": self.alpha_, "c": self.c_}
            if self.lf_weights is not None:
                arguments["weights"] = self.lf_weights.tolist()
        return {"class_path": class_path(type(self)), "init_args": arguments}

    def set_alpha_and_c(self, alpha: float | None, c: float | None) -> list[str]:
        """Take a data module's alpha and c where the user set none; return the names of those that were taken."""
        check_alpha_and_c(alpha, c)
        taken = []
        if self.alpha is None:
            self.alpha_ = DEFAULT_ALPHA if alpha is None else alpha
            taken += ["alpha"] if alpha is not None else []
        if self.c is None:
            self.c_ = self.default_c if c is None else c
            taken += ["c"] if c is not None else []
        return taken

    def alpha_at(self, step: int) -> float:
        """Return the weight of the penalty in a step: 0 between every s-th steps, lower while it warms up."""
        if step % self.every:
            return 0.0
        return self.alpha_ * self.every * min(1.0, (step + 1) / max(self.warmup, 1))

    def extra_repr(self) -> str:
        """Return the values in force, and the arguments that are not at their defaults."""
        defaults = type(self)().init_args()
        changed = {name: value for name, value in self.init_args().items() if value != defaults[name]}
        shown = {**changed, "alpha": self.alpha_, "c": self.c_}
        order = [name for name in defaults if name in shown]
        return ", ".join(f"{name}={_short(shown[name])}" for name in order)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


def as_penalty(penalty: Penalty | Mapping[str, Any], default: type[Penalty]) -> Penalty:
    """Build a penalty from its plain form.

    Args:
        penalty: a penalty, returned as it is; ``{"class_path": ..., "init_args": {...}}``, whose class must be loaded
            already, so that no file makes this import anything; or arguments of ``default``.
        default: class for arguments without a class path.

    Raises:
        ConfigurationError: if the class is no penalty that is loaded, or an argument is wrong.

    Example:
        >>> from lol_lightning.losses import GradientPenalty
        >>> as_penalty({"alpha": 3.0, "hinge": "linear"}, GradientPenalty)
        GradientPenalty(alpha=3, c=0.7, hinge='linear')
    """
    if isinstance(penalty, Penalty):
        return penalty
    if not isinstance(penalty, Mapping):
        raise ConfigurationError(
            f"penalty = {penalty!r:.80}; give an object, such as {default.__name__}(alpha=1.0), or a mapping of its "
            "arguments."
        )
    cls, arguments = default, dict(penalty)
    if "class_path" in arguments:
        loaded = {class_path(loaded_class): loaded_class for loaded_class in _subclasses(Penalty)}  # type: ignore[type-abstract]
        short = {loaded_class.__name__: loaded_class for loaded_class in loaded.values()}
        path, arguments = str(arguments["class_path"]), dict(arguments.get("init_args") or {})
        match = loaded.get(path) or (short.get(path.rpartition(".")[2]) if path.startswith("lol_lightning.") else None)
        if match is None:
            raise ConfigurationError(
                f"penalty class {path!r} is no penalty that is loaded; import its module first. Loaded are: "
                f"{', '.join(sorted(loaded))}."
            )
        cls = match
    try:
        built = cls(**arguments)
        built.plain()  # Arguments of another type show here at the latest.
        return built
    except TypeError as error:
        raise ConfigurationError(f"{cls.__name__}: {error}; it takes {', '.join(cls().init_args())}.") from error


def class_path(cls: type) -> str:
    """Return module and name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def unmet_fraction(met: Tensor, demanded: Tensor) -> Float[Tensor, ""]:
    """Fraction of the demands that are not met, 0 where nothing is demanded.

    Args:
        met: bool, of any shape.
        demanded: bool, of the same shape.
    """
    return (demanded & ~met).sum() / demanded.sum().clamp(min=1)


def refuse_insertions(batch: LoLBatch, name: str) -> None:
    """Raise ``TargetsError`` if a batch holds insertions, which a penalty of that name would ignore."""
    if batch.insertions is not None:
        raise TargetsError(f"the batch has insertions, which {name} does not read; leave them out of the batch.")


def check_alpha_and_c(alpha: float | None, c: float | None) -> None:
    """Raise ``ConfigurationError`` if ``alpha`` is below 0, ``c`` is not above it, or one is not finite."""
    if alpha is not None:
        check_number("alpha", alpha, at_least=0)
    if c is not None:
        check_number("c", c, above=0)


def _subclasses(cls: type[Penalty]) -> list[type[Penalty]]:
    return [loaded for child in cls.__subclasses__() for loaded in (child, *_subclasses(child))]


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"<{len(value)} numbers>"
    return f"{value:.3g}" if isinstance(value, float) else repr(value)
