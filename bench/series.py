"""What the series of benchmark runs share: a run of sched-bench, its lines kept, and tables in Markdown."""
import json
import os
import subprocess
import sys


def run(keep, argv, env=None):
    """One run; {metric: value}.  Its lines are appended to the file `keep`."""
    print("  ".join(argv[1:]), file=sys.stderr, flush=True)
    done = subprocess.run(argv, stdout=subprocess.PIPE, env={**os.environ, **(env or {})}, text=True, check=True)
    os.makedirs(os.path.dirname(keep), exist_ok=True)
    with open(keep, "a", encoding="utf-8") as lines:
        lines.write(done.stdout)
    return {line["metric"]: line["value"] for line in map(json.loads, done.stdout.splitlines())}


def row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


def head(*cells):
    row(*cells)
    row(*("---" for _ in cells))
