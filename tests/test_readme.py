import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


# Lightning advises more loader workers and a longer logging interval; both are right for these few rows.
@pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")
@pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning")
def test_python_blocks_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    (probabilities,) = names["probabilities"]
    assert probabilities.argmax(-1).tolist() == names["val"]["label"].tolist()
    assert names["label_model"].predict(names["L_train"])[:4].tolist() == [1, 1, 0, 0]
    found = {feature.term for feature in names["inspection"].records[-1].features}
    assert "look at" in found
    assert "song" not in found
    assert (tmp_path / "records.json").exists()
    assert names["label_model"].predict(L=None, X=["it made my day"]).tolist() == [0]
    assert names["trainer"].callback_metrics["test_accuracy"] > 0.7


def test_links_to_files_lead_somewhere():
    root = Path(__file__).parent.parent
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (root / link).exists()] == []
