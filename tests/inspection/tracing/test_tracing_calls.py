"""The instruments behave as what they stand for, leave nothing behind, and keep to their thread."""

import copy
import pickle
import re
import sys
import threading
from functools import partial
from types import SimpleNamespace

import pytest
from snorkel.labeling import LabelingFunction
from snorkel.preprocess import LambdaPreprocessor

from lol_lightning.inspection.tracing._clauses import merge_alternatives
from lol_lightning.inspection.tracing._queries import Query, Trace, recording
from lol_lightning.inspection.tracing._reachable import reach
from lol_lightning.inspection.tracing._traced_calls import watch_calls
from lol_lightning.inspection.tracing._traced_text import TracedStr, TracedTokens, instrument_value
from lol_lightning.inspection.tracing._tracing import run_traced, trace_lf

TEXT = "Check my song, check MY link"
SONG, LINK, CASH = re.compile("song"), re.compile("link"), re.compile("cash")


@pytest.mark.parametrize(
    "operation",
    [
        *(str.lower, str.upper, str.casefold, str.title, str.strip, str.swapcase, str.split, str.splitlines, list, len),
        *(hash, repr, str, sorted, set, bool, reversed, enumerate),
        lambda t: (t == TEXT, t != TEXT, TEXT == t, t == 3, t != None, t < "D", t in {TEXT}, {TEXT: 1}.get(t)),  # noqa: E711
        lambda t: (t[0], t[-1], t[2:5], t[:3], t[-3:], t[::-1], t[:]),
        lambda t: (t.find("my"), t.find("zz"), t.rfind("check"), t.index("my"), t.count("e"), t.count("zz")),
        lambda t: (t.partition("song"), t.rpartition("zz"), t.partition(" "), t.split("song"), t.rsplit(None, 1)),
        lambda t: (t + "!", "!" + t, t * 2, f"{t:>40}|{t!r}", "%s" % t, "{}".format(t), " ".join(t.split())),  # noqa: UP031, UP032
        lambda t: (t.startswith("Check"), t.endswith(("a", "k")), t.startswith("my", 6), t.removeprefix("Check")),
        lambda t: (t.split().count("my"), t.split().index("my"), t.split()[1:], "my" in t.split(), [*t.split(), "a"]),
        lambda t: (re.findall(r"\w+", t), re.split(r"\W", t), re.sub("song", "tune", t), re.subn("e", "", t)),
        lambda t: [(m.group(), m.span()) for m in re.finditer("my", t, flags=re.I)],
        lambda t: (re.search("MY", t).span(), re.match("my", t), re.fullmatch(".*", t).group(), SONG.search(t).end()),
        lambda t: (t.translate({101: None}), t.replace("my", "a"), t.expandtabs(), t.center(50), t.encode()),
    ],
)
def test_an_instrumented_text_behaves_like_a_text(operation):
    traced = instrument_value(TEXT, "text")
    expected = operation(TEXT)
    with recording(Trace()):
        result = operation(traced)
    if hasattr(expected, "__next__"):
        result, expected = list(result), list(expected)
    assert result == expected


def test_changed_tokens_are_looked_for_as_they_are():
    tokens = instrument_value(["a", "b"], "words")
    with recording(Trace()):
        assert "c" not in tokens
        tokens.append("c")
        assert ("c" in tokens, tokens.index("c"), len(tokens)) == (True, 2, 3)
        tokens += ["d"]
        assert tokens.count("d") == 1


@pytest.mark.parametrize("method", ["index", "rindex"])
def test_a_missing_substring_raises_as_usual(method):
    with pytest.raises(ValueError, match="substring not found"):
        getattr(instrument_value(TEXT, "text"), method)("zz")
    with pytest.raises(ValueError, match="'zz' is not in list"):
        instrument_value(["a"], "text").index("zz")


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_stay_instrumented(clone):
    text = clone(instrument_value(TEXT, "text"))
    tokens = clone(instrument_value(["a", "b"], "words"))
    assert (type(text), text, text.origin.column) == (TracedStr, TEXT, "text")
    assert (type(tokens), tokens, tokens.column, type(tokens[0])) == (TracedTokens, ["a", "b"], "words", TracedStr)


def test_everything_is_put_back_also_after_an_error():
    before = (re.search, re.sub, sys.getprofile())
    with pytest.raises(ZeroDivisionError):
        run_traced(LabelingFunction("lf", lambda x: 1 / 0), SimpleNamespace(text=TEXT))
    assert (re.search, re.sub, sys.getprofile()) == before


def test_an_outer_profiler_is_put_back():
    def profiler(frame, event, arg):
        return None

    sys.setprofile(profiler)
    try:
        run_traced(LabelingFunction("lf", lambda x: -1), SimpleNamespace(text=TEXT))
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)


def test_threads_do_not_see_each_other():
    original, inside, results = re.search, threading.Event(), {}
    release = threading.Event()

    def slow(x):
        inside.set()
        release.wait(10)
        return 1 if re.search("song", x.text) else -1

    def other():
        inside.wait(10)
        results["plain"] = bool(re.search("link", instrument_value(TEXT, "text")))
        results["traced"] = run_traced(LabelingFunction("b", lambda x: bool(re.search("cash", x.text)) - 1), point)
        release.set()

    point = SimpleNamespace(text=TEXT)
    thread = threading.Thread(target=other)
    thread.start()
    vote, trace = run_traced(LabelingFunction("a", slow), point)
    thread.join()
    assert (vote, [query.term for query in trace.queries]) == (1, ["song"])
    assert results["plain"] is True
    assert [query.term for query in results["traced"][1].queries] == ["cash"]
    assert re.search is original


def test_answers_override_what_is_true():
    lf = LabelingFunction("lf", lambda x: 1 if re.search("zebra", x.text) and "lion" in x.text else -1)
    zebra, lion = Query("pattern", "zebra", "text", int(re.U)), Query("substring", "lion", "text")
    assert run_traced(lf, SimpleNamespace(text=TEXT), answers={zebra: True, lion: True})[0] == 1


def without_source(source):
    return LabelingFunction("lf", eval(source, {"LINK": LINK, "SONG": SONG, "re": re}))


@pytest.mark.parametrize("make", [without_source, lambda source: LabelingFunction("lf", plain_patterns)])
def test_compiled_patterns_are_seen_with_their_text_and_answer(make):
    lf = make("lambda x: 1 if LINK.search(x.title) or SONG.match(x.text) else -1")
    _, trace = run_traced(lf, SimpleNamespace(text=TEXT, title="a title"))
    flags = int(re.U)
    link, song = Query("pattern", "link", "title", flags), Query("pattern", "song", "text", flags)
    assert trace.queries == {link: False, song: False}
    assert trace.fixed == set()


def plain_patterns(x):
    return 1 if LINK.search(x.title) or SONG.match(x.text) else -1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("lambda x: 1 if LINK.search(x.text) else -1", {("link", 1, 1.0)}),
        ("lambda x: 1 if 'my' in x.text and LINK.search(x.text) else -1", {("my", 1, 1.0), ("link", 1, 1.0)}),
        ("lambda x: 1 if SONG.search(x.text) or LINK.search(x.text) else -1", {("song", 1, 1.0), ("link", 1, 1.0)}),
        ("lambda x: -1 if SONG.search(x.text) else 0", {("song", 0, -1.0)}),
        ("lambda x: 1 if 'my' in x.text or LINK.search(x.title) else -1", {("my", 1, 1.0), ("link", 1, 1.0)}),
    ],
)
def test_compiled_patterns_without_source_are_judged_by_comparing_rows(source, expected):
    texts = ["my link", "a link", "my song", "a song", "neither", "my dog"]
    record = trace_lf(without_source(source), [SimpleNamespace(text=text, title="a title") for text in texts])
    assert {(f.term, f.label, f.value) for f in record.features} == expected


def test_functions_of_re_that_were_imported_by_name_are_seen():
    search = re.search
    _, trace = run_traced(LabelingFunction("lf", lambda x: search("song", x.text) is None), SimpleNamespace(text=TEXT))
    assert {query.term: answer for query, answer in trace.queries.items()} == {"song": True}


def test_without_compiled_patterns_no_profiling_hook_is_set():
    with watch_calls(Trace(), compiled=False):
        assert sys.getprofile() is None


def helper(text):
    return LINK.search(text)


class Holder:
    def __init__(self):
        self.patterns = {"cash": [CASH]}

    def vote(self, x, pattern=SONG):
        return self.patterns["cash"][0].search(x.text) or helper(x.text)


@pytest.mark.parametrize(
    ("function", "terms"),
    [
        (Holder().vote, {"cash", "song", "link"}),
        (partial(lambda x, p: p.search(x.text), p=CASH), {"cash"}),
        (lambda x: [helper(t) for t in x.text.split()], {"link"}),
        ((lambda pattern: lambda x: pattern.search(x.text))(SONG), {"song"}),
    ],
)
def test_compiled_patterns_within_reach_are_found(function, terms):
    assert {pattern.pattern for pattern in reach(LabelingFunction("lf", function)).patterns} == terms


def test_patterns_in_resources_and_preprocessors_are_found():
    pre = LambdaPreprocessor("pre", lambda x: LINK.search(x.text) and x)
    lf = LabelingFunction("lf", lambda x, p: -1, resources={"p": CASH}, pre=[pre])
    assert {pattern.pattern for pattern in reach(lf).patterns} == {"cash", "link"}


def test_products_of_alternatives_become_one_clause():
    a, b, c, d = (Query("substring", term, "text") for term in "abcd")
    pairs = [frozenset(pair) for pair in ((a, c), (a, d), (b, c), (b, d))]
    assert merge_alternatives(pairs) == [(frozenset({a, b}), frozenset({c, d}))]
    assert merge_alternatives([frozenset({a}), frozenset({a, b})]) == [(frozenset({a}),)]
