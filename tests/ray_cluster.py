"""A Ray cluster of several nodes on this machine, for tests that give it work: nodes join it, and are lost."""

import json
import subprocess
import sys

from processes import QUIET, descendants

PROGRAM = """
import json, sys
from ray.cluster_utils import Cluster
small = {"object_store_memory": 80_000_000}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False, **small})
print(cluster.address, flush=True)
for line in sys.stdin:
    if resources := json.loads(line):
        node = cluster.add_node(**resources, **small)
    else:
        cluster.remove_node(node, allow_graceful=False)
    print("done", flush=True)
cluster.shutdown()
"""


class RayCluster:
    """A head with two CPUs and, after `add`, a second node, which `lose` takes away as a failure would."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**QUIET, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address

    def add(self, **resources: float) -> None:
        """A second node joins."""
        self._say(resources)

    def lose(self) -> None:
        """The second node is gone."""
        self._say({})

    def _say(self, resources: dict[str, float]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(resources) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def close(self) -> None:
        """Ends all nodes."""
        self.process.communicate(timeout=60)

    @property
    def trials(self) -> dict[int, str]:
        """The ids of its processes that train a trial, or have trained one: their titles."""
        return trials_of(self.process.pid)


def trials_of(process: int) -> dict[int, str]:
    """The ids of the processes started by `process` in which Ray trains a trial, or has trained one: their titles."""
    return {pid: title for pid, title in descendants(process).items() if title.startswith(("ray::t", "ray::T"))}
