"""A target retrained with several seeds, which are fixed before the first result, and what these come to together."""

import statistics
from dataclasses import asdict, dataclass, replace

from formulanas.errors import InputError
from formulanas.progress import Progress
from formulanas.records import write_json
from formulanas.retrain.retrain import DEFAULTS, retrain
from formulanas.retrain.settings import Options, settle
from formulanas.statistics.differences import half_width
from formulanas.store.models import Result
from formulanas.store.targets import Target, resolve


@dataclass(frozen=True)
class Summary:
    """The results of all seeds; mean, deviation, median and Student's 95 % interval of the mean are of top-1."""

    seeds: tuple[Result, ...]
    n: int
    mean: float
    deviation: float
    median: float
    interval: tuple[float, float]
    values: tuple[float, ...]
    recipe: str  # the digest, which all share

    @property
    def statement(self) -> str:
        """All results and what they come to, in lines."""
        low, high = (100 * each for each in self.interval)
        values = ", ".join(f"{100 * each:.2f}" for each in self.values)
        return "\n".join(
            (
                *(each.statement for each in self.seeds),
                f"test accuracy {100 * self.mean:.2f} % top-1, deviation {100 * self.deviation:.2f}, median "
                f"{100 * self.median:.2f}, 95 % interval of the mean {low:.2f} to {high:.2f}, n = {self.n} ({values})",
            )
        )


def retrain_seeds(
    target: str | Target, num_seeds: int, options: Options = DEFAULTS, progress: Progress | None = None
) -> Summary:
    """Retrains `target` with the seeds from `seed` on, each in its own folder, one after the other.

    What the target names is found out once: `best` may change while they are trained. The seeds are written down first,
    beside the folders, and the results there too. Raises InputError where results kept from before have another recipe.
    """
    if num_seeds < 2:
        raise InputError(f"2 <= seeds must hold for a deviation, but got {num_seeds}")
    found = target if isinstance(target, Target) else resolve(target)
    seeds = range(options.seed, options.seed + num_seeds)
    asked = [replace(options, seed=seed) for seed in seeds]
    folders = [settle(found, each).folder for each in asked]
    kept = [folder for folder in folders if folder.exists()]
    if kept and not options.resume:
        raise InputError(f"{kept[0]} exists; go on with it, and train the seeds that lack, by --resume")
    name = f"{folders[0].name.removesuffix(f'seed{options.seed}')}seeds{seeds[0]}-{seeds[-1]}.json"
    path = folders[0].with_name(name)
    write_json(path, {"planned": list(seeds)})
    summary = summarise([retrain(found, each, progress) for each in asked])
    write_json(path, {"planned": list(seeds), **asdict(summary)})
    return summary


def summarise(results: list[Result]) -> Summary:
    """What the results of two seeds or more come to."""
    digests = sorted({each.recipe for each in results})
    if len(digests) > 1:
        places = ", ".join(f"{each.folder} ({each.recipe})" for each in results)
        raise InputError(f"only results of one recipe are averaged, but these have {len(digests)}: {places}")
    values = tuple(each.top1 for each in results)
    mean, deviation, n = statistics.fmean(values), statistics.stdev(values), len(values)
    half = half_width(deviation / n**0.5, n - 1)
    interval = mean - half, mean + half
    return Summary(tuple(results), n, mean, deviation, statistics.median(values), interval, values, digests[0])
