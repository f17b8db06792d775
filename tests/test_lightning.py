"""Users of ``lightning.pytorch`` and of ``pytorch_lightning`` both get classes that their Trainer accepts."""

import os
import subprocess
import sys

import pytest

FIT = """
import logging, warnings
logging.disable(logging.CRITICAL)
import torch
from lol_lightning import LoLClassifier
from lol_lightning._lightning import BACKEND
from lol_lightning.data.batch import LoLBatch
batch = LoLBatch(torch.rand(8, 4), torch.randint(-1, 2, (8, 3)))
options = dict(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
               enable_model_summary=False, max_epochs=1)
warnings.simplefilter("ignore")
trainer = L.Trainer(**options)
trainer.fit(LoLClassifier(num_features=4, num_classes=2), torch.utils.data.DataLoader([batch], batch_size=None))
print(BACKEND, trainer.global_step)
"""


def run(code, **environment):
    command = [sys.executable, "-c", code]
    clean = {name: value for name, value in os.environ.items() if name != "LOL_LIGHTNING_BACKEND"}
    result = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout.strip(), result.stderr


@pytest.mark.parametrize(
    ("first", "backend"),
    [
        ("import lightning as L", "lightning.pytorch"),
        ("import lightning.pytorch as L", "lightning.pytorch"),
        ("import pytorch_lightning as L", "pytorch_lightning"),
    ],
)
def test_the_package_that_is_loaded_first_is_the_one_that_counts(first, backend):
    pytest.importorskip("lightning")
    code, out, err = run(first + FIT)
    assert (code, out) == (0, f"{backend} 1"), err
    assert "both loaded" not in err


def test_a_variable_decides_before_that():
    pytest.importorskip("lightning")
    code, out, err = run("import lightning as L" + FIT, LOL_LIGHTNING_BACKEND="lightning")
    assert (code, out) == (0, "lightning.pytorch 1"), err
    code, _, err = run("import lol_lightning._lightning", LOL_LIGHTNING_BACKEND="keras")
    assert code == 1
    assert "LOL_LIGHTNING_BACKEND = 'keras'; use one of lightning, pytorch_lightning" in err


@pytest.mark.parametrize("order", ["lightning as _, pytorch_lightning as L", "pytorch_lightning as L, lightning as _"])
def test_both_loaded_is_told_in_one_line(order):
    pytest.importorskip("lightning")
    code, out, err = run("import " + order + FIT.replace('warnings.simplefilter("ignore")', ""))
    assert (code, out) == (0, "pytorch_lightning 1"), err
    assert err.count("are both loaded; lol_lightning takes pytorch_lightning") == 1


def test_no_other_module_imports_lightning():
    import ast
    from pathlib import Path

    import lol_lightning

    package = Path(lol_lightning.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            roots = {name.split(".")[0] for name in modules}
            assert not roots & {"lightning", "pytorch_lightning"} or path.name == "_lightning.py", path
