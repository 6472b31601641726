"""Tasks: the trainings that a phase of a search wants done, and what is said of them; an executor does them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from formulanas.architecture.backbone import Backbone
from formulanas.recipe import Recipe
from formulanas.training.training import EpochMetrics

MAX_RETRIES = 2  # of a training whose worker died


@dataclass(frozen=True)
class Task:
    """One training: the recursion's canonical text, the recipe, and the seeds of the training and of the split.

    `number` is for its source, `name` for those who watch: the trial's number, its key and its formula. `costs` are to
    be measured first; what exceeds the `limits` is not trained.
    """

    number: int
    name: str
    formula: str
    backbone: Backbone
    recipe: Recipe
    seed: int
    split_seed: int
    costs: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """What is said of a task: `epoch` is answered by whether to go on; the others end the task.

    `costs` are the measured latency and memory, said with the first epoch, or with what is `rejected` for them.
    """

    kind: Literal["epoch", "done", "rejected", "failed", "died"]
    metrics: EpochMetrics | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    details: str = ""


class TaskSource(Protocol):
    """Gives out tasks, and takes in what is said of those under way."""

    def next(self) -> Task | None:
        """A task to begin now; None where there is none until another ends. All is done when none is under way."""

    def handle(self, number: int, message: Message) -> bool:
        """Takes in what is said of a task; whether it is to go on. After `died`, `next` may give it again."""


class Executor(Protocol):
    """Does tasks: worker processes of this machine, or a Ray cluster. `place` says where, and how many side by side."""

    place: str

    def run(self, source: TaskSource) -> None:
        """Does all tasks of a source."""
