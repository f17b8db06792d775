"""Fixtures and settings for all tests."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import config, install_import_hook

# Shape types in signatures are checked here, at run time, and nowhere else. Modules at the border are left out: their
# own errors on bad input are tested.
INNER = [
    "functional",
    "networks",
    "losses.penalties.example_penalty",
    "models.lazy_adam",
    "models.penalty_norms",
    "models.predicted_shares",
    "models.training_monitor",
    "data.batch",
    "data.dataset",
    "baselines.majority",
    "baselines.vote_encoder",
]
install_import_hook([f"lol_lightning.{module}" for module in INNER], "beartype.beartype")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that start processes take their time on a machine under load, and end those that hang."""
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if marks & {"ddp", "slow"} and "timeout" not in marks:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(autouse=True)
def seed() -> None:
    """Start every test from the same random state."""
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session")
def wrench_root() -> Path:
    """Return the directory of the WRENCH sets."""
    return shared_directory("wrench", "WRENCH sets")


@pytest.fixture(scope="session")
def vision_root() -> Path:
    """Return the directory of the image sets."""
    return shared_directory("vision", "image sets")


def shared_directory(name: str, content: str) -> Path:
    """Return a directory of data that are not part of the project; the test skips where it is missing."""
    variable = f"{name.upper()}_ROOT"
    root = Path(os.environ.get(variable, Path(__file__).parents[2] / "shared" / name))
    if not root.is_dir():
        pytest.skip(f"no {content}: set {variable} or put them in ../shared/{name} beside the repository")
    return root


@pytest.fixture
def unchecked_types():
    """Switch the check of types off, for tests of what the package itself says about a wrong type."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
