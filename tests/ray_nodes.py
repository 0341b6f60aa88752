"""A Ray cluster on this machine, in a process of its own: each line of its input adds a node with one core.

It prints the address of the cluster, and then the process number of each node's raylet. A line that is not empty is the
home folder of the node.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    """Until the input ends."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    print(cluster.address, flush=True)
    for line in sys.stdin:
        home = {"env_vars": {"HOME": line.strip()}} if line.strip() else {}
        node = cluster.add_node(num_cpus=1, **home)
        print(node.all_processes["raylet"][0].process.pid, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
