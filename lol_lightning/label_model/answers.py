"""LabelModelAnswers: what a label model that is fitted predicts, how well, and what it tells of its LFs."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from snorkel.analysis import Scorer
from snorkel.utils import probs_to_preds

from lol_lightning.data.feature_batches import is_matrix
from lol_lightning.exceptions import ConfigurationError, DataError, NotFittedError
from lol_lightning.functional.short_repr import html_table
from lol_lightning.label_model.settings import check_labels
from lol_lightning.label_model.snorkel_surface import SnorkelSurface

__all__ = ["LabelModelAnswers"]

logger = logging.getLogger(__name__)

TIE_BREAK_POLICIES = ("abstain", "random", "true-random")


class LabelModelAnswers(SnorkelSurface):
    """Predictions of the label model, or with ``X`` of its classifier; see ``LoLLabelModel``."""

    def predict_proba(self, L: Any, X: Any = None) -> Float[np.ndarray, "row cls"]:
        """Return class probabilities: the label model's given ``L``, the classifier's where ``X`` is given.

        Args:
            L: votes (n, m); may be ``None`` where ``X`` is given.
            X: the rows, in the form that ``fit`` had them.

        Returns:
            float64 (n, K), rows sum to 1.

        Raises:
            NotFittedError: before ``fit``, or with ``X`` after a ``fit`` without it.
            VotesError: if ``L`` has another number of LFs than ``fit`` saw, or a wrong value.
            DataError: if ``X`` and ``L`` differ in length.
        """
        vote_model = self._fitted()
        if X is None:
            return vote_model.predict_proba(L)
        if self.classifier_ is None:
            raise NotFittedError("fit had no X, so there is no classifier; call fit(L_train, X=...), or leave X out.")
        if self.classifier_.feature_space is None and not is_matrix(X):
            raise DataError(f"the model was trained on a matrix, but X is a {type(X).__name__}; give a matrix again.")
        probabilities = self.classifier_.predict_proba(X)
        if L is not None and (rows := len(vote_model.check(L))) != len(probabilities):
            raise DataError(f"X has {len(probabilities)} rows and L has {rows}; give both for the same rows.")
        return probabilities

    def predict(
        self, L: Any, return_probs: bool | None = False, tie_break_policy: str = "abstain", X: Any = None
    ) -> Any:
        """Return predicted classes; see ``predict_proba`` for which model answers.

        Args:
            L: votes (n, m); may be ``None`` where ``X`` is given.
            return_probs: whether to return the probabilities too.
            tie_break_policy: "abstain" (-1), "random" (by a hash of the row's number, always the same) or
                "true-random", where classes are equally probable.
            X: the rows.

        Returns:
            int (n,), or that and float64 (n, K).
        """
        if tie_break_policy not in TIE_BREAK_POLICIES:
            raise ConfigurationError(
                f"tie_break_policy={tie_break_policy} policy not recognized; use one of {TIE_BREAK_POLICIES}."
            )
        probabilities = self.predict_proba(L, X)
        predictions = probs_to_preds(probabilities, tie_break_policy)
        return (predictions, probabilities) if return_probs else predictions

    def score(
        self,
        L: Any,
        Y: Any,
        metrics: list[str] | None = ["accuracy"],  # noqa: B006 - Snorkel's signature; only read
        tie_break_policy: str = "abstain",
        X: Any = None,
    ) -> dict[str, float]:
        """Return metrics of the predictions; rows predicted or labeled -1 count in none but "coverage".

        Args:
            L: votes (n, m); may be ``None`` where ``X`` is given.
            Y: gold classes (n,).
            metrics: names in Snorkel's ``METRICS``, such as "accuracy", "f1", "f1_macro", "matthews_corrcoef".
            tie_break_policy: see ``predict``.
            X: the rows.

        Returns:
            The value of each metric by its name.
        """
        if tie_break_policy == "abstain":
            logger.warning("Metrics calculated over data points with non-abstain labels only")
        predictions, probabilities = self.predict(L, return_probs=True, tie_break_policy=tie_break_policy, X=X)
        labels = check_labels(Y, len(predictions), self.cardinality)
        return Scorer(metrics=metrics).score(labels, predictions, probabilities)

    def get_conditional_probs(self) -> Float[np.ndarray, "lf outcome cls"]:
        r"""Return what each LF does given the class.

        Returns:
            float64 (m, K + 1, K); entry ``[i, j, k]`` is the probability that LF ``i`` votes ``j - 1`` where the class
            is ``k``; ``j = 0`` abstains.
        """
        return self._fitted().conditionals.copy()

    def get_weights(self) -> Float[np.ndarray, " lf"]:
        """Return the probability that each LF is right where it votes, float64 (m,) in [0, 1]."""
        return self._fitted().weights

    def __repr__(self) -> str:
        state = "not fitted"
        if self.vote_model_ is not None:
            state = f"fitted on {len(self.vote_model_.conditionals)} LFs, " + (
                "without a classifier"
                if self.classifier_ is None
                else f"with a classifier of {self.classifier_.hparams['num_features'] or 'raw'} features"
            )
        return f"LoLLabelModel(cardinality={self.cardinality}, {state})"

    def _repr_html_(self) -> str:
        """Return weight and coverage of each LF as a table for notebooks."""
        if self.vote_model_ is None:
            return html_table(pd.DataFrame({"LFs": [0]}), repr(self))
        return html_table(pd.DataFrame({"weight": self.get_weights(), "coverage": self.coverage}), repr(self))
