import torch

from benchmarks.speed.bare_loop import BareLoop, fit_epoch, generated, loader


def test_generated_corpora_have_the_sizes_of_the_arguments():
    dataset = generated(300, 400, num_lfs=4, num_classes=3, num_inspected=20)
    targets = dataset.gradient_targets
    assert dataset.features.shape == (300, 400)
    assert (targets.num_lfs, targets.num_classes, len(targets.features)) == (4, 3, 20)
    torch.testing.assert_close(targets.document_frequency, dataset.features.to_dense().mean(0))


def test_the_bare_loop_trains_and_counts_steps():
    dataset = generated(300, 400, num_lfs=4, num_classes=2, num_inspected=20)
    loop = BareLoop(dataset, optimizer="lazy-adam")
    before = loop.model.network.weight.detach().clone()
    loop.train(loader(dataset))
    assert loop.model.global_step == 3
    assert (loop.model.network.weight != before).any()


def test_bf16_is_close_to_float32():
    dataset = generated(128, 400, num_lfs=4, num_classes=2, num_inspected=20)
    gradients = []
    for bf16 in (False, True):
        loop = BareLoop(dataset, bf16=bf16, dropout=0.0)
        loop.gradients(dataset.__getitems__(range(128)))
        gradients.append(loop.model.network.weight.grad)
    assert (gradients[0] - gradients[1]).norm() < 0.05 * gradients[0].norm()


def test_an_epoch_in_a_trainer_is_timed():
    dataset = generated(300, 400, num_lfs=4, num_classes=2, num_inspected=20)
    assert 0 < fit_epoch(dataset, method="lol-simple") < 60
