#!/usr/bin/env python3
"""The `info` scenario against Dask's scheduler: stub workers that heartbeat, clients that poll its identity.

Prints the same lines as `sched-bench info`, with "system": "dask-<version>".  The scheduler is a process of its own on
a port the kernel picked; workers and clients are coroutines in this one.  A worker has the connection it registered
with and one for its heartbeats, a client has one.  Clients connect first, while the scheduler has nothing else to do:
a saturated one takes longer to accept a connection than anyone waits.

A client asks again `interval` after it asked last, or at once when the answer took longer, and does not decode what it
gets, so that it is the scheduler that is measured.  Who still waits at the end has waited at least that long, and is
counted with it.  A scheduler whose CPU and starved percent add up to 100 is saturated: it was never idle, on a machine
that others used as well.  What goes wrong on the way is said on standard error; what was served is reported in any case
but one: there is no result when the scheduler has ended.

With --default the question is the one that this release's own client polls with ("system": "dask-<version>-default"):
newer ones ask for the totals and no worker.
"""
import argparse
import asyncio
import inspect
import json
import logging
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import distributed
from distributed.client import Client as DaskClient
from distributed.comm import connect, tcp
from distributed.scheduler import Scheduler as DaskScheduler

ALL_WORKERS = -1  # as n_workers of the releases that take one
CONNECTING_AT_ONCE = 50
ANSWER_LIMIT_S = 15  # of an answer while nobody polls
IDLE_S = 3
SETTLE_LIMIT_S = 40
SPARE_S = 5  # of the time limit, for everything that has none of its own

UNREAD = object()  # as the `deserialize` of a connection: its answers are left as they came
decode = tcp.from_frames


async def from_frames(frames, deserialize=True, **kwargs):
    return frames if deserialize is UNREAD else await decode(frames, deserialize=deserialize, **kwargs)


tcp.from_frames = from_frames


def complain(text):
    print(f"dask_info: {text}", file=sys.stderr, flush=True)


def cpu_seconds(pid):
    """Of all threads of that process, by its own clock, which counts nanoseconds; /proc counts ticks of 10 ms."""
    return time.clock_gettime((~pid << 3) | 2)


def starved_seconds(pid):
    """How long its main thread was ready to run and others had the processor; 0 where the kernel does not say."""
    try:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[1]) / 1e9
    except OSError:
        return 0


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
        "event_loop_interval": 0.02, "managed_bytes": 0, "num_fds": 30, "digests_total_since_heartbeat": {},
        "cpu": random.random() * 100, "memory": random.randrange(1 << 30), "time": time.time(),
        "host_net_io": {"read_bps": random.random() * 1e6, "write_bps": random.random() * 1e6},
        "host_disk_io": {"read_bps": 0.0, "write_bps": 0.0},
    }


def parameters(function):
    return inspect.signature(function).parameters


def identity_request(as_client):
    """What is asked; None if this release leaves no choice and the question would be the same as without --default."""
    request = {"op": "identity", "reply": True}
    if "n_workers" not in parameters(DaskScheduler.identity):
        return None if as_client else request
    n_workers = ALL_WORKERS
    if as_client:
        polled = parameters(DaskClient._update_scheduler_info).get("n_workers")
        n_workers = (polled or parameters(DaskScheduler.identity)["n_workers"]).default
        if n_workers == ALL_WORKERS:
            return None
    return {**request, "n_workers": n_workers}


def quantile(ordered, q):
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


class Scenario:
    def __init__(self, args, address, scheduler, deadline):
        self.args, self.address, self.deadline = args, address, deadline
        self.scheduler, self.pid = scheduler, scheduler.pid
        self.interval_s, self.heartbeat_s = args.interval_ms / 1000, args.heartbeat_ms / 1000
        self.register_takes = parameters(DaskScheduler.add_worker)  # it differs between releases
        self.comms, self.workers, self.clients = [], [], []
        self.waiting = {}  # by client: since when
        self.answered, self.waits, self.n_heartbeats, self.n_lost = set(), [], 0, 0
        self.measuring = False

    async def connection(self):
        comm = await connect(self.address, timeout=30)
        self.comms.append(comm)
        return comm

    async def all_of(self, start, n, what, until):
        """Run start(i) for all i < n, some at a time, until all are done or it is that late."""
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def one(i):
            async with gate:
                await start(i)

        tasks = [asyncio.create_task(one(i)) for i in range(n)]
        if not tasks:
            return
        done, late = await asyncio.wait(tasks, timeout=max(1, until - time.monotonic()))
        for task in late:
            task.cancel()
        failed = [task.exception() for task in done if task.exception()]
        if failed:
            complain(f"{len(failed)} of {n} {what} failed, the first with: {failed[0]!r}")
        if late:
            complain(f"{len(late)} of {n} {what} not connected in time")

    async def worker(self, i):
        comm = await self.connection()
        address = f"tcp://10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}:{20000 + i % 30000}"
        request = {
            "address": address, "status": "running", "keys": [],
            "nthreads": 2, "name": f"w{i}", "nbytes": {}, "types": {}, "now": time.time(), "resources": {},
            "memory_limit": 8 << 30, "local_directory": f"/tmp/dask-worker-space/worker-{i:08d}",
            "services": {}, "nanny": "", "pid": 1000 + i, "versions": {}, "metrics": metrics(), "extra": {},
            "stimulus_id": f"register-{i}", "server_id": f"Worker-{i}",
        }
        request = {k: v for k, v in request.items() if k in self.register_takes}
        await comm.write({"op": "register-worker", "reply": False, **request})
        answer = await comm.read()
        if answer.get("status") != "OK":
            raise RuntimeError(f"worker {i} refused: {answer}")
        if not self.args.heartbeat_ms:
            self.heartbeat_s = max(self.heartbeat_s, answer["heartbeat-interval"])
        self.workers.append((address, await self.connection()))

    async def heartbeats(self, address, comm):
        """Of one worker, as often as the scheduler wants them when there are so many."""
        await asyncio.sleep(random.random() * self.heartbeat_s)
        while True:
            began = time.monotonic()
            await comm.write({"op": "heartbeat_worker", "reply": True, "address": address, "now": time.time(),
                              "metrics": metrics(), "executing": {}, "extensions": {}})
            await comm.read()
            self.n_heartbeats += 1
            await asyncio.sleep(max(0, self.heartbeat_s - (time.monotonic() - began)))

    async def client(self, _):
        comm = await self.connection()
        comm.deserialize = UNREAD
        self.clients.append(comm)

    async def polls(self, comm):
        await asyncio.sleep(random.random() * self.interval_s)
        while True:
            began = self.waiting[comm] = time.monotonic()
            await comm.write(self.args.request)
            await comm.read()
            took = time.monotonic() - began
            del self.waiting[comm]
            self.answered.add(comm)
            if self.measuring:
                self.waits.append(took)
            await asyncio.sleep(max(0, self.interval_s - took))

    def repeat(self, coroutines):
        """Run these until the end; one that ends before has lost its connection."""
        def ended(task):
            error = None if task.cancelled() else task.exception()
            if error:
                if not self.n_lost:
                    complain(f"a connection was lost: {error!r}")
                self.n_lost += 1

        tasks = [asyncio.create_task(c) for c in coroutines]
        for task in tasks:
            task.add_done_callback(ended)
        return tasks

    async def answer(self):
        """Of the scheduler when nobody else asks: its bytes on the wire, and how many workers it describes."""
        try:
            return await asyncio.wait_for(self.ask_twice(), ANSWER_LIMIT_S)
        except (asyncio.TimeoutError, OSError) as error:
            complain(f"no answer, though nobody else asks: {error!r}")
            return 0, 0

    async def ask_twice(self):
        comm = await self.connection()
        await comm.write(self.args.request)
        listed = len((await comm.read())["workers"])
        comm.deserialize = UNREAD
        await comm.write(self.args.request)
        return sum(memoryview(frame).nbytes for frame in await comm.read()), listed

    async def settle(self):
        """At least as long as asked, then until each client was served once: before, the queue is still growing."""
        began = time.monotonic()
        until = min(began + SETTLE_LIMIT_S, self.deadline - self.args.seconds - SPARE_S)
        await asyncio.sleep(self.args.settle)
        while len(self.answered) < len(self.clients) and time.monotonic() < until:
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def run(self):
        args = self.args
        until = self.deadline - (ANSWER_LIMIT_S + IDLE_S + args.settle + args.seconds + SPARE_S)
        await self.all_of(self.client, args.polls, "clients", until - 1)
        await self.all_of(self.worker, args.workers, "workers", until)
        tasks = self.repeat(self.heartbeats(address, comm) for address, comm in self.workers)
        size, listed = await self.answer()
        idle, idle_began = cpu_seconds(self.pid), time.monotonic()
        await asyncio.sleep(IDLE_S)
        idle = (cpu_seconds(self.pid) - idle) / (time.monotonic() - idle_began)
        tasks += self.repeat(self.polls(comm) for comm in self.clients)
        settled_s = await self.settle()

        self.measuring, self.n_heartbeats, own = True, 0, time.process_time()
        cpu, starved, began = cpu_seconds(self.pid), starved_seconds(self.pid), time.monotonic()
        await asyncio.sleep(args.seconds)
        self.measuring = False
        now = time.monotonic()
        cpu, own = cpu_seconds(self.pid) - cpu, time.process_time() - own
        starved = starved_seconds(self.pid) - starved
        if self.scheduler.poll() is not None:
            raise RuntimeError(f"the scheduler ended, with status {self.scheduler.returncode}")
        unanswered = [now - since for since in self.waiting.values()]
        self.report(size, listed, idle, cpu, starved, own, unanswered, settled_s, now - began)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for comm in self.comms:
            comm.abort()

    def emit(self, metric, value, unit):
        a = self.args
        print(json.dumps({"bench": "info", "system": a.system, "metric": metric, "value": round(value, 3), "unit": unit,
                          "params": {"workers": a.workers, "polls": a.polls, "interval_ms": a.interval_ms,
                                     "seconds": a.seconds, "settle": a.settle}}), flush=True)

    def report(self, size, listed, idle, cpu, starved, own, unanswered, settled_s, elapsed):
        served = len(self.waits)
        waits = sorted(self.waits + unanswered)
        self.emit("scheduler_cpu_percent", 100 * cpu / elapsed, "%")
        self.emit("scheduler_cpu_percent_heartbeats_only", 100 * idle, "%")
        self.emit("scheduler_starved_percent", 100 * starved / elapsed, "%")
        self.emit("cpu_us_per_update", 1e6 * cpu / served if served else 0, "us")
        self.emit("rss_mib", rss_bytes(self.pid) / (1 << 20), "MiB")
        self.emit("snapshot_bytes", size, "B")
        self.emit("workers_in_answer", listed, "1")
        self.emit("asked_per_s", self.args.polls / self.interval_s, "1/s")
        self.emit("polls_per_s", served / elapsed, "1/s")
        self.emit("polls_unanswered", len(unanswered), "1")
        if waits:
            self.emit("poll_p50_ms", 1e3 * quantile(waits, 0.50), "ms")
            self.emit("poll_p99_ms", 1e3 * quantile(waits, 0.99), "ms")
        self.emit("heartbeat_ms", 1e3 * self.heartbeat_s, "ms")
        self.emit("heartbeats_per_s", self.n_heartbeats / elapsed, "1/s")
        self.emit("workers_connected", len(self.workers), "1")
        self.emit("clients_connected", len(self.clients), "1")
        self.emit("disconnected", self.n_lost, "1")
        self.emit("settled_s", settled_s, "s")
        self.emit("stubs_cpu_percent", 100 * own / elapsed, "%")


def start_scheduler(directory, log_path):
    """A scheduler on a port of the kernel's choice; its address is what it logs."""
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1",
             "--dashboard-address", "127.0.0.1:0", "--no-dashboard"],
            cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=True)
    limit = time.monotonic() + 60
    while time.monotonic() < limit and process.poll() is None:
        with open(log_path, encoding="utf-8", errors="replace") as log:
            found = re.search(r"Scheduler at:\s+(tcp://\S+)", log.read())
        if found:
            return process, found.group(1)
        time.sleep(0.1)
    stop(process)
    with open(log_path, encoding="utf-8", errors="replace") as log:
        sys.exit(f"dask_info: the scheduler did not start:\n{log.read()}")


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def complain_of_log(path):
    """The first things the scheduler found wrong, if any."""
    with open(path, encoding="utf-8", errors="replace") as log:
        errors = re.findall(r"^.* - (?:ERROR|CRITICAL) - .*$", log.read(), re.MULTILINE)
    for line in errors[:5]:
        complain(f"the scheduler logged: {line}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=800)
    parser.add_argument("--polls", type=int, default=800, help="clients that ask for the identity")
    parser.add_argument("--interval-ms", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=10, help="to measure")
    parser.add_argument("--settle", type=int, default=5, help="seconds at least of polling before that")
    parser.add_argument("--heartbeat-ms", type=int, default=0, help="0: what the scheduler asks of its workers")
    parser.add_argument("--default", action="store_true",
                        help="ask as the release's own client does; fails if that is for all workers")
    parser.add_argument("--has-default", action="store_true",
                        help="do nothing but succeed if --default asks for less than all workers")
    parser.add_argument("--limit", type=int, default=150, help="seconds after which there is a result in any case")
    args = parser.parse_args()
    args.system = f"dask-{distributed.__version__}" + ("-default" if args.default else "")
    args.request = identity_request(args.default)
    return args


def main():
    args = parse_arguments()
    if args.has_default or args.request is None:
        sys.exit(identity_request(True) is None)
    deadline = time.monotonic() + args.limit
    logging.getLogger("distributed").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("dask_info: told to end"))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # three descriptors for a worker and a client, in each
    with tempfile.TemporaryDirectory(prefix="dask-info-") as directory:
        log_path = os.path.join(directory, "log")
        process, address = start_scheduler(directory, log_path)
        try:
            asyncio.run(asyncio.wait_for(Scenario(args, address, process, deadline).run(), args.limit + 5))
        except RuntimeError as error:
            sys.exit(f"dask_info: {error}")
        finally:
            stop(process)
            complain_of_log(log_path)


if __name__ == "__main__":
    main()
