"""A method of a comparison: what it trains on, its LightningModule, its fixed options and its search space."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
from torch import Tensor

from lol_lightning.baselines.pseudolabels import LABEL_MODELS, pseudolabels
from lol_lightning.baselines.variants import OPTIONS
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.options import ClassShares
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.data import Prepared
from lol_lightning.experiments.label_models import known_shares, variant_for
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.record import Source
from lol_lightning.losses import GradientPenalty, LabeledVotes, LoLLoss, Penalty
from lol_lightning.losses.penalties import DEFAULT_ALPHA, as_penalty
from lol_lightning.losses.penalties.choice import penalty_for
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.metrics import Score
from lol_lightning.models.optimizers import DEFAULT_LR

__all__ = ["OPTIMIZER", "PENALTY_NUMBERS", "Method", "Ranges"]

OPTIMIZER = {"lr": (1e-3, 3e-2), "weight_decay": (1e-6, 1e-2)}
"""Where every method searches for the arguments of its optimizer."""
PENALTY_NUMBERS = ("alpha", "c")
"""Arguments of the penalty that may be tuned. Ranges, variants and results hold them by these names, unnested."""

Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Method:
    """A method.

    Args:
        name: as in the results.
        trains_on: "votes" of the LFs, "labels" of labeled rows, or a key of ``LABEL_MODELS``.
        options: arguments of the LightningModule that are not tuned; ``penalty`` in its plain form, see ``as_penalty``.
        ranges: arguments that are tuned, each drawn evenly in its logarithm from (low, high).
        model: the LightningModule.
        sources: which findings of an inspection the gradients come from; ``None`` for the data module's own records.
        class_balance: class shares for a label model or the encoder of an end-to-end model. "validation" stands for
            those of the labeled rows, or for none: what ``variant_for`` finds better. ``None`` for none.
        label_options: options of the label model, see ``pseudolabels``; those that are not set are chosen likewise.
        label_score: of the variant that was chosen, on the labeled rows; ``None`` before.
    """

    name: str
    trains_on: str = "votes"
    options: Mapping[str, Any] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=lambda: OPTIMIZER)
    model: type[LoLClassifier] = LoLClassifier
    sources: tuple[Source, ...] | None = None
    class_balance: Literal["validation"] | tuple[float, ...] | None = None
    label_options: Mapping[str, Any] = field(default_factory=dict)
    label_score: float | None = None

    @property
    def has_penalty(self) -> bool:
        """Whether the loss has a penalty."""
        arguments = self._arguments
        return "penalty" in arguments and arguments["method"] == "lol"

    @property
    def knows(self) -> str:
        """What the method trains on beside features, in words for tables: votes, class shares, words or labels."""
        if self.trains_on == "labels":
            return "labels"
        told = (self._arguments.get(name) for name in ("class_shares", "class_weights"))
        shares = self.class_balance is not None or any(argument is not None for argument in told)
        parts = {"votes": True, "class shares": shares, "words": self.has_penalty}
        return ", ".join(part for part, known in parts.items() if known)

    @property
    def choices(self) -> dict[str, Any]:
        """What ``resolve`` chose for the label model, and by which score on the labeled rows; plain types."""
        if self.label_score is None:
            return {}
        balance = None if self.class_balance is None else [round(float(share), 6) for share in self.class_balance]
        return {"class_balance": balance, **self.label_options, "label_score": self.label_score}

    @property
    def arguments(self) -> set[str]:
        """Names of the arguments that may be set or tuned."""
        names = inspect.signature(self.model.__init__).parameters.keys() - {"self"}
        return {*names, *PENALTY_NUMBERS} if self.has_penalty else set(names) - {"penalty"}

    @property
    def defaults(self) -> dict[str, Any]:
        """Values of the tuned arguments in the first trial: those in ``options``, or the LightningModule's own.

        What the data decide is ``None``, except for a method that ``resolve`` returned.
        """
        arguments = self._arguments
        if self.has_penalty:
            penalty = self.penalty().init_args()
            arguments |= {name: penalty[name] for name in PENALTY_NUMBERS}
        return {name: arguments[name] for name in self.ranges}

    def penalty(self, default: type[Penalty] = GradientPenalty) -> Penalty:
        """Build the penalty of ``options``, of the class ``default`` where they name none."""
        return as_penalty(self.options.get("penalty") or {}, default)

    def settings(self) -> dict[str, Any]:
        """All that defines the method, as plain types; with the arguments that it leaves at their defaults."""
        arguments = self._arguments
        first_trial = self.defaults
        arguments.pop("penalty", None)
        if self.has_penalty:
            penalty = self.penalty().plain()
            numbers = penalty["init_args"]
            numbers.pop("seed", None)
            defaults = {"alpha": DEFAULT_ALPHA, "c": self.penalty().default_c}
            by_data = {name: f"the data module's, else {value}" for name, value in defaults.items()}
            numbers |= {name: text for name, text in by_data.items() if numbers[name] is None}
            first_trial |= {name: numbers[name] for name in PENALTY_NUMBERS if name in first_trial}
            for name in set(PENALTY_NUMBERS) & self.ranges.keys():
                del numbers[name]
            arguments["penalty"] = penalty
        elsewhere = set(self.ranges) | {"network", "num_features", "num_classes", "num_lfs", "seed"}
        return {
            "trains_on": self.trains_on,
            "model": self.model.__name__,
            "sources": self.sources,
            "class_balance": self.class_balance,
            "label_options": {**_open_options(self.trains_on), **self.label_options},
            "first_trial": first_trial,
            "ranges": dict(self.ranges),
            "options": {name: value for name, value in arguments.items() if name not in elsewhere},
        }

    def train_data(self, prepared: Prepared, labeled: np.ndarray, seed: int) -> LoLDataset:
        """Return the rows that the method trains on, with its votes.

        Args:
            prepared: the data.
            labeled: validation rows to train on, read by "labels" only.
            seed: of the pseudolabels.

        Raises:
            ConfigurationError: if the method has no class shares yet; ``resolve`` counts them.
        """
        if self.trains_on == "votes":
            return prepared.train_with(self.sources)
        if self.trains_on == "labels":
            batch = prepared.val.__getitems__(labeled.tolist())
            return LoLDataset(batch.features, cast(Tensor, batch.labels)[:, None])
        data = prepared.data
        if isinstance(self.class_balance, str):
            raise ConfigurationError(f"the class shares for {self.name!r} are not counted yet; call resolve().")
        # A label model would answer on rows without votes, too, but has nothing to tell there.
        votes = data.train_votes
        covered = (votes != ABSTAIN).any(1)
        fused = np.zeros((len(votes), data.num_classes), np.float32)
        fused[covered] = pseudolabels(
            self.trains_on, votes[covered], data.num_classes, seed, self.class_balance, **self.label_options
        )
        return LoLDataset(prepared.train.features, fused[:, None, :])

    def resolve(
        self,
        prepared: Prepared,
        labeled: np.ndarray,
        drawn_by_class: bool = False,
        select_by: Score = "accuracy",
        seed: int = 0,
    ) -> Method:
        """Return the method with weights, alpha, c and class shares as numbers, computed once for all trials.

        The variant of a label model is chosen here, too, by one rule for all, see ``variant_for``.

        Args:
            prepared: the data.
            labeled: validation rows whose labels may be read.
            drawn_by_class: whether they were drawn class by class, so that they tell no class shares.
            select_by: the score by which a variant is chosen.
            seed: of label models that draw.
        """
        votes = LabeledVotes.of(prepared.data).restricted_to(labeled, drawn_by_class)
        method = self._with_variant(prepared, labeled, votes, select_by, seed)
        arguments, defaults = self._arguments, prepared.data.model_defaults
        penalty: Penalty | Literal[False] = False
        if self.has_penalty:
            penalty = self._penalty_for(prepared, alpha=defaults.alpha, c=defaults.c, weights=defaults.penalty_weights)
        weighting = None
        if self.trains_on == "votes":
            weighting = defaults.lf_weights if arguments.get("lf_weights") is None else arguments["lf_weights"]
        if self.trains_on == "labels" and (shares := votes.shares_of_classes()) is not None:
            # What labels tell of themselves is not to be pulled towards the votes.
            votes = replace(votes, class_shares=ClassShares(shares.shares))
        lol = LoLLoss(
            penalty,
            cast(Any, weighting),
            arguments.get("class_weights"),
            arguments["class_shares"],
            arguments["shares_weight"],
        )
        lol.configure(votes)
        numbers = {name: value for name, value in lol.hparams().items() if name in arguments}
        if not self.has_penalty:
            numbers.pop("penalty", None)
        if self.trains_on != "votes":
            # A pseudolabel is the vote of a single LF, and a label has no rows without votes beside it.
            numbers.pop("lf_weights", None)
        if self.trains_on == "labels":
            numbers.pop("class_weights", None)
        return replace(method, options={**method.options, **numbers})

    def make_model(self, prepared: Prepared, hyperparameters: Mapping[str, Any], seed: int) -> LoLClassifier:
        """Build the LightningModule; its weights follow torch's global random state."""
        data = prepared.data
        sizes = {"num_features": data.num_features, "num_classes": data.num_classes, "num_lfs": data.num_lfs}
        arguments = {**self.options, **{n: v for n, v in hyperparameters.items() if n not in PENALTY_NUMBERS}}
        arguments |= {name: sizes[name] for name in sizes.keys() & self.arguments}
        if self.has_penalty:
            numbers = {name: value for name, value in hyperparameters.items() if name in PENALTY_NUMBERS}
            penalty = self._penalty_for(prepared)
            own_seed = {"seed": seed} if "seed" in penalty.init_args() else {}
            arguments["penalty"] = type(penalty)(**{**penalty.init_args(), **numbers, **own_seed})
        return self.model(**arguments, seed=seed)

    def _with_variant(
        self, prepared: Prepared, labeled: np.ndarray, votes: LabeledVotes, select_by: Score, seed: int
    ) -> Method:
        """Return the method with a variant of its label model, or of the labels that its encoder starts from."""
        if self.class_balance != "validation":
            return self
        shares = known_shares(votes)
        variant = variant_for(self.trains_on, prepared, labeled, shares, select_by, seed, self.label_options)
        options = dict(self.options)
        if self.trains_on not in LABEL_MODELS:
            options["class_balance"] = None if variant.class_balance is None else list(variant.class_balance)
        return replace(
            self,
            class_balance=variant.class_balance,
            label_options=variant.options,
            label_score=variant.score,
            options=options,
        )

    @property
    def _arguments(self) -> dict[str, Any]:
        parameters = inspect.signature(self.model.__init__).parameters
        defaults = {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}
        if "lr" in defaults and defaults["lr"] is None:
            defaults["lr"] = DEFAULT_LR
        return {**defaults, **self.options}

    def _penalty_for(self, prepared: Prepared, **defaults: Any) -> Penalty:
        """Build the penalty of the kind that the data have targets for, with ``defaults`` for arguments of ``None``."""
        penalty = self.penalty(penalty_for(prepared.data))
        arguments = penalty.init_args()
        return type(penalty)(**{**arguments, **{n: v for n, v in defaults.items() if arguments[n] is None}})


def _open_options(method: str) -> dict[str, Any]:
    """List what validation chooses from, by option."""
    names = {name for options in OPTIONS.get(method, ()) for name in options}
    return {name: [options[name] for options in OPTIONS[method]] for name in sorted(names)}
