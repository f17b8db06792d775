"""The sampler of version 0.1.0, with which the recorded losses were computed; it does not converge in t."""

import torch

from lol_lightning.functional.smoothing import _rows, _visits


def systematic_rows(phi, num_samples, num_draws=1, generator=None):
    """Draw each common feature at consecutive places of the t samples, from a random place on."""
    phi, t = phi.detach().double().cpu(), num_samples
    common = phi * t >= 1
    draw, rare = _visits(torch.where(common, 0, phi * t), num_draws, generator)
    place = torch.randint(t, (len(rare),), generator=generator)
    ordered, order = (draw * len(phi) + rare).sort(stable=True)
    keep = order[torch.diff(ordered, prepend=ordered.new_full((1,), -1)) != 0]
    features = common.nonzero().squeeze(1)
    shift = torch.rand(num_draws, 1, len(features), dtype=torch.double, generator=generator)
    steps = torch.arange(t, dtype=torch.double).div(t).view(1, t, 1)
    hit_draw, hit_place, hit = ((shift + steps) % 1 < phi[features]).nonzero().T
    sample = torch.cat([draw[keep] * t + place[keep], hit_draw * t + hit_place])
    return _rows(sample, torch.cat([rare[keep], features[hit]]), num_draws * t, len(phi))
