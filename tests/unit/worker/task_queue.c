/* task_queue.c - tests of worker/task_queue.h with an executor that does what the test says: order, resources, ends. */
#include "worker/task_queue.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "tests/support/raw.h"
#include "tests/support/turns.h"

static struct loop *l;
static struct deadlines *deadlines;
static struct resources resources;
static struct jobs *jobs;
static struct spool spool;
static struct store *store;
static struct answers *answers;
static struct fetcher *fetcher;
static struct task_queue *q;
static struct conn *conn;
static struct raw *scheduler; /* the other end */
static struct buf error;

/* ---- an executor ---------------------------------------------------------------------------------------------- */

static struct task *running[100];
static size_t n_running, n_stopped;

/* Tasks of a group with this name are ahead, if they have to wait; the first of those that were is told to start. */
static struct task *ahead[100];
static size_t n_ahead;
static int may_withdraw;

static int start(void *x, struct task *t, struct outcome *o)
{
	(void)x;
	if (t->key.task == 13) {
		outcome_fail(o, FAIL_SPAWN, 2, "unlucky");
		return 0;
	}
	running[n_running++] = t;
	return 1;
}

static void stop(void *x, struct task *t, int hard)
{
	(void)x;
	(void)t;
	(void)hard;
	n_stopped++;
}

static enum follow follow(void *x, struct task *t)
{
	(void)x;
	if (strcmp(t->group->name, "g7") != 0 || n_ahead == 3)
		return FOLLOW_NO;
	ahead[n_ahead++] = t;
	return FOLLOW_AHEAD;
}

static int withdraw(void *x, struct task *t)
{
	size_t i = 0;

	(void)x;
	while (ahead[i] != t)
		i++;
	if (may_withdraw)
		memmove(ahead + i, ahead + i + 1, (--n_ahead - i) * sizeof(ahead[0]));
	return may_withdraw;
}

static const struct executor executor = {start, stop, follow, withdraw};

static void end_first(unsigned cause)
{
	struct task *t = running[0];
	struct outcome o;

	outcome_init(&o);
	o.cause = cause;
	memmove(running, running + 1, --n_running * sizeof(running[0]));
	if (n_ahead > 0) {
		queue_hand_on(t, ahead[0]);
		queue_started(q, ahead[0]);
		running[n_running++] = ahead[0];
		memmove(ahead, ahead + 1, --n_ahead * sizeof(ahead[0]));
	}
	queue_ended(q, t, &o);
}

/* ---- the world ------------------------------------------------------------------------------------------------ */

static sc_err ignore(struct conn *c, const struct msg *m, void *arg)
{
	(void)c;
	(void)m;
	(void)arg;
	return SC_OK;
}

static const struct conn_handlers handlers = {NULL, ignore, NULL};

static void begin(void)
{
	struct fetch_config fetch = {.parallel = 4, .settled = queue_input_settled};
	struct queue_parts parts;
	int fds[2];

	cr_assert_eq(loop_new(&l), SC_OK);
	cr_assert_eq(deadlines_new(l, &deadlines), SC_OK);
	resources_init(&resources, 2);
	buf_init(&error, 0);
	cr_assert_eq(jobs_new(&jobs), SC_OK);
	cr_assert_eq(store_new(&(struct store_config){.spool = &spool, .memory_bytes = 1000}, &store), SC_OK);
	cr_assert_eq(answers_new(&answers), SC_OK);
	parts = (struct queue_parts){l, deadlines, &resources, jobs, store, answers};
	cr_assert_eq(queue_new(&parts, &q), SC_OK);
	fetch.arg = q;
	cr_assert_eq(fetcher_new(l, deadlines, store, &spool, &fetch, &fetcher), SC_OK);
	queue_set_fetcher(q, fetcher);
	queue_set_executor(q, KIND_EXEC, &executor, NULL);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	cr_assert_eq(conn_new(l, fds[0], &conn_limits_default, &handlers, NULL, &conn), SC_OK);
	scheduler = raw_over(fds[1]);
	answers_connect(answers, conn);
	n_running = n_stopped = n_ahead = 0;
	may_withdraw = 1;
}

static void finish(void)
{
	queue_free(q);
	fetcher_free(fetcher);
	answers_free(answers);
	store_free(store);
	jobs_free(jobs);
	deadlines_free(deadlines);
	loop_free(l);
	raw_free(scheduler);
	buf_fini(&error);
	for (size_t i = 0; i < resources.n; i++)
		cr_assert_eq(resources.v[i].free, resources.v[i].total);
	resources_fini(&resources);
}

TestSuite(task_queue, .init = begin, .fini = finish);

static void define(uint64_t number, unsigned kind, uint64_t first, uint64_t n, const char *request)
{
	char name[16];
	struct msg_group_define m = {.job = 1,
				     .group = number,
				     .first_task = first,
				     .n_tasks = n,
				     .index_step = 1,
				     .kind = kind,
				     .request = slice_of(request)};

	snprintf(name, sizeof(name), "g%" PRIu64, number);
	m.name = slice_of(name);
	cr_assert_eq(jobs_define(jobs, &m, &resources, &error), SC_OK, "%s", buf_str(&error));
}

static sc_err assign(uint64_t group, uint64_t first, uint64_t n)
{
	struct msg_tasks_assign m = {.job = 1, .group = group};
	struct column_writer w;
	sc_err err;

	column_writer_init(&w);
	for (uint64_t i = 0; i < n; i++)
		column_put(&w, first + i);
	m.task = column_of(&w);
	err = queue_assign(q, &m, &error);
	column_writer_fini(&w);
	return err;
}

static void cancel_if(uint64_t task, int unstarted)
{
	struct msg_tasks_cancel m = {.job = 1, .unstarted = unstarted != 0};
	struct column_writer w;

	column_writer_init(&w);
	column_put(&w, task);
	m.task = column_of(&w);
	queue_cancel(q, &m);
	column_writer_fini(&w);
}

static void cancel(uint64_t task)
{
	cancel_if(task, 0);
}

/* The end of a turn; what the queue had to say is written. */
static void turn(void)
{
	queue_turn(q);
	turns_take(l, 1);
}

/* So many tasks are done, told in any number of messages. */
static void expect_done(size_t wanted)
{
	size_t n = 0;

	while (n < wanted)
		n += raw_expect(scheduler, MSG_tasks_done)->u.tasks_done.task.count;
	cr_assert_eq(n, wanted);
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

Test(task_queue, first_come_first_served)
{
	define(0, KIND_EXEC, 0, 4, "cpus=1");
	define(1, KIND_EXEC, 4, 1, "cpus=2");
	define(2, KIND_EXEC, 5, 4, "cpus=1");
	assign(0, 0, 1);
	assign(1, 4, 1);
	assign(2, 5, 2);
	turn();
	cr_assert_eq(n_running, 1); /* the second needs both; nobody overtakes it */
	end_first(0);
	turn();
	cr_assert_eq(n_running, 1);
	cr_assert_eq(running[0]->key.task, 4);
	end_first(0);
	turn();
	cr_assert_eq(n_running, 2);
	end_first(0);
	end_first(0);
	turn();
	cr_assert_eq(queue_running(q) + queue_waiting(q), 0);
	expect_done(4);
}

/* Sums fit, units do not: others go past, but not those that would take the units. */
Test(task_queue, waiting_for_units_is_in_nobodys_way)
{
	cr_assert_eq(resources_add(&resources, "gpu=[0,1]", &error), SC_OK);
	define(0, KIND_EXEC, 0, 2, "cpus=0,gpu=0.7");
	define(1, KIND_EXEC, 2, 1, "cpus=0,gpu=0.6");
	define(2, KIND_EXEC, 3, 1, "cpus=0,gpu=0.2");
	define(3, KIND_EXEC, 4, 3, "cpus=1");
	assign(0, 0, 2);
	assign(1, 2, 1);
	assign(2, 3, 1);
	assign(3, 4, 3);
	turn();
	cr_assert_eq(n_running, 4);
	cr_assert_eq(running[2]->key.task, 4);
	cr_assert_eq(running[3]->key.task, 5); /* the last waits for a cpu */
	end_first(0);
	turn();
	cr_assert_eq(n_running, 5);
	cr_assert_eq(running[3]->key.task, 2);
	cr_assert_eq(running[4]->key.task, 3);
	while (n_running > 0) {
		end_first(0);
		turn();
	}
	cr_assert_eq(queue_running(q) + queue_waiting(q), 0);
	expect_done(7);
}

Test(task_queue, ends_of_a_turn_travel_together)
{
	define(0, KIND_EXEC, 0, 4, "cpus=0.5");
	assign(0, 0, 4);
	turn();
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_running)->u.tasks_running.task.count, 4);
	for (int i = 0; i < 4; i++)
		end_first(0);
	turn();
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_done)->u.tasks_done.task.count, 4);
}

Test(task_queue, failures_at_the_start_do_not_stop_the_others)
{
	const struct msg *m;

	define(0, KIND_EXEC, 0, 20, "cpus=1");
	assign(0, 12, 3);
	turn();
	m = raw_expect(scheduler, MSG_task_failed);
	cr_assert_eq(m->u.task_failed.task, 13);
	cr_assert_eq(m->u.task_failed.cause, FAIL_SPAWN);
	cr_assert_eq(n_running, 2);
	end_first(0);
	end_first(FAIL_EXIT);
	turn();
	cr_assert_eq(raw_expect(scheduler, MSG_task_failed)->u.task_failed.task, 14);
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_done)->u.tasks_done.task.count, 1);
}

Test(task_queue, cancel_in_every_state)
{
	define(0, KIND_EXEC, 0, 10, "cpus=1");
	assign(0, 0, 3);
	turn();
	cancel(2); /* queued: gone at once */
	cancel(0); /* running: told to end */
	cancel(0); /* stopping: nothing more */
	cancel(9); /* never heard of */
	cr_assert_eq(n_stopped, 1);
	turn();
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_cancelled)->u.tasks_cancelled.task.count, 1);
	cr_assert_eq(queue_running(q), 2);
	end_first(FAIL_SIGNAL); /* however it ends, it was cancelled */
	end_first(0);
	turn();
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_done)->u.tasks_done.task.count, 1);
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_cancelled)->u.tasks_cancelled.task.count, 1);
}

/* They run in order, on what others had, and nobody overtakes them. */
Test(task_queue, tasks_that_are_ahead)
{
	define(7, KIND_EXEC, 0, 10, "cpus=1");
	assign(7, 0, 6);
	turn();
	cr_assert_eq(n_running, 2);
	cr_assert_eq(n_ahead, 3);
	cr_assert_eq(queue_running(q), 2);
	cr_assert_eq(queue_waiting(q), 4);
	for (uint64_t i = 0; i < 6; i++) {
		cr_assert_eq(running[0]->key.task, i);
		cr_assert(running[0]->has_resources);
		end_first(0);
		turn();
	}
	cr_assert_eq(queue_running(q) + queue_waiting(q), 0);
}

Test(task_queue, what_is_ahead_can_be_had_back_until_it_starts)
{
	define(7, KIND_EXEC, 0, 10, "cpus=1");
	assign(7, 0, 5);
	turn();
	cr_assert_eq(n_ahead, 3);
	cancel_if(3, 1); /* somebody else is to have it */
	cr_assert_eq(n_ahead, 2);
	turn();
	raw_expect(scheduler, MSG_tasks_running);
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_cancelled)->u.tasks_cancelled.task.count, 1);
	may_withdraw = 0;
	cancel_if(2, 1); /* it has started, though nobody has said so yet */
	cr_assert_eq(n_stopped, 0);
	cancel(2);
	cr_assert_eq(n_stopped, 1);
	end_first(0); /* from now on 2 has what 0 had */
	end_first(0);
	cr_assert_eq(running[0]->key.task, 2);
	end_first(FAIL_SIGNAL);
	end_first(0);
	turn();
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_done)->u.tasks_done.task.count, 3);
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_cancelled)->u.tasks_cancelled.task.count, 1);
	cr_assert_eq(queue_running(q) + queue_waiting(q), 0);
}

/* What it would have followed takes long. */
Test(task_queue, what_was_ahead_is_the_first_again)
{
	struct task *last;

	define(7, KIND_EXEC, 0, 10, "cpus=1");
	assign(7, 0, 6);
	turn();
	while (n_ahead > 0) {
		last = ahead[--n_ahead];
		queue_put_back(q, last);
	}
	define(0, KIND_EXEC, 10, 1, "cpus=1");
	assign(0, 10, 1);
	n_ahead = 3; /* no more */
	ahead[0] = ahead[1] = ahead[2] = NULL;
	for (uint64_t i = 2; i < 6; i++) {
		struct task *t = running[0];
		struct outcome o;

		outcome_init(&o);
		memmove(running, running + 1, --n_running * sizeof(running[0]));
		queue_ended(q, t, &o);
		turn();
		cr_assert_eq(running[1]->key.task, i);
	}
	n_ahead = 0;
	queue_abandon_all(q, 1);
	cr_assert_eq(n_stopped, 2);
	end_first(0);
	end_first(0);
}

Test(task_queue, a_pause_takes_back_what_is_ahead)
{
	define(7, KIND_EXEC, 0, 10, "cpus=1");
	assign(7, 0, 6);
	turn();
	queue_pause(q, 1);
	turn();
	cr_assert_eq(n_ahead, 0);
	cr_assert_eq(queue_waiting(q), 0);
	cr_assert_eq(queue_running(q), 2);
	end_first(0);
	end_first(0);
	turn();
	cr_assert_eq(queue_running(q), 0);
}

Test(task_queue, abandoned_tasks_are_silent_and_their_numbers_free)
{
	define(0, KIND_EXEC, 0, 10, "cpus=1");
	assign(0, 0, 3);
	turn();
	queue_abandon_all(q, 0);
	cr_assert_eq(n_stopped, 2);
	cr_assert_eq(queue_waiting(q), 0);
	assign(0, 0, 1); /* the same task, for a new scheduler */
	turn();
	cr_assert_eq(n_running, 2);
	end_first(0);
	end_first(0);
	turn();
	cr_assert_eq(n_running, 1);
	end_first(0);
	turn();
	/* of the four answers only the last was given */
	cr_assert_eq(raw_expect(scheduler, MSG_tasks_done)->u.tasks_done.task.count, 1);
	cr_assert_null(raw_receive(scheduler, 0));
}

Test(task_queue, noops_need_no_turns)
{
	define(0, KIND_NOOP, 0, 200000, "cpus=1");
	cr_assert_eq(assign(0, 0, 200000), SC_OK);
	turn();
	expect_done(200000);
}

Test(task_queue, assignments_that_make_no_sense)
{
	struct msg_tasks_assign m = {.job = 1};
	struct column_writer task, n_inputs, input;

	cr_assert_eq(assign(0, 0, 1), SC_MALFORMED); /* no such job */
	define(0, KIND_EXEC, 0, 10, "cpus=1");
	cr_assert_eq(assign(1, 0, 1), SC_MALFORMED);
	cr_assert_eq(assign(0, 9, 2), SC_MALFORMED);
	column_writer_init(&task);
	column_writer_init(&n_inputs);
	column_writer_init(&input);
	column_put(&task, 1);
	column_put(&n_inputs, 1);
	column_put(&input, 77);
	m.task = column_of(&task);
	m.n_inputs = column_of(&n_inputs);
	cr_assert_eq(queue_assign(q, &m, &error), SC_MALFORMED); /* one input, none given */
	m.input = m.input_bytes = column_of(&input);
	m.input_holder = column_of(&n_inputs);
	cr_assert_eq(queue_assign(q, &m, &error), SC_MALFORMED); /* in no group, and no such holder */
	column_writer_fini(&task);
	column_writer_fini(&n_inputs);
	column_writer_fini(&input);
	cr_assert_eq(queue_running(q) + queue_waiting(q), 0);
}

Test(task_queue, impossible_requests_fail)
{
	define(0, KIND_EXEC, 0, 1, "cpus=3");
	assign(0, 0, 1);
	define(1, 77, 1, 1, "");
	assign(1, 1, 1);
	turn();
	cr_assert_eq(raw_expect(scheduler, MSG_task_failed)->u.task_failed.cause, FAIL_BODY);
	cr_assert_eq(raw_expect(scheduler, MSG_task_failed)->u.task_failed.cause, FAIL_BODY);
}
