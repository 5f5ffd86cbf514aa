/* submit.c - a job, or more tasks for one, as they travel become what the core takes. */
#include <inttypes.h>

#include "base/mem.h"
#include "scheduler/scheduler.h"

#define DEFAULT_NAMESPACE "default"
#define KIND_MAX	  255u /* as in group_define */
#define ITEM_MAX_BYTES	  65536u
#define REQUEST_MAX_BYTES 4096u
#define FLAGS_KNOWN	  (GROUP_ARRAY | GROUP_ITEMS | GROUP_KEEP | GROUP_WANT | GROUP_GANG)

/* A column of one value per group, or an empty one for the default. */
static sc_err check_column(const char *name, const struct column *c, size_t n, int may_be_empty, struct buf *error)
{
	if (c->count == n || (may_be_empty && c->count == 0))
		return SC_OK;
	buf_printf(error, "submit: %s has %zu values for %zu groups", name, c->count, n);
	return SC_MALFORMED;
}

static sc_err check_columns(const struct msg_submit *m, struct buf *error)
{
	size_t n = m->group_name.n;
	sc_err err = check_column("group_n_tasks", &m->group_n_tasks, n, 0, error);

	if (err == SC_OK)
		err = check_column("group_kind", &m->group_kind, n, 0, error);
	if (err == SC_OK)
		err = check_column("group_body", &m->group_body, n, 0, error);
	if (err == SC_OK)
		err = check_column("group_request", &m->group_request, n, 1, error);
	if (err == SC_OK)
		err = check_column("group_index_first", &m->group_index_first, n, 1, error);
	if (err == SC_OK)
		err = check_column("group_index_step", &m->group_index_step, n, 1, error);
	if (err == SC_OK)
		err = check_column("group_flags", &m->group_flags, n, 1, error);
	if (err == SC_OK)
		err = check_column("group_retries", &m->group_retries, n, 1, error);
	if (err == SC_OK)
		err = check_column("group_time_limit_ms", &m->group_time_limit_ms, n, 1, error);
	if (err == SC_OK)
		err = check_column("group_priority", &m->group_priority, n, 1, error);
	if (err == SC_OK)
		err = check_column("group_max_running", &m->group_max_running, n, 1, error);
	if (err == SC_OK)
		err = check_column("group_n_ranges", &m->group_n_ranges, n, 1, error);
	return err;
}

static uint32_t narrow(uint64_t v)
{
	return v < UINT32_MAX ? (uint32_t)v
			      : UINT32_MAX; /* for retries no limit at all, else refused as out of range */
}

/* What a worker could not be told must not get as far as one. */
static sc_err check_group(const struct group_spec *g, struct buf *error)
{
	if (g->priority > 1000000 || g->priority < -1000000)
		buf_printf(error, "submit: priority %" PRId64 " of group '%.*s': -1000000 to 1000000 are allowed",
			   g->priority, (int)g->name.n, g->name.p);
	else if (g->kind > KIND_MAX)
		buf_printf(error, "submit: kind %u of group '%.*s': at most %u is possible", g->kind, (int)g->name.n,
			   g->name.p, KIND_MAX);
	else if ((g->flags & ~(uint32_t)FLAGS_KNOWN) != 0)
		buf_printf(error, "submit: flags %#x of group '%.*s' are not known", g->flags, (int)g->name.n,
			   g->name.p);
	else if (g->request.n > REQUEST_MAX_BYTES)
		buf_printf(error, "submit: request of group '%.*s': at most %u bytes are possible", (int)g->name.n,
			   g->name.p, REQUEST_MAX_BYTES);
	else
		return SC_OK;
	return SC_INVALID;
}

static sc_err check_items(const struct msg_submit *m, struct buf *error)
{
	for (size_t i = 0; i < m->items.n; i++) {
		if (m->items.v[i].n > ITEM_MAX_BYTES) {
			buf_printf(error, "submit: item %zu has %zu bytes: at most %u are possible", i, m->items.v[i].n,
				   ITEM_MAX_BYTES);
			return SC_TOO_BIG;
		}
	}
	return SC_OK;
}

/* The ranges of all groups, one after the other; *out is the caller's. */
static sc_err read_ranges(const struct msg_submit *m, struct index_range **out, struct buf *error)
{
	size_t n = m->range_first.count;
	struct column_reader first, step, count;

	if (m->range_step.count != n || m->range_n.count != n) {
		buf_printf(error, "submit: columns of ranges are of different lengths");
		return SC_MALFORMED;
	}
	*out = mem_malloc(n * sizeof(**out));
	if (*out == NULL)
		return SC_NOMEM;
	column_read(&first, &m->range_first);
	column_read(&step, &m->range_step);
	column_read(&count, &m->range_n);
	for (size_t i = 0; i < n; i++) {
		(*out)[i].first = column_next(&first);
		(*out)[i].step = column_next(&step);
		(*out)[i].n = column_next(&count);
	}
	return SC_OK;
}

/* Each group gets those that are its own. */
static sc_err share_out_ranges(const struct msg_submit *m, struct group_spec *groups, const struct index_range *ranges,
			       struct buf *error)
{
	uint64_t at = 0, all = m->range_first.count;
	struct column_reader n_ranges;

	column_read(&n_ranges, &m->group_n_ranges);
	for (size_t i = 0; i < m->group_n_ranges.count && at <= all; i++) {
		uint64_t n = column_next(&n_ranges);

		groups[i].ranges = n > 0 && at < all ? ranges + at : NULL;
		groups[i].n_ranges = (size_t)n;
		at = n <= all - at ? at + n : all + 1;
	}
	if (at == all)
		return SC_OK;
	buf_printf(error, "submit: group_n_ranges does not add up to the %" PRIu64 " ranges", all);
	return SC_MALFORMED;
}

static sc_err read_groups(const struct msg_submit *m, struct group_spec *groups, struct buf *error)
{
	struct column_reader max_running, n_tasks, first, step, flags, kind, body, request, retries, limit, priority;

	column_read(&n_tasks, &m->group_n_tasks);
	column_read(&first, &m->group_index_first);
	column_read(&step, &m->group_index_step);
	column_read(&flags, &m->group_flags);
	column_read(&kind, &m->group_kind);
	column_read(&body, &m->group_body);
	column_read(&request, &m->group_request);
	column_read(&retries, &m->group_retries);
	column_read(&limit, &m->group_time_limit_ms);
	column_read(&priority, &m->group_priority);
	column_read(&max_running, &m->group_max_running);
	for (size_t i = 0; i < m->group_name.n; i++) {
		struct group_spec *g = &groups[i];
		uint64_t which = column_next(&request);
		sc_err err;

		*g = (struct group_spec){
			.name = m->group_name.v[i],
			.n_tasks = narrow(column_next(&n_tasks)),
			.index_first = column_next(&first),
			.index_step = column_next(&step),
			.flags = narrow(column_next(&flags)),
			.kind = narrow(column_next(&kind)),
			.body = narrow(column_next(&body)),
			.retries = narrow(column_next(&retries)),
			.time_limit_ms = column_next(&limit),
			.priority = msg_unzigzag(column_next(&priority)),
			.max_running = narrow(column_next(&max_running)),
		};
		if (m->group_request.count > 0 && which >= m->requests.n) {
			buf_printf(error, "submit: request %" PRIu64 " of %zu", which, m->requests.n);
			return SC_MALFORMED;
		}
		if (m->group_request.count > 0)
			g->request = m->requests.v[which];
		err = check_group(g, error);
		if (err != SC_OK)
			return err;
	}
	return SC_OK;
}

/* The inputs of more tasks: places among them, and numbers of tasks that are there, become numbers. */
static sc_err number_inputs(struct job_spec *spec, uint64_t n_tasks, size_t n, struct buf *error)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t v = spec->in[i] / 2;

		if (spec->in[i] % 2 == 0 ? v >= n_tasks : v >= spec->first_task) {
			buf_printf(error, "submit_more: there is no task %u to take input from %s", v,
				   spec->in[i] % 2 == 0 ? "among these" : "in the job");
			return SC_INVALID;
		}
		spec->in[i] = spec->in[i] % 2 == 0 ? spec->first_task + v : v;
	}
	return SC_OK;
}

/* Both columns become compressed sparse rows, owned by the caller. */
static sc_err read_edges(const struct msg_submit *m, uint64_t n_tasks, struct job_spec *spec, struct buf *error)
{
	struct column_reader n, input;
	uint64_t sum = 0;

	if (m->n_inputs.count == 0 && m->input.count == 0)
		return SC_OK;
	if (m->n_inputs.count != n_tasks) {
		buf_printf(error, "submit: n_inputs has %zu values for %" PRIu64 " tasks", m->n_inputs.count, n_tasks);
		return SC_MALFORMED;
	}
	spec->in_start = mem_malloc(((size_t)n_tasks + 1) * sizeof(*spec->in_start));
	spec->in = mem_malloc(m->input.count * sizeof(*spec->in));
	if (spec->in_start == NULL || spec->in == NULL)
		return SC_NOMEM;
	column_read(&n, &m->n_inputs);
	for (size_t i = 0; i < n_tasks; i++) {
		uint64_t k = column_next(&n);

		spec->in_start[i] = (uint32_t)sum;
		if (k > m->input.count - sum) {
			sum = UINT64_MAX;
			break;
		}
		sum += k;
	}
	if (sum != m->input.count || sum > UINT32_MAX) {
		buf_printf(error, "submit: n_inputs does not add up to the %zu inputs", m->input.count);
		return SC_MALFORMED;
	}
	spec->in_start[n_tasks] = (uint32_t)sum;
	column_read(&input, &m->input);
	for (size_t i = 0; i < sum; i++)
		spec->in[i] = narrow(column_next(&input));
	return SC_OK;
}

static sc_err read_after(const struct msg_submit *m, uint64_t **out)
{
	struct column_reader r;

	*out = mem_malloc(m->after.count * sizeof(**out));
	if (*out == NULL)
		return SC_NOMEM;
	column_read(&r, &m->after);
	for (size_t i = 0; i < m->after.count; i++)
		(*out)[i] = column_next(&r);
	return SC_OK;
}

static uint64_t count_tasks(const struct group_spec *groups, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += groups[i].n_tasks;
	return sum;
}

/* What has to be given back when the core has taken what it wants, or refused. */
struct reading {
	struct group_spec *groups;
	struct index_range *ranges;
	uint64_t *after;
};

static sc_err read_spec(const struct msg_submit *m, struct job_spec *spec, struct reading *r, struct buf *error)
{
	sc_err err = check_columns(m, error);

	r->groups = mem_malloc(m->group_name.n * sizeof(*r->groups));
	if (r->groups == NULL)
		return SC_NOMEM;
	if (err == SC_OK)
		err = check_items(m, error);
	if (err == SC_OK)
		err = read_groups(m, r->groups, error);
	if (err == SC_OK)
		err = read_ranges(m, &r->ranges, error);
	if (err == SC_OK)
		err = share_out_ranges(m, r->groups, r->ranges, error);
	if (err == SC_OK)
		err = read_edges(m, count_tasks(r->groups, m->group_name.n), spec, error);
	if (err == SC_OK)
		err = read_after(m, &r->after);
	if (err != SC_OK)
		return err;
	spec->name = m->name;
	spec->namespace = m->namespace.n > 0 ? m->namespace : slice_of(DEFAULT_NAMESPACE);
	spec->priority = m->priority;
	spec->after = r->after;
	spec->n_after = m->after.count;
	spec->groups = r->groups;
	spec->n_groups = (uint32_t)m->group_name.n;
	spec->bodies = m->bodies;
	spec->items = m->items;
	spec->is_open = (m->flags & JOB_FLAG_OPEN) != 0;
	spec->max_fails = m->max_fails;
	if ((m->flags & ~(uint64_t)JOB_FLAG_OPEN) == 0)
		return SC_OK;
	buf_printf(error, "submit: flags %#" PRIx64 " are not known", m->flags);
	return SC_INVALID;
}

static void reading_fini(struct reading *r, struct job_spec *spec, sc_err err)
{
	if (err != SC_OK) {
		mem_free(spec->in_start);
		mem_free(spec->in);
	}
	mem_free(r->after);
	mem_free(r->ranges);
	mem_free(r->groups);
}

sc_err submit_job(struct scheduler *s, const struct msg_submit *m, uint64_t *id, struct buf *error)
{
	struct reading r = {0};
	struct job_spec spec = {0};
	sc_err err = read_spec(m, &spec, &r, error);

	if (err == SC_OK)
		err = core_submit(s->core, &spec, loop_now_us(s->loop), id, error);
	reading_fini(&r, &spec, err);
	return err;
}

sc_err submit_more_tasks(struct scheduler *s, const struct msg_submit_more *m, struct job *j, uint32_t *first,
			 struct buf *error)
{
	struct msg_submit as_job = {
		.group_name = m->group_name,
		.group_n_tasks = m->group_n_tasks,
		.group_index_first = m->group_index_first,
		.group_index_step = m->group_index_step,
		.group_flags = m->group_flags,
		.group_kind = m->group_kind,
		.group_body = m->group_body,
		.group_request = m->group_request,
		.group_retries = m->group_retries,
		.group_time_limit_ms = m->group_time_limit_ms,
		.group_priority = m->group_priority,
		.bodies = m->bodies,
		.requests = m->requests,
		.items = m->items,
		.n_inputs = m->n_inputs,
		.input = m->input,
		.group_max_running = m->group_max_running,
		.group_n_ranges = m->group_n_ranges,
		.range_first = m->range_first,
		.range_step = m->range_step,
		.range_n = m->range_n,
	};
	struct reading r = {0};
	struct job_spec spec = {.first_task = j->n_tasks};
	sc_err err = read_spec(&as_job, &spec, &r, error);

	if (err == SC_OK && spec.in != NULL)
		err = number_inputs(&spec, count_tasks(spec.groups, spec.n_groups), m->input.count, error);
	*first = j->n_tasks;
	if (err == SC_OK)
		err = core_submit_more(s->core, j, &spec, loop_now_us(s->loop), error);
	reading_fini(&r, &spec, err);
	return err;
}
