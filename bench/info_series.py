#!/usr/bin/env python3
"""Runs of `sched-bench info` that belong together, as tables: what is promised of cluster info, and how costs grow.

    bench/info_series.py BIN [scenarios] [growth]

BIN is where sched-bench is.  Every line of JSON goes to build/bench/info.jsonl.  Takes about ten minutes; nothing else
should run meanwhile.
"""
import os
import sys

import series
from series import head, row

KEEP = "build/bench/info.jsonl"


def run(bench, env=None, **params):
    return series.run(KEEP, [bench, "info"] + [x for k, v in params.items()
                                               for x in ("--" + k.replace("_", "-"), str(v))], env)


def cpu(m):
    return (f"{m['scheduler_cpu_percent']:.2f} % (updates {m['info_cpu_percent']:.2f} %, "
            f"heartbeats {m['heartbeat_cpu_percent']:.2f} %)")


def seconds(ms):
    return f"{ms / 1000:g} s"


def median(values):
    return sorted(values)[len(values) // 2]


def scenarios(bench):
    head("scenario", "to reach", "measured")
    m = run(bench, workers=800, subscribers=800, interval="2s", seconds=30, settle=10)
    row("everything about 800 workers", "at most 16 KiB, a delta with all changed at most 6 KiB",
        f"{m['snapshot_bytes']:.0f} B, {m.get('delta_bytes_all_changed', 0):.0f} B")
    row("800 workers, 800 subscribers at 2 s", "all served, at most 1.5 % of a core, p99 staleness at most 2150 ms",
        f"{m['updates_per_s']:.0f} updates/s, {cpu(m)}, p50 {m['staleness_p50_ms']:.0f} ms, "
        f"p99 {m['staleness_p99_ms']:.0f} ms, granted {seconds(m['interval_granted_ms'])}, {m['gaps']:.0f} gaps")

    without, among = [], []
    for _ in range(3):
        without.append(run(bench, workers=800, subscribers=0, seconds=15, settle=10))
        among.append(run(bench, workers=800, subscribers=0, worker_clients=800, seconds=15, settle=10))
    row("800 workers, 800 worker clients instead", "0 pushes, no measurable cost",
        f"{max(m['worker_client_pushes'] for m in among):.0f} pushes; three runs each, alternating, "
        + ", ".join(f"{m['scheduler_cpu_percent']:.3f} %" for m in among) + " with them, "
        + ", ".join(f"{m['scheduler_cpu_percent']:.3f} %" for m in without) + " without")

    m = run(bench, workers=9950, subscribers=9950, interval="2s", seconds=60, settle=60)
    row("9,950 workers, 9,950 subscribers, 2 s asked", "updates at most 1 % by widening, at most 400 MiB, nobody cut off",
        f"granted {seconds(m['interval_granted_ms'])}, {cpu(m)}, {m['rss_mib']:.0f} MiB, "
        f"{m['disconnected']:.0f} cut off, {m['gaps']:.0f} gaps")

    m = run(bench, workers=10000, subscribers=100, interval="2s", change_rate=1, seconds=20, settle=20)
    row("10,000 workers, 100 subscribers, 1 % of the workers change in a second", "at most 1/20 of the bytes of snapshots",
        f"{m['delta_bytes_mean']:.0f} B a delta, {m['snapshot_bytes']:.0f} B a snapshot: "
        f"1/{m['snapshot_bytes'] / m['delta_bytes_mean']:.0f}; granted {seconds(m['interval_granted_ms'])}, {cpu(m)}")

    each = [run(bench, workers=8000, subscribers=1000, interval="2s", slow=k, seconds=40, settle=40) for k in (0, 100)]
    row("8,000 workers, 1,000 subscribers of which 100 stop reading", "the others' staleness unchanged, memory bounded",
        "; ".join(f"{k} stopped: p50 {m['staleness_p50_ms']:.0f} ms, p99 {m['staleness_p99_ms']:.0f} ms, "
                  f"{m['rss_mib']:.1f} MiB ({m['rss_mib'] - m['rss_before_mib']:+.1f} in 40 s), "
                  f"{m['skipped']:.0f} times passed over, {m['disconnected']:.0f} cut off, "
                  f"granted {seconds(m['interval_granted_ms'])}" for k, m in zip((0, 100), each)))


def growth(bench):
    env = {"SCHED_INFO__CPU_BUDGET": "100%", "SCHED_INFO__BANDWIDTH_BUDGET": "0",
           "SCHED_INFO__HEARTBEAT_BUDGET": "100%", "SCHED_SCHEDULER__HEARTBEAT_INTERVAL": "2s"}
    head("workers", "subscribers", "changing", "updates/s", "updates' CPU", "us an update", "delta", "heartbeats' CPU")
    for n, m, rate in ((100, 100, 100), (1000, 100, 100), (8000, 100, 100),
                       (800, 10, 100), (800, 1000, 100), (800, 8000, 100),
                       (8000, 1000, 1), (8000, 1000, 10), (8000, 1000, 100)):
        r = run(bench, env, workers=n, subscribers=m, interval="2s", change_rate=rate, seconds=12, settle=8)
        row(n, m, f"{rate} %/s", f"{r['updates_per_s']:.0f}", f"{r['info_cpu_percent']:.2f} %",
            f"{r['info_cpu_us_per_update']:.1f}", f"{r['delta_bytes_mean']:.0f} B",
            f"{r['heartbeat_cpu_percent']:.2f} %")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    parts = {"scenarios": scenarios, "growth": growth}
    for name in sys.argv[2:] or parts:
        parts[name](os.path.join(sys.argv[1], "sched-bench"))
        print()


if __name__ == "__main__":
    main()
