import pytest
import torch
from processes import HELPERS, run_python


def run(devices, output, optimizer, case):
    """Run the script as a user would: the Trainer starts the second process itself."""
    run_python(HELPERS / "ddp_fit.py", devices, output, optimizer, case)
    return torch.load(output, weights_only=True)


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "case"),
    [("adam", "votes"), ("lazy-adam", "votes"), ("adam", "abstain"), ("adam", "shares"), ("adam", "insertions")],
)
def test_two_gloo_processes_have_the_gradients_of_one_with_the_doubled_batch(tmp_path, optimizer, case):
    one, two = (run(devices, tmp_path / f"{devices}.pt", optimizer, case) for devices in (1, 2))
    assert len(one["gradients"]) == len(two["gradients"]) == 3
    for single, parallel in zip(one["gradients"], two["gradients"], strict=True):
        for name, gradient in single.items():
            torch.testing.assert_close(parallel[name], gradient, rtol=1e-4, atol=3e-7)
    assert one["gradients"][0]["bags.weight"].abs().max() > 1e-4
    if case == "shares":
        # The running mean is that over the rows of both ranks.
        means = [result["weights"]["lol.mean_prediction"] for result in (one, two)]
        torch.testing.assert_close(*means)
        assert (means[0] - means[0].new_tensor([0.7, 0.2, 0.1])).abs().max() > 1e-3
