"""The rooms of the package: data flow one way, so imports go one way, too."""

import importlib.util
from pathlib import Path

import lol_lightning

ROOT = Path(lol_lightning.__file__).parent
SPECIFICATION = importlib.util.spec_from_file_location("rooms", ROOT.parent / "docs" / "rooms.py")
rooms = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(rooms)


def test_no_import_goes_upward_and_there_is_no_circle():
    arrows = rooms.arrows(ROOT)
    assert rooms.upward(arrows) == []
    assert rooms.circles(arrows) == []


def test_the_root_holds_few_names():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= set(rooms.ROOMS)
    assert set(rooms.loose_modules(ROOT)) == {
        "__init__",
        "__main__",
        "_lazy",
        "_lightning",
        "_parsing",
        "exceptions",
    }
    assert len(lol_lightning.__all__) <= 14


def test_the_equations_do_no_input_or_output():
    for path in (ROOT / "functional").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for word in ("import json", "pathlib", "tempfile", "open(", "snorkel", "._lightning"):
            assert word not in source, (path.name, word)


def test_arrows_upward_and_circles_are_seen(tmp_path):
    for room, line in {"low": "from package.high import x", "high": "import package.low"}.items():
        (tmp_path / "package" / room).mkdir(parents=True)
        (tmp_path / "package" / room / "__init__.py").write_text(line)
    arrows = rooms.arrows(tmp_path / "package")
    assert rooms.upward(arrows, ("low", "high")) == [("low", "high")]
    assert rooms.circles(arrows) == [{"low", "high"}]
