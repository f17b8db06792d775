"""End-to-end weak supervision (WeaSEL): an encoder that weighs the LFs and an end model learn from each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning._lightning import isolate_rng
from lol_lightning.baselines.vote_encoder import VoteEncoder
from lol_lightning.data.base import data_module_of
from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, VotesError
from lol_lightning.functional.losses import soft_vote_loss
from lol_lightning.functional.votes import is_covered, vote_probabilities
from lol_lightning.losses import LoLTerms
from lol_lightning.losses._trainers import trainer_of
from lol_lightning.losses.lol_loss import SHARES_WEIGHT
from lol_lightning.losses.weights.class_balance import class_balance_of
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.networks.sparse_mlp import SparseMLP

__all__ = ["EndToEndClassifier", "label_logits"]


def label_logits(
    raw_scores: Float[Tensor, "batch lf"],
    votes: Float[Tensor, "batch lf cls"],
    class_balance: Float[Tensor, " cls"],
    temperature: float,
) -> Float[Tensor, "batch cls"]:
    r"""Logits of the label that the encoder makes of a row's votes (Alg. 1 of WeaSEL).

    .. math:: \theta = \mathrm{softmax}(e \tau_1), \qquad
        P_\theta(y = k \mid \lambda) \propto P(y = k) \exp \Big( \tau_2 \sum_i \theta_i \mathbb{1}\{\lambda_i = k\}
        \Big), \qquad \tau_2 = \sqrt{m}

    Args:
        raw_scores: float (B, m), :math:`e`, what the encoder says of each LF.
        votes: float (B, m, K), one-hot, or distributions over classes; zeros where an LF abstains.
        class_balance: float (K,), positive, sums to 1.
        temperature: :math:`1 / \tau_1`, above 0.

    Returns:
        float (B, K); their softmax is :math:`P_\theta`.

    Example:
        >>> votes = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]])
        >>> label_logits(torch.zeros(1, 4), votes, torch.tensor([0.5, 0.5]), temperature=2.0).softmax(-1)
        tensor([[0.3775, 0.6225]])
    """
    scores = (raw_scores / temperature).softmax(-1)
    supports = torch.einsum("bm,bmk->bk", scores, votes.to(scores.dtype))
    return math.sqrt(votes.shape[1]) * supports + class_balance.log()


class EndToEndClassifier(LoLClassifier):
    r"""WeaSEL (Ruehling Cachay, Boecking and Dubrawski, 2021): no label model is fitted before the end model.

    An encoder reads the votes and features of a row and gives each LF a score, from which ``label_logits`` makes a
    label :math:`y_e`. The end model predicts :math:`y_f` from the features, and each learns from the other as it is,
    without a gradient through its target:

    .. math:: L = \mathrm{CE}(y_f, \mathrm{sg}[y_e]) + \mathrm{CE}(y_e, \mathrm{sg}[y_f])

    Validation, test and prediction are those of the end model, which alone answers on rows without votes. Batches are
    ``LoLBatch``; gradient targets in them are not read. Sizes that are ``None`` come from the trainer's data module
    at the start of ``fit``.

    Args:
        network: the end model, as for ``LoLClassifier``.
        num_features: d, needed by the default network, and by the encoder unless it reads votes alone.
        num_classes: K.
        num_lfs: m, at least 2.
        hidden_sizes: hidden layers of the default network.
        dropout: of the default network and the encoder.
        encoder_hidden_sizes: hidden layers of the encoder.
        encoder_input: "votes+features", as published, or "votes".
        temperature: of the softmax over the LFs, above 0; the higher, the closer to the majority vote.
        class_balance: share of each class in the encoder's labels, K positive numbers; uniform by default.
        class_shares: what the end model's mean prediction is to match, as for ``LoLClassifier``; so ``shares_weight``.
        shares_weight: how much that counts.
        optimizer: as for ``LoLClassifier``; it serves both networks.
        lr: learning rate of the end model.
        encoder_lr: learning rate of the encoder; a tenth of ``lr`` by default.
        weight_decay: L2 penalty of the optimizer.
        seed: of the encoder's first weights. They draw nothing from the global generator, so that the end model
            starts as it does under every other method.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Notes:
        The softmax runs over all LFs, abstaining ones included; the hidden sizes and the default temperature are the
        authors'. As theirs, it takes no loss from rows on which every LF abstains. Their encoder also normalises its
        hidden layers over the batch, which under the defaults below changed little.

        The authors give both networks one learning rate, of 0.0001. At the rates that suit the end model the encoder
        then follows its first guesses before the end model has learnt the votes. Mean validation accuracy after 100
        unlabeled rows of youtube, sms, chemprot and the synthetic comments: 53% with 0.01 for both, 63% with a tenth
        of it for the encoder, 69% with the defaults, 0.001 and a tenth of it. ``encoder_lr=lr`` is as published.

    Example:
        >>> model = EndToEndClassifier(num_features=5, num_classes=2, num_lfs=3)
        >>> model(torch.zeros(4, 5)).shape
        torch.Size([4, 2])
        >>> model.label_posterior(LoLBatch(torch.zeros(4, 5), torch.full((4, 3), -1))).sum(1)
        tensor([1., 1., 1., 1.], grad_fn=<SumBackward1>)
    """

    class_balance: Float[Tensor, " cls"]
    _SIZES = ("num_features", "num_classes", "num_lfs")
    _TERMS = ("train_loss", "train_end_loss", "train_encoder_loss")

    def __init__(
        self,
        network: nn.Module | None = None,
        num_features: int | None = None,
        num_classes: int | None = None,
        num_lfs: int | None = None,
        hidden_sizes: Sequence[int] = (64, 16),
        dropout: float = 0.2,
        encoder_hidden_sizes: Sequence[int] = (70, 70),
        encoder_input: Literal["votes+features", "votes"] = "votes+features",
        temperature: float = 2.0,
        class_balance: Sequence[float] | None = None,
        class_shares: Literal["validation"] | Sequence[float] | None = "validation",
        shares_weight: float = SHARES_WEIGHT,
        optimizer: Literal["auto", "adam", "lazy-adam"] = "auto",
        lr: float = 1e-3,
        encoder_lr: float | None = None,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        for name, value in (("temperature", temperature), ("encoder_lr", encoder_lr)):
            if value is not None and not 0 < value < math.inf:
                raise ConfigurationError(f"{name} = {value} must be a finite number above 0.")
        if encoder_input not in ("votes+features", "votes"):
            raise ConfigurationError(f"encoder_input = {encoder_input!r}; use 'votes+features' or 'votes'.")
        super().__init__(
            network,
            num_features,
            num_classes,
            hidden_sizes,
            dropout,
            method="lol-simple",
            class_shares=class_shares,
            shares_weight=shares_weight,
            optimizer=optimizer,
            lr=lr,
            weight_decay=weight_decay,
            seed=seed,
        )
        # What a checkpoint holds must be of plain types.
        self.hparams["encoder_hidden_sizes"] = list(encoder_hidden_sizes)
        self.hparams["class_balance"] = None if class_balance is None else [float(share) for share in class_balance]

    def configure_model(self) -> None:
        """Build both networks, and take sizes from the trainer's data module."""
        super().configure_model()
        trainer = trainer_of(self)
        if trainer is None or trainer.state.fn != "fit":
            return
        data = data_module_of(trainer)
        if data is not None and data.num_lfs != self.hparams["num_lfs"]:
            raise ConfigurationError(
                f"the model has num_lfs = {self.hparams['num_lfs']}, but the data module has {data.num_lfs}."
            )

    def training_step(self, batch: LoLBatch, batch_idx: int) -> Tensor:
        """Return the symmetric loss for one batch, and log its parts."""
        self._check_outputs(batch)
        covered = is_covered(batch.votes).unsqueeze(1)
        predicted, label = self(batch.features), self._label_logits(batch)
        end_loss = soft_vote_loss(predicted, covered * label.detach().softmax(-1))
        encoder_loss = soft_vote_loss(label, covered * predicted.detach().softmax(-1))
        loss = self.lol.scaled(end_loss + encoder_loss)
        shares_loss = self.lol.shares_loss(predicted)
        if shares_loss is not None:
            loss = loss + self.lol.shares_weight * shares_loss
        terms_of_step = LoLTerms(loss, end_loss, predicted, shares_loss=shares_loss)
        self._monitor.observe(terms_of_step, batch, self.lol, self.global_step, self._lf_names)
        logs = {"train_loss": loss, "train_end_loss": end_loss, "train_encoder_loss": encoder_loss}
        self._log_step({name: value.detach() for name, value in logs.items()}, len(batch))
        return loss

    def label_posterior(self, batch: LoLBatch) -> Float[Tensor, "batch cls"]:
        """Return the label that the encoder makes of each row's votes.

        Args:
            batch: votes int64 (B, m) or float (B, m, K), and features unless the encoder reads votes alone.

        Returns:
            float (B, K), rows sum to 1; the class balance where every LF abstains.

        Raises:
            ConfigurationError: before the encoder has a size.
            VotesError: if the votes are those of another number of LFs.
        """
        return self._label_logits(batch).softmax(-1)

    def _label_logits(self, batch: LoLBatch) -> Float[Tensor, "batch cls"]:
        if not hasattr(self, "encoder"):
            raise ConfigurationError("the encoder has no size yet: give num_lfs, or fit with a data module.")
        if batch.votes.shape[1] != self.hparams["num_lfs"]:
            raise VotesError(
                f"votes of {batch.votes.shape[1]} LFs met an encoder for {self.hparams['num_lfs']}; apply the LFs that "
                "it was trained with."
            )
        votes = vote_probabilities(batch.votes, self.hparams["num_classes"])
        raw_scores = self.encoder(votes, batch.features)
        return label_logits(raw_scores, votes, self.class_balance, self.hparams["temperature"])

    def _use_sparse_gradients(self, value: bool) -> None:
        super()._use_sparse_gradients(value)
        # Both networks read the same features, so what suits the first layer of one suits the other's.
        self.encoder.body.sparse_grad = value and isinstance(self.network, SparseMLP)

    @property
    def _is_built(self) -> bool:
        return super()._is_built and hasattr(self, "encoder")

    def _parameter_groups(self) -> list[dict[str, Any]]:
        rate = self.hparams["encoder_lr"] or 0.1 * self.hparams["lr"]
        encoder = {"params": list(self.encoder.parameters()), "lr": rate}
        return [{"params": list(self._network.parameters())}, encoder]

    def _build(self) -> None:
        super()._build()
        balance = class_balance_of(self.hparams["class_balance"], None, self.hparams["num_classes"])
        self.register_buffer("class_balance", torch.tensor(balance, dtype=torch.get_default_dtype()), persistent=False)
        if self.hparams["num_lfs"] is not None or trainer_of(self) is not None:
            self._build_encoder()

    def _build_encoder(self) -> None:
        hparams = self.hparams
        num_features = None if hparams["encoder_input"] == "votes" else hparams["num_features"]
        if num_features is None and hparams["encoder_input"] != "votes":
            raise ConfigurationError("the encoder has no size: give num_features, or encoder_input='votes'.")
        if hparams["num_lfs"] is None:
            raise ConfigurationError("the encoder has no size: give num_lfs, or fit with a data module that has it.")
        if hparams["num_lfs"] < 2:
            raise ConfigurationError(
                f"num_lfs = {hparams['num_lfs']}; there is nothing to weigh below 2. Use LoLClassifier."
            )
        # Both networks read the same features, so what suits the first layer of one suits the other's.
        lazy = isinstance(self.network, SparseMLP) and self.network.sparse_grad
        with isolate_rng():
            torch.manual_seed(hparams["seed"])
            self.encoder = VoteEncoder(
                hparams["num_lfs"],
                hparams["num_classes"],
                num_features,
                hparams["encoder_hidden_sizes"],
                hparams["dropout"],
                sparse_grad=lazy,
            )
