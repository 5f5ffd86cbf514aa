/* latency.c - one noop at a time: from submitting it until the client knows that it is done. */
#include "base/mem.h"
#include "bench/bench.h"

#define WARM_UP 100u

static int run(const struct scenario *s)
{
	struct sc_group_spec g = {.name = "noop", .kind = SC_KIND_NOOP};
	uint64_t n = param(s, "tasks"), us = 0, *v = mem_malloc(n * sizeof(*v));
	struct bench_cluster c;
	int failed = v == NULL || bench_cluster_start(&c, 1, 1) != 0;

	if (failed) {
		mem_free(v);
		return 1;
	}
	for (uint64_t i = 0; i < n + WARM_UP && !failed; i++) {
		failed = bench_run_group(&c, &g, &us) != 0;
		if (i >= WARM_UP)
			v[i - WARM_UP] = us;
	}
	bench_cluster_stop(&c);
	if (!failed) {
		sort_u64(v, n);
		emit(s, "p50_us", quantile(v, n, 0.50), "us");
		emit(s, "p99_us", quantile(v, n, 0.99), "us");
	}
	mem_free(v);
	return failed;
}

struct scenario scenario_latency = {"latency",
				    "one noop, from submission until the client knows it is done",
				    run,
				    {{"tasks", 5000, "how many, one after the other", PARAM_COUNT, NULL}}};
