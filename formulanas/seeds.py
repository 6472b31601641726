"""Seeds derived from seeds: every draw of chance is a function of what it is for."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed that depends on all `parts`: (study seed, "trial", trial number)."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
