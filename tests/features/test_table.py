import numpy as np
import pandas as pd
import pytest
import torch
from snorkel.labeling import LabelingFunction

from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.exceptions import DataError, FeatureSpaceError, NotFittedError
from lol_lightning.features import FeatureSpace, TableFeatures
from lol_lightning.lfs.record import InspectedFeature, LFRecord

TABLE = pd.DataFrame(
    {
        "age": [10, 20, 30, 60],
        "fee": [1.0] * 4,
        "city": ["Oslo", "Rome", "Oslo", None],
        "vip": [True, False, True, True],
    }
)


def test_numbers_are_standardised_and_categories_are_indicators():
    space = TableFeatures()
    matrix = space.fit_transform(TABLE.assign(label=[0, 1, 0, 1]))
    assert space.feature_names == ["age", "fee", "city=Oslo", "city=Rome", "vip=False", "vip=True"]
    age = TABLE.age.to_numpy()
    np.testing.assert_allclose(matrix[:, 0], (age - age.mean()) / age.std(), rtol=1e-6)
    np.testing.assert_array_equal(matrix[:, 1], 0)
    np.testing.assert_array_equal(matrix[:, 2:], [[1, 0, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 1]])
    assert matrix.dtype == np.float32
    torch.testing.assert_close(space.observed_frequency, torch.tensor([0.25, 0.0, 0.5, 0.25, 0.25, 0.75]))
    torch.testing.assert_close(space.document_frequency, (space.observed_frequency * 4 + 1) / 6)
    assert isinstance(space, FeatureSpace)


def test_transform_uses_what_was_learnt():
    space = TableFeatures(numeric=["age"], categorical=["city"]).fit(TABLE)
    new = space.transform(pd.DataFrame({"age": [30], "city": ["Paris"]}))
    np.testing.assert_allclose(new, [[0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("feature", "names", "remark"),
    [
        (InspectedFeature("age", 1, "column"), ["age"], "mapped"),
        (InspectedFeature("city=Rome", 1, "column", column="city"), ["city=Rome"], "mapped"),
        (InspectedFeature("city=Rome", 1, "entry"), ["city=Rome"], "mapped"),
        (InspectedFeature("city", 1, "column"), [], "out of vocabulary: name a category as city=value"),
        (InspectedFeature("size", 1, "column"), [], "out of vocabulary"),
        (InspectedFeature("age", 1, "substring"), [], "not a feature of this space"),
    ],
)
def test_map_feature(feature, names, remark):
    space = TableFeatures().fit(TABLE)
    match = space.map_feature(feature)
    assert ([space.feature_names[i] for i in match.entries], match.remark) == (names, remark)


def test_data_module_on_a_table():
    record = LFRecord(
        "adult", (InspectedFeature("age", 1, "column", 0.8), InspectedFeature("city=Oslo", 0, "column", -0.5))
    )
    data = LoLDataModule(
        TABLE,
        lfs=[LabelingFunction("adult", lambda x: 1 if x.age >= 18 else -1)],
        records=[record],
        feature_space=TableFeatures(),
        progress_bar=False,
    )
    data.setup("fit")
    assert data.gradient_targets.feature.tolist() == [2, 0]
    batch = next(iter(data.train_dataloader()))
    assert batch.features.shape == (3, 6)
    assert batch.features.dtype == torch.float32


def test_gold_labels_are_no_feature():
    table = TABLE.assign(gold=[0, 1, 1, 1])
    space = TableFeatures()
    data = LoLDataModule(table, table, votes=[[1], [0], [1], [1]], label_column="gold", feature_space=space)
    data.setup("fit")
    assert "gold" not in space.feature_names
    np.testing.assert_array_equal(data.val_labels, [0, 1, 1, 1])


@pytest.mark.parametrize(
    ("space", "table", "error", "message"),
    [
        (TableFeatures(), TABLE.assign(age=[1, None, 2, 3]), DataError, "row 1 has 'age' = nan"),
        (TableFeatures(numeric=["size"]), TABLE, DataError, "no column 'size', only"),
        (TableFeatures(numeric=["city"]), TABLE, DataError, "'city' is not numeric .* categorical"),
        (TableFeatures(exclude=list(TABLE)), TABLE, FeatureSpaceError, "no numeric column and no category"),
        (TableFeatures(), [1, 2], DataError, "reads DataFrames, got a list of int"),
    ],
)
def test_bad_tables(space, table, error, message):
    with pytest.raises(error, match=message):
        space.fit(table)


def test_not_fitted():
    with pytest.raises(NotFittedError, match="call fit"):
        TableFeatures().transform(TABLE)


@pytest.mark.parametrize(
    ("kind", "term", "names"),
    [
        ("token", "Oslo", ["city=Oslo"]),
        ("token", "oslo", ["city=Oslo"]),
        ("token", "Osl", []),
        ("prefix", "R", ["city=Rome"]),
        ("suffix", "o", ["city=Oslo"]),
        ("substring", "o", ["city=Oslo", "city=Rome"]),
    ],
)
def test_what_an_lf_asks_of_a_category_is_mapped(kind, term, names):
    space = TableFeatures(numeric=[], categorical=["city"]).fit(pd.DataFrame({"city": ["Oslo", "Rome", "Bern"]}))
    match = space.map_feature(InspectedFeature(term, 1, kind, column="city"))
    assert [space.feature_names[entry] for entry in match.entries] == names
    assert match.remark == ("mapped" if names else "out of vocabulary")
    assert space.map_feature(InspectedFeature(term, 1, kind, column="text")).entries == ()
