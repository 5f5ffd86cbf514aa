/*
 * store.c - see store.h.
 *
 * A table of results by (job, task), per job a list of them, so that a job goes at once, and two lists in the order of
 * last use: of those with something in memory, and of copies that may go.
 */
#include "worker/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "worker/table.h"

#define COPY_BYTES ((size_t)256 * 1024)

struct store_key {
	uint64_t job;
	uint64_t task; /* 64 bits wide, so that there is no padding in a key */
};

enum origin { ORIGIN_OWN, ORIGIN_COPY, ORIGIN_PINNED };

struct entry {
	UT_hash_handle hh;
	struct store_key key;
	struct result *result; /* shared */
	struct held_job *job;
	LIST_ENTRY(entry) of_job;
	enum origin origin;
	int is_in_memory;		/* some of it: it is in that list */
	TAILQ_ENTRY(entry) memory_link; /* least recently used first, as in the other */
	TAILQ_ENTRY(entry) copy_link;	/* of an ORIGIN_COPY */
};

TAILQ_HEAD(entry_list, entry);

struct held_job {
	UT_hash_handle hh;
	uint64_t id;
	LIST_HEAD(, entry) entries;
};

struct store {
	struct store_config config;
	struct store_totals totals;
	struct entry *entries;
	struct entry_list in_memory, copies;
	struct held_job *jobs;
};

sc_err store_new(const struct store_config *config, struct store **out)
{
	struct store *s = mem_calloc(1, sizeof(*s));

	if (s == NULL)
		return SC_NOMEM;
	s->config = *config;
	TAILQ_INIT(&s->in_memory);
	TAILQ_INIT(&s->copies);
	*out = s;
	return SC_OK;
}

void store_free(struct store *s)
{
	if (s == NULL)
		return;
	store_clear(s);
	mem_free(s);
}

/* ---- blobs ---------------------------------------------------------------------------------------------------- */

static void blob_fini(struct store *s, struct blob *b)
{
	if (b->place == BLOB_MEMORY)
		s->totals.memory_bytes -= b->bytes;
	if (b->place == BLOB_FILE)
		unlink(b->at);
	mem_free(b->at);
	*b = (struct blob){0};
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno != EINTR)
			return -1;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

/* A new file of the spool with these bytes; its path is copied to *path. */
static sc_err write_file(struct store *s, const char *p, size_t n, char **path)
{
	char name[SPOOL_PATH_MAX];
	int fd, failed, saved;

	spool_path(s->config.spool, "result", name);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return SC_IO;
	failed = write_all(fd, p, n) != 0;
	saved = errno;
	failed |= close(fd) != 0;
	*path = failed ? NULL : mem_strdup(name);
	if (*path == NULL) {
		unlink(name);
		errno = saved;
		return failed ? SC_IO : SC_NOMEM;
	}
	return SC_OK;
}

/* 0 when it is not there. */
static int64_t changed_ns(const char *path, uint64_t *bytes)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return 0;
	*bytes = (uint64_t)st.st_size;
	return spool_changed_ns(&st);
}

/*
 * Nobody is to write to it from now on: tasks find it under other names among their inputs.  It would be found out, but
 * not by those that read it at that moment.
 */
static struct blob spool_blob(char *path, uint64_t bytes)
{
	uint64_t found;

	chmod(path, 0400); /* if not, it is as it was */
	return (struct blob){BLOB_FILE, bytes, path, changed_ns(path, &found)};
}

static int is_as_written(const struct blob *b)
{
	uint64_t bytes = 0;

	return b->place != BLOB_FILE || (changed_ns(b->at, &bytes) == b->changed_ns && bytes == b->bytes);
}

ssize_t blob_read(const struct blob *b, uint64_t offset, void *out, size_t n)
{
	ssize_t got;
	int fd, saved;

	if (offset >= b->bytes || b->place == BLOB_EMPTY)
		return 0;
	if (n > b->bytes - offset)
		n = (size_t)(b->bytes - offset);
	if (b->place == BLOB_MEMORY) {
		memcpy(out, b->at + offset, n);
		return (ssize_t)n;
	}
	fd = open(b->at, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = pread(fd, out, n, (off_t)offset);
	saved = errno;
	close(fd);
	errno = saved;
	return got;
}

static int copy_file(const char *path, int to)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), saved;
	char *copy = from < 0 ? NULL : mem_malloc(COPY_BYTES);
	ssize_t n = copy == NULL ? -1 : 1;

	while (n > 0) {
		n = read(from, copy, COPY_BYTES);
		if (n > 0 && write_all(to, copy, (size_t)n) != 0)
			n = -1;
	}
	saved = errno;
	mem_free(copy);
	if (from >= 0)
		close(from);
	errno = saved;
	return n < 0 ? -1 : 0;
}

int blob_write_to(const struct blob *b, int fd)
{
	switch (b->place) {
	case BLOB_EMPTY:
		return 0;
	case BLOB_MEMORY:
		return write_all(fd, b->at, (size_t)b->bytes);
	case BLOB_FILE:
	case BLOB_FOREIGN:
		return copy_file(b->at, fd);
	}
	return 0;
}

/* ---- results -------------------------------------------------------------------------------------------------- */

sc_err result_new(struct store *s, struct result **out)
{
	struct result *r = mem_calloc(1, sizeof(*r));

	if (r == NULL)
		return SC_NOMEM;
	r->refs = 1;
	r->store = s;
	*out = r;
	return SC_OK;
}

struct result *result_ref(struct result *r)
{
	r->refs++;
	return r;
}

void result_unref(struct result *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	for (int i = 0; i < STREAMS; i++)
		blob_fini(r->store, &r->stream[i]);
	mem_free(r);
}

/* Whether n more bytes can be in memory, if need be after others have gone to files. */
static int fits_in_memory(struct store *s, uint64_t n)
{
	uint64_t limit = s->config.memory_bytes, all = s->totals.memory_bytes + n;

	if (n <= limit && all > limit)
		store_spill(s, all - limit);
	return s->totals.memory_bytes + n <= limit;
}

sc_err result_take_buf(struct result *r, enum stream stream, struct buf *b)
{
	struct store *s = r->store;
	struct blob new = {.place = BLOB_MEMORY, .bytes = b->len};
	sc_err err = buf_err(b);

	if (err == SC_OK && b->len > 0 && !fits_in_memory(s, b->len)) {
		err = write_file(s, (const char *)b->data, b->len, &new.at);
		if (err == SC_OK)
			new = spool_blob(new.at, b->len);
		buf_fini(b);
	} else if (err == SC_OK && b->len > 0) {
		new.at = mem_realloc(b->data, b->len); /* smaller, never larger */
		if (new.at == NULL)
			new.at = (char *)b->data;
		b->data = NULL;
		s->totals.memory_bytes += b->len;
	}
	if (err == SC_OK && new.bytes > 0) {
		blob_fini(s, &r->stream[stream]);
		r->stream[stream] = new;
	}
	buf_fini(b);
	return err;
}

sc_err result_take_file(struct result *r, enum stream stream, enum blob_place place, const char *path, uint64_t bytes)
{
	char *copy = mem_strdup(path);

	if (copy == NULL) {
		if (place == BLOB_FILE)
			unlink(path);
		return SC_NOMEM;
	}
	blob_fini(r->store, &r->stream[stream]);
	r->stream[stream] = place == BLOB_FILE ? spool_blob(copy, bytes)
					       : (struct blob){.place = place, .bytes = bytes, .at = copy};
	return SC_OK;
}

/* Keep the list of those in memory right. */
static void note_memory(struct store *s, struct entry *e)
{
	int is_in_memory = 0;

	for (int i = 0; i < STREAMS; i++)
		is_in_memory |= e->result->stream[i].place == BLOB_MEMORY;
	if (is_in_memory && !e->is_in_memory)
		TAILQ_INSERT_TAIL(&s->in_memory, e, memory_link);
	if (!is_in_memory && e->is_in_memory)
		TAILQ_REMOVE(&s->in_memory, e, memory_link);
	e->is_in_memory = is_in_memory;
}

sc_err result_to_file(struct result *r, enum stream stream)
{
	struct blob *b = &r->stream[stream], new;
	char *path;
	sc_err err;

	if (b->place != BLOB_MEMORY)
		return SC_OK;
	err = write_file(r->store, b->at, (size_t)b->bytes, &path);
	if (err != SC_OK)
		return err;
	new = spool_blob(path, b->bytes);
	blob_fini(r->store, b);
	*b = new;
	if (r->entry != NULL) {
		r->store->totals.spilled_bytes += new.bytes;
		note_memory(r->store, r->entry);
	}
	return SC_OK;
}

uint64_t store_spill(struct store *s, uint64_t n_bytes)
{
	uint64_t before = s->totals.memory_bytes;
	struct entry *e;

	while (before - s->totals.memory_bytes < n_bytes && (e = TAILQ_FIRST(&s->in_memory)) != NULL) {
		struct result *r = e->result;

		for (int i = 0; i < STREAMS; i++)
			if (result_to_file(r, (enum stream)i) != SC_OK)
				return before - s->totals.memory_bytes;
	}
	return before - s->totals.memory_bytes;
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

static struct entry *find(struct store *s, uint64_t job, uint32_t task)
{
	struct store_key key = {job, task};
	struct entry *e;

	HASH_FIND(hh, s->entries, &key, sizeof(key), e);
	return e;
}

static void count(struct store *s, const struct result *r, int sign)
{
	for (int i = 0; i < STREAMS; i++) {
		uint64_t bytes = r->stream[i].bytes, spilled = r->stream[i].place == BLOB_FILE ? bytes : 0;

		s->totals.held_bytes = sign > 0 ? s->totals.held_bytes + bytes : s->totals.held_bytes - bytes;
		s->totals.spilled_bytes =
			sign > 0 ? s->totals.spilled_bytes + spilled : s->totals.spilled_bytes - spilled;
	}
	s->totals.held = sign > 0 ? s->totals.held + 1 : s->totals.held - 1;
}

static uint64_t result_bytes(const struct result *r)
{
	return r->stream[STREAM_RESULT].bytes + r->stream[STREAM_STDERR].bytes;
}

void result_take_stream(struct result *r, enum stream stream, struct result *from)
{
	struct store *s = r->store;
	int is_copy = r->entry != NULL && r->entry->origin == ORIGIN_COPY;

	if (r->entry != NULL)
		count(s, r, -1);
	if (is_copy)
		s->totals.copies_bytes -= result_bytes(r);
	blob_fini(s, &r->stream[stream]);
	r->stream[stream] = from->stream[stream];
	from->stream[stream] = (struct blob){0};
	if (is_copy)
		s->totals.copies_bytes += result_bytes(r);
	if (r->entry != NULL) {
		count(s, r, 1);
		note_memory(s, r->entry);
	}
}

static void set_origin(struct store *s, struct entry *e, enum origin origin)
{
	if (e->origin == ORIGIN_COPY && origin != ORIGIN_COPY) {
		TAILQ_REMOVE(&s->copies, e, copy_link);
		s->totals.copies_bytes -= result_bytes(e->result);
	}
	if (e->origin != ORIGIN_COPY && origin == ORIGIN_COPY) {
		TAILQ_INSERT_TAIL(&s->copies, e, copy_link);
		s->totals.copies_bytes += result_bytes(e->result);
	}
	e->origin = origin;
}

static void forget(struct store *s, struct entry *e)
{
	set_origin(s, e, ORIGIN_OWN);
	if (e->is_in_memory)
		TAILQ_REMOVE(&s->in_memory, e, memory_link);
	count(s, e->result, -1);
	e->result->entry = NULL;
	result_unref(e->result);
	HASH_DEL(s->entries, e);
	LIST_REMOVE(e, of_job);
	if (LIST_EMPTY(&e->job->entries)) {
		HASH_DEL(s->jobs, e->job);
		mem_free(e->job);
	}
	mem_free(e);
}

static struct held_job *get_job(struct store *s, uint64_t id)
{
	struct held_job *j;

	HASH_FIND(hh, s->jobs, &id, sizeof(id), j);
	if (j != NULL)
		return j;
	j = mem_calloc(1, sizeof(*j));
	if (j == NULL)
		return NULL;
	j->id = id;
	HASH_ADD(hh, s->jobs, id, sizeof(j->id), j);
	if (!table_has_added(j)) {
		mem_free(j);
		return NULL;
	}
	return j;
}

sc_err store_put(struct store *s, uint64_t job, uint32_t task, struct result *r)
{
	struct entry *e = find(s, job, task);
	struct held_job *j;

	if (e != NULL)
		forget(s, e);
	j = get_job(s, job);
	e = j == NULL ? NULL : mem_calloc(1, sizeof(*e));
	if (e == NULL)
		goto fail;
	e->key = (struct store_key){job, task};
	e->result = r;
	e->job = j;
	HASH_ADD(hh, s->entries, key, sizeof(e->key), e);
	if (!table_has_added(e))
		goto fail;
	LIST_INSERT_HEAD(&j->entries, e, of_job);
	count(s, r, 1);
	r->entry = e;
	note_memory(s, e);
	return SC_OK;
fail:
	mem_free(e);
	if (j != NULL && LIST_EMPTY(&j->entries)) {
		HASH_DEL(s->jobs, j);
		mem_free(j);
	}
	result_unref(r);
	return SC_NOMEM;
}

static void tell_gone(struct store *s, uint64_t job, uint32_t task)
{
	if (s->config.gone != NULL)
		s->config.gone(job, task, s->config.arg);
}

/* Copies nobody uses at the moment go until the others are few enough. */
static void evict_copies(struct store *s)
{
	struct entry *e = TAILQ_FIRST(&s->copies), *next;

	for (; e != NULL && s->totals.copies_bytes > s->config.copies_bytes; e = next) {
		struct store_key key = e->key;

		next = TAILQ_NEXT(e, copy_link);
		if (e->result->refs > 1)
			continue;
		forget(s, e);
		tell_gone(s, key.job, (uint32_t)key.task);
	}
}

sc_err store_put_copy(struct store *s, uint64_t job, uint32_t task, struct result *r, int pinned)
{
	struct entry *e = find(s, job, task);
	enum origin origin = pinned ? ORIGIN_PINNED : ORIGIN_COPY;
	sc_err err;

	if (e != NULL) {
		if (pinned && e->origin == ORIGIN_COPY)
			set_origin(s, e, ORIGIN_PINNED);
		result_unref(r);
		return SC_OK;
	}
	err = store_put(s, job, task, r);
	if (err == SC_OK)
		set_origin(s, find(s, job, task), origin);
	evict_copies(s);
	return err;
}

void store_keep(struct store *s, uint64_t job, uint32_t task)
{
	struct entry *e = find(s, job, task);

	if (e != NULL)
		set_origin(s, e, ORIGIN_OWN);
}

static void touch(struct entry_list *l, struct entry *e, int is_copy)
{
	if (is_copy) {
		TAILQ_REMOVE(l, e, copy_link);
		TAILQ_INSERT_TAIL(l, e, copy_link);
	} else {
		TAILQ_REMOVE(l, e, memory_link);
		TAILQ_INSERT_TAIL(l, e, memory_link);
	}
}

struct result *store_get(struct store *s, uint64_t job, uint32_t task)
{
	struct entry *e = find(s, job, task);

	if (e == NULL)
		return NULL;
	if (!is_as_written(&e->result->stream[STREAM_RESULT]) || !is_as_written(&e->result->stream[STREAM_STDERR])) {
		log_warn("store", "damaged", "job=%" PRIu64 " task=%u reason=\"a file of the spool was written to\"",
			 job, task);
		forget(s, e);
		tell_gone(s, job, task);
		return NULL;
	}
	if (e->is_in_memory)
		touch(&s->in_memory, e, 0);
	if (e->origin == ORIGIN_COPY)
		touch(&s->copies, e, 1);
	return e->result;
}

void store_drop(struct store *s, uint64_t job, uint32_t task)
{
	struct entry *e = find(s, job, task);

	if (e != NULL)
		forget(s, e);
}

void store_drop_copy(struct store *s, uint64_t job, uint32_t task)
{
	struct entry *e = find(s, job, task);

	if (e == NULL || e->origin == ORIGIN_OWN)
		return;
	forget(s, e);
	tell_gone(s, job, task);
}

void store_drop_job(struct store *s, uint64_t job)
{
	struct held_job *j;
	struct entry *e;
	int last = 0;

	HASH_FIND(hh, s->jobs, &job, sizeof(job), j);
	while (j != NULL && !last) {
		e = LIST_FIRST(&j->entries);
		last = LIST_NEXT(e, of_job) == NULL; /* j goes with its last entry */
		forget(s, e);
	}
}

void store_clear(struct store *s)
{
	struct entry *e, *next;

	HASH_ITER (hh, s->entries, e, next) {
		forget(s, e);
	}
}

const struct store_totals *store_totals(const struct store *s)
{
	return &s->totals;
}
