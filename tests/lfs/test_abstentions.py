"""A class that LFs vote for where they have nothing to say is an abstention, and LFs that do so are named."""

import numpy as np
import pytest
from snorkel.labeling import LabelingFunction
from snorkel.synthetic.synthetic_data import generate_simple_label_matrix

from lol_lightning import LoLDataModule, LoLLabelModel
from lol_lightning.data.matrix import MatrixDataModule
from lol_lightning.lfs.abstentions import class_of_abstentions

DOG, BIRD, CAT = (np.eye(6, dtype=int)[i].repeat(4) for i in range(3))
"""Rows on which an LF has something to say, one of six each."""


def columns(*lfs):
    return np.stack(lfs, axis=1)


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (columns(DOG, 2 * BIRD), (0, [0, 1])),
        (columns(DOG, -BIRD), (0, [0, 1])),
        (columns(np.where(DOG, 0, 2), np.where(BIRD, 1, 2)), (2, [0, 1])),
        (columns(DOG, 2 * BIRD, np.where(CAT, 1, -1)), (0, [0, 1])),
        (columns(np.arange(40) % 20 == 0, np.arange(40) % 20 == 1).astype(int), (0, [0, 1])),
    ],
    ids=["Snorkel 0.7", "signs", "the last class", "one LF abstains", "one class"],
)
def test_a_default_class_is_found(votes, expected):
    assert class_of_abstentions(votes) == expected
    assert class_of_abstentions(votes[:6]) is None


@pytest.mark.parametrize(
    "votes",
    [
        columns(DOG, 2 * BIRD) - 1,
        columns(np.where(DOG, 1, -1), np.where(BIRD, 0, -1)),
        np.array([[1, 1, 1]] * 50),
        np.array([[1, 1, 1]] * 50 + [[0, -1, -1]]),
        np.array([[0, 0, 0]] * 70 + [[1, 1, 1]] * 30),
        np.array([[0, 0, 0]] * 18 + [[1, 1, 1]] * 2 + [[-1, -1, -1]]),
        generate_simple_label_matrix(300, 6, 2, 0.0)[2],
        generate_simple_label_matrix(300, 6, 4)[2],
        np.empty((0, 2), dtype=int),
        np.full((20, 2), -1),
    ],
    ids=["abstaining", "polar", "unanimous", "nearly", "shares", "rare", "binary", "four classes", "empty", "none"],
)
def test_ordinary_votes_have_none(votes):
    assert class_of_abstentions(votes) is None


@pytest.mark.filterwarnings("ignore:.*lfs have no gradient targets")
def test_data_modules_and_label_models_name_the_lfs():
    texts = ["dog barks", "cat", "dog", "bird sings", "cow", "fish"] * 4
    dog = LabelingFunction("dog", lambda x: 1 if "dog" in x.text else 0)
    bird = LabelingFunction("bird", lambda x: 2 if "bird" in x.text else 0)
    message = r"class 0 is voted for on 100% of the rows.*'dog', 'bird' .* return -1"
    with pytest.warns(UserWarning, match=message):
        LoLDataModule(texts, lfs=[dog, bird], progress_bar=False).setup("fit")
    votes = columns(DOG, 2 * BIRD)
    with pytest.warns(UserWarning, match=r"class 0 .* 'lf_0', 'lf_1' vote where"):
        MatrixDataModule(np.eye(24), votes=votes).setup("fit")
    model = LoLLabelModel(3, verbose=False)
    with pytest.warns(UserWarning, match=r"class 0 .* 'lf_0', 'lf_1' vote where"):
        model.fit(votes, progress_bar=False)
    with pytest.warns(UserWarning, match=message) as caught:
        model.fit(votes, X=texts, lfs=[dog, bird], n_epochs=1, progress_bar=False)
    assert sum("class 0" in str(warning.message) for warning in caught) == 1
