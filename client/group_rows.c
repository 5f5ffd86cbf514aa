/* group_rows.c - lists of the groups of a job and of namespaces, page by page; what namespaces may use. */
#include "base/mem.h"
#include "client/pages.h"

/* ---- groups of a job -------------------------------------------------------------------------------------------- */

struct sc_groups {
	struct pages pages;
	uint64_t job, from;
	struct sc_group_row row;
};

static sc_err groups_page(struct sc_groups *g)
{
	const struct msg_group_rows *m = &g->pages.page.u.group_rows;
	const struct column *columns[] = {&m->n_tasks,	  &m->n_runs,  &m->run_min_us,	 &m->run_mean_us,
					  &m->run_max_us, &m->n_waits, &m->wait_mean_us, &m->moved_bytes};
	const struct slices *texts[] = {&m->name, &m->request_text};
	sc_err err;

	pages_ask(&g->pages, MSG_group_list, MSG_group_rows);
	g->pages.call.request.u.group_list.job = g->job;
	g->pages.call.request.u.group_list.from = g->from;
	err = pages_read(&g->pages);
	if (err != SC_OK)
		return err;
	g->pages.at_end = m->next == 0 || m->next <= g->from;
	g->from = m->next;
	return pages_open(&g->pages, columns, N_OF(columns), texts, N_OF(texts));
}

sc_err sc_client_list_groups(struct sc_client *client, uint64_t job_id, struct sc_groups **out)
{
	struct sc_groups *g = mem_calloc(1, sizeof(*g));
	sc_err err;

	if (g == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	g->job = job_id;
	err = pages_init(&g->pages, client);
	if (err == SC_OK)
		err = groups_page(g);
	if (err != SC_OK) {
		sc_groups_free(g);
		return err;
	}
	*out = g;
	return SC_OK;
}

sc_err sc_groups_next(struct sc_groups *groups, const struct sc_group_row **row)
{
	struct pages *p = &groups->pages;
	const struct msg_group_rows *m = &p->page.u.group_rows;
	sc_err err;

	*row = NULL;
	if (p->row == p->n_rows) {
		if (p->at_end)
			return SC_OK;
		err = groups_page(groups);
		if (err != SC_OK || p->n_rows == 0)
			return err;
	}
	groups->row.n_tasks = column_next(&p->columns[0]);
	groups->row.n_runs = column_next(&p->columns[1]);
	groups->row.run_min_us = column_next(&p->columns[2]);
	groups->row.run_mean_us = column_next(&p->columns[3]);
	groups->row.run_max_us = column_next(&p->columns[4]);
	groups->row.n_waits = column_next(&p->columns[5]);
	groups->row.wait_mean_us = column_next(&p->columns[6]);
	groups->row.moved_bytes = column_next(&p->columns[7]);
	groups->row.name = pages_text(p, &m->name);
	groups->row.resources = pages_text(p, &m->request_text);
	p->row++;
	*row = &groups->row;
	return SC_OK;
}

void sc_groups_free(struct sc_groups *groups)
{
	if (groups == NULL)
		return;
	pages_fini(&groups->pages);
	mem_free(groups);
}

/* ---- namespaces ------------------------------------------------------------------------------------------------- */

struct sc_namespaces {
	struct pages pages;
	uint64_t from;
	struct sc_namespace_row row;
};

static sc_err namespaces_page(struct sc_namespaces *n)
{
	const struct msg_namespace_rows *m = &n->pages.page.u.namespace_rows;
	const struct column *columns[] = {&m->weight, &m->max_tasks, &m->max_cpus, &m->tasks,
					  &m->cpus,   &m->ready,     &m->workers};
	const struct slices *texts[] = {&m->name};
	sc_err err;

	pages_ask(&n->pages, MSG_namespace_list, MSG_namespace_rows);
	n->pages.call.request.u.namespace_list.from = n->from;
	err = pages_read(&n->pages);
	if (err != SC_OK)
		return err;
	n->pages.at_end = m->next == 0 || m->next <= n->from;
	n->from = m->next;
	return pages_open(&n->pages, columns, N_OF(columns), texts, N_OF(texts));
}

sc_err sc_client_list_namespaces(struct sc_client *client, struct sc_namespaces **out)
{
	struct sc_namespaces *n = mem_calloc(1, sizeof(*n));
	sc_err err;

	if (n == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	err = pages_init(&n->pages, client);
	if (err == SC_OK)
		err = namespaces_page(n);
	if (err != SC_OK) {
		sc_namespaces_free(n);
		return err;
	}
	*out = n;
	return SC_OK;
}

/* As it travels, 0 is none. */
static uint64_t limit_of(uint64_t v)
{
	return v == 0 ? UINT64_MAX : v - 1;
}

sc_err sc_namespaces_next(struct sc_namespaces *namespaces, const struct sc_namespace_row **row)
{
	struct pages *p = &namespaces->pages;
	const struct msg_namespace_rows *m = &p->page.u.namespace_rows;
	sc_err err;

	*row = NULL;
	if (p->row == p->n_rows) {
		if (p->at_end)
			return SC_OK;
		err = namespaces_page(namespaces);
		if (err != SC_OK || p->n_rows == 0)
			return err;
	}
	namespaces->row.weight = column_next(&p->columns[0]);
	namespaces->row.max_tasks = limit_of(column_next(&p->columns[1]));
	namespaces->row.max_cpus = limit_of(column_next(&p->columns[2]));
	namespaces->row.tasks = column_next(&p->columns[3]);
	namespaces->row.cpus = column_next(&p->columns[4]);
	namespaces->row.ready = column_next(&p->columns[5]);
	namespaces->row.workers = column_next(&p->columns[6]);
	namespaces->row.name = pages_text(p, &m->name);
	p->row++;
	*row = &namespaces->row;
	return SC_OK;
}

void sc_namespaces_free(struct sc_namespaces *namespaces)
{
	if (namespaces == NULL)
		return;
	pages_fini(&namespaces->pages);
	mem_free(namespaces);
}
