import itertools
import random

import pytest

from lol_lightning.inspection._votes import NOT_CALLED
from lol_lightning.inspection.probing import _removal
from lol_lightning.inspection.probing._removal import Document, critical_units, every_unit, suspects_first
from lol_lightning.inspection.probing._units import TextUnits


def document(text: str, vote: int, row: int = 0) -> Document:
    return Document(row, text, TextUnits()(text), vote)


def monotone_lf(clauses):
    """Vote 1 where all words of one of the clauses are there."""
    return lambda tests: [1 if any(c <= set(text.split()) for c in clauses) else -1 for _, text in tests]


@pytest.mark.parametrize("seed", range(20))
def test_halving_finds_what_single_removals_find_on_a_monotone_lf(seed):
    rng = random.Random(seed)
    words = "abcdefghij"
    lf = monotone_lf([set(rng.sample(words, rng.randint(1, 3))) for _ in range(3)])
    texts = [" ".join(rng.sample(words, rng.randint(1, 10))) for _ in range(50)]
    documents = [document(text, 1) for text in texts if lf([(0, text)]) == [1]]
    exact = critical_units(lf, documents, [every_unit(d) for d in documents])
    for suspects in (frozenset(), frozenset("ab"), frozenset(words)):
        assert critical_units(lf, documents, [suspects_first(d, suspects) for d in documents]) == exact


def test_one_word_among_many_takes_about_twice_the_logarithm():
    words = ["".join(pair) for pair in itertools.product("abcdefgh", repeat=2)]
    calls = []
    lf = monotone_lf([{"cd"}])
    counted = lambda tests: calls.extend(tests) or lf(tests)  # noqa: E731
    text = " ".join(words)
    [after] = critical_units(counted, [document(text, 1)], [[tuple(words)]])
    assert {unit for unit, vote in after.items() if vote != 1} == {"cd"}
    assert len(calls) == 1 + 2 * 6


def test_a_document_whose_calls_run_out_has_no_answer():
    answers = iter([-1, NOT_CALLED, 1, 1])
    documents = [document("a b", 1), document("c", 1)]
    lf = lambda tests: [next(answers) for _ in tests]  # noqa: E731
    assert critical_units(lf, documents, [[("a",), ("b",)], [("c",)]]) == [None, {"c": 1}]


def test_the_vote_that_comes_instead_is_kept():
    lf = lambda tests: [1 if "win" in text else 0 for _, text in tests]  # noqa: E731
    assert critical_units(lf, [document("win now", 1)], [[("win", "now")]]) == [{"win": 0, "now": 1}]


def test_long_documents_are_called_in_batches_of_bounded_size(monkeypatch):
    monkeypatch.setattr(_removal, "MAX_CHARS", 100)
    words = [f"word{i}" for i in range(30)]
    documents = [document(" ".join(words), vote=1) for _ in range(3)]
    sizes = []

    def call(tests):
        sizes.append(sum(len(text) for _, text in tests))
        return [int("word7 " in text) for _, text in tests]

    after = critical_units(call, documents, [every_unit(one) for one in documents])
    assert all(each == {word: int(word != "word7") for word in words} for each in after)
    assert len(sizes) == 90
    assert max(sizes) < 100 + len(documents[0].text)
