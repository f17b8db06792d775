"""Loop references, written line by line from the papers' equations, in no hurry.

Sam and Kolter, "Losses over Labels: Weakly Supervised Learning via Direct Loss Construction", AAAI 2023.

Of the baselines, further below:
Dawid and Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm", Appl. Statist. 1979.
Fu et al., "Fast and Three-rious: Speeding Up Weak Supervision with Triplet Methods", ICML 2020.
Chen et al., "Comparing the Value of Labeled and Unlabeled Data in Method-of-Moments Latent Variable Estimation", 2021.
Ruehling Cachay, Boecking and Dubrawski, "End-to-End Weak Supervision", NeurIPS 2021.
"""

import itertools
import math
import statistics

import numpy as np
import torch


def vote_loss(logits, votes, weights, class_weights=None):
    """Eq. 1 and 2: every vote is a cross-entropy of its own, divided by how many LFs vote on the row."""
    class_weights = [1] * logits.shape[1] if class_weights is None else class_weights
    total = torch.zeros((), dtype=logits.dtype)
    for row in range(len(votes)):
        voting = [i for i in range(votes.shape[1]) if votes[row, i] != -1]
        for i in voting:
            normaliser = sum(torch.exp(logit) for logit in logits[row])
            cross_entropy = -(logits[row, votes[row, i]] - torch.log(normaliser))
            total = total + weights[i] * class_weights[votes[row, i]] * cross_entropy / len(voting)
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
                gradient = gradient / (probability * (1 - probability))
            total = torch.zeros((), dtype=x.dtype)
            for feature, value in entries[row][i]:
                sign = 1 if value > 0 else -1
                margin = c * abs(value) - sign * gradient.flatten()[feature]
                if margin > 0:
                    total = total + SHAPES[shape](margin)
            result = result.index_put((torch.tensor(row), torch.tensor(i)), total)
    return result


def example_lol_loss(logits, votes, weights, penalties, penalty_weights, alpha):
    """Eq. 4 with a penalty of each labeler at each row, float (B, m), of a weight of its own."""
    total = torch.zeros((), dtype=logits.dtype)
    for row in range(len(votes)):
        voting = [i for i in range(votes.shape[1]) if votes[row, i] != -1]
        for i in voting:
            cross_entropy = -torch.log(logits[row].softmax(-1)[votes[row, i]])
            weighted = weights[i] * cross_entropy + alpha * penalty_weights[i] * penalties[row, i]
            total = total + weighted / len(voting)
    return total / len(votes)


def top_gradients(probability_of, x, sign, k):
    """For one labeler and one row: the k largest entries of sign * d p(x) / dx, largest first, as (feature, value)."""
    leaf = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(sign * probability_of(leaf.unsqueeze(0)).squeeze(), leaf)
    order = sorted(range(gradient.numel()), key=lambda j: -abs(float(gradient.flatten()[j])))
    return [(j, float(gradient.flatten()[j])) for j in order[:k]]


def signed(vote, cls):
    """A vote as the triplet method reads it: 1 for the class, -1 for another one, 0 for an abstention."""
    if vote == -1:
        return 0
    return 1 if vote == cls else -1


def triplet_agreement(votes, lf, cls, average):
    """Fu et al., E[lambda_i Y] of one LF: mean or median over all triplets, those with a moment of 0 left out."""
    rows, size = votes.shape

    def moment(i, j):
        return sum(signed(votes[x, i], cls) * signed(votes[x, j], cls) for x in range(rows)) / rows

    estimates = []
    for j, k in itertools.combinations([other for other in range(size) if other != lf], 2):
        if moment(lf, j) != 0 and moment(lf, k) != 0 and moment(j, k) != 0:
            estimates.append(math.sqrt(abs(moment(lf, j) * moment(lf, k) / moment(j, k))))
    return statistics.median(estimates) if average == "median" else sum(estimates) / len(estimates)


def triplet_log_odds(votes, row, cls, agreements, balance, limit):
    """Fu et al.: solve each LF's linear system for P(lambda, Y), then divide the products of Y = 1 and Y = -1.

    No vote moves the log-odds by more than ``limit``, which is ours.
    """
    log_odds = math.log(balance / (1 - balance))
    outcomes = list(itertools.product([1, 0, -1], [1, -1]))
    for lf, agreement in enumerate(agreements):
        said = [signed(vote, cls) for vote in votes[:, lf]]
        silent, positive = said.count(0) / len(said), said.count(1) / len(said)
        equations = [
            ({(vote, y): 1 for vote, y in outcomes if y == 1}, balance),
            ({(vote, y): 1 for vote, y in outcomes if y == -1}, 1 - balance),
            ({(1, 1): 1, (1, -1): 1}, positive),
            ({(0, 1): 1}, silent * balance),
            ({(0, -1): 1}, silent * (1 - balance)),
            ({(1, 1): 1, (-1, -1): 1}, (1 - silent + agreement) / 2),
        ]
        matrix = np.array([[left.get(outcome, 0) for outcome in outcomes] for left, _ in equations])
        solution = np.linalg.solve(matrix, [right for _, right in equations])
        joint = dict(zip(outcomes, np.abs(solution), strict=True))
        vote = signed(votes[row, lf], cls)
        if vote != 0:
            evidence = math.log(joint[vote, 1] / balance) - math.log(joint[vote, -1] / (1 - balance))
            log_odds += max(-limit, min(limit, evidence))
    return log_odds


def dawid_skene_estimates(votes, posterior, outcomes, smoothing):
    """Dawid and Skene, Eq. 2.3 and 2.4, with ``smoothing`` shared out over the outcomes."""
    num_classes = posterior.shape[1]
    shares = np.zeros(num_classes)
    confusions = np.zeros((votes.shape[1], num_classes, len(outcomes)))
    for cls in range(num_classes):
        shares[cls] = posterior[:, cls].sum() + smoothing / num_classes
        for lf in range(votes.shape[1]):
            for position, outcome in enumerate(outcomes):
                rows = [row for row in range(len(votes)) if votes[row, lf] == outcome]
                confusions[lf, cls, position] = posterior[rows, cls].sum() + smoothing / len(outcomes)
            confusions[lf, cls] /= confusions[lf, cls].sum()
    return shares / shares.sum(), confusions


def dawid_skene_joint(row, shares, confusions, outcomes):
    """Dawid and Skene, Eq. 2.5 before it is normalised: the probability of a row's votes and each class."""
    joint = np.array(shares, dtype=float)
    for cls in range(len(shares)):
        for lf, vote in enumerate(row):
            if vote in outcomes:
                joint[cls] *= confusions[lf, cls, outcomes.index(vote)]
    return joint


def weasel_label(raw_scores, votes, balance, temperature):
    """Ruehling Cachay et al., Alg. 1: the label that one row's scores and votes make."""
    size, num_classes = len(votes), len(balance)
    total = sum(torch.exp(score / temperature) for score in raw_scores)
    unnormalised = []
    for cls in range(num_classes):
        support = torch.zeros((), dtype=raw_scores.dtype)
        for lf in range(size):
            if votes[lf] == cls:
                support = support + torch.exp(raw_scores[lf] / temperature) / total
        unnormalised.append(balance[cls] * torch.exp(math.sqrt(size) * support))
    return torch.stack(unnormalised) / sum(unnormalised)


def weasel_loss(predictions, labels, voted):
    """Ruehling Cachay et al., Sec. 3: each side's cross-entropy to the other as it is, on the rows with a vote."""
    total = torch.zeros((), dtype=predictions.dtype)
    for prediction, label, has_vote in zip(predictions, labels, voted, strict=True):
        if has_vote:
            for cls in range(len(label)):
                total = total - label[cls].detach() * torch.log(prediction[cls])
                total = total - prediction[cls].detach() * torch.log(label[cls])
    return total / len(predictions)


def check_top_targets(targets, logits_of, inputs, signs, k, unit="probability"):
    """Targets of labelers are what a loop over rows and labelers finds."""
    demands = targets.demands()
    for row in range(len(inputs)):
        for lf in range(signs.shape[1]):
            sign = int(signs[row, lf])
            if sign == 0:
                assert demands[row, lf].eq(0).all()
                continue

            def value_of(x, lf=lf):
                logit = logits_of(x)[:, lf]
                return logit if unit == "log-odds" else torch.sigmoid(logit)

            expected = top_gradients(value_of, inputs[row], sign, k)
            assert targets.index[row, lf].tolist() == [j for j, _ in expected]
            torch.testing.assert_close(demands[row, lf], torch.tensor([v for _, v in expected]), rtol=2e-3, atol=1e-6)


def factor_of_logits(logits, unit):
    """What turns the gradients of the logits into those of the probabilities or log-odds, row by row: (t, K, K)."""
    size, rows = logits.shape[1], []
    for row in logits:
        h = row.softmax(-1)
        factor = torch.zeros(size, size, dtype=logits.dtype)
        for k in range(size):
            for j in range(size):
                one = float(k == j)
                if unit == "probability":
                    factor[k, j] = h[k] * (one - h[j])
                else:
                    factor[k, j] = one if k == j else -h[j] / (1 - h[k])
        rows.append(factor)
    return torch.stack(rows)
