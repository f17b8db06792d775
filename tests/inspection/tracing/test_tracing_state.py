"""A trace leaves nothing behind: caches of the user's code neither hide questions nor keep overridden answers."""

import functools
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction

from lol_lightning.inspection import inspect_lfs
from lol_lightning.inspection.tracing._tracing import trace_lf

TEXTS = ["free cash", "what a song", "my free song", "nothing"] * 3
POINTS = [SimpleNamespace(text=text, number=i) for i, text in enumerate(TEXTS)]
CACHE = {}
BY_NUMBER = {}
LOADED = {}


@functools.lru_cache
def holds(text, word):
    return word in text


@functools.lru_cache
def words_of(text):
    return text.split()


def by_cache(x):
    if x.text not in CACHE:
        CACHE[x.text] = "free" in x.text
    return 1 if CACHE[x.text] else -1


def by_number(x):
    if (x.number, "free") not in BY_NUMBER:
        BY_NUMBER[x.number, "free"] = "free" in x.text
    return 1 if BY_NUMBER[x.number, "free"] else -1


class Caching:
    @functools.lru_cache  # noqa: B019
    def holds(self, text):
        return "free" in text

    def __call__(self, x):
        return 1 if self.holds(x.text) else -1


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1 if holds(x.text, "free") else -1,
        lambda x: 1 if "free" in words_of(x.text) else -1,
        Caching(),
    ],
    ids=["two arguments", "tokens", "method"],
)
def test_cached_answers_hide_nothing_and_stay_true(function):
    holds.cache_clear()
    words_of.cache_clear()
    lf = LabelingFunction("lf", function)
    first = trace_lf(lf, POINTS)
    assert [(f.term, f.value) for f in first.features] == [("free", 1.0)]
    assert trace_lf(lf, POINTS) == first
    assert [lf(point) for point in POINTS] == [1 if "free" in text else -1 for text in TEXTS]


@pytest.mark.parametrize(("function", "cache"), [(by_cache, CACHE), (by_number, BY_NUMBER)], ids=["text", "number"])
@pytest.mark.parametrize("with_votes", [False, True])
def test_a_dict_that_keeps_answers_stays_true(function, cache, with_votes):
    cache.clear()
    lf = LabelingFunction("lf", function)
    votes = np.array([1 if "free" in text else -1 for text in TEXTS]) if with_votes else None
    trace_lf(lf, POINTS, votes=votes)
    assert all(type(key) in (str, tuple) for key in cache)
    texts = [key if isinstance(key, str) else TEXTS[key[0]] for key in cache]
    assert list(cache.values()) == ["free" in text for text in texts]
    assert [lf(point) for point in POINTS] == [1 if "free" in text else -1 for text in TEXTS]


def test_what_is_loaded_once_is_not_loaded_again_for_each_run():
    LOADED.clear()
    times = []

    def load(x):
        if "model" not in LOADED:
            times.append(1)
            LOADED["model"] = "free"
        return 1 if LOADED["model"] in x.text else -1

    assert [f.term for f in trace_lf(LabelingFunction("lf", load), POINTS).features] == ["free"]
    assert len(times) == 1


LIBRARY = """
import collections, dataclasses, re

Cut = collections.namedtuple("Cut", "words")
MARK = re.compile("song")

@dataclasses.dataclass(frozen=True)
class Token:
    text: str

def tokens(text):
    found = [word for word in re.findall("what|free|song", text)]
    return Cut([Token(word) for word in text.split() if word != "nothing" and not MARK.match("cash")])

def score(text):
    return 1.0 if any(Token("free") == token for token in tokens(text).words) else 0.0
"""


def test_what_a_library_asks_is_not_the_users_question(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "some_library_of_words.py").write_text(textwrap.dedent(LIBRARY))
    monkeypatch.syspath_prepend(str(folder))
    import some_library_of_words

    try:
        lf = LabelingFunction("lf", lambda x: 1 if some_library_of_words.score(x.text) > 0.5 else -1)
        frame = pd.DataFrame({"text": TEXTS})
        records = [inspect_lfs([lf], frame, progress_bar=False).records[0] for _ in range(2)]
        assert [(f.term, f.value, f.source) for f in records[0].features] == [("free", 1.0, "probed")]
        assert any(note.startswith("defeated tracing") for note in records[0].notes)
        assert records[1] == records[0]
    finally:
        sys.modules.pop("some_library_of_words", None)
