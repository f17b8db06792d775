import ast
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lol_lightning

PUBLIC = [
    "ABSTAIN",
    "BagOfWords",
    "GradientLabelingFunction",
    "GradientPenalty",
    "LoLClassifier",
    "LoLDataModule",
    "LoLLabelModel",
    "LoLLoss",
    "WrenchDataModule",
    "gradient_labeling_function",
    "inspect_lfs",
    "keyword_lf",
    "regex_lf",
    "rules_lf",
]
TEXT = {"transformers", "tokenizers", "sentence_transformers", "huggingface_hub", "safetensors", "peft"}
"""Packages of the extra "text"."""
PACKAGE = Path(lol_lightning.__file__).parent


def test_public_names():
    assert lol_lightning.__all__ == PUBLIC
    assert all(getattr(lol_lightning, name) is not None for name in PUBLIC)
    assert set(PUBLIC) <= set(dir(lol_lightning))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'LabelModel'"):
        lol_lightning.LabelModel  # noqa: B018


def test_import_is_fast_because_it_is_lazy():
    code = "import json, sys, lol_lightning; print(json.dumps(sorted(sys.modules)))"
    start = time.perf_counter()
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert time.perf_counter() - start < 2
    heavy = {"torch", "torchvision", "snorkel", "pytorch_lightning", "sklearn", "pandas", "matplotlib", "optuna", *TEXT}
    assert not heavy & set(json.loads(loaded))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_optional_packages_are_imported_where_they_are_used(path):
    # Looked at in the source: torchmetrics imports torchvision and matplotlib by itself where they are installed.
    optional = {"matplotlib", "optuna"} if "vision" in path.parts else {"torchvision", "matplotlib", "optuna"}
    optional |= TEXT
    imported = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    assert not optional & imported
