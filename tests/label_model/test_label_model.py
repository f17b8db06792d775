import json
import logging

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from snorkel.labeling import LFAnalysis, PandasLFApplier, filter_unlabeled_dataframe, labeling_function
from snorkel.labeling.model import LabelModel, MajorityLabelVoter
from snorkel.labeling.model.base_labeler import BaseLabeler
from snorkel.synthetic.synthetic_data import generate_simple_label_matrix
from snorkel.utils import probs_to_preds

from lol_lightning._files.state import write_archive
from lol_lightning.exceptions import ConfigurationError, DataError, NotFittedError, VotesError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.label_model.label_model import LoLLabelModel

VOTES = np.array([[1, 1, -1], [0, 0, -1], [1, 1, 0], [0, -1, 0], [1, -1, 1]])
UNDECIDED = np.array([[-1, -1, -1], [1, 1, 1]])


def fitted(votes=VOTES, cardinality=2, **options):
    model = LoLLabelModel(cardinality, verbose=False)
    model.fit(votes, progress_bar=False, **options)
    return model


class TestSnorkelsLinesRunUnchanged:
    @pytest.fixture(params=[LabelModel, LoLLabelModel])
    def model_class(self, request):
        return request.param

    @pytest.mark.filterwarnings("ignore::FutureWarning:scipy")
    def test_spam_tutorial(self, model_class):
        """The lines of the tutorial's label model section, for either class."""
        LabelModel = model_class

        @labeling_function()
        def check_out(x):
            return 1 if "check out" in x.text.lower() else -1

        @labeling_function()
        def subscribe(x):
            return 1 if "subscribe" in x.text.lower() else -1

        @labeling_function()
        def short_comment(x):
            return 0 if len(x.text.split()) < 4 else -1

        @labeling_function()
        def song(x):
            return 0 if "song" in x.text.lower() else -1

        spam = ["please check out my channel", "subscribe to my channel now", "check out and subscribe to me"]
        ham = ["great song", "what a lovely old song", "love it", "nobody reads this comment here"]
        df_train = pd.DataFrame({"text": (spam + ham) * 10})
        df_test = pd.DataFrame({"text": spam + ham, "label": [1, 1, 1, 0, 0, 0, 0]})
        Y_test = df_test.label.values
        lfs = [check_out, subscribe, short_comment, song]

        applier = PandasLFApplier(lfs=lfs)
        L_train = applier.apply(df=df_train, progress_bar=False)
        L_test = applier.apply(df=df_test, progress_bar=False)
        assert LFAnalysis(L=L_train, lfs=lfs).lf_summary().shape[0] == 4
        majority_acc = MajorityLabelVoter().score(L=L_test, Y=Y_test, tie_break_policy="random")["accuracy"]

        label_model = LabelModel(cardinality=2, verbose=True)
        label_model.fit(L_train=L_train, n_epochs=500, log_freq=100, seed=123)
        label_model_acc = label_model.score(L=L_test, Y=Y_test, tie_break_policy="random")["accuracy"]
        assert label_model_acc >= majority_acc
        probs_train = label_model.predict_proba(L=L_train)
        df_train_filtered, probs_train_filtered = filter_unlabeled_dataframe(X=df_train, y=probs_train, L=L_train)
        preds_train_filtered = probs_to_preds(probs=probs_train_filtered)
        assert len(df_train_filtered) == 60
        assert preds_train_filtered.tolist() == [1, 1, 1, 0, 0, 0] * 10

    def test_other_tutorials(self, model_class, tmp_path):
        """Fit, score and save as in the multi-class, spouse and crowd-sourcing tutorials."""
        LabelModel = model_class
        _, Y, L_train = generate_simple_label_matrix(200, 5, 3)

        label_model = LabelModel(cardinality=3, verbose=True)
        label_model.fit(L_train, seed=123, lr=0.01, log_freq=10, n_epochs=100)
        assert label_model.score(L_train, Y, metrics=["f1_micro"])["f1_micro"] > 0.5
        label_model.fit(L_train, Y, n_epochs=50, log_freq=500, seed=12345)
        label_model.fit(L_train, class_balance=[0.5, 0.3, 0.2], n_epochs=50, l2=0.1, optimizer="adam", mu_eps=0.01)
        label_model.fit(L_train, None, None, False, lr_scheduler="step", prec_init=[0.7] * 5)
        preds, probs = label_model.predict(L=L_train, return_probs=True)
        label_model.save(str(tmp_path / "label_model.pkl"))
        again = LabelModel(cardinality=3)
        again.load(str(tmp_path / "label_model.pkl"))
        np.testing.assert_array_equal(again.predict_proba(L_train), probs)
        np.testing.assert_array_equal(again.predict(L_train), preds)

    @pytest.mark.parametrize("cardinality", [2, 4])
    def test_same_shapes_dtypes_ranges_and_keys(self, model_class, cardinality):
        _, Y, L = generate_simple_label_matrix(300, 6, cardinality)
        model = model_class(cardinality=cardinality, verbose=False)
        assert isinstance(model, BaseLabeler)
        assert model.cardinality == cardinality
        assert model.fit(L, seed=1, progress_bar=False) is None

        probs = model.predict_proba(L)
        assert (probs.shape, probs.dtype) == ((300, cardinality), np.float64)
        np.testing.assert_allclose(probs.sum(1), 1)
        preds = model.predict(L)
        assert (preds.shape, preds.dtype) == ((300,), np.int_)
        weights = model.get_weights()
        assert (weights.shape, weights.dtype) == ((6,), np.float64)
        assert ((weights >= 0) & (weights <= 1)).all()
        table = model.get_conditional_probs()
        assert (table.shape, table.dtype) == ((6, cardinality + 1, cardinality), np.float64)
        np.testing.assert_allclose(table.sum(1), 1, atol=1e-6)
        scores = model.score(L, Y, metrics=["accuracy", "f1_macro", "coverage", "matthews_corrcoef"])
        assert list(scores) == ["accuracy", "f1_macro", "coverage", "matthews_corrcoef"]
        assert all(isinstance(score, float) for score in scores.values())

    def test_same_tie_policies(self, model_class):
        model = model_class(verbose=False)
        model.fit(VOTES, progress_bar=False, seed=0)
        ties = np.full((50, 3), -1)
        assert (model.predict(ties) == -1).all()
        assert (model.predict(ties, tie_break_policy="abstain") == -1).all()
        by_hash = model.predict(ties, tie_break_policy="random")
        np.testing.assert_array_equal(by_hash, probs_to_preds(np.full((50, 2), 0.5), "random"))
        assert set(model.predict(ties, tie_break_policy="true-random")) == {0, 1}
        with pytest.raises(ValueError, match="tie_break_policy"):
            model.predict(ties, tie_break_policy="coin")


class TestLabelModel:
    @pytest.mark.parametrize(("cardinality", "abstaining"), [(2, 1.0), (2, 4.0), (4, 1.0)])
    def test_accuracy_on_the_generative_process_is_snorkels(self, cardinality, abstaining):
        _, Y, L = generate_simple_label_matrix(3000, 10, cardinality, abstaining)
        original = LabelModel(cardinality, verbose=False)
        original.fit(L, seed=1, progress_bar=False)
        covered = (L != -1).any(1)
        wanted = (original.predict_proba(L).argmax(1) == Y)[covered].mean()
        found = (fitted(L, cardinality).predict_proba(L).argmax(1) == Y)[covered].mean()
        assert found > wanted - 0.02
        assert found > 0.85

    @pytest.mark.parametrize("seed", range(5))
    def test_weights_of_independent_lfs_are_within_a_tenth(self, seed):
        """Five LFs of Snorkel's own test."""
        accuracies = np.array([0.95, 0.6, 0.7, 0.55, 0.8])
        rng = np.random.default_rng(seed)
        Y = rng.integers(0, 2, 1000)
        L = np.where(rng.random((1000, 5)) < accuracies, Y[:, None], 1 - Y[:, None])
        L[rng.random(1000) < 0.2, 1] = -1
        cautious, frank = fitted(L).get_weights(), fitted(L, prior_rows=1.0).get_weights()
        np.testing.assert_allclose(cautious, accuracies, atol=0.1)
        np.testing.assert_allclose(frank, accuracies, atol=0.06)
        assert np.argsort(cautious)[[0, -2, -1]].tolist() == np.argsort(accuracies)[[0, -2, -1]].tolist()

    @pytest.mark.parametrize("abstaining", [1.0, 1000.0])
    @pytest.mark.parametrize("seed", [1, 123])
    def test_conditionals_of_independent_lfs_are_found(self, abstaining, seed):
        np.random.seed(seed)
        table, Y, L = generate_simple_label_matrix(10_000, 10, 2, abstaining)
        model = fitted(L)
        assert np.abs(model.get_conditional_probs() - table).mean() <= 0.01
        covered = (L != -1).any(1)
        predictions = model.predict(L[covered])
        assert (predictions != -1).all()
        majority = MajorityLabelVoter().predict(L[covered], tie_break_policy="random")
        assert (predictions == Y[covered]).mean() >= (majority == Y[covered]).mean()

    def test_two_of_three_votes_are_believed(self):
        L = np.array([[-1, -1, 1], [-1, 1, 1], [1, 1, 1]])
        assert fitted(L).predict(L).tolist() == [1, 1, 1]

    @pytest.mark.parametrize(
        "rows",
        [
            [[1, 1, 1]] * 50,
            [[1, 1, 1]],
            [[1, 1, 1]] * 100_000,
            [[1, 1, 1]] * 50 + [[-1, -1, -1]] * 50,
            [[1, 1, 1]] * 50 + [[0, -1, -1]],
            [[1, 1, 1]] * 20_000 + [[0, -1, -1]],
            [[1, 1, 1]] * 90 + [[0, 0, 0]] * 10,
            [[1, 1, -1]] * 60 + [[0, 0, 0]] * 5,
            [[1, 1, -1]] * 60 + [[1, 1, 1]] * 2000 + [[-1, 0, 0]],
            [[1]],
            [[1]] * 100_000,
            [[1], [-1]],
            [[1], [0]],
            [[1, -1]],
        ],
    )
    def test_unanimous_votes_are_believed(self, rows):
        L = np.unique(rows, axis=0)
        L = L[(L != -1).any(1)]
        model = fitted(rows)
        assert model.predict(L).tolist() == L.max(1).tolist()
        assert (model.predict_proba(L).max(1) > 0.5).all()

    def test_unanimous_votes_are_believed_whatever_the_lfs(self):
        """LFs of any coverage and accuracy, of one class or of all, classes of any shares, few rows and many."""
        rng = np.random.default_rng(0)
        for _ in range(150):
            num_lfs, num_rows = rng.integers(1, 9), int(10 ** rng.uniform(0, 3.3))
            Y = (rng.random(num_rows) < rng.uniform(0.03, 0.97)).astype(int)
            right = rng.random((num_rows, num_lfs)) < rng.uniform(0.6, 1, num_lfs)
            L = np.where(right, Y[:, None], 1 - Y[:, None])
            L[rng.random(L.shape) > rng.uniform(0.05, 1, num_lfs)] = -1
            if rng.random() < 0.3:
                L = np.where(rng.integers(0, 2, num_lfs) == L, L, -1)
            low, high = np.where(L == -1, 2, L).min(1), L.max(1)
            unanimous = (high != -1) & (low == high)
            if unanimous.any():
                assert (fitted(L).predict(L)[unanimous] == high[unanimous]).all()

    @pytest.mark.wrench
    @pytest.mark.parametrize("name", ["youtube", "sms", "chemprot", "imdb", "yelp_7.6k", "agnews_24k"])
    def test_true_class_shares_cost_no_accuracy(self, wrench_root, name):
        rows = json.loads((wrench_root / name / "train.json").read_text()).values()
        L, Y = np.array([row["weak_labels"] for row in rows]), np.array([row["label"] for row in rows])
        covered = (L != -1).any(1)
        equal, true = (
            (fitted(L, max(Y) + 1, class_balance=shares).predict_proba(L).argmax(1) == Y)[covered].mean()
            for shares in (None, np.bincount(Y) / len(Y))
        )
        assert true > equal - 0.005

    @pytest.mark.parametrize("num_lfs", [1, 2])
    def test_fewer_than_three_lfs(self, num_lfs):
        model = fitted(VOTES[:, :num_lfs])
        assert model.predict(VOTES[:, :num_lfs]).tolist() == [1, 0, 1, 0, 1]

    def test_class_balance_answers_where_no_lf_votes(self):
        np.testing.assert_allclose(fitted().predict_proba(UNDECIDED)[0], [0.5, 0.5])
        np.testing.assert_allclose(fitted(class_balance=[0.2, 0.8]).predict_proba(UNDECIDED)[0], [0.2, 0.8])
        np.testing.assert_allclose(fitted(Y_dev=np.array([0, 0, 0, 1])).predict_proba(UNDECIDED)[0], [0.75, 0.25])

    @pytest.mark.parametrize(
        "form", [np.ndarray.tolist, pd.DataFrame, sp.csr_matrix, sp.coo_array, lambda L: L.astype(float)]
    )
    def test_votes_in_other_forms(self, form):
        model = fitted()
        np.testing.assert_array_equal(fitted(form(VOTES)).get_conditional_probs(), model.get_conditional_probs())
        np.testing.assert_array_equal(model.predict_proba(form(VOTES)), model.predict_proba(VOTES))

    def test_cells_that_a_sparse_matrix_does_not_store_vote_for_class_0(self):
        assert fitted().predict(sp.csr_matrix((1, 3), dtype=np.int64)).tolist() == [0]

    def test_votes_are_not_changed(self):
        votes = VOTES.copy()
        fitted(votes).predict(votes)
        np.testing.assert_array_equal(votes, VOTES)

    def test_nothing_depends_on_or_changes_the_global_seeds(self):
        np.random.seed(1)
        torch.manual_seed(1)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()
        first = fitted(seed=3).get_conditional_probs()
        np.testing.assert_array_equal(np.random.get_state()[1], before[0])
        assert torch.equal(torch.get_rng_state(), before[1])
        np.testing.assert_array_equal(fitted(seed=4).get_conditional_probs(), first)

    def test_settings_reach_the_estimate(self):
        assert fitted(mu_eps=0.1).get_conditional_probs().min() == pytest.approx(0.1)
        strong, weak = (fitted(prec_init=value).get_weights() for value in (0.9, 0.6))
        assert (strong > weak).all()
        np.testing.assert_allclose(fitted(l2=1e6).get_weights(), 0.7, atol=0.02)

    def test_progress_is_logged_and_shown_as_told(self, caplog, capfd):
        caplog.set_level(logging.INFO)
        model = LoLLabelModel(verbose=True)
        model.fit(VOTES, n_epochs=3, log_freq=2, progress_bar=True)
        assert [r.message.split(":")[0] for r in caplog.records] == ["[0 epochs]", "[2 epochs]"]
        assert "epoch" in capfd.readouterr().err
        fitted(n_epochs=3)
        assert capfd.readouterr().err == ""
        assert len(caplog.records) == 2

    def test_labels_of_a_score_may_be_a_list(self):
        assert fitted().score(VOTES, [1, 0, 1, 0, 0])["accuracy"] == pytest.approx(0.8)
        with pytest.raises(DataError, match="Y has 2 labels for 5 rows"):
            fitted().score(VOTES, [1, 0])


class TestErrors:
    @pytest.mark.parametrize(
        "ask",
        [
            lambda m: m.predict_proba(VOTES),
            lambda m: m.predict(VOTES),
            lambda m: m.score(VOTES, np.zeros(5)),
            LoLLabelModel.get_weights,
            LoLLabelModel.get_conditional_probs,
            lambda m: m.save("never"),
        ],
    )
    def test_before_fit(self, ask):
        with pytest.raises(NotFittedError, match=r"call fit\(L_train\)"):
            ask(LoLLabelModel())

    @pytest.mark.parametrize(
        ("value", "named"), [(-2, "-2"), (2, "2"), (np.nan, "nan"), (0.5, "0.5")], ids=["low", "high", "nan", "half"]
    )
    def test_votes_out_of_range(self, value, named):
        votes = VOTES.astype(float)
        votes[3, 1] = value
        for ask in (fitted, fitted().predict):
            with pytest.raises(VotesError, match=f"vote {named}.* of labeling function 1.* at row 3"):
                ask(votes)

    def test_wrong_number_of_lfs(self):
        with pytest.raises(VotesError, match="L has 2 columns and the model was fitted on 3 LFs"):
            fitted().predict(VOTES[:, :2])

    @pytest.mark.parametrize("votes", [np.full((4, 3), -1), np.empty((0, 3), dtype=int), np.empty((4, 0), dtype=int)])
    def test_no_vote_at_all(self, votes):
        with pytest.raises(VotesError, match="nothing can be learnt"):
            fitted(votes)

    def test_a_failed_fit_keeps_the_old_one(self):
        model = fitted()
        before = model.get_conditional_probs()
        with pytest.raises(VotesError):
            model.fit(VOTES + 1, progress_bar=False)
        np.testing.assert_array_equal(model.get_conditional_probs(), before)

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"cardinality": 1}, "cardinality = 1"),
            ({"verbos": True}, "verbos"),
            ({"device": "cuda:0"}, "CUDA is not available"),
        ],
    )
    def test_constructor(self, options, named, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(ConfigurationError, match=named):
            LoLLabelModel(**options)

    def test_negative_prior(self):
        with pytest.raises(ConfigurationError, match=r"prior_rows = -1\.0"):
            fitted(prior_rows=-1.0)

    def test_a_file_of_another_format(self, tmp_path):
        write_archive(tmp_path / "model", {"format": "something else"})
        with pytest.raises(DataError, match="has the format 'something else'"):
            LoLLabelModel().load(tmp_path / "model")

    @pytest.mark.parametrize("options", [{"lfs": []}, {"feature_space": BagOfWords()}, {"alpha": 1.0}])
    def test_what_is_for_the_classifier_needs_rows(self, options):
        with pytest.raises(ConfigurationError, match="needs the rows: give X"):
            fitted(**options)
