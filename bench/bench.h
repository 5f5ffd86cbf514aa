/*
 * bench.h - what scenarios share: parameters, a cluster of real processes, one JSON object per result.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/sched_client.h"

#define PARAMS_MAX 16

enum param_kind { PARAM_COUNT, PARAM_DURATION, PARAM_TEXT, PARAM_FLAG };

/* A parameter of a scenario: --name VALUE, or only --name when it is a flag. */
struct param {
	const char *name;
	uint64_t value; /* the default, until it is given; a duration in milliseconds; of a flag 0 or 1 */
	const char *help;
	enum param_kind kind; /* a duration is given as "2s" and told as NAME_ms */
	const char *text;     /* of a text, instead of the value; borrowed */
};

struct scenario {
	const char *name;
	const char *help;
	int (*run)(const struct scenario *s); /* exit status */
	struct param params[PARAMS_MAX];      /* up to the first without a name */
};

extern struct scenario scenario_latency, scenario_exec, scenario_noop, scenario_array, scenario_call, scenario_info,
	scenario_sim, scenario_graph, scenario_transfer, scenario_round;

uint64_t param(const struct scenario *s, const char *name);
const char *param_text(const struct scenario *s, const char *name);

/* One line on standard output: {"bench":...,"metric":...,"value":...,"unit":...,"params":{...}}. */
void emit(const struct scenario *s, const char *metric, double value, const char *unit);

/* A scheduler and workers of our own, and a client connected to them. */
struct bench_cluster {
	char dir[64];
	char access_file[96];
	pid_t sched;
	pid_t workers[64];
	size_t n_workers;
	struct sc_client *client;
};

/* The path of what is built beside sched-bench. */
void bench_path(const char *name, char *out, size_t cap);

/* The binaries are those beside sched-bench itself.  Says on standard error what went wrong; -1 then. */
int bench_cluster_start(struct bench_cluster *c, size_t n_workers, unsigned slots);
void bench_cluster_stop(struct bench_cluster *c);

/* Resident bytes, the most there ever were, and CPU microseconds of a process; 0 when it is gone. */
uint64_t process_rss_bytes(pid_t pid);
uint64_t process_peak_bytes(pid_t pid);
uint64_t process_cpu_us(pid_t pid);
uint64_t process_children_cpu_us(pid_t pid); /* those it has waited for */

/* Submit a job of one group and wait for its end; 0 and *us, or -1 after saying what went wrong. */
int bench_run_group(struct bench_cluster *c, const struct sc_group_spec *g, uint64_t *us);

/* Allow this process and those it starts as many descriptors as it may; how many that is. */
uint64_t descriptors_raise(void);
#define DESCRIPTORS_SPARE 100u /* for other things than connections, in either process */

/* The value at quantile q of n sorted values. */
double quantile(const uint64_t *sorted, size_t n, double q);
void sort_u64(uint64_t *v, size_t n);

#endif
