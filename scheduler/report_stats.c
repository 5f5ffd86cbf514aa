/* report_stats.c - what the scheduler spends, and on what: metrics, requests by kind, requests by client. */
#include <stdio.h>

#include "base/mem.h"
#include "proto/column.h"
#include "scheduler/metrics.h"

#define NAMES_MAX   200u
#define CLIENTS_MAX 20u	 /* the most expensive ones are named */
#define STATS_COST  100u /* small messages that are as much work as the rest of it, see conn_charge() */

struct stats {
	struct column_writer value, kind_count, kind_ns, client_count, client_ns;
	struct slice names[NAMES_MAX], kinds[MSG_CODES], clients[CLIENTS_MAX];
	char texts[NAMES_MAX][96];
	size_t n_names, n_kinds, n_clients;
};

static void add_metric(void *arg, const char *name, const char *type, const char *help, const char *state, int first,
		       uint64_t value)
{
	struct stats *t = arg;

	(void)type;
	(void)help;
	(void)first;
	if (t->n_names == NAMES_MAX)
		return;
	snprintf(t->texts[t->n_names], sizeof(t->texts[0]), state != NULL ? "%s.%s" : "%s", name, state);
	t->names[t->n_names] = slice_of(t->texts[t->n_names]);
	t->n_names++;
	column_put(&t->value, value);
}

static void add_kinds(const struct scheduler *s, struct stats *t)
{
	for (unsigned code = 0; code < MSG_CODES; code++) {
		if (s->requests[code].count == 0)
			continue;
		t->kinds[t->n_kinds++] = slice_of(msg_name((msg_type)code));
		column_put(&t->kind_count, s->requests[code].count);
		column_put(&t->kind_ns, s->requests[code].ns);
	}
}

/* In one pass: the most expensive ones so far, in order. */
static void add_clients(const struct scheduler *s, struct stats *t)
{
	const struct client_peer *top[CLIENTS_MAX], *p;
	size_t n = 0, at;

	TAILQ_FOREACH (p, &s->clients, link) {
		if (n == CLIENTS_MAX && p->requests_ns <= top[n - 1]->requests_ns)
			continue;
		if (n < CLIENTS_MAX)
			n++;
		for (at = n - 1; at > 0 && top[at - 1]->requests_ns < p->requests_ns; at--)
			top[at] = top[at - 1];
		top[at] = p;
	}
	for (at = 0; at < n; at++) {
		t->clients[t->n_clients++] = slice_of(conn_peer(top[at]->conn));
		column_put(&t->client_count, top[at]->n_requests);
		column_put(&t->client_ns, top[at]->requests_ns);
	}
}

sc_err report_stats(struct scheduler *s, struct conn *c, const struct msg_stats *m)
{
	struct stats *t = mem_calloc(1, sizeof(*t));
	struct msg_stats_rows a = {.request = m->request};
	size_t n_jobs;
	sc_err err;

	if (t == NULL) {
		conn_send_error(c, m->request, SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
		return SC_OK;
	}
	n_jobs = metrics_each(s, add_metric, t);
	add_kinds(s, t);
	add_clients(s, t);
	conn_charge(c, STATS_COST + (n_jobs + s->n_clients) / WALK_PER_MESSAGE);
	a.name = (struct slices){t->names, t->n_names};
	a.value = column_of(&t->value);
	a.kind = (struct slices){t->kinds, t->n_kinds};
	a.kind_count = column_of(&t->kind_count);
	a.kind_ns = column_of(&t->kind_ns);
	a.client = (struct slices){t->clients, t->n_clients};
	a.client_count = column_of(&t->client_count);
	a.client_ns = column_of(&t->client_ns);
	err = conn_send(c, MSG_stats_rows, &a);
	if (err != SC_OK)
		conn_send_error(c, m->request, err, "the answer cannot be made: %s", sc_err_text(err));
	column_writer_fini(&t->value);
	column_writer_fini(&t->kind_count);
	column_writer_fini(&t->kind_ns);
	column_writer_fini(&t->client_count);
	column_writer_fini(&t->client_ns);
	mem_free(t);
	return SC_OK;
}
