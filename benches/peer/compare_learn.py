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


def held_out(binary, seed):
    print("gap to the truth in nats per point, of 50 000 fresh points (K found in brackets)")
    print("| d | K | separation | learn, K given | learn, K found | learn --method em | GaussianMixture |")
    print("|---|---|---|---|---|---|---|")
    worst = {}
    for d, k, separation in CELLS:
        rng = np.random.default_rng([seed, d, k, separation])
        means, weights = mixture(rng, d, k, separation)
        x, fresh = draw(rng, means, weights, 20_000), draw(rng, means, weights, 50_000)
        best = log_likelihood(fresh, means, weights, 1.0)
        given, found, em = (learned(binary, x, *a)[0] for a in (["--components", str(k)], [], ["--components", str(k), "--method", "em"]))
        peer = GaussianMixture(k, covariance_type="spherical", n_init=5, random_state=seed).fit(x)
        gaps = [best - log_likelihood(fresh, *m) for m in (given, found, em)] + [best - peer.score(fresh)]
        print(f"| {d} | {k} | {separation} | {gaps[0]:.4f} | {gaps[1]:.4f} ({len(found[1])}) | {gaps[2]:.4f} | {gaps[3]:.4f} |", flush=True)
        columns = ["K given", "K found", "em"]
        for name, gap in zip(columns, gaps):
            worst[name] = max(worst.get(name, (-1.0, -1.0)), (gap, gap - gaps[3]))
            worst[name + ", behind the peer"] = max(worst.get(name + ", behind the peer", -1.0), gap - gaps[3])
        worst["cells where K was found"] = worst.get("cells where K was found", 0) + (len(found[1]) == k)
    for name in columns:
        print(f"{name}: worst gap {worst[name][0]:.4f}, at most {worst[name + ', behind the peer']:.4f} behind GaussianMixture")
    print(f"K was found in {worst['cells where K was found']} of {len(CELLS)} cells")


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
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    binary = os.path.abspath(arguments.binary)
    if arguments.iteration:
        iteration(binary, arguments.points, arguments.turns)
    else:
        held_out(binary, arguments.seed)


if __name__ == "__main__":
    main()
