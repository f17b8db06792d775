"""Options of the command line: a part of a name is a misspelt name."""

import pytest

from lol_lightning._parsing import BriefParser
from lol_lightning.exceptions import ConfigurationError


def test_abbreviations_are_misspelt_names():
    parser = BriefParser(prog="fit")
    parser.add_argument("--max_epochs", type=int)
    assert parser.parse_args(["--max_epochs", "3"]).max_epochs == 3
    with pytest.raises(ConfigurationError, match=r"max_epoch.*max_epochs"):
        parser.parse_args(["--max_epoch", "3"])
