"""What ``fit`` does with records, labeling functions without records, other columns, tables and the penalty."""

import logging
import pickle
import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from snorkel.labeling import LabelingFunction, labeling_function

from lol_lightning._lightning import BACKEND
from lol_lightning.data import Classes, InspectOptions
from lol_lightning.exceptions import ConfigurationError, DataError, LabelingFunctionError, TargetsError
from lol_lightning.features import BagOfWords, TableFeatures
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.inspection import inspect_lfs
from lol_lightning.label_model import LoLLabelModel
from lol_lightning.label_model.training import data_module
from lol_lightning.lfs.adapter import GradientLabelingFunction
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules import keyword_lf
from lol_lightning.losses import GradientPenalty

TEXTS = ["win a prize now", "nice song today", "prize inside", "lovely song", "zzz"] * 6
FRAME = pd.DataFrame({"text": TEXTS})
LFS = [keyword_lf("prize", ["prize", "award"], label=1), keyword_lf("song", ["song"], label=0)]
VOTES = fast_apply(LFS, FRAME)
RECORDS = [lf.record for lf in LFS]


@labeling_function()
def prize(x):
    return 1 if "prize" in x.text or "award" in x.text else -1


@labeling_function()
def song(x):
    return 0 if "song" in x.text else -1


PLAIN = [prize, song]


def fitted(X=FRAME, votes=VOTES, verbose=False, cardinality=2, **options):
    model = LoLLabelModel(cardinality, verbose=verbose)
    model.fit(votes, X=X, progress_bar=False, **{"n_epochs": 10, "batch_size": 8, **options})
    return model


def answers(model, X=("an award", "a song", "zzz")):
    return model.predict_proba(None, X=list(X))


def weight_of_penalty(model):
    return model.classifier_.hparams["penalty"]["init_args"]


@pytest.mark.parametrize(
    "records",
    [lambda: RECORDS, lambda: iter(RECORDS[::-1]), lambda: inspect_lfs(PLAIN, FRAME, progress_bar=False)],
    ids=["records", "iterator in another order", "inspection"],
)
def test_records_train_as_the_lfs_that_declare_them(records):
    """An LF whose code inspection reads finds the same words, and its records are matched by name."""
    frame = pd.DataFrame(VOTES, columns=["prize", "song"])
    wanted = answers(fitted(lfs=LFS))
    assert wanted[0, 1] > 0.6
    np.testing.assert_allclose(answers(fitted(votes=frame, records=records())), wanted, atol=1e-6)
    np.testing.assert_allclose(answers(fitted(lfs=PLAIN, records=records())), wanted, atol=1e-6)


def test_records_replace_what_the_lfs_declare():
    other = LFRecord("prize", (InspectedFeature("zzz", 1),))
    unmeasured = InspectOptions(vote_rates=False)  # "prize" votes on no row with "zzz"
    model = fitted(lfs=LFS, records=[other, RECORDS[1]], inspect=unmeasured)
    assert answers(model)[2, 1] > answers(fitted(lfs=LFS))[2, 1] + 0.05
    np.testing.assert_allclose(
        answers(fitted(lfs=LFS, records=[other, RECORDS[1]])), answers(fitted(lfs=LFS, records=[RECORDS[1]])), atol=0.05
    )


def test_lfs_are_matched_with_the_columns_of_a_frame_by_name():
    frame = pd.DataFrame(VOTES, columns=["prize", "song"])
    np.testing.assert_array_equal(answers(fitted(votes=frame, lfs=LFS[::-1])), answers(fitted(lfs=LFS)))
    numbered = pd.DataFrame(VOTES, columns=["first", "second"])
    np.testing.assert_array_equal(answers(fitted(votes=numbered, lfs=LFS)), answers(fitted(lfs=LFS)))


@labeling_function()
def hidden(x):
    """A black box for tracing: the words leave the text as bytes."""
    return 0 if b"song" in x.text.encode() else -1


def test_lfs_without_targets_train_with_their_votes_and_are_named():
    with pytest.warns(UserWarning, match=r"2 of 2 lfs have no gradient targets.*: 'prize', 'song'\. Declare") as caught:
        model = fitted(lfs=PLAIN, inspect="declared")
    assert caught[0].filename == __file__
    assert "inspect='all', which probes them" in str(caught[0].message)
    np.testing.assert_allclose(answers(model), answers(fitted()), atol=1e-6)
    with pytest.warns(UserWarning, match="1 of 2 lfs have no gradient targets.*: 'hidden'"):
        fitted(lfs=[LFS[0], hidden], n_epochs=1)


def test_lfs_with_targets_raise_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fitted(lfs=LFS, n_epochs=1)
        fitted(n_epochs=1)
        fitted(lfs=PLAIN, records=RECORDS, n_epochs=1)
        fitted(lfs=PLAIN, n_epochs=1)


def test_a_verbose_fit_says_what_was_found_in_one_line(caplog):
    caplog.set_level(logging.INFO)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        fitted(lfs=[LFS[0], hidden], verbose=True, n_epochs=1)
    [line] = [record.message for record in caplog.records if "have inspected features" in record.message]
    told = "1 of 2 LFs have inspected features (1 declared; 2 terms). None for 'hidden': declare them with "
    assert line.startswith(told)
    caplog.clear()
    fitted(lfs=LFS, n_epochs=1)
    assert caplog.records == []


def test_a_verbose_fit_warns_where_the_log_of_lightning_is_silenced():
    logger = logging.getLogger(BACKEND)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with pytest.warns(UserWarning, match="no gradient targets.*'hidden'"):
            fitted(lfs=[LFS[0], hidden], verbose=True, n_epochs=1)
        assert logger.level == logging.ERROR
    finally:
        logger.setLevel(level)


@pytest.mark.parametrize("options", [{}, {"inspect": "traced"}, {"inspect": "all"}], ids=repr)
def test_plain_lfs_get_their_gradients_by_inspection(options):
    model = fitted(lfs=PLAIN, **options)
    assert answers(model)[0, 1] > answers(fitted())[0, 1] + 0.05


def test_functions_without_a_decorator_are_lfs():
    def prize(x):
        return 1 if "prize" in x.text or "award" in x.text else -1

    model = fitted(lfs=[prize, LFS[1]], inspect="traced")
    assert answers(model)[0, 1] > 0.6


def test_lfs_that_draw_change_neither_the_training_nor_the_users_random_state():
    def coin(x):
        random.random(), np.random.rand(), torch.rand(1)
        return 1 if "prize" in x.text else -1

    lfs = [LabelingFunction("prize", coin), LFS[1]]
    records = inspect_lfs(lfs, FRAME, progress_bar=False)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    model = fitted(lfs=lfs, inspect="traced")
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    np.testing.assert_allclose(answers(model), answers(fitted(lfs=lfs, records=records)), atol=1e-6)


@pytest.mark.parametrize("points", [lambda frame: frame, lambda frame: frame.to_dict("records")])
def test_a_text_in_another_column(points):
    frame = FRAME.rename(columns={"text": "comment"})

    def prize(x):
        return 1 if "prize" in (x["comment"] if isinstance(x, dict) else x.comment) else -1

    lfs = [
        keyword_lf("prize", ["prize", "award"], 1, text_column="comment"),
        keyword_lf("song", ["song"], 0, text_column="comment"),
    ]
    model = fitted(points(frame), lfs=lfs, text_column="comment")
    np.testing.assert_allclose(answers(model), answers(fitted(lfs=LFS)), atol=1e-6)
    assert model.classifier_.feature_space.column == "comment"
    assert model.predict(None, X=points(frame)).tolist()[:2] == [1, 0]
    traced = fitted(frame, lfs=[prize, lfs[1]], text_column="comment", inspect="traced")
    assert answers(traced, ["a prize"])[0, 1] > 0.6
    with pytest.raises(DataError, match=r"no 'text', only \['comment'\]"):
        fitted(frame)


class TestTables:
    table = pd.DataFrame({"age": np.arange(40.0), "city": ["Oslo", "Rome"] * 20, "label": [0, 1] * 20})
    lfs = (
        LabelingFunction("old", lambda x: 1 if x.age > 30 else -1),
        LabelingFunction("oslo", lambda x: 0 if x.city == "Oslo" else -1),
    )
    votes = np.stack([np.where(table.age > 30, 1, -1), np.where(table.city == "Oslo", 0, -1)], axis=1)

    def test_a_table_trains_and_answers(self):
        records = [
            LFRecord("old", (InspectedFeature("age", 1, kind="column"),)),
            LFRecord("oslo", (InspectedFeature("city=Oslo", 0, kind="column"),)),
        ]
        space = TableFeatures()
        model = fitted(self.table, self.votes, records=records, lfs=self.lfs, feature_space=space, n_epochs=30)
        assert model.classifier_.feature_space is space
        assert space.feature_names == ["age", "city=Oslo", "city=Rome"]
        new = pd.DataFrame({"age": [39.0, 0.0], "city": ["Rome", "Oslo"]})
        assert model.predict(None, X=new).tolist() == [1, 0]
        assert weight_of_penalty(model)["alpha"] == 10.0
        assert repr(model) == "LoLLabelModel(cardinality=2, fitted on 2 LFs, with a classifier of 3 features)"

    def test_columns_are_found_by_inspection(self):
        model = fitted(self.table, self.votes, lfs=self.lfs, feature_space=TableFeatures(), inspect="all", n_epochs=30)
        assert model.predict(None, X=self.table.iloc[[39, 0]]).tolist() == [1, 0]


class TestMatrices:
    space = BagOfWords().fit(FRAME, [feature for record in RECORDS for feature in record.features])
    matrix = space.transform(FRAME)

    def test_gradient_targets_and_records_train_alike(self):
        position = {name: i for i, name in enumerate(self.space.feature_names)}
        model = fitted(self.matrix, lfs=LFS, feature_space=self.space)
        entries = [(0, 1, position["prize"], 1.0), (0, 1, position["award"], 1.0), (1, 0, position["song"], 1.0)]
        assert answers(model)[0, 1] > 0.6
        np.testing.assert_array_equal(
            answers(model),
            answers(fitted(self.matrix, records=RECORDS, votes=frame_of(VOTES), feature_space=self.space)),
        )
        targets = GradientTargets.from_entries(
            entries, 2, 2, self.space.num_features, self.space.observed_frequency, self.space.feature_scale
        )
        by_targets = fitted(self.matrix, records=targets, feature_space=self.space)
        assert (answers(by_targets) - answers(model)).max() < 0.1
        assert answers(by_targets)[0, 1] > answers(fitted(self.matrix, feature_space=self.space))[0, 1] + 0.05

    def test_a_matrix_without_names_needs_its_feature_space(self):
        with pytest.raises(ConfigurationError, match="columns of a matrix have no names: give the feature_space"):
            fitted(self.matrix, records=RECORDS)
        with pytest.raises(
            ConfigurationError, match="inspect = 'all' runs the lfs on the rows, and X is a matrix, whi"
        ):
            fitted(self.matrix, lfs=PLAIN, inspect="all", feature_space=self.space)

    def test_targets_in_columns_are_scaled_by_the_votes_on_them(self):
        start = GradientLabelingFunction("prize", lambda x: -1, features={1: ["now", "prize"]})
        votes = np.where(VOTES == 1, -1, VOTES)
        votes[::5, 0] = 1  # "win a prize now", and not "prize inside"
        options = {"votes": votes, "lfs": [start, LFS[1]], "feature_space": self.space}
        for matrix in (self.matrix, self.matrix.toarray(), torch.tensor(self.matrix.toarray())):
            data = data_module(matrix, votes, classes=Classes(number=2), **options)
            data.setup("fit")
            names = [self.space.feature_names[j] for j in data.gradient_targets.feature.tolist()]
            values = dict(zip(names, data.gradient_targets.value.tolist(), strict=True))
            # "prize" is on 12 rows with 6 votes, and on none without "now" it has any.
            assert values["prize"] < 0.6 < values["now"]
            whole = data_module(
                matrix, votes, classes=Classes(number=2), inspect=InspectOptions(vote_rates=False), **options
            )
            whole.setup("fit")
            assert whole.gradient_targets.value.tolist() == pytest.approx([0.6, 0.8, 1.0])

    def test_images_need_a_network_of_ones_own(self):
        images = np.random.default_rng(0).random((30, 1, 2, 2))
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
        model = fitted(images, network=network, n_epochs=1)
        assert model.predict_proba(None, X=images).shape == (30, 2)
        with pytest.raises(DataError, match=r"shape \(30, 1, 2, 2\); a matrix of features is \(n, d\)"):
            fitted(images)

    def test_plain_lfs_are_named(self):
        with pytest.warns(UserWarning, match="2 of 2 lfs have no gradient targets.*'prize', 'song'"):
            fitted(self.matrix, lfs=PLAIN, feature_space=self.space, n_epochs=1)


def frame_of(votes):
    return pd.DataFrame(votes, columns=["prize", "song"])


class TestPenalty:
    def test_flat_arguments_are_those_of_the_penalty(self):
        flat = fitted(lfs=LFS, alpha=2.0, c=0.3, hinge="linear", unit="log-odds", num_samples=4, every=2, seed=5)
        assert weight_of_penalty(flat) | {
            "alpha": 2.0, "c": 0.3, "hinge": "linear", "unit": "log-odds", "num_samples": 4, "every": 2, "seed": 5
        } == weight_of_penalty(flat)  # fmt: skip
        own = GradientPenalty(alpha=2.0, c=0.3, hinge="linear", unit="log-odds", num_samples=4, every=2, seed=5)
        np.testing.assert_array_equal(answers(fitted(lfs=LFS, penalty=own, seed=5)), answers(flat))
        mapping = {"alpha": 2.0, "c": 0.3, "hinge": "linear", "unit": "log-odds", "num_samples": 4, "every": 2}
        np.testing.assert_array_equal(answers(fitted(lfs=LFS, penalty=mapping, seed=5)), answers(flat))

    def test_the_seed_of_the_fit_is_that_of_the_samples(self):
        assert weight_of_penalty(fitted(lfs=LFS, n_epochs=1, seed=9))["seed"] == 9
        assert weight_of_penalty(fitted(lfs=LFS, n_epochs=1, seed=9, penalty={"seed": 2}))["seed"] == 2


def test_a_fitted_model_holds_no_training_rows():
    def local(x):
        return 1 if "prize" in x.text else -1

    model = fitted(lfs=[LabelingFunction("prize", local), LFS[1]], records=RECORDS)
    assert model.classifier_._trainer is None
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(answers(again), answers(model))


def test_without_epochs_the_first_weights_answer():
    assert answers(fitted(n_epochs=0)).shape == (3, 2)


def test_repr_is_a_short_line():
    model = LoLLabelModel(3, verbose=False)
    assert repr(model) == "LoLLabelModel(cardinality=3, not fitted)"
    model.fit(VOTES, progress_bar=False)
    assert repr(model) == "LoLLabelModel(cardinality=3, fitted on 2 LFs, without a classifier)"
    assert "with a classifier of" in repr(fitted(n_epochs=1))


TARGETS = GradientTargets.from_entries([(0, 1, 0, 1.0)], num_lfs=3, num_classes=2, num_features=9)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"inspect": "all"}, ConfigurationError, "inspect = 'all' runs the lfs on the rows, and there are none"),
        ({"inspect": "found", "lfs": LFS}, ConfigurationError, "inspect = 'found'"),
        ({"lfs": [lambda x: 1, LFS[0]]}, LabelingFunctionError, "lambda"),
        ({"lfs": [LFS[0], LFS[0]]}, LabelingFunctionError, "two labeling functions are named 'prize'"),
        ({"records": RECORDS[:1]}, ConfigurationError, "no vote column is named like the record 'prize'"),
        ({"records": TARGETS}, TargetsError, "'num_lfs': 3"),
        ({"records": TARGETS, "lfs": LFS}, ConfigurationError, "give one of them"),
        ({"alpha": 1.0, "penalty": GradientPenalty()}, ConfigurationError, r"\['alpha'\] are arguments of the penalty"),
        ({"gradient_targets": TARGETS}, ConfigurationError, "gradient_targets is now records"),
        ({"penalty_shares": "votes"}, ConfigurationError, "penalty_shares is now factors"),
        ({"l2": 0.1, "weight_decay": 0.1}, ConfigurationError, "l2 and weight_decay are the same"),
        ({"hinge": "flat", "lfs": LFS}, ConfigurationError, "hinge = 'flat'"),
    ],
)
def test_what_does_not_fit_is_named(options, error, named):
    with pytest.raises(error, match=named):
        fitted(**options)


def test_records_need_rows():
    with pytest.raises(ConfigurationError, match="records is for the classifier, which needs the rows: give X too"):
        LoLLabelModel(verbose=False).fit(VOTES, records=RECORDS)
