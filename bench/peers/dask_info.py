#!/usr/bin/env python3
"""The `info` scenario against Dask's scheduler: stub workers that heartbeat, clients that poll its identity.

Prints the same lines as `sched-bench info`, with "system": "dask-<version>".  The scheduler is a process of its own on
a port the kernel picked; workers and clients are coroutines in this one, each with a connection.  A client asks again
`interval` after it asked last, or at once when the answer took longer; what is left unanswered at the end is given up.
"""
import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

import distributed
from distributed.comm import connect

SYSTEM = "dask-" + distributed.__version__
TICKS = os.sysconf("SC_CLK_TCK")
CONNECT_LIMIT_S = 45


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def metrics():
    """What a worker of Dask tells of itself; the same noise as our stubs make."""
    return {
        "task_counts": {"executing": random.randrange(2)},
        "executing": random.randrange(2), "in_memory": random.randrange(100), "ready": 0, "in_flight": 0,
        "bandwidth": {"total": 100000000, "workers": {}, "types": {}},
        "spilled_bytes": {"memory": 0, "disk": 0},
        "transfer": {"incoming_bytes": 0, "incoming_count": 0, "incoming_count_total": 0,
                     "outgoing_bytes": 0, "outgoing_count": 0, "outgoing_count_total": 0},
        "event_loop_interval": 0.02, "managed_bytes": 0, "num_fds": 30,
        "cpu": random.random() * 100, "memory": random.randrange(1 << 30), "time": time.time(),
        "host_net_io": {"read_bps": random.random() * 1e6, "write_bps": random.random() * 1e6},
        "host_disk_io": {"read_bps": 0.0, "write_bps": 0.0},
    }


class Scenario:
    def __init__(self, args, address, pid):
        self.args, self.address, self.pid = args, address, pid
        self.interval_s = args.interval_ms / 1000
        self.workers = []
        self.waits, self.answer_bytes, self.asked = [], 0, 0
        self.measuring = False

    async def worker(self, i):
        comm = await connect(self.address, timeout=30)
        address = f"tcp://10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}:{20000 + i % 30000}"
        request = {
            "address": address, "status": "running", "keys": [],
            "nthreads": 2, "name": f"w{i}", "nbytes": {}, "types": {}, "now": time.time(), "resources": {},
            "memory_limit": 8 << 30, "local_directory": f"/tmp/dask-worker-space/worker-{i:08d}",
            "services": {}, "nanny": "", "pid": 1000 + i, "versions": {}, "metrics": metrics(), "extra": {},
            "stimulus_id": f"register-{i}", "server_id": f"Worker-{i}",
        }
        request = {k: v for k, v in request.items() if k in self.args.register_takes}  # it differs between releases
        await comm.write({"op": "register-worker", "reply": False, **request})
        answer = await comm.read()
        if answer.get("status") != "OK":
            raise RuntimeError(f"worker {i} refused: {answer}")
        self.workers.append((address, comm))

    async def heartbeats(self, interval_s):
        """Of all workers, spread evenly over the interval, over one connection."""
        comm = await connect(self.address, timeout=30)
        started, sent = time.monotonic(), 0
        while True:
            for address, _ in self.workers:
                await comm.write({"op": "heartbeat_worker", "reply": True, "address": address, "now": time.time(),
                                  "metrics": metrics(), "executing": {}, "extensions": {}})
                await comm.read()
                sent += 1
                due = started + sent * interval_s / len(self.workers)
                await asyncio.sleep(max(0, due - time.monotonic()))

    async def client(self):
        request = {"op": "identity", "reply": True}
        if self.args.n_workers >= 0 and "n_workers" in self.args.identity_takes:
            request["n_workers"] = self.args.n_workers
        comm = await connect(self.address, timeout=60)
        self.connected += 1
        await asyncio.sleep(random.random() * self.interval_s)
        while True:
            began = time.monotonic()
            if self.measuring:
                self.asked += 1
            await comm.write(request)
            await comm.read()
            took = time.monotonic() - began
            if self.measuring:
                self.waits.append(took)
            await asyncio.sleep(max(0, self.interval_s - took))

    async def answer_size(self):
        """Bytes of one answer on the wire's form, and that with 'all workers' asked for where that is an option."""
        from distributed.protocol import dumps
        request = {"op": "identity", "reply": True}
        if "n_workers" in self.args.identity_takes:
            request["n_workers"] = self.args.n_workers
        comm = await connect(self.address, timeout=60)
        await comm.write(request)
        answer = await comm.read()
        await comm.close()
        return sum(map(len, dumps(answer))), len(answer["workers"])

    async def run(self):
        args, tasks, self.connected = self.args, [], 0
        for at in range(0, args.workers, 50):
            await asyncio.wait_for(
                asyncio.gather(*[self.worker(i) for i in range(at, min(args.workers, at + 50))]), CONNECT_LIMIT_S)
        tasks.append(asyncio.create_task(self.heartbeats(args.heartbeat_ms / 1000)))
        await asyncio.sleep(1)
        size, listed = await self.answer_size()
        idle_cpu, idle_began = cpu_seconds(self.pid), time.monotonic()
        await asyncio.sleep(3)
        idle = 100 * (cpu_seconds(self.pid) - idle_cpu) / (time.monotonic() - idle_began)
        for _ in range(args.polls):
            tasks.append(asyncio.create_task(self.client()))
            if len(tasks) % 50 == 0:
                await asyncio.sleep(0.05)
        limit = time.monotonic() + CONNECT_LIMIT_S
        while self.connected < args.polls and time.monotonic() < limit:
            await asyncio.sleep(0.1)
        await asyncio.sleep(args.settle)
        self.measuring = True
        cpu, began = cpu_seconds(self.pid), time.monotonic()
        await asyncio.sleep(args.seconds)
        self.measuring = False
        elapsed = time.monotonic() - began
        cpu = cpu_seconds(self.pid) - cpu
        self.report(size, listed, idle, cpu, elapsed)
        for task in tasks:
            task.cancel()

    def emit(self, metric, value, unit):
        a = self.args
        print(json.dumps({"bench": "info", "system": SYSTEM, "metric": metric, "value": round(value, 3), "unit": unit,
                          "params": {"workers": a.workers, "polls": a.polls, "interval-ms": a.interval_ms,
                                     "seconds": a.seconds, "settle": a.settle}}), flush=True)

    def report(self, size, listed, idle, cpu, elapsed):
        waits = sorted(self.waits)
        self.emit("scheduler_cpu_percent", 100 * cpu / elapsed, "%")
        self.emit("scheduler_cpu_percent_heartbeats_only", idle, "%")
        self.emit("cpu_us_per_update", 1e6 * cpu / len(waits) if waits else 0, "us")
        self.emit("rss_mib", rss_bytes(self.pid) / (1 << 20), "MiB")
        self.emit("snapshot_bytes", size, "B")
        self.emit("workers_in_answer", listed, "1")
        self.emit("clients_connected", self.connected, "1")
        self.emit("asked_per_s", self.args.polls / self.interval_s, "1/s")
        self.emit("polls_per_s", len(waits) / elapsed, "1/s")
        if waits:
            self.emit("poll_p50_ms", 1e3 * waits[len(waits) // 2], "ms")
            self.emit("poll_p99_ms", 1e3 * waits[min(len(waits) - 1, int(0.99 * len(waits)))], "ms")
        self.emit("heartbeat_ms", self.args.heartbeat_ms, "ms")


def start_scheduler(log_path):
    """A scheduler on a port of the kernel's choice; its address is what it logs."""
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1",
             "--no-dashboard", "--no-show"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=True)
    limit = time.monotonic() + 60
    while time.monotonic() < limit and process.poll() is None:
        with open(log_path, encoding="utf-8", errors="replace") as log:
            found = re.search(r"Scheduler at:\s+(tcp://\S+)", log.read())
        if found:
            return process, found.group(1)
        time.sleep(0.1)
    process.kill()
    process.wait()
    with open(log_path, encoding="utf-8", errors="replace") as log:
        sys.exit(f"dask_info: the scheduler did not start:\n{log.read()}")


def main():
    import inspect
    from distributed.scheduler import Scheduler as DaskScheduler

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=800)
    parser.add_argument("--polls", type=int, default=800, help="clients that ask for the identity")
    parser.add_argument("--interval-ms", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--settle", type=int, default=5)
    parser.add_argument("--heartbeat-ms", type=int, default=2000)
    parser.add_argument("--n-workers", type=int, default=-1,
                        help="how many workers an answer describes, where that can be asked for; -1: all")
    args = parser.parse_args()
    args.register_takes = inspect.signature(DaskScheduler.add_worker).parameters
    args.identity_takes = inspect.signature(DaskScheduler.identity).parameters
    with tempfile.TemporaryDirectory(prefix="dask-info-") as directory:
        process, address = start_scheduler(os.path.join(directory, "log"))
        try:
            limit = 2 * CONNECT_LIMIT_S + args.settle + args.seconds + 60
            asyncio.run(asyncio.wait_for(Scenario(args, address, process.pid).run(), limit))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
