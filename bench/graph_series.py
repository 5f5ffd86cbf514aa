#!/usr/bin/env python3
"""Runs of `sched-bench graph` that belong together, as tables: what is promised of scheduling, and how costs grow.

    bench/graph_series.py BIN [table] [growth] [agents]

BIN is where sched-bench is.  Every line of JSON goes to build/bench/graph.jsonl.  Takes about two minutes.
"""
import os
import sys

import series
from series import head, row

KEEP = "build/bench/graph.jsonl"
ROUNDS = 5
BYTES_PER_TASK, BYTES_PER_EDGE = 200, 16

# graph, workers, at most so many microseconds a task
TABLE = [
    ("independent-1m", 24, 1.5),
    ("merge-100k", 24, 2.5),
    ("merge-100k", 168, 2.5),
    ("merge-100k", 1512, 2.5),
    ("tree-15", 24, 3),
    ("merge-10k", 24, 2.5),
    ("merge-30k", 24, 2.5),
    ("join-1-1s-1t", 24, 5),
    ("join-1-1s-1h", 24, 5),
    ("groupby-90-1s-8h", 24, 5),
    ("groupby-360-1s-1h", 24, 5),
    ("groupby-1440-1s-8h", 24, 5),
    ("groupby-1440-1s-1h", 24, 5),
    ("numpy-50k-50", 24, 5),
    ("numpy-50k-100", 24, 5),
    ("bag-50k-50", 24, 5),
    ("bag-25k-200", 24, 5),
    ("xarray-25", 24, 5),
    ("xarray-5", 24, 5),
]

# what is compared with what: ten times the tasks, ten times the workers
GROWTH = [
    (("independent-100k", 24), ("independent-1m", 24)),
    (("merge-100k", 24), ("merge-1m", 24)),
    (("groupby-90-1s-1h", 24), ("groupby-1440-1s-1h", 24)),
    (("independent-1m", 24), ("independent-1m", 240)),
    (("merge-100k", 24), ("merge-100k", 240)),
    (("tree-15", 24), ("tree-15", 240)),
    (("join-1-1s-1t", 24), ("join-1-1s-1t", 240)),
    (("groupby-1440-1s-1h", 24), ("groupby-1440-1s-1h", 240)),
]

AGENTS = ["independent-1m", "merge-100k", "tree-15", "groupby-1440-1s-1h"]


def run(bench, graph, *params):
    return series.run(KEEP, [bench, "graph", "--graph", graph, "--rounds", str(ROUNDS), *map(str, params)])


def table(bench):
    head("graph", "tasks", "edges", "workers", "to reach", "us a task", "median", "scheduler's", "B a task", "allowed",
         "wire B", "messages")
    for graph, workers, most in TABLE:
        m = run(bench, graph, "--workers", workers)
        allowed = BYTES_PER_TASK + BYTES_PER_EDGE * m["edges"] / m["tasks"]
        row(graph, f"{m['tasks']:.0f}", f"{m['edges']:.0f}", workers, f"{most:g}", f"{m['us_per_task']:.2f}",
            f"{m['us_per_task_median']:.2f}", f"{m['scheduler_cpu_us_per_task']:.2f}", f"{m['bytes_per_task']:.0f}",
            f"{allowed:.0f}", f"{m['wire_bytes_per_task']:.1f}", f"{m['messages_per_task']:.3f}")


def growth(bench):
    head("from", "to", "us a task", "factor")
    for (g0, w0), (g1, w1) in GROWTH:
        a = run(bench, g0, "--workers", w0)["us_per_task"]
        b = run(bench, g1, "--workers", w1)["us_per_task"]
        row(f"{g0}, {w0} workers", f"{g1}, {w1} workers", f"{a:.2f} to {b:.2f}", f"{b / a:.2f}")


def agents(bench):
    head("graph", "two agents of two slots: us a task", "scheduler's")
    for graph in AGENTS:
        m = run(bench, graph, "--agents", 2, "--slots", 2)
        row(graph, f"{m['us_per_task']:.2f}", f"{m['scheduler_cpu_us_per_task']:.2f}")


def main():
    bench = os.path.join(sys.argv[1], "sched-bench")
    for part in sys.argv[2:] or ["table", "growth", "agents"]:
        {"table": table, "growth": growth, "agents": agents}[part](bench)
        print(flush=True)


main()
