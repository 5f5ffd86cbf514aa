/* report_stats.c - what the scheduler spends, and on what: metrics, requests by kind, requests by client. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "proto/column.h"
#include "scheduler/metrics.h"

#define NAMES_MAX   200u
#define CLIENTS_MAX 20u /* the most expensive ones are named */

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

/* The most expensive clients, by insertion into a short sorted list. */
static void add_clients(const struct scheduler *s, struct stats *t)
{
	const struct client_peer *top[CLIENTS_MAX], *p;

	TAILQ_FOREACH (p, &s->clients, link) {
		size_t at = t->n_clients;

		while (at > 0 && top[at - 1]->requests_ns < p->requests_ns)
			at--;
		if (at == CLIENTS_MAX)
			continue;
		if (t->n_clients < CLIENTS_MAX)
			t->n_clients++;
		memmove(&top[at + 1], &top[at], (t->n_clients - at - 1) * sizeof(top[0]));
		top[at] = p;
	}
	for (size_t i = 0; i < t->n_clients; i++) {
		t->clients[i] = slice_of(conn_peer(top[i]->conn));
		column_put(&t->client_count, top[i]->n_requests);
		column_put(&t->client_ns, top[i]->requests_ns);
	}
}

sc_err report_stats(struct scheduler *s, struct conn *c, const struct msg_stats *m)
{
	struct stats *t = mem_calloc(1, sizeof(*t));
	struct msg_stats_rows a = {.request = m->request};

	if (t == NULL) {
		conn_send_error(c, m->request, SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
		return SC_OK;
	}
	metrics_each(s, add_metric, t);
	add_kinds(s, t);
	add_clients(s, t);
	a.name = (struct slices){t->names, t->n_names};
	a.value = column_of(&t->value);
	a.kind = (struct slices){t->kinds, t->n_kinds};
	a.kind_count = column_of(&t->kind_count);
	a.kind_ns = column_of(&t->kind_ns);
	a.client = (struct slices){t->clients, t->n_clients};
	a.client_count = column_of(&t->client_count);
	a.client_ns = column_of(&t->client_ns);
	if (conn_send(c, MSG_stats_rows, &a) != SC_OK)
		conn_send_error(c, m->request, SC_NOMEM, "the answer cannot be made");
	column_writer_fini(&t->value);
	column_writer_fini(&t->kind_count);
	column_writer_fini(&t->kind_ns);
	column_writer_fini(&t->client_count);
	column_writer_fini(&t->client_ns);
	mem_free(t);
	return SC_OK;
}
