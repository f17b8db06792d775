import logging
import signal

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from toy import toy_problem, toy_targets

from lol_lightning._lightning import BACKEND
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.experiments.training import check_steps, evaluate, evaluation_batches, fit, outputs, quiet
from lol_lightning.models.classifier import LoLClassifier


@pytest.fixture
def rows():
    dense, votes, labels = toy_problem(num_rows=120)
    return LoLDataset(dense[:60], votes[:60], toy_targets()), LoLDataset(dense[60:], votes[60:], None, labels[60:])


def train(rows, at, lr=0.02, on_check=lambda number, score: False, **options):
    dataset, val = rows
    with quiet():
        torch.manual_seed(0)
        model = LoLClassifier(num_features=30, num_classes=3, lr=lr)
        return fit(model, dataset, evaluation_batches(val, np.arange(len(val))), 16, at, on_check, **options)


@pytest.mark.parametrize(("steps", "checks"), [(7, 3), (1500, 10), (2, 10), (1, 1)])
def test_checks_are_evenly_spread_and_end_with_the_last_step(steps, checks):
    at = check_steps(steps, checks)
    assert at[-1] == steps
    assert len(at) == min(steps, checks)
    assert max(np.diff([0, *at])) - min(np.diff([0, *at])) <= 1


@pytest.mark.parametrize(
    ("score", "oracle"),
    [
        ("accuracy", accuracy_score),
        ("macro_f1", lambda *pair: f1_score(*pair, average="macro")),
        ("mcc", matthews_corrcoef),
    ],
)
def test_checks_are_scored_as_scikit_learn_does_and_the_best_is_kept(score, oracle, rows):
    at = list(range(1, 12))
    result = train(rows, at, score=score)
    batches = evaluation_batches(rows[1], np.arange(60))
    for number in (0, 4, 10):
        logits, labels = outputs(train(rows, at[: number + 1]).model, batches)
        assert result.scores[number] == pytest.approx(oracle(labels, logits.argmax(-1)), abs=1e-12)
    assert result.best_check == result.scores.index(max(result.scores))
    assert evaluate(result.restore_best(), batches, score) == max(result.scores)


def test_checks_see_the_accuracy_after_their_steps(rows):
    whole = train(rows, [4, 8, 20])
    assert len(whole.scores) == 3
    assert whole.model.global_step == 20
    assert whole.scores[0] == train(rows, [4]).scores[0]
    assert whole.scores[-1] > 0.6


def test_best_check_is_the_first_of_equals_and_its_weights_return(rows):
    at = list(range(2, 42, 4))
    result = train(rows, at, lr=0.2)
    assert result.best_check == result.scores.index(max(result.scores))
    again = train(rows, at[: result.best_check + 1], lr=0.2)
    batch = rows[1].__getitems__(range(60))
    best = result.restore_best().eval()(batch.features)
    torch.testing.assert_close(best, again.restore_best().eval()(batch.features), rtol=0, atol=0)


def test_a_check_can_end_the_fit(rows):
    result = train(rows, [3, 6, 9], on_check=lambda number, accuracy: number == 1)
    assert result.stopped
    assert len(result.scores) == 2
    assert result.model.global_step == 6


@pytest.fixture
def ctrl_c():
    """A process that a shell started in the background ignores Ctrl-C; here it interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_interrupting_ends_in_the_usual_error_and_leaves_ctrl_c_as_it_was(rows, ctrl_c):

    def interrupt(number, accuracy):
        signal.raise_signal(signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt):
        train(rows, [3, 6], on_check=interrupt)
    assert signal.getsignal(signal.SIGINT) is ctrl_c


def test_quiet_only_within():
    logger = logging.getLogger(BACKEND)
    level = logger.level
    with quiet():
        assert logger.level == logging.ERROR
    assert logger.level == level
