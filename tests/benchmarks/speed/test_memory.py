import pytest

from benchmarks.speed import memory


@pytest.mark.slow
def test_a_fit_in_its_own_process_reports_its_peaks():
    whole, own, seconds = memory.run(rows=256, num_features=500, epochs=1, imdb=False)
    assert whole["case"] == "fit of 256 rows, V=500, peak of the process / 1,500 MB [goal <= 1]"
    assert 100 < whole["ours"] < 1500
    assert 0 < own["ours"] < 200
    assert 0 < seconds["ours"] < 60
