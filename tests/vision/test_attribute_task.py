import pytest
import torch
from toy_images import toy_matrix

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.matrices import ClassAttributeMatrix


def reference_vote(task, lf, p, threshold):
    """What one LF votes, class by class."""
    seen = p >= threshold
    if not seen and task.polarity == "unipolar":
        return ABSTAIN
    voted = [k for k in range(task.num_classes) if bool(task.has[k, lf]) == seen]
    return voted


@pytest.mark.parametrize("polarity", ["bipolar", "unipolar"])
@pytest.mark.parametrize("classes", [("fox", "gnu"), ("bat", "eel"), ("gnu", "eel", "cat", "fox")])
def test_votes_match_a_loop(polarity, classes):
    task = AttributeTask.between(toy_matrix(), classes, polarity)
    p, thresholds = torch.rand(30, 4), torch.tensor([0.3, 0.5, 0.7, 0.4])
    votes = task.votes(p, thresholds)
    signs = task.signs(votes)
    assert votes.ndim == (3 if task.votes_for_sets else 2)
    for row in range(30):
        for lf, column in enumerate(task.columns.tolist()):
            expected = reference_vote(task, lf, p[row, column], thresholds[column])
            if expected == ABSTAIN:
                assert signs[row, lf] == 0
                assert votes[row, lf].sum() == (0 if votes.ndim == 3 else ABSTAIN)
                continue
            vote = votes[row, lf]
            if vote.ndim:
                assert vote.sum() == pytest.approx(1.0)
                assert float(vote[expected].sum()) >= 0.5 - 1e-6
                voted = [k for k in range(len(classes)) if vote[k] == vote.max()]
            else:
                voted = [int(vote)]
                assert voted == expected
            assert {bool(task.has[k, lf]) for k in voted} == {signs[row, lf].item() == 1}


def test_soft_votes_of_two_classes_are_the_probabilities():
    task = AttributeTask.between(toy_matrix(), ["fox", "gnu"])
    assert task.attributes == ("swims",)
    votes = task.votes(torch.tensor([[0.5, 0.5, 0.8, 0.5]]), soft=True)
    torch.testing.assert_close(votes, torch.tensor([[[0.2, 0.8]]]))


def test_exchanging_the_classes_exchanges_the_votes():
    p = torch.rand(20, 4)
    one, other = (AttributeTask.between(toy_matrix(), pair) for pair in (("bat", "eel"), ("eel", "bat")))
    assert one.votes(p).equal(1 - other.votes(p))


def test_class_ids_cannot_speak_for_several_classes():
    task = AttributeTask.between(toy_matrix(), ["bat", "cat", "eel"])
    with pytest.raises(ConfigurationError, match="several of the 3 classes"):
        task.votes(torch.rand(2, 4), soft=False)


def test_similarity_is_that_of_the_ways_to_divide_the_classes():
    task = AttributeTask.between(toy_matrix(), ["bat", "eel"])
    expected = torch.tensor([[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    assert task.attributes == ("flies", "furry", "swims")
    torch.testing.assert_close(task.similarity, expected)


def test_some_lfs_only():
    task = AttributeTask.between(toy_matrix(), ["bat", "eel"])
    some = task.select([2, 0])
    p = torch.rand(5, 4)
    assert some.attributes == ("swims", "flies")
    assert some.votes(p).equal(task.votes(p)[:, [2, 0]])


def test_unknown_classes_and_tasks_without_difference_are_refused():
    with pytest.raises(DataError, match="no class 'owl'; it has bat, cat"):
        AttributeTask.between(toy_matrix(), ["bat", "owl"])
    with pytest.raises(ConfigurationError, match="at least two distinct"):
        AttributeTask.between(toy_matrix(), ["bat", "bat"])
    twins = ClassAttributeMatrix(("a", "b"), ("x",), torch.ones(2, 1))
    with pytest.raises(ConfigurationError, match="same attributes"):
        AttributeTask.between(twins, ["a", "b"])
    with pytest.raises(ConfigurationError, match="polarity = 'tripolar'"):
        AttributeTask.between(toy_matrix(), ["bat", "cat"], "tripolar")
