"""Loop references, written line by line from the paper's equations, in no hurry.

Sam and Kolter, "Losses over Labels: Weakly Supervised Learning via Direct Loss Construction", AAAI 2023.
"""

import itertools
import math

import torch


def vote_loss(logits, votes, weights):
    """Eq. 1 and 2: every vote is a cross-entropy of its own, divided by how many LFs vote on the row."""
    total = torch.zeros((), dtype=logits.dtype)
    for row in range(len(votes)):
        voting = [i for i in range(votes.shape[1]) if votes[row, i] != -1]
        for i in voting:
            normaliser = sum(torch.exp(logit) for logit in logits[row])
            cross_entropy = -(logits[row, votes[row, i]] - torch.log(normaliser))
            total = total + weights[i] * cross_entropy / len(voting)
    return total / len(votes)


def input_gradient(network, samples, num_classes):
    """Sec. 4.2: the gradient of each class's probability, sample by sample, averaged."""
    total = torch.zeros(num_classes, *samples.shape[1:], dtype=samples.dtype)
    for z in samples:
        for k in range(num_classes):
            leaf = z.detach().clone().requires_grad_()
            probability = network(leaf.unsqueeze(0)).softmax(-1)[0, k]
            (gradient,) = torch.autograd.grad(probability, leaf, create_graph=True)
            total = total + torch.stack(
                [gradient if k == other else torch.zeros_like(gradient) for other in range(num_classes)]
            )
    return total / len(samples)


SHAPES = {
    "square": lambda margin: margin**2,
    "linear": lambda margin: margin,
    "exponential": lambda margin: math.e**margin - 1,
}


def penalties(gradient, entries, num_lfs, c, shape="square"):
    """Eq. 3, entry by entry; ``gradient`` is (K, d) over all features."""
    result = [torch.zeros((), dtype=gradient.dtype) for _ in range(num_lfs)]
    for lf, cls, feature, value in entries:
        sign = 1 if value > 0 else -1
        margin = c * abs(value) - sign * gradient[cls, feature]
        if margin > 0:
            result[lf] = result[lf] + SHAPES[shape](margin)
    return torch.stack(result)


def lol_loss(logits, votes, weights, gradient, entries, alpha, c, shape="square"):
    """Eq. 4: each vote brings its cross-entropy and alpha times its LF's penalty."""
    p = penalties(gradient, entries, votes.shape[1], c, shape)
    total = torch.zeros((), dtype=logits.dtype)
    for row in range(len(votes)):
        voting = [i for i in range(votes.shape[1]) if votes[row, i] != -1]
        for i in voting:
            cross_entropy = -torch.log(logits[row].softmax(-1)[votes[row, i]])
            total = total + weights[i] * (cross_entropy + alpha * p[i]) / len(voting)
    return total / len(votes)


def smoothed_gradient(lf, phi):
    """d/dphi_j of E_{x ~ Ber(phi)}[lf(x)] for an LF into {0, 1}, by the sum over all word sets."""
    size = len(phi)
    gradient = []
    for j in range(size):
        total = 0.0
        for x in itertools.product([0, 1], repeat=size):
            chance = 1.0
            for other in range(size):
                if other != j:
                    chance *= phi[other] if x[other] else 1 - phi[other]
            total += (1 if x[j] else -1) * chance * lf(x)
        gradient.append(total)
    return torch.tensor(gradient)


def example_penalties(network, x, votes, entries, c, shape="square", log_odds=False):
    """Eq. 3 at each row itself: ``entries[row][i]`` is a list of (feature, value) for labeler i's voted class."""
    result = torch.zeros(votes.shape, dtype=x.dtype)
    for row in range(len(votes)):
        for i in range(votes.shape[1]):
            if votes[row, i] == -1:
                continue
            leaf = x[row].detach().clone().requires_grad_()
            probability = network(leaf.unsqueeze(0)).softmax(-1)[0, votes[row, i]]
            (gradient,) = torch.autograd.grad(probability, leaf, create_graph=True)
            if log_odds:
                gradient = gradient / (probability * (1 - probability)).detach()
            total = torch.zeros((), dtype=x.dtype)
            for feature, value in entries[row][i]:
                sign = 1 if value > 0 else -1
                margin = c * abs(value) - sign * gradient.flatten()[feature]
                if margin > 0:
                    total = total + SHAPES[shape](margin)
            result = result.index_put((torch.tensor(row), torch.tensor(i)), total)
    return result


def example_lol_loss(logits, votes, weights, penalties, penalty_weights, alpha):
    """Eq. 4 with a penalty of each labeler at each row, float (B, m)."""
    total = torch.zeros((), dtype=logits.dtype)
    for row in range(len(votes)):
        voting = [i for i in range(votes.shape[1]) if votes[row, i] != -1]
        for i in voting:
            cross_entropy = -torch.log(logits[row].softmax(-1)[votes[row, i]])
            penalty = penalty_weights[i] * penalties[row, i]
            total = total + weights[i] * (cross_entropy + alpha * penalty) / len(voting)
    return total / len(votes)


def top_gradients(probability_of, x, sign, k):
    """For one labeler and one row: the k largest entries of sign * d p(x) / dx, largest first, as (feature, value)."""
    leaf = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(sign * probability_of(leaf.unsqueeze(0)).squeeze(), leaf)
    order = sorted(range(gradient.numel()), key=lambda j: -abs(float(gradient.flatten()[j])))
    return [(j, float(gradient.flatten()[j])) for j in order[:k]]
