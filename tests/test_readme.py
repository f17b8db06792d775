"""README and the pages in docs: their code runs, their links resolve, and the paths in their commands exist."""

import ast
import importlib.util
import inspect
import re
import textwrap
from pathlib import Path

import own_module
import pytest
import pytorch_lightning as pl

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = [README, *PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]

OUTPUTS = ("results.csv", "predictions.csv", "records.json", "runs/")
"""Files that a command writes."""

pytestmark = [
    # Lightning's advice on loggers and checkpoint directories that a reader does not need either.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:Starting from v1.9.0"),
    pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero"),
]


def named(paths):
    return [pytest.param(path, id=path.name) for path in paths]


def fences(path, language):
    """Return the code blocks of a page; an HTML comment "not run" before a block leaves it out."""
    pattern = rf"(<!-- not run[^>]*-->\n)?```{language}\n(.*?)```"
    return [block for skipped, block in re.findall(pattern, path.read_text(), flags=re.DOTALL) if not skipped]


def run_blocks(path, tmp_path, monkeypatch):
    """Run the Python blocks of a page one after the other, in an empty directory; return their names."""
    monkeypatch.chdir(tmp_path)
    pl.seed_everything(0, verbose=False)
    names = {}
    for block in fences(path, "python"):
        exec(compile(block, str(path), "exec"), names)
    return names


def test_the_readme_fits_on_two_screens():
    assert len(README.read_text().splitlines()) <= 120


def test_the_code_of_the_readme_prints_a_score(tmp_path, monkeypatch, capsys):
    names = run_blocks(README, tmp_path, monkeypatch)
    quickstart = fences(README, "python")[0]
    assert len([line for line in quickstart.splitlines() if line.strip()]) <= 20
    assert quickstart.splitlines()[-1].startswith("print(")
    assert names["trainer"].callback_metrics["test_accuracy"] > 0.7
    assert re.search(r"^0\.\d+$", capsys.readouterr().out, flags=re.MULTILINE)
    probabilities = names["LoLClassifier"].load("comments.lol").predict_proba(["free gift, visit my page"])
    assert probabilities[0, names["SPAM"]] > 0.5
    assert names["label_model"].predict(L=None, X=["what a lovely melody"]).tolist() == [names["HAM"]]


@pytest.mark.parametrize("path", named(page for page in PAGES if fences(page, "python")))
def test_the_code_of_the_pages_runs(path, tmp_path, monkeypatch):
    names = run_blocks(path, tmp_path, monkeypatch)
    check = CHECKS.get(path.stem)
    if check is not None:
        check(names)


def check_inspection(names):
    terms = {feature.term for feature in names["inspection"].records[0].features}
    assert "look at" in terms
    assert "song" not in terms
    assert set(names["data"].lf_names) == {"shouting", "song"}
    assert Path("records.json").exists()


def check_own_network(names):
    losses = [
        names["trainer"].validate(model, names["data"], verbose=False)[0]["val_loss"]
        for model in (names["own"], names["again"])
    ]
    assert losses[0] == losses[1]


def check_images(names):
    assert names["trainer"].callback_metrics["test_accuracy"] > 0.7


def check_encoders(names):
    assert names["data"].audit.num_targets.tolist() == [1, 1, 1, 1]
    assert names["data"].num_features == names["space"].num_features == 6 + 11 + 1 + 26
    assert len(list(Path("embeddings").rglob("*.npz"))) > 0


CHECKS = {
    "encoders": check_encoders,
    "images": check_images,
    "inspecting_lfs": check_inspection,
    "your_own_network": check_own_network,
}


def test_the_module_of_ones_own_is_the_one_that_is_tested():
    shown = "\n".join(fences(ROOT / "docs" / "your_own_network.md", "python"))
    tested = textwrap.dedent(inspect.getsource(own_module.OwnClassifier))
    assert tested in shown
    classes = [node for node in ast.walk(ast.parse(shown)) if isinstance(node, ast.ClassDef)]
    assert [node.name for node in classes] == ["OwnClassifier"]
    assert tested.count("# LoL\n") == 5


@pytest.mark.parametrize("path", named(DOCUMENTS))
def test_relative_links_resolve(path):
    targets = [link for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()) if "://" not in link]
    missing = []
    for target in targets:
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(target)
    assert missing == []


def anchors(path):
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("path", named(path for path in DOCUMENTS if path.stem != "CHANGELOG"))
def test_paths_in_commands_exist(path):
    text = re.sub(r"\]\([^)]*\)", "]", path.read_text())
    commands = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL) + re.findall(r"`([^`]*)`", text)
    words = {word.rstrip(".,;:") for command in commands for word in command.split()}
    paths = {word for word in words if re.fullmatch(r"(benchmarks|configs|docs|notebooks|tests)/[\w./-]*", word)}
    written = {word for command in commands for word in re.findall(r"--output (\S+)", command)}
    assert [
        name for name in sorted(paths - written) if not name.startswith(OUTPUTS) and not (ROOT / name).exists()
    ] == []


def test_the_readme_names_only_what_there_is():
    import lol_lightning

    code = "\n".join(fences(README, "python"))
    imported = re.findall(r"^from lol_lightning import (.*)$", code, flags=re.MULTILINE)
    names = {name.split(" as ")[0].strip() for line in imported for name in line.split(",")}
    assert names <= set(lol_lightning.__all__)


def rooms_of_the_table():
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \|([^|\n]*)\|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    return {room: [name for name in imports.replace(" ", "").split(",") if name] for room, imports in rows}


def test_the_table_of_rooms_is_that_of_the_imports():
    specification = importlib.util.spec_from_file_location("rooms", ROOT / "docs" / "rooms.py")
    rooms = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(rooms)
    arrows, table = rooms.arrows(ROOT / "lol_lightning"), rooms_of_the_table()
    assert list(table) == [room for room in rooms.ROOMS if room not in ("__main__", "__init__")]
    for room, imports in table.items():
        assert imports == [name for name in rooms.ROOMS[3:] if (room, name) in arrows], room


def test_the_hops_of_a_record_are_functions():
    section = (ROOT / "docs/architecture.md").read_text().split("## One record")[1].split("\n## ")[0]
    hops = re.findall(r"^\| ([\w ,`]+) \| `([\w/]+\.py)`, (.*?) \|", section, flags=re.MULTILINE)
    rooms = [room.split(",")[0] for room, _, _ in hops]
    assert len(hops) == 8
    visits = [room for i, room in enumerate(rooms) if i == 0 or rooms[i - 1] != room]
    assert len(visits) == len(set(visits))
    for _, file, functions in hops:
        code = (ROOT / "lol_lightning" / file).read_text()
        for name in re.findall(r"`([\w.]+)`", functions):
            assert f"def {name.rpartition('.')[2]}(" in code, (file, name)
