"""A call that takes too long is interrupted, in the main thread and outside of it, and no alarm of others is lost."""

import re
import signal
import threading
import time

import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction

from lol_lightning.exceptions import ConfigurationError, LabelingFunctionError
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.limits import CALL_SECONDS, CallLimit, CallTimeoutError, in_main_thread
from lol_lightning.lfs.rules import regex_lf

HANGING = re.compile("(a+)+$")
TEXT = "a" * 40 + "b"


def test_a_regular_expression_is_interrupted():
    with CallLimit(0.1) as limit:
        with pytest.raises(CallTimeoutError, match=r"longer than 0\.1 seconds"):
            limit(HANGING.search, TEXT)
        assert limit(len, "abc") == 3


def test_a_function_that_catches_the_alarm_is_late_all_the_same():
    def stubborn():
        try:
            HANGING.search(TEXT)
        except BaseException:
            return 1

    with CallLimit(0.1) as limit, pytest.raises(CallTimeoutError):
        limit(stubborn)


def test_a_function_that_goes_on_after_the_alarm_is_interrupted_again():
    def goes_on():
        try:
            time.sleep(20)
        except BaseException:
            HANGING.search(TEXT)

    with CallLimit(0.1) as limit, pytest.raises(CallTimeoutError):
        limit(goes_on)
    assert signal.getitimer(signal.ITIMER_REAL)[1] == 0


def test_errors_of_the_call_are_its_own():
    with CallLimit(10) as limit, pytest.raises(KeyError):
        limit({}.__getitem__, "a")


def test_a_single_call_may_have_less_time():
    with CallLimit(60) as limit, pytest.raises(CallTimeoutError, match=r"0\.05"):
        limit(time.sleep, 10, seconds=0.05)


def test_an_alarm_that_was_set_before_still_rings():
    class RangError(Exception):
        pass

    def ring(number, frame):
        raise RangError

    before = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with CallLimit(60) as limit, pytest.raises(RangError):
            limit(time.sleep, 10)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with CallLimit(60) as limit:
            limit(len, "a")
        with pytest.raises(RangError):
            time.sleep(10)
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)


def test_without_a_limit_no_signal_is_touched():
    before = signal.getsignal(signal.SIGALRM)
    with CallLimit(None) as limit:
        assert limit(signal.getsignal, signal.SIGALRM) is before


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_that_is_not_positive_is_refused(seconds):
    with pytest.raises(ConfigurationError, match="max_call_seconds"):
        CallLimit(seconds)


def in_a_thread(function):
    result = []

    def run():
        try:
            result.append(function())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]


def limited(seconds):
    with CallLimit(seconds) as limit:
        return limit(HANGING.search, TEXT)


def test_outside_of_the_main_thread_a_child_process_is_interrupted():
    error = in_a_thread(lambda: in_main_thread(lambda: limited(0.1), 0.1))
    assert isinstance(error, CallTimeoutError)
    assert in_a_thread(lambda: in_main_thread(lambda: ["a"] * 100_000, 0.1)) == ["a"] * 100_000


def test_errors_of_a_child_process_arrive_even_if_they_cannot_be_pickled():
    class LocalError(Exception):
        pass

    def fails():
        raise LocalError("no more")

    error = in_a_thread(lambda: in_main_thread(fails, 5.0))
    assert isinstance(error, LabelingFunctionError)
    assert str(error) == "LocalError: no more"


def test_the_default_limit_starts_no_process():
    assert in_a_thread(lambda: in_main_thread(threading.get_ident, CALL_SECONDS)) != threading.get_ident()
    here = []
    in_a_thread(lambda: in_main_thread(lambda: here.append(1), CALL_SECONDS))
    assert here == [1]


def sleeping_lf(rows, calls):
    """An LF that hangs on the rows of these numbers and votes 1 elsewhere."""

    def vote(x):
        calls.append(x.row)
        if x.row in rows:
            time.sleep(60)
        return 1

    return LabelingFunction("sleeps", vote)


@pytest.mark.parametrize(
    ("hangs", "num_calls"),
    [
        (range(30), 3),
        (range(7, 30), 10),
        (range(0, 30, 2), 9),
        ([0, 1, 5, 6], 30),
        ([0, 1, 5, 6, 29], 30),
    ],
    ids=["everywhere", "from row 7 on", "every other row", "four times", "at last"],
)
def test_an_lf_that_hangs_again_and_again_is_called_no_more(hangs, num_calls, caplog):
    calls = []
    data = pd.DataFrame({"row": range(30)})
    with caplog.at_level("INFO"):
        votes = fast_apply(
            [sleeping_lf(hangs, calls), LabelingFunction("fine", lambda x: 0)],
            data,
            fault_tolerant=True,
            max_call_seconds=0.5,
        )
    assert calls == list(range(num_calls))
    expected = [-1 if row in hangs or row >= num_calls else 1 for row in range(30)]
    assert votes[:, 0].tolist() == expected
    assert votes[:, 1].tolist() == [0] * 30
    (line,) = [message for message in caplog.messages if "failed" in message]
    failed = sum(row in hangs for row in range(num_calls))
    assert f"'sleeps' failed on {failed} of 30 rows" in line
    assert ("; then it was called no more, and abstains on" in line) == (num_calls < 30)
    assert f"abstains on {30 - num_calls} rows unasked" in line or num_calls == 30


def test_rules_that_hang_are_asked_no_more(caplog):
    lf = regex_lf("hangs", "(a+)+$", 1)
    texts = ["aaa", *["a" * 40 + "b"] * 6, "aaa"]
    with caplog.at_level("INFO"):
        votes = fast_apply([lf], texts, fault_tolerant=True, max_call_seconds=0.5)
    assert votes[:, 0].tolist() == [1, -1, -1, -1, -1, -1, -1, -1]
    assert "'hangs' failed on 3 of 8 rows" in caplog.text
    assert "abstains on 4 rows unasked" in caplog.text
