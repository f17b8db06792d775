import math

import pytest

from lol_lightning.inspection._votes import UNKNOWN
from lol_lightning.inspection.probing._tally import VoteTally, half_width


def test_the_value_is_the_mean_change_for_each_class():
    tally = VoteTally()
    for before, after in [(1, -1), (1, 0), (1, 1), (0, 0)]:
        tally.add(before, {"word": after})
    found = {f.label: f for f in tally.features(min_support=1)}
    assert found[1].value == pytest.approx(2 / 4)
    assert found[0].value == pytest.approx(-1 / 4)
    assert found[1].support == 4


def test_the_standard_error_of_a_rare_certain_unit_is_not_zero():
    rare, common = VoteTally(), VoteTally()
    for _ in range(2):
        rare.add(1, {"word": -1})
    for _ in range(200):
        common.add(1, {"word": -1})
    [r], [c] = rare.features(2), common.features(2)
    p, n = 4 / 6, 6
    assert r.std_error == pytest.approx(math.sqrt(p * (1 - p) / n))
    assert 0 < c.std_error < 0.01


def test_unknown_votes_do_not_count():
    tally = VoteTally()
    tally.add(1, {"word": UNKNOWN})
    tally.add(1, {"word": -1})
    [found] = tally.features(1)
    assert (found.value, found.support) == (1.0, 1)


def test_units_that_change_too_few_votes_are_noise():
    tally = VoteTally()
    for after in (-1, 1, 1):
        tally.add(1, {"word": after})
    assert tally.features(min_support=2) == []
    assert len(tally.features(min_support=1)) == 1


def test_changes_that_cancel_are_no_feature():
    tally = VoteTally()
    tally.add(1, {"word": 0})
    tally.add(0, {"word": 1})
    assert tally.features(min_support=1) == []


def test_known_units_are_within_the_precision():
    tally = VoteTally()
    for _ in range(35):
        tally.add(1, {"word": -1})
    assert half_width(1.0, 35) < 0.05 < half_width(1.0, 34)
    assert tally.certain(0.05) == {"word"}
    assert tally.certain(0.04) == tally.certain(0.0) == frozenset()
