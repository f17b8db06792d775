import numpy as np
import pytest

from lol_lightning.data.synthetic import (
    HAM,
    SPAM,
    synthetic_comments,
    synthetic_lfs,
    synthetic_votes_and_rows,
)
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.lfs.apply import fast_apply


def test_equal_arguments_give_equal_comments():
    assert synthetic_comments(50, seed=3).equals(synthetic_comments(50, seed=3))
    assert not synthetic_comments(50, seed=3).equals(synthetic_comments(50, seed=4))


def test_lfs_are_better_than_chance_noisy_and_abstain():
    comments = synthetic_comments(4000, seed=0, videos=range(8))
    votes = fast_apply(synthetic_lfs(), comments)
    labels = comments.label.to_numpy()
    for column in votes.T:
        voted = column >= 0
        assert 0.005 < voted.mean() < 0.4
        assert 0.6 < (column == labels)[voted].mean() < 0.99
    assert 0.6 < (votes >= 0).any(1).mean() < 0.9
    assert {HAM, SPAM} == set(labels)


def test_names_of_a_video_foretell_the_class_only_there():
    familiar, other = synthetic_comments(3000, videos=(1,)), synthetic_comments(3000, videos=(5,))
    assert familiar.label.mean() > 0.8
    assert abs(other.label.mean() - 0.5) < 0.05
    names = [set(" ".join(comments.text).split()) for comments in (familiar, other)]
    assert "kobadux" in names[0] - names[1]
    assert "lebadux" in names[1] - names[0]


def test_words_follow_zipf():
    words = " ".join(synthetic_comments(5000).text).split()
    counts = np.sort(np.unique(words, return_counts=True)[1])[::-1]
    assert counts[0] > 1.5 * counts[1]
    assert len(counts) > 1500


@pytest.mark.parametrize("options", [{"num_rows": 0}, {"videos": ()}, {"videos": (9,)}])
def test_bad_options(options):
    with pytest.raises(ConfigurationError, match=r"0 \.\. 7"):
        synthetic_comments(**options)


def test_votes_of_the_large_corpus_follow_from_its_targets():
    corpus = synthetic_votes_and_rows(2000, num_features=600, num_lfs=7, num_classes=3, words_per_row=20, seed=1)
    assert corpus.features.data.min() == corpus.features.data.max() == 1
    assert corpus.features.has_canonical_format
    expected = np.full((2000, 7), -1)
    targets = corpus.gradient_targets
    for lf, cls, feature in zip(targets.lf.tolist(), targets.cls.tolist(), targets.feature.tolist(), strict=True):
        expected[corpus.features[:, [feature]].nonzero()[0], lf] = cls
    np.testing.assert_array_equal(corpus.votes, expected)


def test_large_corpus_needs_features_for_its_lfs():
    with pytest.raises(ConfigurationError, match="10 LFs x 5 words need more than 20 features"):
        synthetic_votes_and_rows(10, num_features=20)
