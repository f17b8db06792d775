import pytest
from tiny_encoder import save_tiny_encoder

from benchmarks.speed import encode


@pytest.mark.wrench
def test_the_caches_are_compared_with_plain_encoding(wrench_root, tmp_path, monkeypatch):
    monkeypatch.setenv("WRENCH_ROOT", str(wrench_root))
    folder = save_tiny_encoder(tmp_path / "encoder", sentence_transformer=True)
    rows = encode.run(str(folder), rows=300, device="cpu")
    assert [row["case"] for row in rows] == [
        f"300 texts of youtube, {what}" for what in ("encoded", "from files", "from memory")
    ]
    encoded, files, memory = (row["ours"] for row in rows)
    assert encoded > files > 0
    assert encoded > memory > 0
