/*
 * job_message.c - a job as the message that submits it.
 *
 * A column in which every value is the default is left empty, so that an array of a million tasks is a few hundred
 * bytes. All columns together belong to struct job_columns.
 */
#include <string.h>

#include "base/mem.h"
#include "client/client.h"
#include "client/job_build.h"

enum {
	C_AFTER,
	C_N_TASKS,
	C_INDEX_FIRST,
	C_INDEX_STEP,
	C_FLAGS,
	C_KIND,
	C_BODY,
	C_REQUEST,
	C_RETRIES,
	C_TIME_LIMIT,
	C_PRIORITY,
	C_N_INPUTS,
	C_INPUT,
	C_MAX_RUNNING,
	C_N_RANGES,
	C_RANGE_FIRST,
	C_RANGE_STEP,
	C_RANGE_N,
	COLUMNS
};

struct job_columns {
	struct column_writer w[COLUMNS];
	struct slice *names;
	struct slice *bodies;
	struct slice *requests;
	struct slice *items;
	uint64_t n_of_task; /* inputs of the task being visited */
	int more;	    /* for a job that is there: inputs are told apart from those that are tasks of it */
};

void job_columns_free(struct job_columns *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < COLUMNS; i++)
		column_writer_fini(&c->w[i]);
	mem_free(c->names);
	mem_free(c->bodies);
	mem_free(c->requests);
	mem_free(c->items);
	mem_free(c);
}

static sc_err put_input(uint64_t task, uint64_t input, void *arg)
{
	struct job_columns *c = arg;

	(void)task;
	column_put(&c->w[C_INPUT], c->more ? 2 * input : input);
	c->n_of_task++;
	return SC_OK;
}

static sc_err put_earlier(uint64_t task, uint64_t input, void *arg)
{
	struct job_columns *c = arg;

	(void)task;
	column_put(&c->w[C_INPUT], 2 * input + 1);
	c->n_of_task++;
	return SC_OK;
}

static sc_err put_n_inputs(uint64_t task, void *arg)
{
	struct job_columns *c = arg;

	(void)task;
	column_put(&c->w[C_N_INPUTS], c->n_of_task);
	c->n_of_task = 0;
	return SC_OK;
}

/* Fill one column from a member of every group, unless all have the default. */
#define PUT_GROUPS(column, value, default_)                                                                            \
	do {                                                                                                           \
		int all_default_ = 1;                                                                                  \
		for (size_t i_ = 0; i_ < job->n_groups; i_++) {                                                        \
			const struct job_group *g = job->groups[i_];                                                   \
			all_default_ &= (uint64_t)(value) == (uint64_t)(default_);                                     \
		}                                                                                                      \
		for (size_t i_ = 0; i_ < job->n_groups && !all_default_; i_++) {                                       \
			const struct job_group *g = job->groups[i_];                                                   \
			column_put(&c->w[column], (uint64_t)(value));                                                  \
		}                                                                                                      \
	} while (0)

#define NO_DEFAULT UINT64_MAX /* columns that are always written; no value is this large */

static void put_groups(const struct sc_job *job, struct job_columns *c)
{
	PUT_GROUPS(C_N_TASKS, g->n_tasks, NO_DEFAULT);
	PUT_GROUPS(C_KIND, g->kind, NO_DEFAULT);
	PUT_GROUPS(C_BODY, g->body, NO_DEFAULT);
	PUT_GROUPS(C_REQUEST, g->request, NO_DEFAULT);
	PUT_GROUPS(C_INDEX_FIRST, g->index_first, 0);
	PUT_GROUPS(C_INDEX_STEP, g->index_step, 1);
	PUT_GROUPS(C_FLAGS, g->flags, 0);
	PUT_GROUPS(C_RETRIES, g->retries, 0);
	PUT_GROUPS(C_TIME_LIMIT, g->time_limit_ms, 0);
	PUT_GROUPS(C_PRIORITY, msg_zigzag(g->priority), 0);
	PUT_GROUPS(C_MAX_RUNNING, g->max_running, 0);
	PUT_GROUPS(C_N_RANGES, g->indexes != NULL ? g->indexes->n_ranges : 0, 0);
	for (size_t i = 0; i < job->n_groups; i++) {
		const struct index_list *l = job->groups[i]->indexes;

		for (size_t k = 0; l != NULL && k < l->n_ranges; k++) {
			column_put(&c->w[C_RANGE_FIRST], l->v[k].range.first);
			column_put(&c->w[C_RANGE_STEP], l->v[k].range.step);
			column_put(&c->w[C_RANGE_N], l->v[k].range.n);
		}
	}
}

static struct slice *slices_of_shared(const struct shared_texts *s)
{
	struct slice *v = mem_malloc(s->n * sizeof(*v));

	for (size_t i = 0; v != NULL && i < s->n; i++)
		v[i] = (struct slice){s->v[i]->bytes, s->v[i]->n};
	return v;
}

static sc_err make_lists(const struct sc_job *job, struct job_columns *c)
{
	c->names = mem_malloc(job->n_groups * sizeof(*c->names));
	c->bodies = slices_of_shared(&job->bodies);
	c->requests = slices_of_shared(&job->requests);
	c->items = mem_malloc(job->n_items * sizeof(*c->items));
	if (c->names == NULL || c->bodies == NULL || c->requests == NULL || c->items == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < job->n_groups; i++)
		c->names[i] = slice_of(job->groups[i]->name);
	for (size_t i = 0; i < job->n_items; i++) {
		size_t from = i == 0 ? 0 : job->item_ends[i - 1];

		c->items[i] = (struct slice){(const char *)job->item_bytes.data + from, job->item_ends[i] - from};
	}
	return SC_OK;
}

static sc_err columns_err(const struct job_columns *c)
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (buf_err(&c->w[i].bytes) != SC_OK)
			return buf_err(&c->w[i].bytes);
	return SC_OK;
}

static void fill_message(const struct sc_job *job, struct job_columns *c, struct msg_submit *m)
{
	*m = (struct msg_submit){
		.name = slice_of(job->name),
		.namespace = job->name_space != NULL ? slice_of(job->name_space) : (struct slice){"", 0},
		.priority = job->priority,
		.after = column_of(&c->w[C_AFTER]),
		.group_name = {c->names, job->n_groups},
		.group_n_tasks = column_of(&c->w[C_N_TASKS]),
		.group_index_first = column_of(&c->w[C_INDEX_FIRST]),
		.group_index_step = column_of(&c->w[C_INDEX_STEP]),
		.group_flags = column_of(&c->w[C_FLAGS]),
		.group_kind = column_of(&c->w[C_KIND]),
		.group_body = column_of(&c->w[C_BODY]),
		.group_request = column_of(&c->w[C_REQUEST]),
		.group_retries = column_of(&c->w[C_RETRIES]),
		.group_time_limit_ms = column_of(&c->w[C_TIME_LIMIT]),
		.group_priority = column_of(&c->w[C_PRIORITY]),
		.bodies = {c->bodies, job->bodies.n},
		.requests = {c->requests, job->requests.n},
		.items = {c->items, job->n_items},
		.n_inputs = column_of(&c->w[C_N_INPUTS]),
		.input = column_of(&c->w[C_INPUT]),
		.flags = job->flags,
		.max_fails = job->max_fails,
		.group_max_running = column_of(&c->w[C_MAX_RUNNING]),
		.group_n_ranges = column_of(&c->w[C_N_RANGES]),
		.range_first = column_of(&c->w[C_RANGE_FIRST]),
		.range_step = column_of(&c->w[C_RANGE_STEP]),
		.range_n = column_of(&c->w[C_RANGE_N]),
	};
}

static sc_err make_message(struct sc_job *job, int more, struct msg_submit *out, struct job_columns **columns)
{
	struct job_columns *c = mem_calloc(1, sizeof(*c));
	struct job_visitor v = {put_input, put_earlier, put_n_inputs, c};
	sc_err err;

	if (c == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	c->more = more;
	for (size_t i = 0; i < COLUMNS; i++)
		column_writer_init(&c->w[i]);
	for (size_t i = 0; i < job->n_after; i++)
		column_put(&c->w[C_AFTER], job->after[i]);
	put_groups(job, c);
	err = make_lists(job, c);
	if (err == SC_OK && job_count_inputs(job) > 0)
		err = job_each_input(job, &v);
	if (err == SC_OK)
		err = columns_err(c);
	if (err != SC_OK) {
		job_columns_free(c);
		return client_error(err, "job %s: %s", job->name, sc_err_text(err));
	}
	fill_message(job, c, out);
	*columns = c;
	return SC_OK;
}

sc_err job_message(struct sc_job *job, struct msg_submit *out, struct job_columns **columns)
{
	if (job->n_earlier > 0)
		return client_error(SC_INVALID,
				    "job %s takes results of tasks that are there already: it is more of a job",
				    job->name);
	return make_message(job, 0, out, columns);
}

sc_err job_message_more(struct sc_job *job, struct msg_submit_more *out, struct job_columns **columns)
{
	struct msg_submit m;
	sc_err err = make_message(job, 1, &m, columns);

	if (err != SC_OK)
		return err;
	*out = (struct msg_submit_more){
		.group_name = m.group_name,
		.group_n_tasks = m.group_n_tasks,
		.group_index_first = m.group_index_first,
		.group_index_step = m.group_index_step,
		.group_flags = m.group_flags,
		.group_kind = m.group_kind,
		.group_body = m.group_body,
		.group_request = m.group_request,
		.group_retries = m.group_retries,
		.group_time_limit_ms = m.group_time_limit_ms,
		.group_priority = m.group_priority,
		.bodies = m.bodies,
		.requests = m.requests,
		.items = m.items,
		.n_inputs = m.n_inputs,
		.input = m.input,
		.group_max_running = m.group_max_running,
		.group_n_ranges = m.group_n_ranges,
		.range_first = m.range_first,
		.range_step = m.range_step,
		.range_n = m.range_n,
	};
	return SC_OK;
}
