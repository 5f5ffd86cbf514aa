/* namespaces.c - see namespaces.h. */
#include "scheduler/namespaces.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "scheduler/rows.h"
#include "scheduler/scheduler.h"

#define WEIGHT_PER_AMOUNT (TEXT_AMOUNT_ONE / NAMESPACE_WEIGHT_ONE)

static const struct namespace_limits usual = {NAMESPACE_WEIGHT_ONE, UINT64_MAX, UINT64_MAX};

/* ---- the configuration ------------------------------------------------------------------------------------------ */

static sc_err read_weight(const char *value, struct namespace_limits *out)
{
	uint64_t v;

	if (text_amount(value, &v) != SC_OK || v / WEIGHT_PER_AMOUNT == 0 ||
	    v / WEIGHT_PER_AMOUNT > NAMESPACE_WEIGHT_MAX)
		return SC_INVALID;
	out->weight = (uint32_t)(v / WEIGHT_PER_AMOUNT);
	return SC_OK;
}

static sc_err read_setting(const char *name, char *setting, struct namespace_limits *out, struct buf *error)
{
	char *value = strchr(setting, '=');
	sc_err err = SC_INVALID;
	const char *allowed;

	if (value != NULL)
		*value++ = '\0';
	if (strcmp(setting, "weight") == 0) {
		allowed = "a number from 0.001 to 1000 is expected";
		if (value != NULL)
			err = read_weight(value, out);
	} else if (strcmp(setting, "max-tasks") == 0) {
		allowed = "a whole number or none is expected";
		if (value != NULL)
			err = strcmp(value, "none") == 0 ? SC_OK : text_u64(value, &out->max_tasks);
	} else if (strcmp(setting, "max-cpus") == 0) {
		allowed = "a number like 10 or 0.5, or none is expected";
		if (value != NULL)
			err = strcmp(value, "none") == 0 ? SC_OK : text_amount(value, &out->max_cpus);
	} else {
		buf_printf(error, "namespace %s: '%s' is not known; known: weight, max-tasks, max-cpus", name, setting);
		return SC_INVALID;
	}
	if (err != SC_OK)
		buf_printf(error, "namespace %s: %s '%s' is not allowed; %s", name, setting, value != NULL ? value : "",
			   allowed);
	return err;
}

/* "team-a: weight=3 max-cpus=10" */
static sc_err configure_one(struct core *c, char *text, struct buf *error)
{
	struct namespace_limits limits = usual;
	char *name = text + strspn(text, " \t\n"), *colon = strstr(name, ": "), *setting, *rest;
	sc_err err = SC_OK;

	if (*name == '\0')
		return SC_OK;
	if (colon == NULL || !text_is_name(name, (size_t)(colon - name))) {
		buf_printf(error, "'%.80s' is not of the form 'NAME: weight=W max-tasks=N max-cpus=N'", name);
		return SC_INVALID;
	}
	*colon = '\0';
	for (setting = strtok_r(colon + 1, " \t\n", &rest); setting != NULL && err == SC_OK;
	     setting = strtok_r(NULL, " \t\n", &rest))
		err = read_setting(name, setting, &limits, error);
	if (err != SC_OK)
		return err;
	err = core_namespace_set(c, slice_of(name), &limits);
	if (err == SC_LIMIT)
		buf_printf(error, "namespace %s: there are %u already that differ from the usual", name,
			   NAMESPACES_SET_MAX);
	return err;
}

sc_err namespaces_configure(struct core *c, const char *text, struct buf *error)
{
	char *copy = mem_strdup(text), *next = copy, *one;
	sc_err err = copy == NULL ? SC_NOMEM : SC_OK;

	while (err == SC_OK && (one = strsep(&next, ";")) != NULL)
		err = configure_one(c, one, error);
	mem_free(copy);
	return err;
}

/* ---- clients ---------------------------------------------------------------------------------------------------- */

/* 0: none. */
static uint64_t one_more(uint64_t limit)
{
	return limit == UINT64_MAX ? 0 : limit + 1;
}

sc_err namespaces_report(struct scheduler *s, struct conn *c, const struct msg_namespace_list *m)
{
	size_t limit = m->limit == 0 || m->limit > ROWS_MAX ? ROWS_MAX : (size_t)m->limit;
	const struct namespace *n = core_namespace_first(s->core);
	struct msg_namespace_rows a = {.request = m->request};
	struct rows r;
	uint64_t at = 0;

	rows_init(&r);
	for (; n != NULL && at < m->from + limit; n = core_namespace_next(n), at++) {
		if (at < m->from)
			continue;
		rows_put_text(&r, 0, slice_of(n->name));
		rows_put(&r, 0, n->limits.weight);
		rows_put(&r, 1, one_more(n->limits.max_tasks));
		rows_put(&r, 2, one_more(n->limits.max_cpus));
		rows_put(&r, 3, n->n_tasks);
		rows_put(&r, 4, n->cpus);
		rows_put(&r, 5, namespace_n_ready(n));
		rows_put(&r, 6, n->n_workers);
	}
	conn_charge(c, at / ROWS_PER_MESSAGE);
	a.name = rows_texts(&r, 0);
	a.weight = rows_column(&r, 0);
	a.max_tasks = rows_column(&r, 1);
	a.max_cpus = rows_column(&r, 2);
	a.tasks = rows_column(&r, 3);
	a.cpus = rows_column(&r, 4);
	a.ready = rows_column(&r, 5);
	a.workers = rows_column(&r, 6);
	a.next = n != NULL ? at : 0;
	return rows_answer(c, &r, m->request, MSG_namespace_rows, &a);
}

sc_err namespaces_change(struct scheduler *s, struct conn *c, const struct msg_namespace_set *m)
{
	const struct namespace *n = core_namespace(s->core, m->name);
	struct namespace_limits limits = n != NULL ? n->limits : usual;
	struct msg_ok ok = {m->request, 1};
	sc_err err;

	if ((m->fields & NAMESPACE_WEIGHT) != 0)
		limits.weight = (uint32_t)m->weight;
	if ((m->fields & NAMESPACE_MAX_TASKS) != 0)
		limits.max_tasks = m->max_tasks == 0 ? UINT64_MAX : m->max_tasks - 1;
	if ((m->fields & NAMESPACE_MAX_CPUS) != 0)
		limits.max_cpus = m->max_cpus == 0 ? UINT64_MAX : m->max_cpus - 1;
	err = core_namespace_set(s->core, m->name, &limits);
	if (err != SC_OK) {
		conn_send_error(c, m->request, err, "%s",
				err == SC_LIMIT	    ? "there are too many namespaces already that differ from the usual"
				: err == SC_INVALID ? "a name of a namespace and a weight from 0.001 to 1000 are "
						      "expected"
						    : sc_err_text(err));
		return SC_OK;
	}
	log_info("client", "namespace-set", "peer=%s namespace=%.*s weight=%u", conn_peer(c), (int)m->name.n, m->name.p,
		 limits.weight);
	return conn_send(c, MSG_ok, &ok);
}
