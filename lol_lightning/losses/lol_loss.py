"""LoLLoss: Losses over Labels as a module, the one place where Eq. 4 is added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning._lightning import LightningModule, rank_zero_info
from lol_lightning.data.base import BaseDataModule, ModelDefaults, data_module_of
from lol_lightning.data.batch import LoLBatch
from lol_lightning.functional.losses import vote_loss
from lol_lightning.losses._loss_state import make_room, packed_state
from lol_lightning.losses._trainers import refuse_sharding, trainer_of
from lol_lightning.losses.class_shares import SHARES_WEIGHT, ClassSharesLoss, plain_numbers
from lol_lightning.losses.penalties import GradientPenalty, Measurement, Penalty, as_penalty
from lol_lightning.losses.penalties.choice import penalty_for
from lol_lightning.losses.penalties.measuring import check_reaches_weights, measured
from lol_lightning.losses.penalties.second_derivative import slower_kernels
from lol_lightning.losses.terms import LoLTerms
from lol_lightning.losses.weights import ClassWeighting, LabeledVotes, LFWeighting
from lol_lightning.losses.weights.resolve import numbers_among, resolve_weights
from lol_lightning.networks import logits_of

__all__ = ["SHARES_WEIGHT", "LoLLoss"]


class LoLLoss(ClassSharesLoss):
    r"""Losses over Labels (Eq. 4 of Sam and Kolter, 2023).

    .. math:: \frac{1}{B} \sum_x \frac{1}{m(x)} \sum_i w_i \mathbb{1}\{\lambda_i(x) \text{ votes}\}
              \, u_{\lambda_i(x)}\, \mathrm{CE}(h(x), \lambda_i(x)) \;+\; \alpha \sum_i f_i\, p_i
              \;+\; \gamma \, \mathrm{KL}(\pi \,\|\, \bar h)

    The last term is not in the paper: where the class shares :math:`\pi` are known, the model's mean prediction is to
    match them (``functional.losses.class_share_loss``). For that, rows without votes stay among the training rows; in
    training the vote loss is multiplied by ``vote_scale``, the number of training rows for each one with a vote, so
    that it is the mean over the rows with votes all the same. The weights :math:`w_i` of the LFs, :math:`u_k` of the
    classes and the penalty's own, the class shares, the running mean prediction :math:`\bar h` and ``vote_scale`` are
    float buffers, and so part of a checkpoint; ``alpha`` and ``c`` are in its extra state. ``configure`` sets them from
    a data module.

    Args:
        penalty: a penalty, or its plain form (see ``as_penalty``). ``None`` is a penalty with default arguments, of the
            kind that the data module has targets for. ``False`` leaves the vote loss alone ("LoL-simple").
        lf_weights: "uniform", "snorkel" (LoL-sw), "coverage", "accuracy" (on the labeled validation rows),
            "above-chance" (by how much that accuracy exceeds chance), "agreement" (with the majority of the other
            LFs), or a weight for each LF. ``None``: the data module's default, else "uniform".
        class_weights: how much votes for each class count: "validation" balances the *votes* to the class shares that
            the data module knows, and does nothing where it knows none; "balanced" balances them to equal shares, as
            Snorkel's LabelModel does by default. Or a weight for each class. ``None`` counts them alike.
        class_shares: what the mean of the *predictions* is to match: "validation" for the class shares that the data
            module knows (its class balance, or those among the labeled validation rows), K shares, or ``None``. Shares
            that few labels tell are pulled towards those among the votes (``shrunken_shares``).
        shares_weight: :math:`\gamma`, at least 0.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Example:
        >>> lol = LoLLoss(penalty=False)
        >>> batch = LoLBatch(torch.zeros(2, 3), torch.tensor([[1, 0], [-1, -1]]))
        >>> lol(nn.Linear(3, 2), batch).vote_loss > 0
        tensor(True)
    """

    lf_weights: Float[Tensor, " lf"] | None
    class_weights: Float[Tensor, " cls"] | None
    vote_scale: Float[Tensor, ""] | None

    def __init__(
        self,
        penalty: Penalty | Mapping[str, Any] | Literal[False] | None = None,
        lf_weights: LFWeighting | Sequence[float] | None = None,
        class_weights: ClassWeighting | Sequence[float] | None = None,
        class_shares: Literal["validation"] | Sequence[float] | None = "validation",
        shares_weight: float = SHARES_WEIGHT,
    ) -> None:
        super().__init__(class_shares, shares_weight)
        self._kind_is_open = penalty is None or (isinstance(penalty, Mapping) and "class_path" not in penalty)
        self.penalty = None if penalty is False else as_penalty({} if penalty is None else penalty, GradientPenalty)
        self.lf_weighting = plain_numbers(lf_weights, "lf_weights")
        self.class_weighting = plain_numbers(class_weights, "class_weights")
        self.is_configured = False
        self._messages: set[str] = set()
        self._kernels_are_told = False
        for name in ("lf_weights", "class_weights", "vote_scale"):
            self.register_buffer(name, None)
        self.register_load_state_dict_pre_hook(make_room)  # type: ignore[no-untyped-call]
        own = None if self.penalty is None else self.penalty.weights
        self._set_weights(*numbers_among(self.lf_weighting, own, self.class_weighting))

    def configure(self, source: LightningModule | BaseDataModule | LabeledVotes | None) -> None:
        """Set weights, alpha and c from the data, and say in one line each what the data decide.

        Args:
            source: a LightningModule in its ``configure_model``: the trainer's data module counts, before ``fit`` only,
                and without a trainer nothing happens. Or a data module that is set up, or the votes by themselves.
                ``None``: there are no data, so only numbers can be used.

        Raises:
            ConfigurationError: if a weighting by name lacks what it needs, or the trainer's strategy shards parameters
                and the penalty needs a second derivative.
        """
        if isinstance(source, LightningModule):
            trainer = trainer_of(source)
            if trainer is None or trainer.state.fn != "fit":
                return
            source = data_module_of(trainer)
            self._choose_penalty(source)
            if self.penalty is not None and self.penalty.needs_second_derivative:
                refuse_sharding(trainer.strategy)
            if source is None and self.shares_source == "validation" and not self.is_configured:
                self._say("Without a data module of lol_lightning no class shares are known (class_shares).")
        if source is None and self.is_configured:
            self._say("Without a data module the weights, class shares, alpha and c of the earlier fit hold.")
            return
        defaults = ModelDefaults()
        if isinstance(source, BaseDataModule):
            defaults = source.model_defaults
            self._choose_penalty(source)
            source = LabeledVotes.of(source)
        self._set_alpha_and_c(defaults)
        self._resolve_weights(source, defaults)
        if said := self._resolve_shares(source):
            self._say(said)
        self.is_configured = True

    def forward(self, network: nn.Module, batch: LoLBatch, step: int = 0) -> LoLTerms:
        """Return the terms of Eq. 4 on a batch.

        Args:
            network: maps features to logits (N, K).
            batch: features, votes and what the LFs demand.
            step: number of the optimizer step, equal on all ranks; smoothing samples depend on it.

        Returns:
            ``LoLTerms``. In evaluation mode (``eval()``) the loss is the vote loss alone.

        Raises:
            TargetsError: if the batch's targets do not fit the batch, the network or the penalty, or if no gradient of
                the penalty reaches the weights.
            VotesError: if there is not one weight for each LF, or for each class.
        """
        alpha = self._alpha_for(batch, step)
        if self.penalty is None or alpha == 0:
            return self._terms(logits_of(network, batch.features), batch)
        return self._penalized(network, batch, step, alpha)

    def measure_penalty(self, network: nn.Module, batch: LoLBatch, step: int) -> LoLTerms | None:
        """Return vote loss and penalty with its full alpha on a batch, to look at; nothing of the state changes.

        Returns:
            The terms without the class shares, with a graph; ``None`` where the batch has no demands or alpha is 0.
        """
        if self.penalty is None or not self.penalty.has_demands(batch) or self.penalty.alpha_ == 0:
            return None
        measurement = measured(self.penalty, network, batch, step)
        voted = self.scaled(self.vote_loss(measurement.logits, batch))
        loss = voted + self.penalty.alpha_ * measurement.penalty
        return LoLTerms(loss, voted, measurement.logits, self.penalty.alpha_, measurement)

    def vote_loss(self, logits: Float[Tensor, "batch cls"], batch: LoLBatch) -> Float[Tensor, ""]:
        """Return the vote loss of logits float (B, K) under the weights in force, float (), in nats."""
        return vote_loss(logits, batch.votes, self.lf_weights, self.class_weights)

    def scaled(self, mean_over_rows: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return a loss float () times ``vote_scale`` in training mode, as it is in evaluation mode.

        A mean over all rows, 0 on those without a vote, becomes the mean over those with one.
        """
        return mean_over_rows if self.vote_scale is None or not self.training else self.vote_scale * mean_over_rows

    def hparams(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain types; once configured, with the numbers in force."""
        return {
            "penalty": False if self.penalty is None else self.penalty.plain(in_force=self.is_configured),
            "lf_weights": self.lf_weighting if self.lf_weights is None else self.lf_weights.tolist(),
            "class_weights": self.class_weighting if self.class_weights is None else self.class_weights.tolist(),
            "class_shares": self.shares_source if self.class_shares is None else self.class_shares.tolist(),
            "shares_weight": self.shares_weight,
        }

    def get_extra_state(self) -> Tensor:
        """Return what is in force and is no buffer, packed as bytes: the arguments, and the penalty's alpha and c."""
        return packed_state(self)

    def set_extra_state(self, state: Tensor) -> None:
        """Accept what ``get_extra_state`` returned; ``make_room`` has taken it before the buffers were loaded."""

    def __repr__(self) -> str:
        return f"LoLLoss({', '.join(filter(None, (repr(self.penalty), self.extra_repr())))})"

    def extra_repr(self) -> str:
        """Return the weightings."""
        parts = {
            "lf_weights": self.lf_weighting,
            "class_weights": self.class_weighting,
            "class_shares": self.shares_source,
        }
        return ", ".join(f"{name}={_short(value)}" for name, value in parts.items())

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _penalized(self, network: nn.Module, batch: LoLBatch, step: int, alpha: float) -> LoLTerms:
        penalty = cast(Penalty, self.penalty)
        measurement = measured(penalty, network, batch, step)
        if penalty.needs_second_derivative and not self._kernels_are_told:
            self._kernels_are_told = True
            if slower := slower_kernels(network):
                self._say(f"The penalty is differentiated twice, for which the network runs {slower}.")
        check_reaches_weights(measurement, network)
        return self._terms(measurement.logits, batch, alpha, measurement)

    def _terms(
        self,
        logits: Float[Tensor, "batch cls"],
        batch: LoLBatch,
        alpha: float = 0.0,
        measurement: Measurement | None = None,
    ) -> LoLTerms:
        voted, shares = self.scaled(self.vote_loss(logits, batch)), self.shares_loss(logits)
        loss = voted
        if measurement is not None:
            loss = loss + alpha * measurement.penalty
        if shares is not None:
            loss = loss + self.shares_weight * shares
        return LoLTerms(loss, voted, logits, alpha, measurement, shares)

    def _alpha_for(self, batch: LoLBatch, step: int) -> float:
        if self.penalty is None or not self.training or not self.penalty.has_demands(batch):
            return 0.0
        return self.penalty.alpha_at(step)

    def _choose_penalty(self, data: BaseDataModule | None) -> None:
        """Take the kind of penalty that reads the data's demands, unless the user named one."""
        if data is None or self.penalty is None or not self._kind_is_open:
            return
        kind = penalty_for(data)
        if type(self.penalty) is not kind:
            self.penalty, left_out = kind.in_place_of(self.penalty)
            if left_out:
                self._say(f"{kind.__name__} has no smoothing samples: {', '.join(left_out)} of penalty= has no effect.")

    def _set_alpha_and_c(self, defaults: ModelDefaults) -> None:
        if self.penalty is None:
            return
        if taken := self.penalty.set_alpha_and_c(defaults.alpha, defaults.c):
            numbers = ", ".join(f"{name} = {getattr(self.penalty, name + '_'):.3g}" for name in taken)
            self._say(f"The data module sets {numbers}.")

    def _resolve_weights(self, votes: LabeledVotes | None, defaults: ModelDefaults) -> None:
        lfs: Any = defaults.lf_weights if self.lf_weighting is None else self.lf_weighting
        own: Any = None if self.penalty is None else self.penalty.weights
        own = defaults.penalty_weights if own is None else own
        weights = resolve_weights(lfs, own, self.class_weighting, votes)
        if weights.are_balanced:
            self._say(f"Votes for the classes count {weights.classes.round(2).tolist()} (class_weights).")
        if self.penalty is not None and weights.penalties is not None and not np.any(weights.penalties):
            self._say("No LF's penalty counts: all its weights are 0, and the model trains with the votes alone.")
        self._set_weights(weights.lfs, weights.penalties, weights.classes)
        if votes is not None:
            self.vote_scale = self.lf_weights.new_tensor(votes.rows_per_covered_row)  # type: ignore[union-attr]

    def _set_weights(self, lfs: Any, penalties: Any, classes: Any) -> None:
        options: dict[str, Any] = {"dtype": torch.get_default_dtype(), "device": self._device}
        self.lf_weights = None if lfs is None else torch.tensor(lfs, **options)
        self.class_weights = None if classes is None else torch.tensor(classes, **options)
        if self.penalty is not None:
            self.penalty.lf_weights = None if penalties is None else torch.tensor(penalties, **options)

    def _say(self, message: str) -> None:
        # configure_model runs twice under callbacks that average weights.
        if message not in self._messages:
            self._messages.add(message)
            rank_zero_info(message)


def _short(weighting: Any) -> str:
    return f"{len(weighting)} numbers" if isinstance(weighting, list) else repr(weighting)
