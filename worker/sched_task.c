/* sched_task.c - see sched_task.h and slot_task.h. */
#include "worker/sched_task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/resource_env.h"
#include "worker/slot_task.h"

static char *terminated(struct arena *a, struct slice s)
{
	return arena_copy(a, s.p, s.n);
}

static sc_err copy_inputs(sc_task *t)
{
	const struct msg_slot_call *c = t->call;
	struct column_reader is_path;

	if (c->input_keys.n != c->inputs.n || (c->input_is_path.count != 0 && c->input_is_path.count != c->inputs.n))
		return SC_MALFORMED;
	t->inputs = arena_alloc(t->memory, (c->inputs.n + 1) * sizeof(*t->inputs));
	if (t->inputs == NULL)
		return SC_NOMEM;
	column_read(&is_path, &c->input_is_path);
	t->n_inputs = c->inputs.n;
	for (size_t i = 0; i < c->inputs.n; i++) {
		struct slot_input *in = &t->inputs[i];
		struct slice bytes = c->inputs.v[i];

		*in = (struct slot_input){bytes.p, bytes.n, terminated(t->memory, c->input_keys.v[i]), 0, 0};
		in->is_path = column_next(&is_path) != 0;
		if (in->is_path)
			in->p = terminated(t->memory, bytes);
	}
	return SC_OK;
}

static sc_err copy_granted(sc_task *t)
{
	static const char *usual[RESOURCE_WORDS] = {"cpus", "1", ""};
	const struct slices *from = &t->call->granted;

	t->granted = usual;
	t->n_granted = 1;
	if (from->n == 0)
		return SC_OK;
	if (from->n % RESOURCE_WORDS != 0)
		return SC_MALFORMED;
	t->granted = arena_alloc(t->memory, from->n * sizeof(*t->granted));
	for (size_t i = 0; t->granted != NULL && i < from->n; i++)
		t->granted[i] = terminated(t->memory, from->v[i]);
	t->n_granted = from->n / RESOURCE_WORDS;
	return SC_OK;
}

sc_err slot_task_init(sc_task *t, const struct msg_slot_call *call, struct arena *memory)
{
	sc_err err;

	memset(t, 0, offsetof(sc_task, reason));
	t->reason[0] = '\0';
	t->memory = memory;
	t->call = call;
	t->key = terminated(memory, call->key);
	t->item = terminated(memory, call->item);
	t->args = arena_alloc(memory, (call->args.n + 1) * sizeof(*t->args));
	for (size_t i = 0; t->args != NULL && i < call->args.n; i++)
		t->args[i] = (struct slice){terminated(memory, call->args.v[i]), call->args.v[i].n};
	err = copy_inputs(t);
	if (err == SC_OK)
		err = copy_granted(t);
	return memory->failed ? SC_NOMEM : err;
}

static const char *result_path(sc_task *t)
{
	return terminated(t->memory, t->call->result_path);
}

static void drop_result(sc_task *t)
{
	const char *path;

	if (t->result_in_file) {
		munmap(t->result, t->result_bytes);
		path = result_path(t);
		if (path != NULL)
			unlink(path);
	}
	t->result = NULL;
	t->result_bytes = 0;
	t->result_in_file = 0;
}

void slot_task_fini(sc_task *t, int keep_result)
{
	for (size_t i = 0; i < t->n_inputs; i++)
		if (t->inputs[i].is_mapped)
			munmap((void *)t->inputs[i].p, t->inputs[i].n);
	if (keep_result && t->result_in_file)
		munmap(t->result, t->result_bytes);
	else
		drop_result(t);
}

/* ---- what functions call -------------------------------------------------------------------------------------- */

size_t sc_task_n_args(const sc_task *t)
{
	return t->call->args.n;
}

const void *sc_task_arg(const sc_task *t, size_t i, size_t *len)
{
	if (i >= t->call->args.n)
		return NULL;
	if (len != NULL)
		*len = t->args[i].n;
	return t->args[i].p;
}

size_t sc_task_n_inputs(const sc_task *t)
{
	return t->n_inputs;
}

static int map_input(struct slot_input *in)
{
	int fd = open(in->p, O_RDONLY | O_CLOEXEC), saved;
	struct stat st;
	void *p = NULL;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	else if (st.st_size == 0)
		p = (void *)"";
	saved = errno;
	close(fd);
	errno = saved;
	if (p == NULL || p == MAP_FAILED)
		return -1;
	in->p = p;
	in->n = (size_t)st.st_size;
	in->is_mapped = st.st_size > 0;
	in->is_path = 0;
	return 0;
}

const void *sc_task_input(sc_task *t, size_t i, size_t *len)
{
	struct slot_input *in;

	if (i >= t->n_inputs) {
		errno = EINVAL;
		return NULL;
	}
	in = &t->inputs[i];
	if (in->is_path && map_input(in) != 0)
		return NULL;
	if (len != NULL)
		*len = in->n;
	return in->p != NULL ? in->p : "";
}

const char *sc_task_input_key(const sc_task *t, size_t i)
{
	return i < t->n_inputs ? t->inputs[i].key : NULL;
}

const char *sc_task_key(const sc_task *t)
{
	return t->key;
}

uint64_t sc_task_index(const sc_task *t)
{
	return t->call->index;
}

const char *sc_task_item(const sc_task *t)
{
	return t->item;
}

uint64_t sc_task_job(const sc_task *t)
{
	return t->call->job;
}

unsigned sc_task_attempt(const sc_task *t)
{
	return (unsigned)t->call->attempt;
}

/* A word about a resource, from 0: its name. */
static const char *granted(const sc_task *t, const char *resource, unsigned which)
{
	for (size_t i = 0; i < t->n_granted; i++)
		if (strcmp(t->granted[RESOURCE_WORDS * i], resource) == 0)
			return t->granted[RESOURCE_WORDS * i + which];
	return NULL;
}

const char *sc_task_resource(const sc_task *t, const char *resource)
{
	return granted(t, resource, 1);
}

const char *sc_task_resource_units(const sc_task *t, const char *resource)
{
	return granted(t, resource, 2);
}

/* Room on disk is claimed at once: a write to a mapped file that finds none is a SIGBUS. */
static void *map_result(sc_task *t, size_t len)
{
	const char *path = result_path(t);
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int error = fd < 0 ? errno : posix_fallocate(fd, 0, (off_t)len);
	void *p = MAP_FAILED;

	if (error == 0) {
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		error = p == MAP_FAILED ? errno : 0;
	}
	if (fd >= 0)
		close(fd);
	if (error == 0)
		return p;
	if (fd >= 0)
		unlink(path);
	t->output_error = error;
	return NULL;
}

void *sc_task_result_buffer(sc_task *t, size_t len)
{
	drop_result(t);
	if (len <= SLOT_INLINE_MAX) {
		t->result = arena_alloc(t->memory, len + 1);
		if (t->result == NULL)
			t->output_error = ENOMEM;
	} else {
		t->result = map_result(t, len);
		t->result_in_file = t->result != NULL;
	}
	t->result_bytes = t->result == NULL ? 0 : len;
	return t->result;
}

int sc_task_set_result(sc_task *t, const void *data, size_t len)
{
	void *p = sc_task_result_buffer(t, len);

	if (p == NULL)
		return SLOT_FUNCTION_FAIL;
	if (len > 0)
		memcpy(p, data, len);
	return 0;
}

int sc_task_fail(sc_task *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->reason, sizeof(t->reason), fmt, ap);
	va_end(ap);
	return SLOT_FUNCTION_FAIL;
}
