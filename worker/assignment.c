/* assignment.c - see assignment.h. */
#include "worker/assignment.h"

#include <inttypes.h>

#include "base/mem.h"

static void begin_columns(struct assignment *a)
{
	column_read(&a->task, &a->m->task);
	column_read(&a->attempt, &a->m->attempt);
	column_read(&a->n_inputs, &a->m->n_inputs);
	column_read(&a->input, &a->m->input);
	column_read(&a->input_bytes, &a->m->input_bytes);
	column_read(&a->input_holder, &a->m->input_holder);
	column_read(&a->alternative, &a->m->alternative);
	column_read(&a->n_more, &a->m->n_more);
	column_read(&a->more_holder, &a->m->more_holder);
	a->n_read = 0;
}

static int same_length(size_t n, size_t wanted)
{
	return n == 0 || n == wanted;
}

static sc_err check_holders(const struct assignment *a, struct column_reader input, struct column_reader holder,
			    struct buf *error)
{
	struct column_reader n_more = a->n_more, more = a->more_holder;
	uint64_t sum = 0, all = a->m->more_holder.count;

	while (input.left > 0) {
		uint64_t number = column_next(&input);

		if (job_group_of(a->group->job, number) == NULL) {
			buf_printf(error, "input %" PRIu64 " is in no group that was defined", number);
			return SC_MALFORMED;
		}
		if (column_next(&holder) > a->m->holders.n) {
			buf_printf(error, "input %" PRIu64 " has a holder that is not in the list", number);
			return SC_MALFORMED;
		}
	}
	while (n_more.left > 0 && sum <= all) {
		uint64_t n = column_next(&n_more);

		sum += n <= all ? n : all + 1;
	}
	if (sum != all) {
		buf_printf(error, "its columns of holders do not match");
		return SC_MALFORMED;
	}
	while (more.left > 0) {
		uint64_t place = column_next(&more);

		if (place == 0 || place > a->m->holders.n) {
			buf_printf(error, "a holder is not in the list");
			return SC_MALFORMED;
		}
	}
	return SC_OK;
}

static sc_err check_inputs(const struct assignment *a, struct buf *error)
{
	struct column_reader n_inputs = a->n_inputs, input = a->input, holder = a->input_holder;
	uint64_t sum = 0, all = a->m->input.count;

	while (n_inputs.left > 0 && sum <= all) {
		uint64_t n = column_next(&n_inputs);

		sum += n <= all ? n : all + 1;
	}
	if (sum != all || a->m->input_bytes.count != all || a->m->input_holder.count != all) {
		buf_printf(error, "its columns of inputs do not match");
		return SC_MALFORMED;
	}
	if (!same_length(a->m->n_more.count, all)) {
		buf_printf(error, "its columns of holders do not match");
		return SC_MALFORMED;
	}
	return check_holders(a, input, holder, error);
}

static sc_err check_assignment(const struct assignment *a, struct buf *error)
{
	size_t n = a->m->task.count;
	struct column_reader task = a->task, alternative = a->alternative;

	if (!same_length(a->m->attempt.count, n) || !same_length(a->m->alternative.count, n) ||
	    !same_length(a->m->item.n, n) || !same_length(a->m->n_inputs.count, n)) {
		buf_printf(error, "its columns are not of the same length");
		return SC_MALFORMED;
	}
	while (task.left > 0) {
		uint64_t number = column_next(&task);

		if (!group_has(a->group, number)) {
			buf_printf(error, "task %" PRIu64 " is not in group %s", number, a->group->name);
			return SC_MALFORMED;
		}
	}
	while (alternative.left > 0) {
		if (column_next(&alternative) >= a->group->n_requests) {
			buf_printf(error, "group %s has only %u alternatives", a->group->name, a->group->n_requests);
			return SC_MALFORMED;
		}
	}
	return check_inputs(a, error);
}

/* Only when there is a task that has some: they are copied once per message. */
static sc_err copy_holders(struct assignment *a)
{
	struct holders *h;

	if (a->m->input.count == 0)
		return SC_OK;
	h = mem_calloc(1, sizeof(*h) + a->m->holders.n * sizeof(char *));
	if (h == NULL)
		return SC_NOMEM;
	h->refs = 1;
	a->holders = h;
	for (; h->n < a->m->holders.n; h->n++) {
		h->v[h->n] = slice_dup(a->m->holders.v[h->n]);
		if (h->v[h->n] == NULL)
			return SC_NOMEM;
	}
	return SC_OK;
}

static sc_err read_inputs(struct assignment *a, struct task *t)
{
	uint64_t n = column_next(&a->n_inputs);

	if (n == 0)
		return SC_OK;
	t->inputs = mem_calloc((size_t)n, sizeof(*t->inputs));
	if (t->inputs == NULL)
		return SC_NOMEM;
	t->n_inputs = (uint32_t)n;
	t->holders = a->holders;
	a->holders->refs++;
	for (uint32_t i = 0; i < t->n_inputs; i++) {
		struct input *in = &t->inputs[i];
		uint64_t holder = column_next(&a->input_holder);

		in->task = t;
		in->number = (uint32_t)column_next(&a->input);
		in->bytes = column_next(&a->input_bytes);
		in->job = a->m->job;
		if (holder > 0)
			in->holders[in->n_holders++] = a->holders->v[holder - 1];
		for (uint64_t more = column_next(&a->n_more); more > 0; more--) {
			holder = column_next(&a->more_holder);
			if (in->n_holders < INPUT_HOLDERS_MAX)
				in->holders[in->n_holders++] = a->holders->v[holder - 1];
		}
	}
	return SC_OK;
}

sc_err assignment_open(struct assignment *a, const struct msg_tasks_assign *m, struct job *job, struct buf *error)
{
	*a = (struct assignment){.m = m, .group = job == NULL ? NULL : job_group(job, m->group)};
	if (a->group == NULL) {
		buf_printf(error, "group %" PRIu64 " of job %" PRIu64 " is not defined", m->group, m->job);
		return SC_MALFORMED;
	}
	begin_columns(a);
	return check_assignment(a, error);
}

void assignment_close(struct assignment *a)
{
	holders_unref(a->holders);
	a->holders = NULL;
}

sc_err assignment_next(struct assignment *a, struct task *t)
{
	sc_err err = a->holders == NULL ? copy_holders(a) : SC_OK;

	t->group = group_ref(a->group);
	t->key = (struct task_key){a->m->job, column_next(&a->task)};
	t->attempt = (uint32_t)column_next(&a->attempt);
	t->request = &a->group->requests[column_next(&a->alternative)];
	if (err == SC_OK)
		err = read_inputs(a, t);
	if (err == SC_OK && a->m->item.n > 0) {
		const struct slice *item = &a->m->item.v[a->n_read];

		t->item = (struct slice){slice_dup(*item), item->n};
		err = t->item.p == NULL ? SC_NOMEM : SC_OK;
	}
	a->n_read++;
	return err;
}
