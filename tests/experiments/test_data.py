import pandas as pd
import pytest
import torch
from snorkel.labeling import LabelingFunction
from tiny_benchmark import comments, write_wrench

from lol_lightning.data.base import MAX_ALPHA
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.options import ModelDefaults
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.experiments.data import as_sets, forget, prepare
from lol_lightning.lfs.rules import keyword_lf


@pytest.fixture
def directory(tmp_path):
    yield write_wrench(tmp_path / "toy")
    forget()


def with_defaults(data, **defaults):
    base = type(data)
    data.__class__ = type("WithDefaults", (base,), {"model_defaults": property(lambda self: ModelDefaults(**defaults))})
    return data


def test_sets_are_known_by_name_and_content(directory):
    (one,) = as_sets([directory])
    (same,) = as_sets({"toy": directory})
    assert (one.name, one) == ("toy", same)
    path = directory / "valid.json"
    path.write_text(path.read_text().replace('"label": 1', '"label": 0', 1))
    assert as_sets([directory])[0].fingerprint != one.fingerprint


def test_functions_are_known_by_what_they_return(tmp_path):
    make = comments(tmp_path)
    (first,), (again,) = as_sets({"mine": make}), as_sets({"mine": make})
    assert first == again
    assert as_sets({"mine": lambda seed: make(seed + 1)})[0] != first
    strong, none = (
        as_sets({"mine": lambda seed, defaults=defaults: with_defaults(make(seed), **defaults)})[0]
        for defaults in ({"alpha": 0.5}, {"alpha": MAX_ALPHA})
    )
    assert strong not in (first, none)
    assert none == first
    make.lfs = make.lfs[:3]
    assert as_sets({"mine": make})[0] != first


def test_what_is_missing_is_named(directory):
    with pytest.raises(DataError, match="there is no WRENCH directory 'nowhere'"):
        as_sets(["nowhere"])
    with pytest.raises(DataError, match="two sets have the same name"):
        as_sets([directory, directory])
    with pytest.raises(ConfigurationError, match="there are no data"):
        as_sets([])


def test_data_modules_need_labeled_validation_and_test_rows(tmp_path):
    lfs = comments(tmp_path).lfs
    texts = ["please subscribe", "what a song", "free music"]
    with pytest.raises(DataError, match="no validation rows"):
        as_sets({"mine": lambda seed: LoLDataModule(texts, test=texts, lfs=lfs, progress_bar=False)})
    with pytest.raises(DataError, match="the test rows have no labels"):
        as_sets({"mine": lambda seed: LoLDataModule(texts, texts, texts, lfs=lfs, progress_bar=False)})


def test_rows_are_drawn_by_the_seed_and_prepared_once(directory, tmp_path):
    (dataset,) = as_sets([directory])
    drawn = prepare(dataset, 40, seed=1)
    assert len(drawn.train) + drawn.data.num_dropped_rows == 40
    assert prepare(dataset, 40, seed=1) is drawn
    assert prepare(dataset, 40, seed=2).data.train_rows.index.tolist() != drawn.data.train_rows.index.tolist()
    assert prepare(dataset, None, seed=1) is prepare(dataset, None, seed=2)
    (mine,) = as_sets({"mine": comments(tmp_path / "lfs")})
    assert len(prepare(mine, 40, seed=1).train) <= 40
    assert prepare(mine, None, seed=1) is not prepare(mine, None, seed=2)


def test_sources_share_features_and_differ_in_gradients(directory):
    (dataset,) = as_sets([directory])
    prepared = prepare(dataset, None, seed=0, inspect=True)
    own, declared, probed = (prepared.train_with(sources) for sources in (None, ("declared",), ("probed",)))
    plain = prepare(dataset, None, seed=0)
    assert len(own.gradient_targets) == len(declared.gradient_targets) == len(plain.train.gradient_targets)
    assert 0 < len(probed.gradient_targets) <= len(own.gradient_targets)
    torch.testing.assert_close(own.features.to_dense(), probed.features.to_dense())
    assert plain.train_with(None) is plain.train


def test_own_records_of_plain_lfs_are_those_that_the_data_module_traces():
    texts = ["a song", "win a prize", "nice song", "prize"] * 10

    def make(seed):
        val = pd.DataFrame({"text": texts, "label": [0, 1, 0, 1] * 10})
        lfs = [LabelingFunction("song", by_song), LabelingFunction("prize", by_prize)]
        return LoLDataModule(texts, val, val, lfs=lfs, progress_bar=False)

    (dataset,) = as_sets({"mine": make})
    own = prepare(dataset, None, seed=0, inspect=True).train_with(None).gradient_targets
    plain = prepare(dataset, None, seed=0).train.gradient_targets
    assert own.value.tolist() == plain.value.tolist() == [1.0, 1.0]
    forget()


def by_song(x):
    return 0 if "song" in x.text else -1


def by_prize(x):
    return 1 if "prize" in x.text else -1


def test_lfs_may_be_inspected_on_more_rows_than_are_trained_on(directory):
    (dataset,) = as_sets([directory])
    few, many = (prepare(dataset, 20, seed=0, inspect=True, inspected_rows=rows) for rows in (None, 90))
    assert len(few.train) == len(many.train)
    assert len(many.train_with(("probed",)).gradient_targets) > len(few.train_with(("probed",)).gradient_targets)


def with_insertions(seed):
    lf = keyword_lf("song", ["song"], label=0)
    rows = pd.DataFrame({"text": ["my song", "a prize", "one song", "see you"], "label": [0, 1, 0, 1]})
    options = {"lfs": [lf], "classes": 2, "insertions": True, "progress_bar": False}
    return LoLDataModule(rows, val=rows, test=rows, **options)


def test_insertions_are_part_of_a_set_and_have_no_sources_to_compare():
    (dataset,) = as_sets({"mine": with_insertions})
    assert prepare(dataset, None, seed=0).train_with(("probed",)).insertions is not None
    prepared = prepare(dataset, None, seed=0, inspect=True)
    with pytest.raises(ConfigurationError, match="the data module inserts terms: give it insertions=False"):
        prepared.train_with(("probed",))
    forget()


def test_an_encoder_makes_another_set(directory):
    plain, encoded, other = (as_sets([directory], encoder)[0] for encoder in (None, "first", "second"))
    assert len({plain.fingerprint, encoded.fingerprint, other.fingerprint}) == 3
