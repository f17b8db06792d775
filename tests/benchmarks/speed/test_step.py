import pytest

from benchmarks.speed import step
from benchmarks.speed.bare_loop import BareLoop, generated

SMALL = {"num_inspected": 20, "steps": 2}


def test_every_method_and_size_is_compared():
    rows = step.run([200, 400], [2], rounds=1, **SMALL)
    cases = [row["case"] for row in rows]
    assert len(cases) == 2 * (2 * 2 + 1)
    assert cases[0] == "step, LoL / LoL-simple, V=200, F=20, K=2, bare loop"
    assert cases[4] == "step, LoL, V=400 / V=200, F=20, K=2, bare loop [goal <= 1.5]"
    assert cases[-1] == "step, LoL, V=400 / V=200, F=20, K=2, Trainer.fit [goal <= 1.5]"
    assert all(row["ratio"] > 0 for row in rows)


@pytest.mark.parametrize(("optimizer", "lazy"), [("adam", False), ("lazy-adam", True)])
def test_bytes_follow_the_words_of_a_lazy_step_and_the_vocabulary_of_a_full_one(optimizer, lazy):
    dataset = generated(8, 5_000, num_lfs=4, num_classes=2, num_inspected=20)
    batch = dataset.__getitems__(range(8))
    loop = BareLoop(dataset, method="lol-simple", optimizer=optimizer)
    words = batch.features.indices
    changed = len(words.unique()) if lazy else 5_000
    assert step.step_bytes(loop, batch) == len(words) * (64 * 4 + 8) + 8 * changed * 64 * 4


def test_traffic_and_profile_are_printed(capsys):
    step.traffic([200], 2, rounds=1, **SMALL)
    step.print_profile([200], [2], **SMALL)
    printed = capsys.readouterr().out
    assert "examples/s" in printed
    assert printed.count("Self CPU time total") == 3
    assert "aten::_embedding_bag" in printed


def test_a_missing_gpu_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(step.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device"):
        step.main(device="cuda")
