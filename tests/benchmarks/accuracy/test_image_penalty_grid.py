import pandas as pd
import pytest

from benchmarks.accuracy import image_penalty_grid
from benchmarks.accuracy.image_sets import AWA1, CIFAR10


def test_pairs_are_of_classes_that_no_table_tells_apart():
    told = {name for pair in (*AWA1, *CIFAR10) for name in pair}
    assert not told & {name for pairs in image_penalty_grid.PAIRS.values() for pair in pairs for name in pair}


def test_gains_are_over_no_penalty_of_the_same_pair_seed_and_rows():
    bases = {(seed, rows): 70.0 + 10 * seed + rows for seed in (0, 1) for rows in (0, 25)}
    lines = [
        {"set": "awa1", "pair": "a v. b", "seed": seed, "rows": rows, "alpha": alpha, "c": 1.0, "test": base + gain}
        for (seed, rows), base in bases.items()
        for alpha, gain in ((0.0, 0.0), (0.5, 1.0 + 2 * seed))
    ]
    table = image_penalty_grid.gains(pd.DataFrame(lines))
    assert table.loc[("awa1", 0.5, 1.0)].to_dict() == {"all rows": "+2.0 ± 1.0", "25 rows": "+2.0 ± 1.0"}


@pytest.mark.vision
@pytest.mark.slow
def test_points_of_the_grid_share_pair_rows_and_weights(vision_root, tmp_path):
    setting = {"set": "awa1", "pair": " v. ".join(image_penalty_grid.PAIRS["awa1"][0]), "rows": 20, "seed": 0}
    grid = [image_penalty_grid.GRID[0], {"alpha": 1e-9, "c": 0.5}, {"alpha": 3.0, "c": 1.0}]
    lines = image_penalty_grid.run(str(vision_root), str(tmp_path), [{**setting, **point} for point in grid])
    assert [line["trained"] for line in lines] == [20] * 3
    assert lines[0]["test"] == pytest.approx(lines[1]["test"], abs=1)
    assert lines[0]["test"] != lines[2]["test"]
