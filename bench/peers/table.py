#!/usr/bin/env python3
"""Lines of sched-bench and of its peers on standard input, a table with a column per system on standard output.

Rows are what at least two systems have, and one of them is a peer, if there is any.  What was asked for and what was
served are rows of their own: an update counts where updates are pushed, an answer where they are polled.
"""
import json
import sys

rows, systems, peers = {}, [], set()


def put(metric, unit, system, value):
    rows.setdefault((metric, unit), {})[system] = value


for line in sys.stdin:
    if not line.startswith("{"):
        continue
    result = json.loads(line)
    params = result["params"]
    polls = params.get("polls", 0)
    system = result.get("system") or ("sched, polled" if polls else "sched, subscribed")
    if system not in systems:
        systems.append(system)
        if result["bench"] == "info":
            put("asked_per_s", "1/s", system, (polls or params.get("subscribers", 0)) * 1000 / params["interval_ms"])
            put("served_per_s", "1/s", system, None)
    if "system" in result:
        peers.add(system)
    if result["metric"] == ("polls_per_s" if polls else "updates_per_s"):
        put("served_per_s", "1/s", system, result["value"])
    elif result["metric"] not in ("asked_per_s", "updates_per_s"):
        put(result["metric"], result["unit"], system, result["value"])

width = max(map(len, systems), default=0)
print(f"{'metric':<43}" + "".join(f"  {s:>{width}}" for s in systems))
for (metric, unit), values in rows.items():
    if len(values) < min(2, len(systems)) or peers and not peers & values.keys():
        continue
    cells = [f"{values[s]:.6g}" if values.get(s) is not None else "-" for s in systems]
    print(f"{metric + ', ' + unit if unit != '1' else metric:<43}" + "".join(f"  {c:>{width}}" for c in cells))
