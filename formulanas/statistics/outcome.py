"""The outcome of a search, as leaderboard.json keeps it and `search --json` prints it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from formulanas.records import to_plain
from formulanas.statistics.audit import Audit
from formulanas.statistics.leaderboard import Contender


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """The contenders of a search, best first, and what may be said of them; `trials` counts its trials by state."""

    SCHEMA: ClassVar[int] = 1

    run: str
    finished: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    proxy_recipe: str  # its digest
    trials: dict[str, int]
    best: Contender
    verdict: str
    audit: Audit
    rows: list[Contender]

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {"schema": self.SCHEMA, **to_plain(self)}
