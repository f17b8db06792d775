import re

import pytest

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.label_model.settings import classifier_arguments, train_config

KNOWN = {"lr", "optimizer", "alpha"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"n_epochs": -1}, "n_epochs = -1"),
        ({"log_freq": 0}, "log_freq = 0"),
        ({"l2": float("nan")}, "l2 = nan"),
        ({"l2": [0.1, 0.2]}, "l2 = [0.1, 0.2]"),
        ({"prec_init": 1.5}, "prec_init = 1.5"),
        ({"prec_init": [0.7, 0.7]}, "3 of them"),
        ({"mu_eps": 0.4}, "mu_eps = 0.4"),
        ({"lr_scheduler": "cosine"}, "Unrecognized lr scheduler option 'cosine'"),
    ],
)
def test_settings_out_of_range_are_named(given, named):
    with pytest.raises(ConfigurationError, match=re.escape(named)):
        train_config(given, num_lfs=3, num_classes=2)


def test_seed_is_zero_unless_given():
    assert train_config({}, 3, 2).seed == 0
    assert train_config({"seed": 123}, 3, 2).seed == 123


def test_only_what_is_given_reaches_the_classifier():
    assert classifier_arguments({"n_epochs": 5, "seed": 1}, KNOWN, with_features=True) == {}
    given = classifier_arguments({"lr": 0.1, "l2": 0.2, "optimizer": "adam"}, KNOWN, with_features=True)
    assert given == {"lr": 0.1, "weight_decay": 0.2, "optimizer": "adam"}


@pytest.mark.parametrize("with_features", [True, False])
def test_unknown_keyword_is_named(with_features):
    with pytest.raises(ConfigurationError, match=r"unknown arguments \['n_epoch'\]"):
        classifier_arguments({"n_epoch": 5}, KNOWN, with_features)


def test_classifier_arguments_need_features():
    with pytest.raises(ConfigurationError, match=r"\['alpha'\] are for the classifier"):
        classifier_arguments({"alpha": 1.0}, KNOWN, with_features=False)


def test_optimizers_are_checked_as_by_snorkel():
    assert classifier_arguments({"optimizer": "adamax"}, KNOWN, with_features=False) == {}
    with pytest.raises(ConfigurationError, match="Unrecognized optimizer option 'bad'"):
        classifier_arguments({"optimizer": "bad"}, KNOWN, with_features=False)
