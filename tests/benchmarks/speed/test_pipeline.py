import pytest

from benchmarks.speed import pipeline


@pytest.mark.wrench
def test_the_whole_and_its_parts_are_compared(wrench_root):
    rows = pipeline.run(["youtube"], epochs=1, rounds=1, max_rows=200)
    case = "pipeline, youtube, 200 rows, 7 LFs, 1 epochs"
    assert [row["case"] for row in rows] == [
        f"{case}, whole [goal >= 1]", f"{case}, until training", f"{case}, training"
    ]  # fmt: skip
    whole, *parts = rows
    assert whole["ours"] == pytest.approx(sum(part["ours"] for part in parts))
    assert whole["other"] == pytest.approx(sum(part["other"] for part in parts))


@pytest.mark.wrench
def test_both_sides_train_on_the_same_rows(wrench_root):
    ours, theirs = (kind(wrench_root / "youtube", 1, 200) for kind in (pipeline.OurPipeline, pipeline.SnorkelPipeline))
    ours.prepare()
    theirs.prepare()
    assert len(ours.dataset) == len(theirs.dataset) > 100
    assert theirs.dataset.votes.shape[1:] == (1, 2)
