"""One gradient step of mixscore's CPU backend against jax.jit of the reparameterised loss, the two taking turns.

The peer is what a researcher would write: x = mu_i + z, loss = mean over samples of 1/2 |score_p - score_q|^2, value_and_grad of it,
float32, jitted, normals drawn inside. `run` beside this file makes a virtual environment and calls this script.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

CASES = [
    (65536, 8, 16, 4),
    (65536, 64, 64, 16),
    (65536, 256, 64, 16),
    (16384, 64, 1024, 64),
    (16384, 1024, 256, 32),
    (16384, 4096, 256, 64),
]
# Seconds after each of jax's turns: its threads spin on for about 30 ms, on the cores that ours are timed on.
PAUSE = 0.1


def score(x, means):
    squares = jnp.sum(x * x, -1)[:, None] - 2 * x @ means.T + jnp.sum(means * means, -1)
    return jax.nn.softmax(-0.5 * squares, axis=-1) @ means - x


def peer(n, k, d):
    def loss(mu, m, key):
        z = jax.random.normal(key, (k, n, d), dtype=jnp.float32)
        x = (mu[:, None, :] + z).reshape(k * n, d)
        a = score(x, mu) - score(x, m)
        return 0.5 * jnp.mean(jnp.sum(a * a, -1))

    return jax.jit(jax.value_and_grad(loss))


class Ours:
    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()


def problem(case, start, folder, seed=0):
    """Means in float32. `spread`: all standard normal. `near`: teachers 3 apart and more, students within 0.3 of one."""
    _, d, k, K = case
    rng = np.random.default_rng(seed)
    m = rng.normal(size=(K, d))
    if start == "near":
        m *= 6.0 / np.sqrt(2 * d)
        mu = m[np.arange(k) % K] + 0.3 * rng.normal(size=(k, d))
    else:
        mu = rng.normal(size=(k, d))
    paths = []
    for name, means in [("student", mu), ("teacher", m)]:
        path = folder / f"{name}.npz"
        np.savez(path, means=means.astype(np.float32))
        paths.append(str(path))
    return mu.astype(np.float32), m.astype(np.float32), paths


def ledger(case, rank):
    """Floating-point operations of a step: products of the coefficient form, one for each exponential."""
    B, _, k, K = case
    return B * (2 * rank * (k + K) + min(4 * rank * (k + K), 2 * k * k + 2 * K * K) + k + K)


def timings(case, paths, mu, m, ours, arguments, neighbours):
    B, d, k, _ = case
    rank, certified = ours.ask(f"open {paths[0]} {paths[1]} {B // k} {arguments.sampler} {arguments.estimator} {neighbours}")
    first = float(ours.ask("step 0.5")[0])  # which gathers neighbours too
    f, mu, m = peer(B // k, k, d), jnp.asarray(mu), jnp.asarray(m)
    jax.block_until_ready(f(mu, m, jax.random.PRNGKey(0)))
    theirs, own = [], []
    for turn in range(arguments.repeats):
        begin = time.perf_counter()
        jax.block_until_ready(f(mu, m, jax.random.PRNGKey(turn)))
        theirs.append(time.perf_counter() - begin)
        time.sleep(PAUSE)
        own += [float(ours.ask("step 0.5")[0]) for _ in range(3)]
    return statistics.median(theirs), statistics.median(own), first, int(rank), float(certified)


def squared_errors(case, paths, mu, m, ours, arguments, folder):
    """Mean squared error of both gradients at B samples, against one of ours from `--truth` times as many, exactly."""
    B, d, k, K = case
    n = B // k
    out = folder / "gradient.f64"

    def own(step):
        ours.ask(f"gradient {step} {out}")
        return np.fromfile(out).reshape(k, d)

    ours.ask(f"open {paths[0]} {paths[1]} {n * arguments.truth} {arguments.sampler} {arguments.estimator} exact")
    truth = own(10_000)
    ours.ask(f"open {paths[0]} {paths[1]} {n} {arguments.sampler} {arguments.estimator} auto")
    mine = statistics.mean(((own(step) - truth) ** 2).sum() for step in range(arguments.repeats))
    f, mu, m = peer(n, k, d), jnp.asarray(mu), jnp.asarray(m)
    gradients = (np.asarray(f(mu, m, jax.random.PRNGKey(step))[1], dtype=np.float64) for step in range(arguments.repeats))
    theirs = statistics.mean(((g - truth) ** 2).sum() for g in gradients)
    return theirs, mine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the built bench target `peer`")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--sampler", default="antithetic")
    parser.add_argument("--estimator", default="stein")
    parser.add_argument("--start", choices=["spread", "near"], default="spread")
    parser.add_argument("--exact-too", action="store_true", help="also time our side with nothing left out")
    parser.add_argument("--error", action="store_true", help="also measure both gradients' squared errors, and the ratio of time x error")
    parser.add_argument("--truth", type=int, default=16, help="times as many samples for the truth of --error")
    parser.add_argument("--case", type=int, nargs="*", help="indices of the cases to run")
    arguments = parser.parse_args()
    ours = Ours(arguments.binary)
    sgemm = float(ours.ask("sgemm")[0])
    print(f"jax {jax.__version__}; our sgemm {sgemm:.0f} GFLOP/s; start: {arguments.start}; sampler: {arguments.sampler}")
    print("| B | d | k | K | neighbours | jax ms | ours ms | ratio | first ms | of sgemm | certified |" + (" error² jax/ours | at equal error |" if arguments.error else ""))
    print("|---|---|---|---|---|---|---|---|---|---|---|" + ("---|---|" if arguments.error else ""))
    ratios, equal = {}, []
    for case in [CASES[i] for i in arguments.case] if arguments.case else CASES:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            mu, m, paths = problem(case, arguments.start, folder)
            for neighbours in ["auto", "exact"] if arguments.exact_too else ["auto"]:
                theirs, own, first, rank, certified = timings(case, paths, mu, m, ours, arguments, neighbours)
                ratios.setdefault(neighbours, []).append(theirs / own)
                share = ledger(case, rank) / own / sgemm / 1e9
                row = f"| {' | '.join(map(str, case))} | {neighbours} | {1e3 * theirs:.1f} | {1e3 * own:.2f} | {theirs / own:.1f} | {1e3 * first:.1f} | {share:.0%} | {certified:.1e} |"
                if arguments.error and neighbours == "auto":
                    a, b = squared_errors(case, paths, mu, m, ours, arguments, folder)
                    equal.append(theirs / own * a / b)
                    row += f" {a / b:.3g} | {equal[-1]:.3g} |"
                print(row, flush=True)
    for neighbours, values in ratios.items():
        print(f"geometric mean of the ratios, {neighbours}: {statistics.geometric_mean(values):.1f} (least {min(values):.1f})")
    if equal:
        print(f"geometric mean at equal error: {statistics.geometric_mean(equal):.1f}")


if __name__ == "__main__":
    sys.exit(main())
