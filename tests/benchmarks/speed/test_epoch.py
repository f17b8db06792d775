from benchmarks.speed import epoch


def test_both_ways_to_train_are_compared_with_the_plain_loop():
    rows = epoch.run(rows=64, rounds=1, cases={(300, 5): 4.0})
    assert [row["case"] for row in rows] == [
        f"epoch against the plain loop, n=64, V=300, m=5, {ours} [goal >= 4]" for ours in ("bare loop", "Trainer.fit")
    ]
    assert rows[0]["other"] == rows[1]["other"] > 0
