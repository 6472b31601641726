"""What retrainings leave in their folders, read and written as tests need it."""

import json
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects in a file of one JSON object a line."""
    return [json.loads(line) for line in path.read_text().splitlines()]
