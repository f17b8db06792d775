"""A call that takes too long is interrupted, in the main thread and outside of it, and no alarm of others is lost."""

import re
import signal
import threading
import time

import pytest

from lol_lightning.exceptions import ConfigurationError, LabelingFunctionError
from lol_lightning.lfs.limits import CALL_SECONDS, CallLimit, CallTimeoutError, in_main_thread

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
