import functools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from snorkel.labeling import labeling_function

from lol_lightning.data import LoLDataModule
from lol_lightning.data.voters import Voters
from lol_lightning.exceptions import ConfigurationError, LabelingFunctionError, VotesError
from lol_lightning.inspection import inspect_lfs
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules import keyword_lf

TEXTS = ["a prize", "nice song", "what a day", "prize song"]
VOTES = np.array([[1, -1], [-1, 0], [-1, -1], [1, 0]])
LFS = [keyword_lf("prize", ["prize"], 1), keyword_lf("song", ["song"], 0)]


def prize(x):
    return 1 if "prize" in x.text else -1


def has(x, word, label):
    return label if word in x.text else -1


class Song:
    def __call__(self, x):
        return 0 if "song" in x.text else -1


def ready(lfs=(), votes=None, **options):
    data = LoLDataModule(TEXTS, TEXTS, lfs=lfs, votes=votes, progress_bar=False, **options)
    data.setup("fit")
    return data


@pytest.mark.parametrize(
    ("lfs", "names"),
    [
        ([prize, Song()], ["prize", "Song"]),
        ([functools.partial(has, word="prize", label=1), LFS[1]], ["has", "song"]),
        (iter(LFS), ["prize", "song"]),
        (tuple(LFS), ["prize", "song"]),
    ],
)
def test_lfs_of_every_make(lfs, names):
    data = ready(lfs)
    assert data.lf_names == names
    np.testing.assert_array_equal(data.val_votes, VOTES)


@pytest.mark.parametrize("lf", [prize, LFS[0], labeling_function()(prize)])
def test_one_lf_needs_no_list(lf):
    data = ready(lf)
    assert data.lf_names == ["prize"]
    assert data.train_votes.tolist() == [[1], [1]]


@pytest.mark.parametrize(
    ("lfs", "message"),
    [
        ([lambda x: 1], r"lfs\[0\] is a lambda, which has no name"),
        ([LFS[0], 7], r"lfs\[1\] = 7 is no labeling function"),
        ([Song], "is the class Song; put an object of it"),
        (7, "lfs must be a list of labeling functions, got int"),
        ([labeling_function()], "decorator"),
        ([prize, LFS[0]], "two labeling functions are named 'prize'"),
        ([*LFS, "song"], "two labeling functions are named 'song'"),
    ],
)
def test_what_is_no_lf_is_named(lfs, message):
    with pytest.raises(LabelingFunctionError, match=message):
        ready(lfs)


@pytest.mark.parametrize(
    "votes",
    [VOTES, VOTES.tolist(), VOTES.astype(float), sp.csr_array(VOTES), pd.DataFrame(VOTES), {"train": VOTES}],
    ids=["array", "lists", "floats", "sparse", "frame without names", "mapping"],
)
def test_votes_of_the_training_rows_without_lfs(votes):
    data = ready(votes=votes)
    assert data.lf_names == ["lf_0", "lf_1"]
    np.testing.assert_array_equal(data.train_votes, VOTES[[0, 1, 3]])
    assert (data.val_votes == -1).all()


def test_columns_of_a_frame_name_the_lfs():
    data = ready(votes={"train": pd.DataFrame(VOTES, columns=["prize", "song"]), "val": VOTES})
    assert data.lf_names == ["prize", "song"]
    np.testing.assert_array_equal(data.val_votes, VOTES)


def test_columns_of_a_frame_are_matched_with_lfs_by_name():
    frame = pd.DataFrame(VOTES[:, ::-1], columns=["song", "prize"])
    data = ready(LFS, {"train": frame})
    assert data.lf_names == ["prize", "song"]
    np.testing.assert_array_equal(data.train_votes, VOTES[[0, 1, 3]])
    np.testing.assert_array_equal(data.val_votes, VOTES)
    some = Voters(LFS[:1], frame)
    assert some.names == ["song", "prize"]
    assert [len(record.features) for record in some.records] == [0, 1]


def test_names_stand_for_lfs_without_code():
    data = ready(["model", LFS[1]], {"train": VOTES, "val": VOTES})
    assert data.lf_names == ["model", "song"]
    assert [lf.name for lf in data.lfs] == ["song"]
    assert [len(record.features) for record in data.records] == [0, 1]


def test_votes_and_records_of_an_inspection_fit_together():
    inspection = inspect_lfs([prize, Song()], pd.DataFrame({"text": TEXTS}), probed=False, progress_bar=False)
    data = ready(votes=inspection.votes, records=inspection)
    assert data.lf_names == ["prize", "Song"]
    assert data.audit.inspected.tolist() == ["prize", "song"]


def test_rows_are_drawn_with_their_votes():
    data = LoLDataModule(TEXTS, votes=sp.csr_array(VOTES), progress_bar=False)
    data.draw_train_rows(3, seed=1)
    data.setup("fit")
    expected = {text: row for text, row in zip(TEXTS, VOTES.tolist(), strict=True)}
    assert data.train_votes.tolist() == [expected[text] for text in data.train_rows.text]


@pytest.mark.parametrize(
    ("lfs", "votes", "records", "error", "message"),
    [
        (LFS, VOTES[:, :1], None, VotesError, "1 columns for 2 labeling functions"),
        ((), {"valid": VOTES}, None, ConfigurationError, r"key 'valid'; its keys are among \['train', 'val', 'test'\]"),
        (
            LFS,
            {"train": VOTES, "val": pd.DataFrame(VOTES, columns=["prize", "x"])},
            None,
            ConfigurationError,
            "no vote column is named like the labeling function 'song'",
        ),
        (
            LFS,
            {"train": pd.DataFrame(VOTES, columns=["prize", "song"]), "val": pd.DataFrame(VOTES, columns=["a", "b"])},
            None,
            VotesError,
            r"votes on the val rows have the columns \['a', 'b'\], but the labeling functions are \['prize', 'song'\]",
        ),
        ((), pd.DataFrame(VOTES, columns=["a", "a"]), None, LabelingFunctionError, "two labeling functions .* 'a'"),
        ((), np.where(VOTES == 0, -2, VOTES), None, VotesError, "vote -2 of labeling function 1"),
        (LFS, None, [LFRecord("x")], ConfigurationError, r"record 'x'; they are \['prize', 'song'\]"),
        (LFS, None, [{"name": "song"}], ConfigurationError, "which is no LFRecord; give what inspect_lfs returns"),
        (
            ["a", *LFS],
            {"val": np.hstack([VOTES, VOTES[:, :1]])},
            None,
            ConfigurationError,
            r"\['a'\] have no code here",
        ),
    ],
)
def test_what_does_not_fit_is_named(lfs, votes, records, error, message):
    with pytest.raises(error, match=message):
        ready(lfs, votes, records=records)


def test_records_replace_what_lfs_declare_also_later():
    voters = Voters(LFS)
    voters.use_records([LFRecord("song", (InspectedFeature("nice", 0),))])
    assert [[f.term for f in record.features] for record in voters.records] == [[], ["nice"]]
