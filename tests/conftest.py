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
    "network",
    "example_targets",
    "penalised",
    "bags",
    "optim",
    "penalty_watch",
    "data.batch",
    "data.dataset",
    "baselines.majority",
    "baselines.vote_encoder",
]
install_import_hook([f"lol_lightning.{module}" for module in INNER], "beartype.beartype")


@pytest.fixture(autouse=True)
def seed() -> None:
    """Start every test from the same random state."""
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session")
def wrench_root() -> Path:
    """Return the directory of the WRENCH sets."""
    beside = Path(__file__).parents[2] / "shared" / "wrench"
    root = Path(os.environ.get("WRENCH_ROOT", beside))
    if not root.is_dir():
        pytest.skip("no WRENCH sets: set WRENCH_ROOT or put them in ../shared/wrench beside the repository")
    return root


@pytest.fixture(scope="session")
def vision_root() -> Path:
    """Return the directory of the image sets."""
    beside = Path(__file__).parents[2] / "shared" / "vision"
    root = Path(os.environ.get("VISION_ROOT", beside))
    if not root.is_dir():
        pytest.skip("no image sets: set VISION_ROOT or put them in ../shared/vision beside the repository")
    return root


@pytest.fixture
def unchecked_types():
    """Switch the check of types off, for tests of what the package itself says about a wrong type."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
