/* rows.c - lists of jobs, tasks and workers, page by page, and everything about one task. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client/client.h"
#include "client/link.h"
#include "client/pages.h"

#define INPUTS_SHOWN 100u

/* ---- jobs ------------------------------------------------------------------------------------------------------- */

struct sc_jobs {
	struct pages pages;
	uint64_t job;
	char name_space[201];
	uint64_t before;
	struct sc_job_row row;
};

static sc_err jobs_page(struct sc_jobs *jobs)
{
	struct msg_job_list *q = &jobs->pages.call.request.u.job_list;
	const struct msg_job_rows *m = &jobs->pages.page.u.job_rows;
	const struct column *columns[] = {&m->job,	  &m->state,  &m->priority, &m->submitted_us,
					  &m->elapsed_us, &m->counts, &m->flags};
	const struct slices *texts[] = {&m->name, &m->namespace, &m->text, &m->waits};
	sc_err err;

	pages_ask(&jobs->pages, MSG_job_list, MSG_job_rows);
	q->job = jobs->job;
	q->namespace = slice_of(jobs->name_space);
	q->before = jobs->before;
	q->limit = PAGE_ROWS;
	err = pages_read(&jobs->pages);
	if (err != SC_OK)
		return err;
	jobs->pages.at_end = m->more == 0 || m->job.count == 0;
	return pages_open(&jobs->pages, columns, N_OF(columns), texts, N_OF(texts));
}

sc_err sc_client_list_jobs(struct sc_client *client, uint64_t job_id, const char *name_space, struct sc_jobs **out)
{
	struct sc_jobs *jobs;
	sc_err err;

	if (name_space != NULL && strlen(name_space) >= sizeof(jobs->name_space))
		return client_error(SC_INVALID, "a namespace of more than 200 bytes");
	jobs = mem_calloc(1, sizeof(*jobs));
	if (jobs == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	jobs->job = job_id;
	snprintf(jobs->name_space, sizeof(jobs->name_space), "%s", name_space != NULL ? name_space : "");
	err = pages_init(&jobs->pages, client);
	if (err == SC_OK)
		err = jobs_page(jobs);
	if (err != SC_OK) {
		sc_jobs_free(jobs);
		return err;
	}
	*out = jobs;
	return SC_OK;
}

sc_err sc_jobs_next(struct sc_jobs *jobs, const struct sc_job_row **row)
{
	struct pages *p = &jobs->pages;
	struct sc_job_row *r = &jobs->row;
	const struct msg_job_rows *m = &p->page.u.job_rows;
	sc_err err;

	*row = NULL;
	if (p->row == p->n_rows) {
		if (p->at_end)
			return SC_OK;
		err = jobs_page(jobs);
		if (err != SC_OK || p->n_rows == 0)
			return err;
	}
	r->job = column_next(&p->columns[0]);
	r->state = (enum sc_job_state)column_next(&p->columns[1]);
	r->priority = msg_unzigzag(column_next(&p->columns[2]));
	r->submitted_us = column_next(&p->columns[3]);
	r->elapsed_us = column_next(&p->columns[4]);
	for (size_t i = 0; i < SC_TASK_STATES; i++)
		r->counts[i] = column_next(&p->columns[5]);
	r->flags = (unsigned)column_next(&p->columns[6]);
	r->name = pages_text(p, &m->name);
	r->name_space = pages_text(p, &m->namespace);
	r->text = pages_text(p, &m->text);
	r->waits = pages_text(p, &m->waits);
	jobs->before = r->job;
	p->row++;
	*row = r;
	return SC_OK;
}

void sc_jobs_free(struct sc_jobs *jobs)
{
	if (jobs == NULL)
		return;
	pages_fini(&jobs->pages);
	mem_free(jobs);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

struct sc_tasks {
	struct pages pages;
	uint64_t job;
	uint32_t states;
	char key[256];
	uint64_t from;
	struct sc_task_row row;
};

static sc_err tasks_page(struct sc_tasks *tasks)
{
	struct msg_task_list *q = &tasks->pages.call.request.u.task_list;
	const struct msg_task_rows *m = &tasks->pages.page.u.task_rows;
	const struct column *columns[] = {&m->task, &m->state, &m->attempts, &m->elapsed_us, &m->result_bytes};
	const struct slices *texts[] = {&m->key, &m->worker};
	sc_err err;

	pages_ask(&tasks->pages, MSG_task_list, MSG_task_rows);
	q->job = tasks->job;
	q->states = tasks->states;
	q->key = slice_of(tasks->key);
	q->from = tasks->from;
	q->limit = PAGE_ROWS;
	err = pages_read(&tasks->pages);
	if (err != SC_OK)
		return err;
	tasks->job = m->job; /* so that "the newest" stays the same job */
	tasks->pages.at_end = m->next == 0 || m->next <= tasks->from;
	tasks->from = m->next;
	return pages_open(&tasks->pages, columns, N_OF(columns), texts, N_OF(texts));
}

sc_err sc_client_list_tasks(struct sc_client *client, uint64_t job_id, uint32_t states, const char *key,
			    struct sc_tasks **out)
{
	struct sc_tasks *tasks;
	sc_err err;

	if (key != NULL && strlen(key) >= sizeof(tasks->key))
		return client_error(SC_NOT_FOUND, "no task has a key of more than 255 bytes");
	tasks = mem_calloc(1, sizeof(*tasks));
	if (tasks == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	tasks->job = job_id;
	tasks->states = states;
	snprintf(tasks->key, sizeof(tasks->key), "%s", key != NULL ? key : "");
	err = pages_init(&tasks->pages, client);
	if (err == SC_OK)
		err = tasks_page(tasks);
	if (err != SC_OK) {
		sc_tasks_free(tasks);
		return err;
	}
	*out = tasks;
	return SC_OK;
}

sc_err sc_tasks_next(struct sc_tasks *tasks, const struct sc_task_row **row)
{
	struct pages *p = &tasks->pages;
	struct sc_task_row *r = &tasks->row;
	const struct msg_task_rows *m = &p->page.u.task_rows;
	sc_err err;

	*row = NULL;
	while (p->row == p->n_rows) { /* a page may be empty: the scheduler looks at so many tasks at a time */
		if (p->at_end)
			return SC_OK;
		err = tasks_page(tasks);
		if (err != SC_OK)
			return err;
	}
	r->job = tasks->job;
	r->task = (uint32_t)column_next(&p->columns[0]);
	r->state = (enum sc_task_state)column_next(&p->columns[1]);
	r->attempts = column_next(&p->columns[2]);
	r->elapsed_us = column_next(&p->columns[3]);
	r->result_bytes = column_next(&p->columns[4]);
	r->key = pages_text(p, &m->key);
	r->worker = pages_text(p, &m->worker);
	p->row++;
	*row = r;
	return SC_OK;
}

void sc_tasks_free(struct sc_tasks *tasks)
{
	if (tasks == NULL)
		return;
	pages_fini(&tasks->pages);
	mem_free(tasks);
}

/* ---- workers ---------------------------------------------------------------------------------------------------- */

struct sc_workers {
	struct pages pages;
	uint64_t from;
	struct sc_worker_row row;
};

static sc_err workers_page(struct sc_workers *workers)
{
	struct msg_worker_list *q = &workers->pages.call.request.u.worker_list;
	const struct msg_worker_rows *m = &workers->pages.page.u.worker_rows;
	const struct column *columns[] = {&m->worker,
					  &m->pid,
					  &m->status,
					  &m->assigned,
					  &m->running,
					  &m->done,
					  &m->held,
					  &m->held_bytes,
					  &m->cpu_percent,
					  &m->memory_bytes,
					  &m->memory_limit_bytes,
					  &m->seen_us,
					  &m->drained,
					  &m->stuck};
	const struct slices *texts[] = {&m->name,      &m->pool,   &m->host,	 &m->address,
					&m->resources, &m->labels, &m->namespace};
	sc_err err;

	pages_ask(&workers->pages, MSG_worker_list, MSG_worker_rows);
	q->from = workers->from;
	q->limit = PAGE_ROWS;
	err = pages_read(&workers->pages);
	if (err != SC_OK)
		return err;
	workers->pages.at_end = m->next == 0 || m->next <= workers->from;
	workers->from = m->next;
	return pages_open(&workers->pages, columns, N_OF(columns), texts, N_OF(texts));
}

sc_err sc_client_list_workers(struct sc_client *client, struct sc_workers **out)
{
	struct sc_workers *workers = mem_calloc(1, sizeof(*workers));
	sc_err err;

	if (workers == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	err = pages_init(&workers->pages, client);
	if (err == SC_OK)
		err = workers_page(workers);
	if (err != SC_OK) {
		sc_workers_free(workers);
		return err;
	}
	*out = workers;
	return SC_OK;
}

static void read_worker(struct pages *p, struct sc_worker_row *r)
{
	const struct msg_worker_rows *m = &p->page.u.worker_rows;

	r->worker = (uint32_t)column_next(&p->columns[0]);
	r->pid = column_next(&p->columns[1]);
	r->status = (enum sc_worker_status)column_next(&p->columns[2]);
	r->assigned = column_next(&p->columns[3]);
	r->running = column_next(&p->columns[4]);
	r->done = column_next(&p->columns[5]);
	r->held = column_next(&p->columns[6]);
	r->held_bytes = column_next(&p->columns[7]);
	r->cpu_percent = column_next(&p->columns[8]);
	r->memory_bytes = column_next(&p->columns[9]);
	r->memory_limit_bytes = column_next(&p->columns[10]);
	r->seen_us = column_next(&p->columns[11]);
	r->drained = column_next(&p->columns[12]) != 0;
	r->stuck = column_next(&p->columns[13]) != 0;
	r->name = pages_text(p, &m->name);
	r->pool = pages_text(p, &m->pool);
	r->host = pages_text(p, &m->host);
	r->address = pages_text(p, &m->address);
	r->resources = pages_text(p, &m->resources);
	r->labels = pages_text(p, &m->labels);
	r->name_space = pages_text(p, &m->namespace);
}

sc_err sc_workers_next(struct sc_workers *workers, const struct sc_worker_row **row)
{
	struct pages *p = &workers->pages;
	sc_err err;

	*row = NULL;
	while (p->row == p->n_rows) {
		if (p->at_end)
			return SC_OK;
		err = workers_page(workers);
		if (err != SC_OK)
			return err;
	}
	read_worker(p, &workers->row);
	p->row++;
	*row = &workers->row;
	return SC_OK;
}

void sc_workers_free(struct sc_workers *workers)
{
	if (workers == NULL)
		return;
	pages_fini(&workers->pages);
	mem_free(workers);
}

/* ---- one task --------------------------------------------------------------------------------------------------- */

struct info {
	struct sc_task_info info; /* first: it is what the caller frees */
	const char *inputs[INPUTS_SHOWN];
	char texts[];
};

static size_t info_room(const struct msg_task_info *m)
{
	const struct slice all[] = {m->key,  m->group,	     m->reason,	      m->explain, m->worker,
				    m->text, m->stderr_tail, m->request_text, m->item};
	size_t room = 0;

	for (size_t i = 0; i < N_OF(all); i++)
		room += all[i].n + 1;
	for (size_t i = 0; i < m->inputs.n; i++)
		room += m->inputs.v[i].n + 1;
	return room;
}

static void fill_info(struct info *f, const struct msg_task_info *m)
{
	struct sc_task_info *t = &f->info;
	size_t used = 0;

	*t = (struct sc_task_info){
		.job = m->job,
		.task = (uint32_t)m->task,
		.state = (enum sc_task_state)m->state,
		.attempts = m->attempts,
		.crashes = m->crashes,
		.cause = (unsigned)m->cause,
		.status = m->status,
		.elapsed_us = m->elapsed_us,
		.cpu_us = m->cpu_us,
		.rss_bytes = m->rss_bytes,
		.result_bytes = m->result_bytes,
		.stderr_bytes = m->stderr_bytes,
		.n_inputs = m->n_inputs,
		.n_consumers = m->n_consumers,
	};
	t->key = pages_copy_text(f->texts, &used, m->key);
	t->group = pages_copy_text(f->texts, &used, m->group);
	t->reason = pages_copy_text(f->texts, &used, m->reason);
	t->explain = pages_copy_text(f->texts, &used, m->explain);
	t->worker = pages_copy_text(f->texts, &used, m->worker);
	t->text = pages_copy_text(f->texts, &used, m->text);
	t->request = pages_copy_text(f->texts, &used, m->request_text);
	t->stderr_tail = (struct sc_bytes){pages_copy_text(f->texts, &used, m->stderr_tail), m->stderr_tail.n};
	t->item = (struct sc_bytes){pages_copy_text(f->texts, &used, m->item), m->item.n};
	t->inputs = f->inputs;
	for (size_t i = 0; i < m->inputs.n && i < INPUTS_SHOWN; i++)
		f->inputs[t->n_inputs_shown++] = pages_copy_text(f->texts, &used, m->inputs.v[i]);
}

sc_err sc_client_show_task(struct sc_client *client, uint64_t job_id, const char *key, struct sc_task_info **out)
{
	struct pages p = {0};
	struct info *f;
	sc_err err = pages_init(&p, client);

	if (err != SC_OK)
		return err;
	pages_ask(&p, MSG_task_show, MSG_task_info);
	p.call.request.u.task_show.job = job_id;
	p.call.request.u.task_show.key = slice_of(key);
	err = pages_read(&p);
	if (err == SC_OK) {
		f = mem_calloc(1, sizeof(*f) + info_room(&p.page.u.task_info));
		if (f == NULL) {
			err = client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
		} else {
			fill_info(f, &p.page.u.task_info);
			*out = &f->info;
		}
	}
	pages_fini(&p);
	return err;
}

void sc_task_info_free(struct sc_task_info *info)
{
	mem_free(info);
}
