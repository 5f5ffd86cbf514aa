/* report_groups.c - how the groups of a job fare: run times, waiting times, what was moved. */
#include <inttypes.h>

#include "scheduler/rows.h"
#include "scheduler/scheduler.h"

static void group_row(struct rows *r, const struct group *g, uint64_t now)
{
	const struct group_times *t = &g->times;

	rows_put_text(r, 0, slice_of(g->name));
	rows_put_text(r, 1, slice_of(g->class->request->text));
	rows_put(r, 0, g->n_tasks);
	rows_put(r, 1, t->n_runs);
	rows_put(r, 2, (uint64_t)t->run_min_us);
	rows_put(r, 3, group_times_mean_run_us(t));
	rows_put(r, 4, (uint64_t)t->run_max_us);
	rows_put(r, 5, t->n_waits);
	rows_put(r, 6, group_times_mean_wait_us(t, now));
	rows_put(r, 7, t->moved_bytes);
}

sc_err report_groups(struct scheduler *s, struct conn *c, const struct msg_group_list *m)
{
	size_t limit = m->limit == 0 || m->limit > ROWS_MAX ? ROWS_MAX : (size_t)m->limit;
	struct msg_group_rows a = {.request = m->request};
	const struct job *j = core_job(s->core, m->job);
	uint64_t at = m->from;
	struct rows r;

	if (j == NULL) {
		conn_send_error(c, m->request, SC_NOT_FOUND, "there is no job %" PRIu64, m->job);
		return SC_OK;
	}
	rows_init(&r);
	for (size_t n = 0; at < j->n_groups && n < limit; at++, n++)
		group_row(&r, &j->groups[at], loop_now_us(s->loop));
	conn_charge(c, (at - (m->from < at ? m->from : at)) / ROWS_PER_MESSAGE);
	a.job = j->id;
	a.name = rows_texts(&r, 0);
	a.request_text = rows_texts(&r, 1);
	a.n_tasks = rows_column(&r, 0);
	a.n_runs = rows_column(&r, 1);
	a.run_min_us = rows_column(&r, 2);
	a.run_mean_us = rows_column(&r, 3);
	a.run_max_us = rows_column(&r, 4);
	a.n_waits = rows_column(&r, 5);
	a.wait_mean_us = rows_column(&r, 6);
	a.moved_bytes = rows_column(&r, 7);
	a.next = at < j->n_groups ? at : 0;
	return rows_answer(c, &r, m->request, MSG_group_rows, &a);
}
