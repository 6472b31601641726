"""Does the surrogate gain by what the algebra says of a formula: its paths, growth, variance and cost?

    python benchmarks/formula_features.py [--draws 150] [--searches 200]

On the table of trained formulas (tables.py), the model with its own features, the symbols and their pairs, against the
same with a kernel on the algebra's figures added. First how well each orders the formulas that it has not seen, then
the regret of a search by Thompson sampling.
"""

import argparse
import csv
import math
import statistics
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from tables import HERE, Formulas
from threadpoolctl import threadpool_limits

from formulanas.analysis.growth import growth
from formulanas.analysis.paths import paths
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.variance import variance
from formulanas.formula.bind import bind
from formulanas.search.samplers.candidates import Candidates
from formulanas.search.samplers.features import features, kernel
from formulanas.search.samplers.linear_model import NOISE, _normal_quantiles
from formulanas.search.samplers.surrogate import NUM_STARTS, TEMPERATURE
from formulanas.search.space.document import read_space

Array = NDArray[np.floating[Any]]
Positions = NDArray[np.integer[Any]]
TOLD = (15, 30, 60, 120)
SHARES = (0.0, 0.3, 0.5)  # of the kernel on the algebra's figures


def algebra(table: Formulas, keys: list[str]) -> Array:
    """What is known of each formula before it is trained, standardised: (N, 8)."""
    with (HERE / "formulas.csv").open(newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    backbone = read_space(HERE / "formulas.yaml").proxy.backbone
    assert backbone is not None
    assert not isinstance(backbone, str)
    num_blocks = sum(backbone.depths)
    found = []
    for key in keys:
        bound = bind(rows[key]["formula"])
        counts = paths(bound, num_blocks)
        gross, net = (np.array([float(each) for each in side]) for side in (counts.gross, counts.lengths))
        lengths = np.arange(len(gross))
        found.append(
            [
                math.log(float(rows[key]["params"])),
                growth(bound) or 0.0,
                math.log(variance(Architecture(bound, backbone, (3, 32, 32), 10)).blocks[-1]),
                lengths @ gross / gross.sum(),
                math.log(gross.sum()),
                net.sum(),
                abs(net).sum(),
                lengths @ abs(net) / max(abs(net).sum(), 1e-9),
            ]
        )
    figures = np.array(found)
    return np.asarray((figures - figures.mean(0)) / figures.std(0))


def covariances(table: Formulas, keys: list[str]) -> dict[float, Array]:
    """The covariance of all formulas, by the share of the kernel on the algebra's figures."""
    by_key = {}
    for values in table.bindings():
        if (key := Candidates(table).key(values)) is not None:
            by_key[key] = values
    matrix = features([by_key[key] for key in keys], lambda name: table.domains[name.partition("[")[0]])
    symbols = kernel(matrix, matrix)
    scale = np.sqrt(np.diag(symbols))
    symbols = symbols / np.outer(scale, scale)
    figures = algebra(table, keys)
    squares = ((figures[:, None] - figures[None]) ** 2).sum(-1)
    near = np.exp(-squares / (2 * figures.shape[1]))
    return {share: (1 - share) * symbols + share * near for share in SHARES}


def order(covariance: Array, told: Positions, asked: Positions, values: Array, means: Array) -> float:
    """Spearman's correlation of prediction and mean accuracy over what is asked."""
    scores = _normal_quantiles(values[told])
    known = covariance[np.ix_(told, told)] + NOISE * np.eye(len(told))
    predicted = covariance[np.ix_(asked, told)] @ np.linalg.solve(known, scores - scores.mean())
    return float(stats.spearmanr(predicted, means[asked])[0])


def search(covariance: Array, root: Array, values: Array, means: Array, budgets: tuple[int, ...], seed: int) -> Array:
    """The regret at each budget of a search that may train any formula next; `root` is the covariance's."""
    chance = np.random.default_rng(seed)
    seen = [int(each) for each in chance.permutation(len(values))[:NUM_STARTS]]
    while len(seen) < budgets[-1]:
        scores = _normal_quantiles(values[seen])
        scores = scores - scores.mean()
        inverse = np.linalg.inv(covariance[np.ix_(seen, seen)] + NOISE * np.eye(len(seen)))
        deviation = TEMPERATURE * math.sqrt(max(float(scores @ inverse @ scores) / len(seen), 1e-6))
        prior = deviation * (root @ chance.standard_normal(len(values)))
        noise = deviation * math.sqrt(NOISE) * chance.standard_normal(len(seen))
        drawn = prior + covariance[:, seen] @ (inverse @ (scores - prior[seen] - noise))
        drawn[seen] = -math.inf
        seen.append(int(np.argmax(drawn)))
    chosen = [seen[int(np.argmax(values[seen[:budget]]))] for budget in budgets]
    return np.asarray(means.max() - means[chosen])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=150)
    parser.add_argument("--searches", type=int, default=200)
    options = parser.parse_args()
    table = Formulas()
    keys = [key for key in table.accuracies if None not in table.accuracies[key]]
    means = np.array([table.mean(key) for key in keys])
    found = covariances(table, keys)
    budgets = table.budgets

    def noisy(chance: np.random.Generator) -> Array:
        return np.array([chance.choice(np.array(table.accuracies[key], float)) for key in keys])

    print(f"{len(keys)} formulas; share of the algebra's kernel: {', '.join(map(str, SHARES))}")
    for count in TOLD:
        correlations: dict[float, list[float]] = {share: [] for share in SHARES}
        chance = np.random.default_rng(0)
        for _ in range(options.draws):
            places, values = chance.permutation(len(keys)), noisy(chance)
            for share in SHARES:
                correlations[share].append(order(found[share], places[:count], places[count:], values, means))
        print(f"order, {count:>3} told: " + "  ".join(f"{statistics.mean(each):.3f}" for each in correlations.values()))
    for share in SHARES:
        root = np.linalg.cholesky(found[share] + 1e-6 * np.eye(len(keys)))
        regrets = np.array(
            [
                search(found[share], root, noisy(np.random.default_rng(seed)), means, budgets, seed)
                for seed in range(options.searches)
            ]
        )
        errors = regrets.std(0, ddof=1) / math.sqrt(len(regrets))
        shown = "  ".join(f"{mean:.2f} ± {error:.2f}" for mean, error in zip(regrets.mean(0), errors, strict=True))
        print(f"search, share {share}: regret at {', '.join(map(str, budgets))}: {shown}", flush=True)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
