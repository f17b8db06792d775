import few_rows
import pytest


@pytest.mark.wrench
def test_a_line_has_its_setting_and_the_chosen_trial(wrench_root):
    setting = {"dataset": "youtube", "rows": 60, "trials": 1, "method": "lol", "seed": 1}
    (line,) = few_rows.run_group(str(wrench_root), [setting])
    assert {key: line[key] for key in setting} == setting
    assert 0.5 < line["val_accuracy"] <= 1
    assert 1 <= line["c"] <= 5
