/* unmet.c - requests no worker can meet: said when submitted, and of jobs that wait for nothing else. */
#include "scheduler/core/core_internal.h"
#include "tests/unit/scheduler/core/world.h"

static struct world w;

static void start(void)
{
	world_init(&w);
}

static void stop(void)
{
	world_fini(&w);
}

TestSuite(unmet, .init = start, .fini = stop);

static struct job *job_of(uint32_t n, const char *request, uint32_t flags)
{
	struct group_spec g = {
		.name = slice_of("t"), .n_tasks = n, .flags = GROUP_ARRAY | flags, .request = slice_of(request)};

	return world_submit(&w, &g, 1, NULL);
}

static void warns(const struct job *j, const char *expected)
{
	uint64_t looks = 1000;
	struct buf out;

	buf_init(&out, 0);
	core_job_unmet(w.core, j, 0, &looks, &out);
	cr_expect_str_eq(buf_str(&out), expected);
	buf_fini(&out);
}

static void waits(const struct job *j, int expected, const char *why)
{
	uint64_t looks = 1000;
	struct buf out;
	size_t n;

	world_round(&w, &n);
	buf_init(&out, 0);
	cr_expect_eq(core_job_waits(w.core, j, &looks, &out), expected, "%s", buf_str(&out));
	cr_expect_str_eq(buf_str(&out), why);
	buf_fini(&out);
}

Test(unmet, each_lack_in_its_words)
{
	uint32_t a;

	warns(job_of(1, "", 0), "no worker is connected; the job waits until one comes");
	a = world_labelled(&w, "a", "cpus=4,gpu=1", "zone=a", (uint64_t)1 << 30);
	world_labelled(&w, "b", "cpus=8", "zone=b", (uint64_t)2 << 30);
	warns(job_of(1, "cpus=8", 0), "");
	warns(job_of(1, "label:zone=c,prefer:zone=d", 0),
	      "no worker that is connected has label zone=c; the job waits until one comes");
	warns(job_of(1, "cpus=16", 0),
	      "no worker that is connected has cpus=16 (the most is 8); the job waits until one comes");
	warns(job_of(1, "fpga=1,memory=3GiB,label:x=y", 0), "no worker that is connected has label x=y or memory=3GiB "
							    "(the most is 2GiB) or fpga; the job waits until one "
							    "comes");
	warns(job_of(1, "cpus=8,gpu=1", 0),
	      "no worker that is connected has all of cpus=8,gpu=1; the job waits until one comes");
	warns(job_of(1, "gpu=2|cpus=9|cpus=10", 0), "no worker that is connected has what any alternative asks for "
						    "(gpu=2|cpus=9|cpus=10); the job waits until one "
						    "comes");
	warns(job_of(1, "gpu=2|cpus=8", 0), "");
	warns(job_of(3, "", GROUP_GANG), "its gang needs 3 workers, and 2 that are connected could take a task of it; "
					 "the job waits until there are "
					 "enough");
	warns(job_of(2, "", GROUP_GANG), "");
	core_worker_set_status(w.core, a, WORKER_DRAINING);
	warns(job_of(1, "gpu=1", 0), "the workers that could run it drain or stop; the job waits until another comes");
	warns(job_of(2, "", GROUP_GANG), "its gang needs 2 workers, and 1 that is connected could take a task of it; "
					 "the job waits until there are "
					 "enough");
	core_worker_set_status(w.core, a, WORKER_ACTIVE);
	core_worker_set_paused(w.core, a, 1);
	warns(job_of(1, "gpu=1", 0), "");
}

Test(unmet, workers_of_other_namespaces_do_not_count)
{
	struct group_spec g[] = {{.name = slice_of("g"), .n_tasks = 1, .request = slice_of("gpu=1")},
				 {.name = slice_of("c"), .n_tasks = 1}};

	world_reserved(&w, "x", "cpus=4,gpu=1", "x");
	w.namespace = "x";
	warns(world_submit(&w, g, 2, NULL), "");
	w.namespace = NULL;
	warns(job_of(1, "gpu=1", 0),
	      "no worker that is connected serves namespace 'default'; the job waits until one comes");
	world_worker(&w, "all", "cpus=1");
	warns(world_submit(&w, g, 2, NULL),
	      "g: no worker that is connected and serves namespace 'default' has gpu; its tasks "
	      "wait until one comes");
}

Test(unmet, of_many_requests_some_are_told)
{
	struct group_spec g[10];
	char names[10][8], requests[10][16];
	struct buf out;
	uint64_t looks = 1000;
	const struct job *j;
	size_t lines = 0;

	world_worker(&w, "a", "cpus=1");
	for (unsigned i = 0; i < 10; i++) {
		snprintf(names[i], sizeof(names[i]), "g%u", i);
		snprintf(requests[i], sizeof(requests[i]), "cpus=%u", 2 + i / 2);
		g[i] = (struct group_spec){.name = slice_of(names[i]), .n_tasks = 1, .request = slice_of(requests[i])};
	}
	buf_init(&out, 0);
	j = world_submit(&w, g, 9, NULL);
	core_job_unmet(w.core, j, 0, &looks, &out);
	for (const char *p = buf_str(&out); *p != '\0'; p++)
		lines += *p == '\n';
	cr_expect_eq(lines, 4, "a line each, though two groups ask for each:\n%s", buf_str(&out));
	buf_reset(&out);
	core_job_unmet(w.core, j, 8, &looks, &out);
	cr_expect_str_eq(buf_str(&out),
			 "g8: no worker that is connected has cpus=6 (the most is 1); its tasks wait until one "
			 "comes");
	snprintf(requests[9], sizeof(requests[9]), "cpus=100");
	g[9].request = slice_of(requests[9]);
	buf_reset(&out);
	core_job_unmet(w.core, world_submit(&w, g, 10, NULL), 0, &looks, &out);
	cr_expect(strstr(buf_str(&out), "\nother groups as well") != NULL, "%s", buf_str(&out));
	buf_fini(&out);
}

Test(unmet, a_job_waits_while_nothing_of_it_can_run)
{
	struct group_spec g[] = {{.name = slice_of("first"), .n_tasks = 1},
				 {.name = slice_of("second"), .n_tasks = 1, .request = slice_of("gpu=1")},
				 {.name = slice_of("third"), .n_tasks = 1}};
	static const char why[] = "second: no worker that is connected has gpu";
	struct job *j, *single;
	uint32_t a;
	uint64_t n;

	single = job_of(2, "", 0);
	waits(single, 1, "no worker is connected");
	a = world_worker(&w, "a", "cpus=1");
	waits(single, 0, "");
	world_done(&w, a, single, 0, 0);
	waits(single, 0, "");
	world_done(&w, a, single, 1, 0);
	waits(single, 0, "");
	j = world_submit(&w, g, 3, "0>2");
	waits(j, 0, why);
	world_done(&w, a, j, 0, 0);
	waits(j, 0, why);
	world_done(&w, a, j, 2, 0);
	waits(j, 1, why);
	world_worker(&w, "b", "gpu=1");
	waits(j, 0, "");
	cr_expect_eq(j->tasks[1].state, TASK_ASSIGNED);
	world_lose(&w, j->tasks[1].worker);
	waits(j, 1, why);
	cr_assert_eq(core_job_cancel(w.core, j, w.now_us, &n), SC_OK);
	waits(j, 0, "");
}

/* What is not found out for want of looks is not said. */
Test(unmet, no_more_workers_are_looked_at_than_may_be)
{
	uint64_t looks = 2, left;
	struct buf out;

	for (int i = 0; i < 4; i++)
		world_worker(&w, (const char[]){(char)('a' + i), '\0'}, "cpus=1");
	buf_init(&out, 0);
	core_job_unmet(w.core, job_of(1, "gpu=1", 0), 0, &looks, &out);
	cr_expect_eq(looks, 0);
	cr_expect_eq(out.len, 0);
	looks = 1000;
	core_job_unmet(w.core, job_of(1, "gpu=1", 0), 0, &looks, &out);
	cr_expect_leq(looks, 1000 - 3 * 4, "whether, in which way, and the most that anybody has");
	cr_expect_geq(looks, 1000 - 4 * 5);
	cr_expect(out.len > 0);
	left = looks;
	core_job_unmet(w.core, job_of(1, "gpu=1", 0), 0, &looks, &out);
	cr_expect_eq(looks, left, "that is known by now");
	buf_fini(&out);
}

/* Each asks for something else: to find out why nobody has it takes looks as well. */
Test(unmet, to_say_why_costs_looks)
{
	struct job *j[20];
	char name[32], request[64];
	uint64_t looks = 1000;
	struct buf out;
	unsigned n = 0;

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "w%d", i);
		world_worker(&w, name, "cpus=1");
	}
	buf_init(&out, 0);
	for (int i = 0; i < 20; i++) {
		snprintf(request, sizeof(request), "cpus=2,label:l=%d", i);
		j[i] = job_of(1, request, 0);
	}
	for (int i = 0; i < 20; i++) {
		buf_reset(&out);
		core_job_unmet(w.core, j[i], 0, &looks, &out);
		n += out.len > 0;
	}
	cr_expect(n >= 4 && n <= 6, "%u", n);
	cr_expect_eq(looks, 0);
	for (int turn = 0; turn < 10; turn++) { /* the next to ask gets further */
		n = 0;
		looks = 1000;
		for (int i = 0; i < 20; i++) {
			buf_reset(&out);
			core_job_unmet(w.core, j[i], 0, &looks, &out);
			n += out.len > 0;
		}
	}
	cr_expect_eq(n, 20);
	buf_fini(&out);
}

Test(unmet, a_quota_that_never_lets_it_out)
{
	struct namespace_limits l = {NAMESPACE_WEIGHT_ONE, UINT64_MAX, 15000};
	struct job *j;

	world_worker(&w, "a", "cpus=4");
	cr_assert_eq(core_namespace_set(w.core, slice_of("default"), &l), SC_OK);
	warns(job_of(1, "cpus=1", 0), "");
	j = job_of(1, "cpus=2", 0);
	warns(j, "the quota of namespace 'default', max-cpus 1.5, never lets it out; the job waits until it is raised");
	l.max_cpus = 20000;
	cr_assert_eq(core_namespace_set(w.core, slice_of("default"), &l), SC_OK);
	warns(j, "");
	warns(job_of(3, "cpus=1", GROUP_GANG), "the quota of namespace 'default', max-cpus 2, never lets its gang out; "
					       "the job waits until it is raised");
}
