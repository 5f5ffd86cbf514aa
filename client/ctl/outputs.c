/*
 * outputs.c - see outputs.h.
 *
 * A result is written to a temporary file beside its place and renamed when it is complete.  The order of the tasks
 * fetched is that of the graph, so the parts that come tell which file they are for.
 */
#include "client/ctl/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "client/ctl/graph_job.h"
#include "client/ctl/json.h"
#include "client/ctl/paths.h"

#define WRITTEN_SHOWN 20u /* files named one by one */

struct outputs {
	struct ctl *ctl;
	const struct graph *g;
	const struct sc_job *job;
	uint64_t id;
	json_t *json;
	int status;
	uint64_t n_written;
	size_t task; /* of the graph; the one whose results are coming */
	/* the file at hand */
	FILE *file;
	char *path;
	char *temp;
};

static void drop_file(struct outputs *o)
{
	if (o->file != NULL)
		fclose(o->file);
	if (o->temp != NULL)
		unlink(o->temp);
	mem_free(o->path);
	mem_free(o->temp);
	o->file = NULL;
	o->path = o->temp = NULL;
}

static sc_err file_error(struct outputs *o, const char *what)
{
	o->status = ctl_fail(o->ctl, EXIT_WORK_FAILED, "cannot %s '%s': %s", what, o->path != NULL ? o->path : "?",
			     strerror(errno));
	drop_file(o);
	return SC_IO;
}

/* A file of our own beside the place of the output, with the rights any new file has. */
static sc_err open_file(struct outputs *o, uint64_t index)
{
	const struct graph_task *t = &o->g->tasks[o->task];
	char key[256];
	struct pattern_values v = graph_values(t, index, graph_key(t, index, key, sizeof(key)), o->id);
	mode_t mask = umask(0);
	struct buf path;
	int fd;

	umask(mask);
	buf_init(&path, 4096);
	pattern_write(&path, slice_of(t->output), &v);
	o->path = mem_strdup(buf_str(&path));
	buf_append_str(&path, ".part-XXXXXX");
	o->temp = mem_strdup(buf_str(&path));
	buf_fini(&path);
	if (o->path == NULL || o->temp == NULL || o->path[0] == '\0') {
		errno = ENAMETOOLONG;
		return file_error(o, "write");
	}
	if (path_make_parents(o->path) != SC_OK)
		return file_error(o, "make the directory of");
	fd = mkostemp(o->temp, O_CLOEXEC);
	if (fd < 0) {
		mem_free(o->temp);
		o->temp = NULL;
		return file_error(o, "write");
	}
	fchmod(fd, 0666 & ~mask);
	o->file = fdopen(fd, "w");
	if (o->file == NULL) {
		close(fd);
		return file_error(o, "write");
	}
	return SC_OK;
}

static sc_err finish_file(struct outputs *o, const struct sc_part *part)
{
	int failed = ferror(o->file);
	json_t *entry;

	failed |= fclose(o->file);
	o->file = NULL;
	if (failed || rename(o->temp, o->path) != 0)
		return file_error(o, "write");
	mem_free(o->temp);
	o->temp = NULL;
	entry = json_object();
	json_put_text(entry, F_path, o->path);
	json_put_u64(entry, F_bytes, part->offset + part->n_bytes);
	json_put_u64(entry, F_task, part->task);
	json_array_append_new(o->json, entry);
	if (!o->ctl->json && ++o->n_written <= WRITTEN_SHOWN)
		ctl_note(o->ctl, "wrote %s", o->path);
	drop_file(o);
	return SC_OK;
}

/* The task of the graph that has this task of the job; they come in order. */
static void find_task(struct outputs *o, uint32_t task)
{
	while (o->task + 1 < o->g->n_tasks && sc_job_first_task(o->job, (uint32_t)o->task + 1) <= task)
		o->task++;
}

static sc_err take_part(const struct sc_part *part, void *arg)
{
	struct outputs *o = arg;
	uint64_t index;
	char key[256];

	find_task(o, part->task);
	index = part->task - sc_job_first_task(o->job, (uint32_t)o->task);
	if (part->err != SC_OK) {
		drop_file(o);
		o->status = ctl_fail(o->ctl, EXIT_WORK_FAILED, "result of %s: %s",
				     graph_key(&o->g->tasks[o->task], index, key, sizeof(key)), part->text);
		return SC_OK;
	}
	if (part->offset == 0) { /* also when it begins anew */
		sc_err err;

		drop_file(o);
		err = open_file(o, index);
		if (err != SC_OK)
			return err;
	}
	if (part->n_bytes > 0 && fwrite(part->data, 1, part->n_bytes, o->file) != part->n_bytes)
		return file_error(o, "write");
	return part->last ? finish_file(o, part) : SC_OK;
}

/* The numbers of all tasks that have an output. */
static uint32_t *list_tasks(const struct graph *g, const struct sc_job *job, size_t *n_out)
{
	uint32_t *tasks;
	size_t n = 0;

	for (size_t i = 0; i < g->n_tasks; i++)
		if (g->tasks[i].output != NULL)
			n += g->tasks[i].is_group ? (size_t)g->tasks[i].range.count : 1;
	tasks = mem_malloc(n * sizeof(*tasks));
	*n_out = n;
	n = 0;
	for (size_t i = 0; i < g->n_tasks && tasks != NULL; i++) {
		size_t count = g->tasks[i].is_group ? (size_t)g->tasks[i].range.count : 1;

		for (size_t k = 0; k < count && g->tasks[i].output != NULL; k++)
			tasks[n++] = sc_job_first_task(job, (uint32_t)i) + (uint32_t)k;
	}
	return tasks;
}

int outputs_write(struct ctl *c, const struct graph *g, const struct sc_job *job, uint64_t id, json_t *json)
{
	struct outputs o = {.ctl = c, .g = g, .job = job, .id = id, .json = json};
	struct sc_fetch fetch = {.job = id, .recompute = 1, .restart = 1};
	uint32_t *tasks = list_tasks(g, job, &fetch.n_tasks);
	sc_err err = SC_OK;

	if (tasks == NULL)
		return ctl_fail(c, EXIT_WORK_FAILED, "out of memory");
	fetch.tasks = tasks;
	if (fetch.n_tasks > 0)
		err = sc_client_fetch(c->client, &fetch, take_part, &o);
	drop_file(&o);
	mem_free(tasks);
	if (o.n_written > WRITTEN_SHOWN)
		ctl_note(c, "and %" PRIu64 " more files", o.n_written - WRITTEN_SHOWN);
	if (err != SC_OK && o.status == EXIT_DONE)
		return ctl_failed(c, err);
	return o.status;
}

/* ---- printing --------------------------------------------------------------------------------------------------- */

struct printing {
	struct ctl *ctl;
	const struct graph_task *task;
	uint32_t first_task;
	struct buf contents;
	json_t *json;
	int status;
};

static sc_err print_part(const struct sc_part *part, void *arg)
{
	struct printing *p = arg;
	uint64_t index = part->task - p->first_task;
	char key[256];
	json_t *entry;

	if (part->err != SC_OK) {
		p->status = ctl_fail(p->ctl, EXIT_WORK_FAILED, "result of %s: %s",
				     graph_key(p->task, index, key, sizeof(key)), part->text);
		return SC_OK;
	}
	if (p->json == NULL)
		return fwrite(part->data, 1, part->n_bytes, stdout) == part->n_bytes ? SC_OK : SC_IO;
	if (part->offset == 0)
		buf_reset(&p->contents);
	buf_append(&p->contents, part->data, part->n_bytes);
	if (!part->last)
		return buf_err(&p->contents);
	entry = json_object();
	json_put_text(entry, F_key, graph_key(p->task, index, key, sizeof(key)));
	json_put_result(entry, p->contents.data, p->contents.len);
	json_array_append_new(p->json, entry);
	return SC_OK;
}

int outputs_print(struct ctl *c, const struct graph *g, const struct sc_job *job, uint64_t id, size_t which,
		  json_t *json)
{
	struct printing p = {.ctl = c, .task = &g->tasks[which], .json = json};
	struct sc_fetch fetch = {.job = id, .recompute = 1, .restart = json != NULL};
	size_t count = p.task->is_group ? (size_t)p.task->range.count : 1;
	uint32_t *tasks = mem_malloc(count * sizeof(*tasks));
	sc_err err;

	if (tasks == NULL)
		return ctl_fail(c, EXIT_WORK_FAILED, "out of memory");
	p.first_task = sc_job_first_task(job, (uint32_t)which);
	for (size_t i = 0; i < count; i++)
		tasks[i] = p.first_task + (uint32_t)i;
	fetch.tasks = tasks;
	fetch.n_tasks = count;
	buf_init(&p.contents, (size_t)256 * 1024 * 1024);
	err = sc_client_fetch(c->client, &fetch, print_part, &p);
	buf_fini(&p.contents);
	mem_free(tasks);
	if (err == SC_IO && ferror(stdout))
		return ctl_finish_output(c);
	return err == SC_OK ? p.status : ctl_failed(c, err);
}
