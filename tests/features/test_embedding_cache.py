import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from lol_lightning.exceptions import DataError
from lol_lightning.features import TextEmbeddings, embedding_cache, embedding_files
from lol_lightning.features.embedding_cache import EmbeddingCache, MemoryCache

TEXTS = [f"text {'x' * (i % 7)} {i}" for i in range(1000)]


class Counted:
    def __init__(self, factor=1.0):
        self.texts, self.factor = [], factor

    def __call__(self, texts):
        self.texts += texts
        return np.array([[len(text), sum(map(ord, text))] for text in texts], np.float32) * self.factor


def cache(folder, name="encoder"):
    """Return a cache as a new process has it."""
    return EmbeddingCache(name, folder, MemoryCache(2**20))


def test_a_second_process_reads_what_the_first_wrote(tmp_path):
    first, second = Counted(), Counted()
    rows = cache(tmp_path).embed(TEXTS, first)
    np.testing.assert_array_equal(rows, Counted()(TEXTS))
    np.testing.assert_array_equal(cache(tmp_path).embed(TEXTS[::-1], second), rows[::-1])
    assert (len(first.texts), len(second.texts)) == (1000, 0)
    cache(tmp_path).embed([*TEXTS, "fresh", "fresh"], second)
    assert second.texts == ["fresh"]


def test_other_encoders_have_other_folders(tmp_path):
    cache(tmp_path, "one").embed(["a"], Counted())
    other = Counted(2.0)
    assert cache(tmp_path, "two").embed(["a"], other).tolist() == [[2, 194]]
    assert other.texts == ["a"]


def test_the_files_are_arrays_without_drafts_and_locks(tmp_path):
    cache(tmp_path).embed(TEXTS, Counted())
    [folder] = tmp_path.iterdir()
    assert {path.suffix for path in folder.iterdir()} == {".npz"}
    assert len(list(folder.iterdir())) == 4
    with np.load(next(folder.iterdir()), allow_pickle=False) as content:
        assert content["keys"].dtype == np.uint8
        assert content["values"].dtype == np.float32


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(b""),
        lambda path: np.savez(path, keys=np.zeros((3, 16), np.uint8), values=np.zeros((2, 2), np.float32)),
        lambda path: np.savez(path, keys=np.zeros((3, 8), np.uint8), values=np.zeros((3, 2), np.float32)),
        lambda path: np.savez(path, keys=np.zeros((3, 16), np.uint8), values=np.full((3, 2), np.nan, "f")),
        lambda path: np.savez(path, keys=np.zeros((3, 16), np.uint8), values=np.zeros((3, 2))),
        lambda path: path.write_bytes(path.read_bytes().replace(b"\x00\x00\x80?", b"\x00\x00\x80@")[:-1]),
    ],
)
def test_a_broken_file_is_encoded_again_and_said(tmp_path, damage, caplog):
    expected = cache(tmp_path).embed(TEXTS[:300], Counted())
    path = max(tmp_path.rglob("*.npz"), key=lambda path: path.stat().st_size)
    damage(path)
    again = Counted()
    with caplog.at_level(logging.INFO):
        np.testing.assert_array_equal(cache(tmp_path).embed(TEXTS[:300], again), expected)
    assert len(again.texts) == 256
    assert "is broken, so its texts are encoded again" in caplog.text
    last = Counted()
    cache(tmp_path).embed(TEXTS[:300], last)
    assert last.texts == []


def test_values_that_were_changed_are_noticed(tmp_path):
    cache(tmp_path).embed(["a"], Counted())
    [path] = tmp_path.rglob("*.npz")
    content = path.read_bytes()
    value = np.array([1.0, 97.0], np.float32).tobytes()
    assert value in content
    path.write_bytes(content.replace(value, np.array([1.0, 98.0], np.float32).tobytes()))
    assert cache(tmp_path).embed(["a"], Counted()).tolist() == [[1, 97]]


def test_many_small_files_become_one(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding_files, "MAX_FILES", 5)
    shared = cache(tmp_path)
    for text in TEXTS[:20]:
        shared.embed([text], Counted())
    [folder] = tmp_path.iterdir()
    assert len(list(folder.glob("*.npz"))) <= 6
    again = Counted()
    np.testing.assert_array_equal(cache(tmp_path).embed(TEXTS[:20], again), Counted()(TEXTS[:20]))
    assert again.texts == []


def test_memory_is_bounded_and_forgets_what_was_used_longest_ago():
    memory = MemoryCache(24)
    rows = {bytes([i]): np.array([i, i], np.float32) for i in range(4)}
    memory.put({key: rows[key] for key in (b"\0", b"\1", b"\2")})
    assert memory.get([b"\0"])[b"\0"].tolist() == [0, 0]
    memory.put({b"\3": rows[b"\3"]})
    assert set(memory.get(rows)) == {b"\0", b"\2", b"\3"}
    assert repr(memory) == "MemoryCache(3 embeddings, 24 of 24 bytes)"
    memory.clear()
    assert (len(memory), memory.get(rows)) == (0, {})


def test_more_texts_than_memory_holds_are_embedded_all_the_same():
    encode = Counted()
    small = EmbeddingCache("encoder", None, MemoryCache(80))
    np.testing.assert_array_equal(small.embed(TEXTS, encode), Counted()(TEXTS))
    assert len(encode.texts) == 1000


def test_two_encoders_under_one_key_are_named(tmp_path):
    cache(tmp_path).embed(["a"], Counted())
    with pytest.raises(DataError, match=r"embeddings of \[1, 2\] numbers .* its own"):
        cache(tmp_path).embed(["a", "b"], lambda texts: np.zeros((len(texts), 1), np.float32))


def test_odd_texts_have_keys_of_their_own(tmp_path):
    texts = ["", " ", "\0", "\ud800", "é", "e\u0301", "🎁"]
    encode = Counted()
    cache(tmp_path).embed([*texts, *texts], encode)
    assert sorted(encode.texts) == sorted(texts)


SLOW = """
import sys, time
import numpy as np
from lol_lightning.features import TextEmbeddings

def encode(texts):
    time.sleep(float(sys.argv[2]))
    with open(sys.argv[3], "a") as log:
        log.writelines(f"{text}\\n" for text in texts)
    return np.array([[len(text), sum(map(ord, text))] for text in texts], np.float32)

texts = [f"text {'x' * (i % 7)} {i}" for i in range(1000)]
space = TextEmbeddings(encode, cache_dir=sys.argv[1], cache_key="lengths", standardize=False, progress_bar=False)
print(space.fit_transform(texts).sum(dtype=np.float64))
"""


def start(tmp_path, seconds, log):
    script = tmp_path / "encode.py"
    script.write_text(textwrap.dedent(SLOW))
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, str(script), str(tmp_path / "cache"), str(seconds), str(tmp_path / log)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def encoded(tmp_path, *logs):
    return [line for log in logs for line in (tmp_path / log).read_text().splitlines()]


@pytest.mark.slow
def test_a_killed_process_is_resumed(tmp_path):
    process = start(tmp_path, 0.3, "killed")
    limit = time.monotonic() + 120
    while len(list((tmp_path / "cache").rglob("*.npz"))) < 2:
        assert time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    kept = len(list((tmp_path / "cache").rglob("*.npz")))
    assert kept < 4
    calls = Counted()
    space = TextEmbeddings(
        calls, cache_dir=tmp_path / "cache", cache_key="lengths", standardize=False, progress_bar=False
    )
    np.testing.assert_array_equal(space.fit_transform(TEXTS), Counted()(TEXTS))
    assert 0 < len(calls.texts) <= 1000 - 256 * kept + 256
    assert sorted({*encoded(tmp_path, "killed"), *calls.texts}) == sorted(TEXTS)


@pytest.mark.slow
def test_two_processes_divide_the_texts(tmp_path):
    processes = [start(tmp_path, 0.1, log) for log in ("one", "two")]
    sums = [process.communicate(timeout=200)[0].split()[-1] for process in processes]
    expected = Counted()(TEXTS).sum(dtype=np.float64)
    assert [float(line) for line in sums] == [expected] * 2
    texts = encoded(tmp_path, "one") if (tmp_path / "one").exists() else []
    texts += encoded(tmp_path, "two") if (tmp_path / "two").exists() else []
    assert sorted(set(texts)) == sorted(TEXTS)
    # One chunk may be begun by both, before either has listed the other's file.
    assert len(texts) <= 1000 + embedding_cache.CHUNK


def test_a_function_needs_a_key_for_the_disk(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        TextEmbeddings(Counted(), cache_dir=tmp_path, progress_bar=False).fit(TEXTS[:3])
    assert 'give cache_key="a name and a version"' in caplog.text
    assert list(tmp_path.iterdir()) == []
    for number, space in enumerate(TextEmbeddings(Counted(), cache_dir=tmp_path, cache_key="v1") for _ in range(2)):
        space._source.progress_bar = False
        space.fit([f"a text for {tmp_path}"])
        assert len(list(tmp_path.rglob("*.npz"))) == 1, number
