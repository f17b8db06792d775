"""LoLLabelModel: Snorkel's LabelModel interface over LF conditionals and, with features, a LoL classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from snorkel.labeling import LabelingFunction
from snorkel.labeling.model.label_model import LabelModelConfig, TrainConfig

from lol_lightning.data.feature_batches import is_matrix
from lol_lightning.data.inspecting import InspectMode, InspectOptions
from lol_lightning.data.options import Classes, ClassShares
from lol_lightning.data.voters import Records
from lol_lightning.exceptions import ConfigurationError, DataError, VotesError, check_number
from lol_lightning.features import FeatureSpace
from lol_lightning.features.encoder_features import space_of
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.label_model.answers import LabelModelAnswers
from lol_lightning.label_model.settings import (
    check_votes,
    classifier_arguments,
    classifier_keywords,
    train_config,
    with_penalty,
)
from lol_lightning.label_model.snorkel_surface import check_device
from lol_lightning.label_model.storage import read_label_model, write_label_model
from lol_lightning.label_model.training import data_module, quiet, train_classifier
from lol_lightning.label_model.vote_model import VoteModel, estimate_vote_model
from lol_lightning.lfs.abstentions import warn_of_abstentions_as_class
from lol_lightning.lfs.limits import CALL_SECONDS
from lol_lightning.losses.weights.class_balance import class_balance_of
from lol_lightning.models.classifier import LoLClassifier

__all__ = ["LoLLabelModel"]


class LoLLabelModel(LabelModelAnswers):
    r"""Drop-in for ``snorkel.labeling.model.LabelModel`` that can also learn from the features of the rows.

    Two models live here, and ``X`` chooses the one that answers:

    - ``predict_proba(L)``, ``predict(L)``, ``score(L, Y)``: the **label model**, the class posterior of the votes
      under the LFs' conditionals. Rows without a vote get the class balance (and so -1 under "abstain").
    - ``predict_proba(L, X=X)`` and so on: the **LoL classifier** that ``fit(L, X=X)`` trained. It reads only ``X``,
      answers on rows without a vote too, and ``L`` may be ``None``.

    ``get_weights`` and ``get_conditional_probs`` describe the LFs. Their estimates rest on the classifier's posterior
    of the training rows where one was trained, else on soft votes refined by EM.

    Args:
        cardinality: K, number of classes, at least 2.
        **kwargs: ``verbose`` (True): log progress; ``device`` ("cpu"): where the classifier is trained, such as
            "cuda:0".

    Raises:
        ConfigurationError: if an argument is unknown, K is below 2, or CUDA is asked for and missing.

    Notes:
        Votes may be an array, nested lists, a DataFrame (one column for each LF) or a SciPy sparse matrix. The cells
        that a sparse matrix does not store are 0, and so votes for class 0, as they are after ``toarray()``.

        Unlike the original, one or two LFs are enough, fitting draws no random number without ``X``, no global
        seed is set (``seed`` defaults to 0), ``save`` writes no pickle, and ``load`` executes nothing.

        Without ``X``, EM is held by a prior worth ``1.5 * sqrt(n)`` votes of each LF for each class: the LF votes as
        often as it does, and a vote speaks for its class, more so for a rare one (``prior_conditionals``). Unless the
        votes say otherwise, LFs depend on each other, and their abstentions are no evidence. From 1,000 rows and 4 LFs
        on, EM counts abstentions where LFs vote together no more often than independent ones do (``overlap_misfit``).

    Example:
        >>> votes = np.array([[1, 1, -1], [0, 0, -1], [1, 1, 0], [0, -1, 0]])
        >>> model = LoLLabelModel(cardinality=2, verbose=False)
        >>> model.fit(votes, n_epochs=50, progress_bar=False)
        >>> model.predict(votes)
        array([1, 0, 1, 0])
    """

    def __init__(self, cardinality: int = 2, **kwargs: Any) -> None:
        if not isinstance(cardinality, int | np.integer) or cardinality < 2:
            raise ConfigurationError(
                f"cardinality = {cardinality!r}; there must be at least 2 classes, a whole number."
            )
        super().__init__(cardinality)
        try:
            self.config = LabelModelConfig(**kwargs)
        except TypeError as error:
            raise ConfigurationError(f"{error}; LoLLabelModel takes cardinality, verbose and device.") from error
        check_device(self.config.device)
        self.vote_model_: VoteModel | None = None
        self.classifier_: LoLClassifier | None = None

    def fit(
        self,
        L_train: Any,
        Y_dev: Any = None,
        class_balance: Any = None,
        progress_bar: bool = True,
        X: Any = None,
        lfs: Sequence[LabelingFunction] | None = None,
        records: Records | GradientTargets | None = None,
        feature_space: FeatureSpace | None = None,
        encoder: Any = None,
        text_column: str = "text",
        inspect: InspectMode | InspectOptions = "traced",
        batch_size: int = 128,
        prior_rows: float | None = None,
        fault_tolerant: bool = False,
        max_call_seconds: float | None = CALL_SECONDS,
        **kwargs: Any,
    ) -> None:
        """Estimate the LFs' conditionals and, with ``X``, train a LoL classifier.

        Args:
            L_train: votes (n, m), values -1 .. K - 1.
            Y_dev: gold labels of a development set, read only for the class shares.
            class_balance: share of each class, K numbers or ``{class: share}``; without it and ``Y_dev``, uniform. With
                ``X``, the mean prediction of the classifier is matched to the shares that either tells, see its
                ``class_shares``.
            progress_bar: show one.
            X: the n rows: texts, a DataFrame or data points, or a matrix (n, d), sparse or dense.
            lfs: the LFs in the order of the columns (or by name, where those of a DataFrame have their names); what
                they inspect gives the gradient targets. Without them and ``records`` the classifier learns from the
                votes alone (LoL-simple). LFs of which nothing is on record are named.
            records: what the LFs inspect, in place of what ``lfs`` declare: what ``inspect_lfs`` returns, or records,
                matched by name. Or ``GradientTargets`` in the features of ``X``, instead of ``lfs``.
            feature_space: turns ``X`` into features, such as ``TableFeatures()``; by default ``BagOfWords()`` of
                ``text_column``. A fitted one is used as it is.
            encoder: name or folder of a pretrained encoder of texts, or a function from texts to an array (n, d); its
                embeddings stand beside the words, see ``encoder_features``. In place of ``feature_space``.
            text_column: column of the text.
            inspect: "traced", "all" or "declared", see ``LoLDataModule``: ``lfs`` of which nothing is on record are
                traced on ``X`` by default, probed, too, or left without gradients.
            batch_size: of the classifier's training.
            prior_rows: how many rows of each class the prior on the conditionals counts as; by default 1 with ``X``,
                else, for each LF, as many as hold ``1.5 * sqrt(n)`` of its votes.
            fault_tolerant: whether ``lfs`` that fail on a row while they are inspected count as abstaining there.
            max_call_seconds: how long one call of an LF may take, ``None`` for no limit.
            **kwargs: Snorkel's settings, all accepted, and with ``X`` any argument of ``LoLClassifier`` and, in place
                of its ``penalty``, of ``GradientPenalty`` (``alpha``, ``c``, ...). Snorkel's mean:

                - ``n_epochs`` (100): passes over the rows with ``X``, else EM steps at most.
                - ``lr``, ``l2``, ``optimizer``: learning rate, weight decay and optimizer of the classifier, whose
                  own defaults hold where they are not given. Without ``X`` there is no gradient step.
                - ``l2`` also lets the prior on the conditionals count as ``l2 * n`` rows more.
                - ``prec_init`` (0.7): precision of the LFs under that prior, one number or one for each LF.
                - ``mu_eps``: least conditional.
                - ``seed`` (0): of the classifier. The EM draws nothing.
                - ``log_freq`` (10): if verbose, log after so many EM steps.
                - ``optimizer_config``, ``lr_scheduler``, ``lr_scheduler_config``: of no effect. Nor have Snorkel's
                  optimizers "sgd" and "adamax" in the classifier, which is trained with its own default; that is said.

        Raises:
            VotesError: if a vote is NaN, below -1 or not below K, or there is none at all.
            ConfigurationError: if an argument is unknown or cannot work.
            DataError: if ``X`` and ``L_train`` differ in length, or ``Y_dev`` lacks a class.
            TargetsError: if ``GradientTargets`` do not fit the votes or ``X``.
        """
        arguments = classifier_arguments(kwargs, classifier_keywords(), with_features=X is not None)
        of_rows: dict[str, Any] = {"lfs": lfs, "records": records, "feature_space": feature_space}
        for name, value in {**of_rows, "encoder": encoder}.items():
            if X is None and value is not None:
                raise ConfigurationError(f"{name} is for the classifier, which needs the rows: give X too.")
        of_rows["feature_space"] = space_of(encoder, feature_space, text_column, progress_bar=progress_bar)
        if prior_rows is not None:
            check_number("prior_rows", prior_rows, at_least=0)
        votes = check_votes(L_train, self.cardinality)
        if X is None:  # The data module does so else.
            warn_of_abstentions_as_class(votes, [f"lf_{i}" for i in range(votes.shape[1])])
        if not (votes != ABSTAIN).any():
            raise VotesError(f"none of the {votes.size} votes of L_train is a class, so nothing can be learnt.")
        own = {name: value for name, value in kwargs.items() if name in TrainConfig._fields}
        config = train_config(own, votes.shape[1], self.cardinality)
        balance = class_balance_of(class_balance, Y_dev, self.cardinality)
        classifier, posterior = None, None
        if X is not None:
            if is_matrix(X) and X.ndim != 2 and arguments.get("network") is None:
                raise DataError(f"X has the shape {tuple(X.shape)}; a matrix of features is (n, d).")
            shares = None
            if class_balance is not None or Y_dev is not None:
                shares = ClassShares(balance, None if class_balance is not None else np.asarray(Y_dev).size)
            seed = int(config.seed)  # A file holds no numbers of NumPy.
            with quiet(self.config.verbose):
                data = data_module(
                    X,
                    L_train,
                    votes,
                    Classes(number=self.cardinality, balance=shares),
                    text_column=text_column,
                    inspect=inspect,
                    batch_size=batch_size,
                    seed=seed,
                    fault_tolerant=fault_tolerant,
                    max_call_seconds=max_call_seconds,
                    progress_bar=progress_bar,
                    **of_rows,
                )
                classifier = train_classifier(
                    data,
                    with_penalty(arguments, seed),
                    int(config.n_epochs),
                    seed,
                    self.config.device,
                    progress_bar,
                    expects_targets=lfs is not None and records is None,
                )
            posterior = classifier.predict_proba(X)
        self.vote_model_ = estimate_vote_model(
            votes, balance, posterior, config, prior_rows, self.config.verbose, progress_bar
        )
        self.classifier_ = classifier

    def save(self, destination: str | Path) -> None:
        """Write the fitted model to one file of arrays and JSON, with the feature space of its classifier.

        Raises:
            ConfigurationError: if the classifier's network, the feature space or its vectorizer is not the package's
                or scikit-learn's own, or holds a function: only a pickle could keep it.
            DataError: if the file cannot be written; one that was there is then as it was.
        """
        write_label_model(destination, self._fitted(), self.classifier_)

    def load(self, source: str | Path) -> None:
        """Read what ``save`` wrote; nothing in the file is executed.

        Raises:
            DataError: if it is broken or another file, such as a pickle of Snorkel's ``LabelModel``; the model is then
                as it was.
        """
        vote_model, classifier = read_label_model(source)
        self.vote_model_, self.classifier_ = vote_model, classifier
        self.cardinality = len(vote_model.class_balance)
