/*
 * graph.c - graphs of tasks that do nothing: what scheduling a task costs, and what it takes to remember one.
 *
 * A real scheduler in a process of its own, the real client library, and workers that answer at once (zero_workers.h)
 * or real agents.  The makespan is from the arrays of the graph to the client knowing that the last task is done:
 * making the job, submitting it, running it.  Each round has a scheduler of its own, which has run a small job before;
 * the fastest counts, since on a shared machine all that comes on top is the neighbours.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/graphs.h"
#include "bench/zero_workers.h"

#define BYTES_PER_MIB (1024.0 * 1024.0)
#define ROUNDS_MAX    100u

/* What one round has shown. */
struct figures {
	uint64_t makespan_us, cpu_us;
	uint64_t peak_bytes, grown_bytes; /* of the scheduler's resident memory */
	uint64_t wire_bytes, messages;	  /* to and from all peers of the scheduler */
};

struct round {
	struct bench_cluster cluster;
	struct zero_workers *zero; /* NULL: real agents */
	const struct graph *graph;
	struct figures figures;
	int failed;
};

static sc_err make_job(const struct graph *g, struct sc_job **out)
{
	sc_err err = sc_job_new("graph", out);

	if (err != SC_OK)
		return err;
	for (size_t i = 0; i < g->n_groups && err == SC_OK; i++) {
		const struct graph_group *from = &g->groups[i];
		struct sc_group_spec spec = {.name = from->name, .kind = SC_KIND_NOOP, .count = from->n_tasks};

		if (from->sleep_us > 0) {
			spec.kind = SC_KIND_SLEEP;
			spec.sleep_us = from->sleep_us;
		}
		err = sc_job_add_group(*out, &spec, NULL);
	}
	if (err == SC_OK && g->n_edges > 0)
		err = sc_job_add_inputs(*out, 0, g->n_tasks, g->counts, g->inputs);
	return err;
}

static sc_err run_job(struct round *r, const struct graph *g)
{
	struct sc_progress last = {0};
	struct sc_job *job = NULL;
	uint64_t id = 0;
	sc_err err = make_job(g, &job);

	if (err == SC_OK)
		err = sc_client_submit(r->cluster.client, job, &id);
	if (err == SC_OK)
		err = sc_client_wait(r->cluster.client, id, 0, UINT64_MAX, NULL, NULL, &last);
	sc_job_free(job);
	if (err == SC_OK && last.state == SC_JOB_DONE)
		return SC_OK;
	fprintf(stderr, "sched-bench: the job did not succeed: %s\n",
		err != SC_OK ? sc_client_error_text(r->cluster.client) : last.text);
	return SC_BAD_STATE;
}

/* Sums of the scheduler's counters; 0 when it does not answer. */
static void count_wire(struct sc_client *client, uint64_t *bytes, uint64_t *messages)
{
	struct sc_stats *s;

	*bytes = *messages = 0;
	if (sc_client_stats(client, &s) != SC_OK)
		return;
	for (size_t i = 0; i < s->n_metrics; i++) {
		if (strncmp(s->metrics[i].name, "sched_net_bytes_", 16) == 0)
			*bytes += s->metrics[i].value;
		else if (strncmp(s->metrics[i].name, "sched_net_messages_", 19) == 0)
			*messages += s->metrics[i].value;
	}
	sc_stats_free(s);
}

/* A small job first, so that the scheduler is in memory, with the pages it works in. */
static sc_err warm_up(struct round *r)
{
	struct graph g;
	sc_err err = graph_make("merge-100", &g);

	if (err == SC_OK)
		err = run_job(r, &g);
	graph_fini(&g);
	return err;
}

static void measure(struct round *r)
{
	struct figures *f = &r->figures;
	uint64_t bytes, messages, rss, cpu, start;

	r->failed = warm_up(r) != SC_OK;
	if (r->failed)
		return;
	count_wire(r->cluster.client, &bytes, &messages);
	rss = process_rss_bytes(r->cluster.sched);
	cpu = process_cpu_us(r->cluster.sched);
	start = clock_monotonic_us();
	r->failed = run_job(r, r->graph) != SC_OK;
	f->makespan_us = clock_monotonic_us() - start;
	f->cpu_us = process_cpu_us(r->cluster.sched) - cpu;
	f->peak_bytes = process_peak_bytes(r->cluster.sched);
	f->grown_bytes = f->peak_bytes > rss ? f->peak_bytes - rss : 0;
	count_wire(r->cluster.client, &f->wire_bytes, &f->messages);
	f->wire_bytes -= bytes;
	f->messages -= messages;
}

static void *client_thread(void *arg)
{
	struct round *r = arg;

	measure(r);
	zero_workers_finish(r->zero);
	return NULL;
}

/* The client in a thread of its own, the workers in this one. */
static int serve_zero(struct round *r)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, client_thread, r) != 0)
		return -1;
	if (zero_workers_serve(r->zero) != 0)
		sc_client_close(r->cluster.client); /* nobody would answer it */
	pthread_join(thread, NULL);
	return 0;
}

static int run_round(const struct scenario *s, const struct graph *g, struct figures *out)
{
	uint64_t n_agents = param(s, "agents");
	struct round r = {.graph = g};

	if (bench_cluster_start(&r.cluster, n_agents, (unsigned)param(s, "slots")) != 0)
		return -1;
	if (n_agents > 0)
		measure(&r);
	else if (zero_workers_start(r.cluster.access_file, param(s, "workers"), &r.zero) != 0 || serve_zero(&r) != 0)
		r.failed = 1;
	zero_workers_free(r.zero);
	bench_cluster_stop(&r.cluster);
	*out = r.figures;
	return r.failed ? -1 : 0;
}

static void emit_figures(const struct scenario *s, const struct graph *g, const struct figures *f, double median_us)
{
	double n = (double)g->n_tasks, us = (double)f->makespan_us;

	emit(s, "tasks", n, "1");
	emit(s, "edges", (double)g->n_edges, "1");
	emit(s, "makespan_s", us / US_PER_S, "s");
	emit(s, "us_per_task", us / n, "us");
	emit(s, "us_per_task_median", median_us / n, "us");
	emit(s, "tasks_per_s", n * US_PER_S / us, "1/s");
	emit(s, "scheduler_cpu_us_per_task", (double)f->cpu_us / n, "us");
	emit(s, "peak_rss_mib", (double)f->peak_bytes / BYTES_PER_MIB, "MiB");
	emit(s, "bytes_per_task", (double)f->grown_bytes / n, "B");
	emit(s, "wire_bytes_per_task", (double)f->wire_bytes / n, "B");
	emit(s, "messages_per_task", (double)f->messages / n, "1");
}

static int run_rounds(const struct scenario *s, const struct graph *g)
{
	uint64_t n = param(s, "rounds"), us[ROUNDS_MAX];
	struct figures best = {.makespan_us = UINT64_MAX}, f;

	for (uint64_t i = 0; i < n; i++) {
		if (run_round(s, g, &f) != 0)
			return 1;
		us[i] = f.makespan_us;
		if (f.makespan_us < best.makespan_us)
			best = f;
	}
	sort_u64(us, n);
	emit_figures(s, g, &best, quantile(us, n, 0.5));
	return 0;
}

static int usage(const char *what)
{
	fprintf(stderr, "sched-bench: graph: %s\n", what);
	return 2;
}

static int run(const struct scenario *s)
{
	const char *name = param_text(s, "graph");
	struct graph g;
	sc_err err;
	int status;

	if (param(s, "zero") != 0 && param(s, "agents") > 0)
		return usage("either --zero or --agents");
	if (param(s, "rounds") == 0 || param(s, "rounds") > ROUNDS_MAX || param(s, "workers") == 0)
		return usage("--rounds 1 to 100, --workers at least 1");
	if (param(s, "workers") + DESCRIPTORS_SPARE > descriptors_raise())
		return usage("--workers: not so many descriptors are allowed");
	setenv("SCHED_CLIENT__SCHEDULER_INFO_INTERVAL", "off", 1); /* our own client is not to be counted */
	err = graph_make(name, &g);
	if (err != SC_OK)
		fprintf(stderr, "sched-bench: graph %s: %s; there are %s\n", name, sc_err_text(err), graph_names);
	status = err == SC_OK ? run_rounds(s, &g) : 2;
	graph_fini(&g);
	return status;
}

struct scenario scenario_graph = {
	"graph",
	"a graph of tasks that do nothing: workers that answer at once, or real agents; the fastest round counts",
	run,
	{{"graph", 0, "which one: independent-1m, merge-100k, tree-15, groupby-1440-1s-1h ...", PARAM_TEXT,
	  "merge-100k"},
	 {"workers", 24, "that answer at once, over TCP", PARAM_COUNT, NULL},
	 {"zero", 0, "workers that answer at once, as is usual", PARAM_FLAG, NULL},
	 {"agents", 0, "real worker processes instead, at most 64", PARAM_COUNT, NULL},
	 {"slots", 2, "of each of those", PARAM_COUNT, NULL},
	 {"rounds", 5, "times, each with a new scheduler", PARAM_COUNT, NULL}}};
