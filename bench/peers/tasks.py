#!/usr/bin/env python3
"""Tasks that do nothing through one system, ours or a peer's, on this machine: microseconds a task.

    tasks.py SYSTEM [--bin DIR] [--width N] [--program PATH]

`true_us`: independent /bin/true, as many at once as the width.  `merge_true_us`: the same, and one more that waits for
all of them.  `independent_us`, `merge_us`: the same graphs of tasks that are no processes, where the system has such.
From submitting until the client knows the end, graphs made before; the median of rounds, one for what is slow.  Output of
the processes is thrown away where the system offers that; ours keeps it.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

TRUE = "/bin/true"
PROCESSES = 2000
EMPTY = 10000
EMPTY_OF_PEERS = 5000
ROUNDS = 3
GRAPH = """tasks:
  source:
    foreach: 1-{n}
    run: [{true}]
    cwd: /
  sink:
    inputs: [source]
    run: [{true}]
    cwd: /
"""


def emit(metric, value, n, unit="us"):
    print(json.dumps({"bench": "tasks", "system": args.label or args.system, "metric": metric, "value": round(value, 3),
                      "unit": unit, "params": {"tasks": n, "width": args.width}}), file=results, flush=True)


def timed(metric, n, run, rounds=ROUNDS):
    """Emit the median of what run() takes for n tasks."""
    took = []
    for _ in range(rounds):
        began = time.monotonic()
        run()
        took.append(time.monotonic() - began)
    emit(metric, 1e6 * statistics.median(took) / n, n)


def bench(*words):
    """The figures of one scenario of sched-bench."""
    out = subprocess.run([os.path.join(args.bin, "sched-bench"), *words], check=True, stdout=subprocess.PIPE, text=True)
    return {r["metric"]: r["value"] for r in map(json.loads, out.stdout.splitlines())}


def start(name, *words):
    """A program of ours, once it says that it serves."""
    p = subprocess.Popen([os.path.join(args.bin, name), *words], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
    if not p.stdout.readline().startswith("ready "):
        sys.exit(f"tasks: {name} did not start")
    return p


def sched():
    exec_ = bench("exec", "--tasks", str(PROCESSES), "--slots", str(args.width), "--rounds", str(ROUNDS))
    emit("true_us", 1e6 / exec_["tasks_per_s"], PROCESSES)
    agents = ("--agents", "1", "--workers", "1", "--slots", str(args.width), "--rounds", str(ROUNDS))
    emit("independent_us", bench("graph", "--graph", "independent-10k", *agents)["us_per_task_median"], EMPTY)
    emit("merge_us", bench("graph", "--graph", "merge-10k", *agents)["us_per_task_median"], EMPTY + 1)
    emit("call_us", bench("call", "--slots", str(args.width))["us_per_task"], 1000000)
    with tempfile.TemporaryDirectory() as directory:
        access, graph = os.path.join(directory, "access.yaml"), os.path.join(directory, "merge.yaml")
        with open(graph, "w", encoding="ascii") as f:
            f.write(GRAPH.format(n=PROCESSES, true=TRUE))
        processes = [start("sched", "--access-file", access)]
        try:
            processes.append(start("sched-worker", "--access-file", access, "--slots", str(args.width)))
            command = [os.path.join(args.bin, "schedctl"), "--access-file", access, "run", "--no-progress", graph]
            timed("merge_true_us", PROCESSES + 1, lambda: subprocess.run(command, check=True))
        finally:
            for p in reversed(processes):
                p.terminate()
                p.wait()


def bare():
    """A loop of posix_spawn and wait, one thread that captures nothing."""
    exec_ = bench("exec", "--tasks", str(PROCESSES), "--slots", str(args.width), "--rounds", str(ROUNDS))
    emit("true_us", 1e6 / exec_["bare_per_s"], PROCESSES)


def piped(n, *command):
    numbers = "".join(f"{i}\n" for i in range(n))
    return lambda: subprocess.run(command, input=numbers, text=True, check=True)


def xargs():
    timed("true_us", PROCESSES, piped(PROCESSES, "xargs", "-P", str(args.width), "-n", "1", TRUE))


def parallel():
    n = PROCESSES // 3
    # once, as it takes its time
    timed("true_us", n, piped(n, args.program or "parallel", "-j", str(args.width), "-n0", TRUE), 1)


def hyperqueue():
    """Server, worker and client are of the package; the client asks once a second whether the job has ended."""
    os.environ["TQDM_DISABLE"] = "1"  # its progress bar
    from hyperqueue import Job, LocalCluster
    from hyperqueue.cluster import WorkerConfig

    def job(n, merge):
        j = Job()
        sources = [j.program([TRUE], stdout=None, stderr=None) for _ in range(n)]
        if merge:
            j.program([TRUE], stdout=None, stderr=None, deps=sources)
        return j

    def run(j):
        client.wait_for_jobs([client.submit(j)])

    with LocalCluster(worker_config=WorkerConfig(cores=args.width)) as cluster:
        client = cluster.client()
        run(job(10, False))
        for metric, merge in (("true_us", False), ("merge_true_us", True)):
            j = job(PROCESSES, merge)
            timed(metric, PROCESSES + merge, lambda j=j: run(j), 1)


def nothing(*_):
    return None


def dask():
    import distributed

    def independent():
        distributed.wait(client.map(nothing, range(EMPTY_OF_PEERS), pure=False))

    def merge():
        graph = {f"source-{i}-{next(number)}": (nothing, i) for i in range(EMPTY_OF_PEERS)}
        sink = f"sink-{next(number)}"
        client.get({**graph, sink: (nothing, list(graph))}, sink)

    number = iter(range(1 << 30))
    with distributed.LocalCluster(n_workers=args.width, threads_per_worker=1, processes=True, host="127.0.0.1",
                                  dashboard_address=None) as cluster, distributed.Client(cluster) as client:
        distributed.wait(client.map(nothing, range(100), pure=False))
        timed("independent_us", EMPTY_OF_PEERS, independent, 1)
        timed("merge_us", EMPTY_OF_PEERS + 1, merge, 1)


SYSTEMS = {f.__name__: f for f in (sched, bare, xargs, parallel, hyperqueue, dask)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--label", help="the system's name in the results")
    parser.add_argument("--bin", default="build/bin")
    parser.add_argument("--width", type=int, default=os.cpu_count(), help="tasks at once")
    parser.add_argument("--program", help="where GNU parallel is")
    args = parser.parse_args()
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries and programs have to say is no result
    SYSTEMS[args.system]()
