"""InsertionBank: whose turn it is, how often each term comes, what a draw weighs, and what is refused."""

from collections import Counter

import numpy as np
import pytest
import torch

from lol_lightning.data.insertions import InsertionBank
from lol_lightning.exceptions import ConfigurationError, TargetsError

LF_OF_TERM = [0, 0, 0, 1, 3, 3]
ROWS_OF_TERM = [5, 4, 3, 2, 4, 1]


def bank(**options):
    """Six terms of three out of four LFs, with 5, 4, 3, 2, 4 and 1 rows; the row of pair p is (p, with term)."""
    term = torch.repeat_interleave(torch.arange(6), torch.tensor(ROWS_OF_TERM))
    lf = torch.tensor(LF_OF_TERM)[term]
    number = torch.arange(len(term)).float()
    with_term, without_term = (torch.stack([number, torch.full_like(number, part)], 1) for part in (1, 0))
    arguments = {"value": torch.ones(len(term)), "num_lfs": 4, "terms_per_step": 2, "rows_per_term": 3, **options}
    return InsertionBank(with_term, without_term, lf, lf % 2, term=term, **arguments)


def terms_of(made, insertions):
    """The term of each group of a draw."""
    term = made.term[insertions.with_term[:, 0].long()]
    groups = [set(term[insertions.group == group].tolist()) for group in insertions.group.unique()]
    assert all(len(group) == 1 for group in groups)
    return [group.pop() for group in groups]


def test_every_lf_has_one_turn_in_a_cycle():
    made = bank(terms_per_step=1)
    turns = [int(made.draw(step).lf[0]) for step in range(60)]
    assert all(sorted(turns[i : i + 3]) == [0, 1, 3] for i in range(0, 60, 3))
    assert len({tuple(turns[i : i + 3]) for i in range(0, 60, 3)}) > 1


def test_every_term_of_an_lf_is_drawn_equally_often():
    # 18 draws hold six of each of the three LFs: two of each of three terms, six of the only one, three of each of two.
    made = bank()
    drawn = Counter(term for step in range(9) for term in terms_of(made, made.draw(step)))
    assert drawn == {0: 2, 1: 2, 2: 2, 3: 6, 4: 3, 5: 3}


def test_a_draw_holds_pairs_of_the_same_row():
    made = bank()
    for step in range(5):
        drawn = made.draw(step)
        number = drawn.with_term[:, 0].long()
        torch.testing.assert_close(drawn.with_term[:, 0], drawn.without_term[:, 0])
        assert (drawn.with_term[:, 1] == 1).all()
        assert (drawn.without_term[:, 1] == 0).all()
        assert drawn.lf.equal(made.lf[number])
        assert drawn.cls.equal(made.cls[number])
        # An LF that ends one cycle and begins the next has two turns in a draw, each a group of its own.
        assert len(set(zip(drawn.group.tolist(), number.tolist(), strict=True))) == len(number)
        sizes = Counter(drawn.group.tolist())
        for group, term in enumerate(terms_of(made, drawn)):
            assert sizes[group] == min(3, ROWS_OF_TERM[term])


def test_weights_of_a_draw():
    # Two of three LFs with terms are drawn: each counts 3 / 2, spread over the rows of its term.
    made = bank(lf_scale=torch.tensor([0.5, 1.0, 1.0, 0.25]))
    drawn = made.draw(3)
    for group in drawn.group.unique():
        own = drawn.group == group
        lf = int(drawn.lf[own][0])
        assert drawn.weight[own].sum() == pytest.approx(1.5 * [0.5, 1.0, 1.0, 0.25][lf])
        assert drawn.weight[own].unique().numel() == 1
    assert drawn.num_terms.equal(torch.tensor([3, 1, 0, 2])[drawn.lf])


def test_all_terms_at_once():
    drawn = bank(terms_per_step=None).draw(7)
    assert len(drawn) == sum(ROWS_OF_TERM)
    assert drawn.group.equal(torch.repeat_interleave(torch.arange(6), torch.tensor(ROWS_OF_TERM)))
    total = torch.zeros(4).index_add(0, drawn.lf, drawn.weight)
    torch.testing.assert_close(total, torch.tensor([1.0, 1.0, 0.0, 1.0]))
    term = drawn.group
    torch.testing.assert_close(drawn.weight[term == 0], torch.full((5,), 1 / 3 / 5))


def test_draws_depend_on_seed_and_step_alone():
    torch.manual_seed(1)
    first = [bank(seed=5).draw(step).with_term for step in range(6)]
    torch.manual_seed(2)
    again = bank(seed=5)
    for step in (4, 1, 5, 0, 3, 2):
        assert again.draw(step).with_term.equal(first[step])
    other = [bank(seed=6).draw(step).with_term for step in range(6)]
    assert any(not (one.shape == two.shape and one.equal(two)) for one, two in zip(first, other, strict=True))


def test_terms_need_not_be_numbered_from_zero_or_in_order():
    term = torch.tensor([9, 4, 9, 4, 7])
    lf = torch.tensor([1, 0, 1, 0, 0])
    rows = torch.arange(5.0)[:, None]
    made = InsertionBank(rows, rows, lf, lf, torch.ones(5), term, num_lfs=2, terms_per_step=None)
    drawn = made.draw(0)
    assert drawn.group.tolist() == [2, 0, 2, 0, 1]
    assert drawn.weight.tolist() == [0.5, 0.25, 0.5, 0.25, 0.5]


def test_a_bank_without_rows_draws_nothing():
    empty = torch.zeros(0)
    made = InsertionBank(empty[:, None], empty[:, None], empty.long(), empty.long(), empty, empty.long(), num_lfs=2)
    assert len(made.draw(0)) == 0
    assert repr(made) == "InsertionBank(0 insertions of 0 terms for 0 of 2 LFs, 12 terms a step)"


def test_another_device_gets_the_same_draws():
    made = bank()
    moved = made.to("meta")
    assert moved.with_term.device.type == moved.value.device.type == "meta"
    assert made.with_term.device.type == "cpu"
    drawn = moved.draw(2)
    assert drawn.with_term.shape == made.draw(2).with_term.shape
    assert drawn.weight.device.type == drawn.group.device.type == "meta"


def test_repr_is_one_line():
    assert repr(bank()) == "InsertionBank(19 insertions of 6 terms for 3 of 4 LFs, 2 terms a step)"
    assert "all in each step" in repr(bank(terms_per_step=None))


@pytest.mark.parametrize("name", ["terms_per_step", "rows_per_term"])
def test_a_number_of_what_is_drawn_must_be_at_least_one(name):
    with pytest.raises(ConfigurationError, match=f"{name} = 0 must be at least 1"):
        bank(**{name: 0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value": torch.full((19,), 1.5)}, r"values of insertions must lie in \[-1, 1\]"),
        ({"value": torch.ones(18)}, "one row for each, got .*'value': 18"),
        ({"num_lfs": 3}, "of LF 0 to LF 3, but there are 3"),
        ({"value": torch.full((19,), float("nan"))}, r"must lie in \[-1, 1\]"),
        ({"lf_scale": torch.ones(3)}, r"lf_scale has 3 numbers for 4 LFs"),
    ],
)
def test_parts_that_do_not_fit_are_refused(options, message):
    with pytest.raises(TargetsError, match=message):
        bank(**options)


def test_no_draw_changes_the_global_generators():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    bank().draw(0)
    assert torch.get_rng_state().equal(torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
