"""Ray on a cluster that is there already: a node is lost, trials share a GPU."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import QUIET, assert_ends, assert_whole, started

CLUSTER = """
import sys
from ray.cluster_utils import Cluster
nodes = {nodes}
cluster = Cluster(initialize_head=True, head_node_args=nodes[0] | {{"object_store_memory": 80_000_000}})
others = [cluster.add_node(**node, object_store_memory=80_000_000) for node in nodes[1:]]
print(cluster.address, flush=True)
sys.stdin.readline()
for node in others:
    cluster.remove_node(node, allow_graceful=False)
print("removed", flush=True)
sys.stdin.readline()
cluster.shutdown()
"""


class Nodes:
    """Nodes of a cluster on this machine, by their resources; after `lose` only the first is left."""

    def __init__(self, *nodes: dict[str, int]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER.format(nodes=nodes)],
            env={**QUIET, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def __enter__(self) -> "Nodes":
        return self

    def lose(self) -> None:
        """Takes all nodes but the first away, as a failure would."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "removed\n"

    def __exit__(self, *error: object) -> None:
        self.process.communicate("\n\n", timeout=60)


@pytest.mark.slow
def test_a_lost_node_is_survived(tmp_path: Path) -> None:
    """Two nodes, one lost in mid-run: its trial is trained again on the other, and the search ends with all trials."""
    with Nodes({"num_cpus": 1}, {"num_cpus": 1}) as nodes:
        arguments = ["--executor", "ray", "--address", nodes.address]
        settings = ["--set", "proxy.recipe.epochs=30", "--set", "confirm.top=1"]
        with started(tmp_path, "space.yaml", "--name", "run", *arguments, *settings, RAY_AUTH_MODE="token") as process:
            metrics = [tmp_path / f"runs/run/trials/000{number}/metrics.jsonl" for number in (0, 1)]
            deadline = time.monotonic() + 150
            while not all(path.is_file() and path.read_text() for path in metrics) and time.monotonic() < deadline:
                time.sleep(0.05)  # until both nodes train
            nodes.lose()
            assert_ends(process, tmp_path, 0)
        errors = (tmp_path / "errors").read_text()
        assert "2 worker(s) of Ray" in errors
        assert "it is trained again" in errors
        assert_whole(tmp_path, "run", 5)


@pytest.mark.slow
@pytest.mark.parametrize(("gpus", "workers"), [("0.5", 2), ("1", 1)])
def test_trials_share_a_gpu(tmp_path: Path, gpus: str, workers: int) -> None:
    """Of a node with one GPU, as Ray counts them, two trials have half each side by side, or one has it all."""
    with Nodes({"num_cpus": 2, "num_gpus": 1}) as nodes:
        arguments = ["--executor", "ray", "--address", nodes.address, "--gpus", gpus]
        with started(tmp_path, "space.yaml", "--name", "run", *arguments, RAY_AUTH_MODE="token") as process:
            assert_ends(process, tmp_path, 0)
    assert f"{workers} worker(s) of Ray" in (tmp_path / "errors").read_text()
    assert_whole(tmp_path, "run", 5)
