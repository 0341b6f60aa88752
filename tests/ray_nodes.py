"""A Ray cluster on this machine, in a process of its own: each line "add" on its input adds a node with one core.

It prints the address of the cluster, and then the process number of each node's raylet.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Until the input ends."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        node = cluster.add_node(num_cpus=1)
        print(node.all_processes["raylet"][0].process.pid, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
