import torch

from lol_lightning.functional.votes import ABSTAIN, lf_factors, soft_votes, vote_mask, vote_probabilities

VOTES = torch.tensor([[0, 2, 2, -1], [-1, -1, -1, -1], [1, -1, -1, -1]])


def test_soft_votes_are_shares_of_the_votes():
    expected = torch.tensor([[1 / 3, 0, 2 / 3], [0, 0, 0], [0, 1, 0]])
    torch.testing.assert_close(soft_votes(VOTES, 3), expected)


def test_soft_votes_agree_for_classes_and_one_hot_probabilities():
    weights = torch.tensor([0.5, 1.0, 2.0, 3.0])
    one_hot = vote_probabilities(VOTES, 3)
    torch.testing.assert_close(soft_votes(one_hot, 3, weights), soft_votes(VOTES, 3, weights))
    torch.testing.assert_close(lf_factors(one_hot, weights), lf_factors(VOTES, weights))


def test_partial_votes_split_their_mass():
    votes = torch.tensor([[[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]])
    torch.testing.assert_close(soft_votes(votes, 3), torch.tensor([[0.25, 0.25, 0.5]]))


def test_lf_shares_count_votes_over_the_number_of_voters():
    torch.testing.assert_close(lf_factors(VOTES), torch.tensor([4 / 9, 1 / 9, 1 / 9, 0.0]))


def test_lf_shares_sum_to_the_covered_share_of_rows():
    votes = torch.randint(-1, 4, (50, 6))
    covered = vote_mask(votes).any(1).float().mean()
    torch.testing.assert_close(lf_factors(votes).sum(), covered)


def test_vote_mask_is_false_where_an_lf_abstains():
    assert vote_mask(VOTES).sum() == 4
    assert (VOTES == ABSTAIN).sum() == 8
    assert vote_mask(vote_probabilities(VOTES, 3)).equal(vote_mask(VOTES))
