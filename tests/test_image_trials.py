import pytest
from toy_images import perfect_labelers, toy_data

from lol_lightning.baselines.pseudolabels import PSEUDOLABELS
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.image_trials import METHODS, run_method, sample_trials
from lol_lightning.vision.datamodule import LoLImageDataModule


@pytest.fixture(scope="module")
def data():
    module = LoLImageDataModule(toy_data(), ["bat", "eel"], labelers=perfect_labelers(), top_k=4, val_per_class=5)
    module.setup()
    return module


@pytest.mark.parametrize("method", [*METHODS, "majority-vote"])
def test_every_method_trains_and_is_tested(data, method):
    result = run_method(data, method, 0, sample_trials(0, 2), max_epochs=20)
    assert result["test_accuracy"] > 0.8
    assert result["val_accuracy"] >= 0.8
    assert {"test_macro_f1", "alpha", "c", "seconds"} < set(result)


def test_methods_weight_gradients_as_they_say(data):
    run_method(data, "lol-uniform", 0, sample_trials(0, 1), max_epochs=1)
    assert data.example_targets.penalty_weights is None
    run_method(data, "lol", 0, sample_trials(0, 1), max_epochs=1)
    assert (data.example_targets.penalty_weights <= 1).all()


def test_pseudolabels_are_methods_too():
    assert not set(PSEUDOLABELS) & set(METHODS)


def test_trials_are_the_same_for_every_method():
    assert sample_trials(3, 4)[:2] == sample_trials(3, 2)
    assert sample_trials(3, 1) != sample_trials(4, 1)


def test_unknown_methods_and_no_trials_are_refused(data):
    with pytest.raises(ConfigurationError, match="method 'magic' is not one of"):
        run_method(data, "magic", 0, sample_trials(0, 1))
    with pytest.raises(ConfigurationError, match="at least one trial"):
        run_method(data, "lol", 0, [])
