"""How a network passes states from block to block: what each is called, and the statement that calls each block."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from formulanas.architecture.planner import BATCH
from formulanas.export.blocks import Block, BlockClass
from formulanas.export.history import History, Lag, State

Environment = Mapping[str, str]  # what each name holds before a block: a variable of the plan


class UnclearNamesError(Exception):
    """A value has no distance from the block that reads it, so that states are called after their own blocks."""


@dataclass(frozen=True)
class Steps:
    """The names of the stem's output, the statement that calls each block, and the name of what the head reads."""

    stem: Sequence[str]
    calls: Sequence[tuple[Block, str]]
    head: str


@dataclass(frozen=True)
class Wiring:
    """The blocks of a network, and how states go from one to the next."""

    history: History
    blocks: Sequence[Block]
    classes: Sequence[BlockClass]

    @cached_property
    def lags(self) -> Mapping[int, Mapping[str, Lag]]:
        """What the variables are that a class reads, by the number of its template."""
        templates = [each.template for each in self.classes]
        return {
            block.number: {name: self.history.lag(name, block.number) for name in block.inputs if name != BATCH.name}
            for block in templates
        }

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """How many blocks back each sequence is read."""
        lags = [lag for found in self.lags.values() for lag in found.values()]
        return {each.sequence: max(lag.distance for lag in lags if lag.sequence == each.sequence) for each in lags}

    def name(self, lag: Lag) -> str:
        """x, or x1 and x2 where several states of a sequence are read; x0 is the anchor."""
        is_one = lag.distance and self.depths.get(lag.sequence, 1) < 2
        return self.history.names[lag.sequence] + ("" if is_one else str(lag.distance))

    def parameters(self, each: BlockClass) -> dict[str, str]:
        """The names of what a class reads, by the variables of its template, the state x first."""
        found = {BATCH.name: BATCH.name} if BATCH.name in each.template.inputs else {}
        for variable, lag in self.lags[each.template.number].items():
            name = self.name(lag)
            found[variable] = name if name not in found.values() else f"{name}_"  # before and after a change of shape
        return dict(sorted(found.items(), key=lambda item: (item[1][0] != "x", item[1])))

    def steps(self) -> Steps:
        """States are called after their distance, if that is clear for all, and otherwise after their blocks."""
        backs = [(name, back) for name, depth in self.depths.items() for back in range(2, depth + 1)]
        older = {self.name(Lag(name, back)): self.name(Lag(name, back - 1)) for name, back in backs}
        try:
            return self._steps(self._by_distance, older)
        except UnclearNamesError:
            return self._steps(self._by_block, {})

    def _by_distance(self, block: int) -> Environment:
        """x1 and x2 for x[n-1] and x[n-2], whether or not they are still read, so that blocks are called alike."""
        if None in self.history.program.history.values() or len(self.blocks) < self.history.num_blocks:
            raise UnclearNamesError
        lags = [Lag(name, back) for name, depth in self.depths.items() for back in range(1, depth + 1)]
        found = {lag: self.history.holder(State(lag.sequence, block - lag.distance), block) for lag in lags}
        anchor, is_read = self.history.anchor(block), any(Lag("x", 0) in each.values() for each in self.lags.values())
        if is_read and (anchor.block == 0 or block > anchor.block + 1):
            found[Lag("x", 0)] = self.history.holder(anchor, block)
        if block > self.history.num_blocks:
            found[Lag("x", 1)] = self.history.head
        return {self.name(lag): variable for lag, variable in found.items() if variable is not None}

    def _by_block(self, block: int) -> Environment:
        """x3 for x[3], of all that is still read."""
        found: dict[str, str] = {}
        for variable in dict.fromkeys(name for _, name, made in self.history.held if made < block):
            if self.history.is_live(variable, block - 1):
                state = self.history.states(variable)[0]
                name = f"{self.history.names[state.sequence]}{state.block}"
                found[name if name not in found else f"{name}_{len(found)}"] = variable
        return found

    def _steps(self, environment: Callable[[int], Environment], older: Mapping[str, str]) -> Steps:
        now = dict(environment(1))
        stem = sorted(now)

        def held(variable: str, first: str | None) -> str:
            name = next((name for name in (first, *now) if name is not None and now.get(name) == variable), None)
            if name is None:
                raise UnclearNamesError
            return name

        classes = {block.number: each for each in self.classes for block in each.blocks}
        now[BATCH.name] = BATCH.name
        calls: list[tuple[Block, str]] = []
        for block in self.blocks:
            each, after = classes[block.number], environment(block.number + 1)
            members = {**each.members[block.number], BATCH.name: BATCH.name}
            arguments = [held(members[variable], name) for variable, name in self.parameters(each).items()]
            made: dict[str, str] = {}
            targets = []
            for output in each.outputs:
                names = [name for name, value in after.items() if value == members[output] and name not in made]
                targets.append(names[0] if names else "_")
                made |= dict.fromkeys(names[:1], members[output])
            moved = {}
            for name, variable in after.items():
                if name not in made and variable in now.values():
                    source = held(variable, older.get(name))
                    if now.get(name) != variable or source == older.get(name):
                        moved[name] = source
            left, call = ", ".join(targets), f"block({', '.join(arguments)})"
            if moved:
                left = ", ".join([f"({left})" if len(targets) > 1 else left, *moved])
                call = ", ".join([call, *moved.values()])
            calls.append((block, f"{left} = {call}"))
            now |= {name: now[source] for name, source in moved.items()} | made
        if not stem:
            raise UnclearNamesError
        return Steps(stem, calls, held(self.history.head, self.name(Lag("x", 1))))
