/*
 * slot_main.c - see slot_main.h.
 *
 * Returns are collected and leave together when there is nothing left to call.  They leave earlier when the oldest has
 * waited for FLUSH_US, and before a function that is not known to be quick, so that nobody waits for a slow neighbour.
 */
#include "worker/slot_main.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/conn.h"
#include "worker/slot_task.h"
#include "worker/table.h"

#define FLUSH_US 500u
#define QUICK_US 100u /* calls of functions that take less, on average, wait for each other */

/* A function that was looked up. */
struct function {
	UT_hash_handle hh;
	char *key; /* module, zero, function; owned */
	size_t key_bytes;
	sc_task_fn *fn;	    /* NULL: not found */
	char problem[1024]; /* why it was not found */
	uint64_t n_calls;
	uint64_t average_us;
};

struct slot_process {
	struct loop *loop;
	struct conn *conn;
	struct slot_shared *shared;
	struct function *functions;
	struct buf key; /* of the function wanted */
	struct arena memory;
	uint64_t oldest_us; /* return not sent yet; 0: none */
	sc_task task;
};

/* ---- functions ------------------------------------------------------------------------------------------------ */

/* dlopen counts: a module that is loaded is not loaded again. */
static void look_up(struct function *f, const char *module, const char *name)
{
	void *handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	const char *why = handle == NULL ? dlerror() : NULL;
	union {
		void *object;
		sc_task_fn *fn;
	} symbol = {NULL}; /* ISO C has no cast from the one to the other */

	if (handle != NULL) {
		symbol.object = dlsym(handle, name);
		if (symbol.object == NULL)
			why = dlerror();
	}
	f->fn = symbol.fn;
	if (f->fn == NULL)
		snprintf(f->problem, sizeof(f->problem), "%s", why != NULL ? why : "the symbol is NULL");
}

static struct function *find_function(struct slot_process *s, const struct msg_slot_call *c)
{
	struct function *f;

	buf_reset(&s->key);
	buf_append(&s->key, c->module.p, c->module.n);
	buf_append_byte(&s->key, '\0');
	buf_append(&s->key, c->function.p, c->function.n);
	if (buf_err(&s->key) != SC_OK)
		return NULL;
	HASH_FIND(hh, s->functions, s->key.data, s->key.len, f);
	if (f != NULL && f->fn == NULL)
		look_up(f, f->key, f->key + c->module.n + 1); /* it may be there by now */
	if (f != NULL)
		return f;
	f = mem_calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->key_bytes = s->key.len;
	f->key = mem_strndup((const char *)s->key.data, s->key.len);
	if (f->key != NULL)
		HASH_ADD_KEYPTR(hh, s->functions, f->key, f->key_bytes, f);
	if (f->key == NULL || !table_has_added(f)) {
		mem_free(f->key);
		mem_free(f);
		return NULL;
	}
	look_up(f, f->key, f->key + c->module.n + 1);
	return f;
}

/* ---- calls ---------------------------------------------------------------------------------------------------- */

static uint64_t cpu_now_us(void)
{
	return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

static void flush(struct slot_process *s)
{
	conn_flush(s->conn);
	s->oldest_us = 0;
}

static int is_quick(const struct function *f)
{
	return f->n_calls > 0 && f->average_us < QUICK_US;
}

static void fail(struct msg_slot_return *r, unsigned cause, uint64_t status, const char *text)
{
	r->cause = cause;
	r->status = status;
	r->text = slice_of(text);
}

/* What the function gave back. */
static void judge(sc_task *t, int returned, struct msg_slot_return *r, char *text, size_t cap)
{
	if (t->output_error != 0) {
		snprintf(text, cap, "the result could not be kept: %s", strerror(t->output_error));
		fail(r, FAIL_OUTPUT, (uint64_t)t->output_error, text);
	} else if (returned != 0) {
		if (t->reason[0] == '\0')
			snprintf(text, cap, "function %.*s returned %d", (int)t->call->function.n, t->call->function.p,
				 returned);
		fail(r, FAIL_FUNCTION, (uint32_t)returned, t->reason[0] != '\0' ? t->reason : text);
	}
	r->result_bytes = t->result_bytes;
	r->result_in_file = t->result_in_file ? 1 : 0;
	if (!t->result_in_file)
		r->result = (struct slice){t->result, t->result_bytes};
}

static void run(struct slot_process *s, struct function *f, const struct msg_slot_call *c, struct msg_slot_return *r,
		char *text, size_t cap)
{
	int quick = is_quick(f), returned;
	uint64_t begin_us = clock_monotonic_us(), cpu_us = 0;

	if (s->oldest_us != 0 && (!quick || begin_us - s->oldest_us > FLUSH_US))
		flush(s);
	if (!quick)
		cpu_us = cpu_now_us();
	atomic_store(&s->shared->running, c->call);
	returned = f->fn(&s->task);
	atomic_store(&s->shared->running, 0);
	r->elapsed_us = clock_monotonic_us() - begin_us;
	/* reading the processor's clock takes longer than a quick function may */
	r->cpu_us = quick ? r->elapsed_us : cpu_now_us() - cpu_us;
	f->average_us = f->n_calls++ == 0 ? r->elapsed_us : (f->average_us * 7 + r->elapsed_us) / 8;
	judge(&s->task, returned, r, text, cap);
}

static void call(struct slot_process *s, const struct msg_slot_call *c)
{
	struct msg_slot_return r = {.call = c->call};
	struct function *f = find_function(s, c);
	char text[512];
	sc_err err;

	arena_reset(&s->memory);
	err = slot_task_init(&s->task, c, &s->memory);
	if (f == NULL || err != SC_OK)
		fail(&r, FAIL_SPAWN, ENOMEM, "out of memory for the call");
	else if (f->fn == NULL)
		fail(&r, FAIL_MODULE, 0, f->problem);
	else
		run(s, f, c, &r, text, sizeof(text));
	conn_send(s->conn, MSG_slot_return, &r);
	slot_task_fini(&s->task, 1); /* of a failed task, too: it can be looked at */
	if (s->oldest_us == 0)
		s->oldest_us = clock_monotonic_us();
}

static sc_err on_message(struct conn *conn, const struct msg *m, void *arg)
{
	(void)conn;
	if (m->type != MSG_slot_call)
		return SC_UNEXPECTED;
	call(arg, &m->u.slot_call);
	return SC_OK;
}

static void on_close(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct slot_process *s = arg;

	(void)c;
	(void)why;
	(void)text;
	loop_stop(s->loop);
}

static void on_turn(void *arg)
{
	struct slot_process *s = arg;

	s->oldest_us = 0; /* all is written at the end of the turn */
}

int slot_main(int argc, char **argv)
{
	static const struct conn_handlers handlers = {NULL, on_message, on_close};
	struct slot_process *s = mem_calloc(1, sizeof(*s));
	uint64_t fd;

	if (argc != 3 || text_u64(argv[2], &fd) != SC_OK || fd > 1000 || s == NULL) {
		fprintf(stderr, "sched-worker: --function-slot is not for use from outside\n");
		return 2;
	}
	prctl(PR_SET_NAME, "sched-slot", 0, 0, 0);
	/* programs started by functions get neither */
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	fcntl((int)fd + 1, F_SETFD, FD_CLOEXEC);
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd + 1, 0);
	buf_init(&s->key, 0);
	if (s->shared == MAP_FAILED || loop_new(&s->loop) != SC_OK ||
	    conn_new(s->loop, (int)fd, &conn_limits_default, &handlers, s, &s->conn) != SC_OK)
		return 1;
	loop_set_turn_hook(s->loop, on_turn, s);
	loop_run(s->loop);
	_exit(0); /* what functions registered with atexit() is not ours to wait for */
}
