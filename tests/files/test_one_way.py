"""Files are read and written through ``_files`` alone: nothing else in the package opens one."""

import ast
from pathlib import Path

import pytest

import lol_lightning

PACKAGE = Path(lol_lightning.__file__).parent
DIRECT = {
    *("open", "read_text", "read_bytes", "write_text", "write_bytes", "savefig", "fromfile", "tofile", "memmap"),
    *("torch.load", "torch.save", "np.load", "np.save", "np.savez", "np.loadtxt", "pickle.load", "pickle.loads"),
    *("json.load", "json.dump", "yaml.safe_load", "yaml.load", "joblib.load", "joblib.dump", "read_pickle"),
}
"""Functions and methods that open a file, or read one without bounds."""
ALLOWED = {
    "experiments/environment.py": {"read_text"},  # of /proc
    "experiments/run.py": {"open"},  # counts trials, in a temporary directory
    "experiments/plots.py": {"savefig"},  # into what replacing() gives
    "lfs/limits.py": {"pickle.loads"},  # of what a child process of ours answers
    "models/checkpoint_io.py": {"torch.save"},  # likewise
    "vision/backbones.py": {"torch.load"},  # of weights in PyTorch's older format
    "vision/plots.py": {"savefig"},  # into memory
    "vision/images.py": {"open"},  # Pillow's, after which the size is checked
    "vision/target_files.py": {"open", "np.save", "memmap"},  # into the draft of a directory
}
OWN = {"read_text", "write_text", "read_bytes", "write_bytes"}


def opened(path):
    """Names of calls of DIRECT; functions of ours that are called by their name alone are none."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in DIRECT - OWN:
            yield node.func.id
        elif isinstance(node.func, ast.Attribute):
            owner = getattr(node.func.value, "id", "")
            yield from {node.func.attr, f"{owner}.{node.func.attr}"} & DIRECT


@pytest.mark.parametrize(
    "path", [path for path in sorted(PACKAGE.rglob("*.py")) if "_files" not in path.parts], ids=lambda path: path.stem
)
def test_nothing_else_opens_a_file(path):
    name = path.relative_to(PACKAGE).as_posix()
    assert set(opened(path)) <= ALLOWED.get(name, set()), name


def test_what_opens_a_file_is_seen(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("open('a')\nPath('a').write_text('b')\nwrite_text('a', 'b')\ntorch.load('a')\n")
    assert sorted(opened(path)) == ["open", "torch.load", "write_text"]
