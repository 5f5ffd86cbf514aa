#!/usr/bin/env python3
"""Lines of sched-bench and of its peers on standard input, a table with a column per system on standard output."""
import json
import sys

rows, systems = {}, []
for line in sys.stdin:
    if not line.startswith("{"):
        continue
    result = json.loads(line)
    params = result["params"]
    system = result.get("system") or ("sched, polled" if params.get("polls") else "sched, subscribed")
    if system not in systems:
        systems.append(system)
    rows.setdefault((result["metric"], result["unit"]), {})[system] = result["value"]

width = max(map(len, systems), default=0)
print(f"{'metric':<40}" + "".join(f"  {s:>{width}}" for s in systems))
for (metric, unit), values in rows.items():
    if len(values) < 2:
        continue
    cells = [f"{values[s]:.6g}" if s in values else "-" for s in systems]
    print(f"{metric + ', ' + unit if unit != '1' else metric:<40}" + "".join(f"  {c:>{width}}" for c in cells))
