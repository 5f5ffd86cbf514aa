/* sim_growth.c - see sim_growth.h. */
#include "bench/sim_growth.h"

#include <stdio.h>

#include "base/mem.h"
#include "bench/chance.h"

#define PERCENT(random, n) (roll(random, 100) < (n))

static uint32_t roll(uint64_t *random, uint32_t n)
{
	return chance_roll(random, n);
}

uint32_t sim_grow(struct core *c, struct job *j, unsigned serial, uint64_t now_us, uint64_t *random)
{
	static const char *const requests[] = {"", "cpus=2", "gpu=1"};
	struct group_spec groups[2];
	char names[2][16];
	struct slice body = slice_of("more");
	struct job_spec spec = {.first_task = j->n_tasks, .n_groups = 1 + roll(random, 2), .groups = groups};
	uint32_t n = 0, e = 0;
	struct buf error;

	for (uint32_t i = 0; i < spec.n_groups; i++) {
		snprintf(names[i], sizeof(names[i]), "g%u.%u", serial, i);
		groups[i] = (struct group_spec){.name = slice_of(names[i]),
						.n_tasks = 1 + roll(random, 4),
						.index_step = 1,
						.flags = PERCENT(random, 20)   ? GROUP_GANG
							 : PERCENT(random, 30) ? GROUP_KEEP
									       : 0,
						.retries = roll(random, 2),
						.request = slice_of(requests[roll(random, 3)]),
						.priority = (int64_t)roll(random, 3),
						.max_running = roll(random, 3)};
		if ((groups[i].flags & GROUP_GANG) != 0)
			groups[i].n_tasks = 1;
		n += groups[i].n_tasks;
	}
	spec.bodies = (struct slices){&body, 1};
	if (PERCENT(random, 80)) {
		spec.in_start = mem_malloc((n + 1) * sizeof(uint32_t));
		spec.in = mem_malloc((size_t)n * 4 * sizeof(uint32_t));
		for (uint32_t t = 0; spec.in_start != NULL && spec.in != NULL && t < n; t++) {
			spec.in_start[t] = e;
			for (uint32_t k = roll(random, 4); k > 0 && j->n_tasks + t > 0; k--)
				spec.in[e++] = roll(random, j->n_tasks + t);
			spec.in_start[t + 1] = e;
		}
	}
	buf_init(&error, 0);
	if (core_submit_more(c, j, &spec, now_us, &error) != SC_OK) {
		mem_free(spec.in_start);
		mem_free(spec.in);
		n = 0;
	}
	buf_fini(&error);
	return n;
}
