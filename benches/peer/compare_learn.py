"""Compares `mixscore learn` with scikit-learn's GaussianMixture: what they reach on held-out mixtures, and the time of an EM iteration.

Run by benches/peer/sklearn, which makes the virtual environment.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

CELLS = [
    (2, 3, 3), (2, 5, 3), (2, 5, 6), (2, 12, 3), (2, 12, 5), (5, 3, 3), (5, 8, 4), (5, 12, 3), (5, 12, 8),
    (10, 4, 3), (10, 8, 3), (10, 12, 3), (10, 12, 6), (20, 3, 3), (20, 6, 4), (20, 12, 3), (20, 12, 4), (20, 12, 8),
]


def mixture(rng, d, k, separation):
    """Normal means scaled to a least distance, weights of at least 0.03."""
    means = rng.normal(size=(k, d))
    means *= separation / min(np.linalg.norm(means[i] - means[j]) for i in range(k) for j in range(i))
    weights = rng.random(k)
    return means, 0.03 + (1 - 0.03 * k) * weights / weights.sum()


def draw(rng, means, weights, n):
    return means[rng.choice(len(weights), p=weights, size=n)] + rng.normal(size=(n, means.shape[1]))


def log_likelihood(x, means, weights, variance):
    """Mean log-density of the rows of x, in nats."""
    squares = ((x[:, None, :] - means[None]) ** 2).sum(-1)
    logits = np.log(weights) - 0.5 * squares / variance
    peak = logits.max(1)
    own = peak + np.log(np.exp(logits - peak[:, None]).sum(1))
    return own.mean() - 0.5 * x.shape[1] * np.log(2 * np.pi * variance)


def learned(binary, points, *arguments):
    """The mixture and the summary of one `mixscore learn`."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/x.npy", points)
        command = [binary, "learn", f"{folder}/x.npy", "--output", f"{folder}/out", "--quiet", "--samples", "100", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        model = np.load(f"{folder}/out/model.npz")
        with open(f"{folder}/out/summary.json") as file:
            return (model["means"], model["weights"], float(model["variance"])), json.load(file)


def held_out(binary, seed, cells):
    print("gap to the truth in nats per point, of 50 000 fresh points; K is given but to the first (which finds what stands in brackets)")
    print("| d | K | separation | learn | learn --method em | GaussianMixture |")
    print("|---|---|---|---|---|---|")
    rows, found = [], 0
    for d, k, separation in cells:
        rng = np.random.default_rng([seed, d, k, separation])
        means, weights = mixture(rng, d, k, separation)
        x, fresh = draw(rng, means, weights, 20_000), draw(rng, means, weights, 50_000)
        best = log_likelihood(fresh, means, weights, 1.0)
        own, em = (learned(binary, x, *a)[0] for a in ([], ["--components", str(k), "--method", "em"]))
        peer = GaussianMixture(k, covariance_type="spherical", n_init=5, random_state=seed).fit(x)
        gaps = [best - log_likelihood(fresh, *own), best - log_likelihood(fresh, *em), best - peer.score(fresh)]
        print(f"| {d} | {k} | {separation} | {gaps[0]:.4f} ({len(own[1])}) | {gaps[1]:.4f} | {gaps[2]:.4f} |", flush=True)
        rows.append(gaps)
        found += len(own[1]) == k
    rows = np.array(rows)
    for name, column in [("learn", 0), ("learn --method em", 1)]:
        behind = (rows[:, column] - rows[:, 2]).max()
        print(f"{name}: worst gap {rows[:, column].max():.4f}; behind GaussianMixture by at most {behind:.4f}")
    print(f"K was found in {found} of {len(rows)} mixtures")


def iteration(binary, n, turns):
    """Seconds of one EM iteration, K = 12 in 50 dimensions, the two taking turns."""
    rng = np.random.default_rng(0)
    means, weights = mixture(rng, 50, 12, 6)
    x = draw(rng, means, weights, n)
    start = rng.normal(size=means.shape)

    def peer(n_iterations):
        options = dict(covariance_type="spherical", means_init=start, weights_init=np.full(12, 1 / 12), precisions_init=np.ones(12))
        model = GaussianMixture(12, init_params="random_from_data", max_iter=n_iterations, tol=0, **options)
        began = time.perf_counter()
        model.fit(x)
        return time.perf_counter() - began

    ours, theirs = [], []
    for _ in range(turns):
        ours.append(learned(binary, x, "--method", "em", "--components", "12")[1]["em_seconds_per_iteration"])
        few, more = peer(2), peer(6)
        theirs.append((more - few) / 4)
        print(f"seconds per iteration, n = {n}: mixscore {ours[-1]:.4f}, GaussianMixture {theirs[-1]:.4f}", flush=True)
    print(f"median {statistics.median(ours):.4f} and {statistics.median(theirs):.4f}: {statistics.median(theirs) / statistics.median(ours):.1f} times")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--iteration", action="store_true", help="time EM iterations instead")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="of the 18 mixtures, begin with this one")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    binary = os.path.abspath(arguments.binary)
    if arguments.iteration:
        iteration(binary, arguments.points, arguments.turns)
    else:
        held_out(binary, arguments.seed, CELLS[arguments.first :])


if __name__ == "__main__":
    main()
