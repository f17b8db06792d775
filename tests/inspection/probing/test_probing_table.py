import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import ConfigurationError, DataError, LabelingFunctionError
from lol_lightning.inspection.probing._probing_table import probe_table
from lol_lightning.inspection.probing._table_probe import stein_gradient


def table(num_rows=400, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, num_rows),
            "income": rng.lognormal(3, 1, num_rows),
            "visits": rng.integers(0, 20, num_rows),
            "city": rng.choice(["Bern", "Oslo", "Rome"], num_rows),
            "member": rng.random(num_rows) < 0.5,
        }
    )


def found(record):
    return {(f.term, f.label): f for f in record.features}


def test_the_gradient_of_a_smoothed_step_is_the_normal_density():
    rng = np.random.default_rng(0)
    sigma, x = 0.7, 0.4
    noise = rng.standard_normal((5000, 8, 1))
    votes = [np.where(x + sign * sigma * noise[..., 0] > 0, 1, -1) for sign in (1, -1)]
    value, error = stein_gradient(*votes, noise, label=1, sigma=sigma)
    expected = np.exp(-((x / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))
    assert error[0] < 0.01
    assert abs(value[0] - expected) < 4 * error[0]


def test_unknown_pairs_are_left_out():
    noise = np.ones((2, 2, 1))
    plus, minus = np.array([[1, -2], [1, 1]]), np.array([[-1, -1], [-1, -1]])
    value, _ = stein_gradient(plus, minus, noise, label=1, sigma=0.5)
    assert value[0] == 1.0


def test_a_threshold_is_found_in_units_of_the_columns_deviation():
    data = table()
    lf = LabelingFunction("old", lambda x: 1 if x.age > 40 else 0)
    [record] = probe_table([lf], data, num_pairs=32)
    features = found(record)
    assert set(features) == {("age", 1), ("age", 0)}
    # Rows and noise together are normal of variance 1 + sigma^2 around the threshold.
    expected = 1 / np.sqrt(2 * np.pi * 1.25)
    assert features["age", 1].value == pytest.approx(expected, abs=4 * features["age", 1].std_error)
    assert features["age", 0].value == pytest.approx(-features["age", 1].value)
    assert (features["age", 1].kind, features["age", 1].column, features["age", 1].support) == ("column", "age", 400)


def test_the_unit_does_not_depend_on_the_columns_scale():
    data = table()
    scaled = data.assign(age=1000 * data.age)
    [a] = probe_table([LabelingFunction("lf", lambda x: 1 if x.age > 45 else -1)], data)
    [b] = probe_table([LabelingFunction("lf", lambda x: 1 if x.age > 45000 else -1)], scaled)
    assert [f.value for f in a.features] == pytest.approx([f.value for f in b.features])


def test_a_model_over_several_columns_gets_a_sign_for_each():
    from sklearn.linear_model import LogisticRegression

    data = table(600)
    inputs = ["age", "visits"]
    scale = data[inputs].std()
    gold = data.age / scale.age - data.visits / scale.visits > data.age.mean() / scale.age - 1.7
    model = LogisticRegression().fit((data[inputs] / scale).to_numpy(), gold)
    lf = LabelingFunction("model", lambda x: int(model.predict([[x.age / scale.age, x.visits / scale.visits]])[0]))
    features = found(probe_table([lf], data, max_rows=300)[0])
    assert set(features) == {("age", 1), ("age", 0), ("visits", 1), ("visits", 0)}
    assert features["age", 1].value > 0.15
    assert features["visits", 1].value < -0.15


def test_a_category_is_exchanged():
    lf = LabelingFunction("city", lambda x: 1 if x.city == "Oslo" and not x.member else -1)
    features = found(probe_table([lf], table())[0])
    assert set(features) == {("city=Oslo", 1), ("member=False", 1)}
    assert features["city=Oslo", 1].value == features["member=False", 1].value == 1.0


def test_columns_can_be_chosen():
    lf = LabelingFunction("lf", lambda x: 1 if x.age > 40 and x.city == "Oslo" else -1)
    assert {f.term for f in probe_table([lf], table(), columns=["city"])[0].features} == {"city=Oslo"}
    assert {f.term for f in probe_table([lf], table(), numeric=["age"], categorical=[])[0].features} == {"age"}


def test_the_table_stays_as_it_is_and_the_seed_decides():
    data = table(100)
    before = data.copy()

    def f(x):
        vote = 1 if x.age > 40 else -1
        x["age"] = 0
        return vote

    first, again, other = (probe_table([LabelingFunction("lf", f)], data, seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(data, before)
    assert first == again != other


def test_an_lf_that_raises_is_noted_or_raises():
    lf = LabelingFunction("lookup", lambda x: {"Oslo": 1}[x.city])
    [record] = probe_table([lf], table(60))
    assert record.features == ()
    assert "raised KeyError" in record.notes[0]
    with pytest.raises(LabelingFunctionError, match="'lookup' raised KeyError"):
        probe_table([lf], table(60), on_error="raise")


def test_missing_values_and_constant_columns_are_harmless():
    data = table(100).assign(constant=1.0)
    data.loc[::3, "income"] = np.nan
    data.loc[::5, "city"] = None
    [record] = probe_table([LabelingFunction("lf", lambda x: 1 if x.age > 40 else -1)], data)
    assert {f.term for f in record.features} == {"age"}


def test_an_lf_that_never_votes_has_an_empty_record():
    assert probe_table([LabelingFunction("lf", lambda x: -1)], table(20))[0].features == ()


def test_bad_arguments_name_value_and_cure():
    with pytest.raises(DataError, match=r"'size'.*'age'"):
        probe_table([], table(5), numeric=["size"])
    with pytest.raises(DataError, match=r"'city'.*categorical"):
        probe_table([], table(5), numeric=["city"])
    with pytest.raises(ConfigurationError, match=r"sigma = 0"):
        probe_table([], table(5), sigma=0)
