/* store.c - see store.h.  A table of results by (job, task), and per job a list of them, so that a job goes at once. */
#include "worker/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/mem.h"
#include "worker/table.h"

#define COPY_BYTES ((size_t)256 * 1024)

struct store_key {
	uint64_t job;
	uint64_t task; /* 64 bits wide, so that there is no padding in a key */
};

struct entry {
	UT_hash_handle hh;
	struct store_key key;
	struct result *result; /* shared */
	struct held_job *job;
	LIST_ENTRY(entry) of_job;
};

struct held_job {
	UT_hash_handle hh;
	uint64_t id;
	LIST_HEAD(, entry) entries;
};

struct store {
	struct spool *spool;
	uint64_t memory_limit_bytes;
	struct store_totals totals;
	struct entry *entries;
	struct held_job *jobs;
};

sc_err store_new(struct spool *spool, uint64_t memory_limit_bytes, struct store **out)
{
	struct store *s = mem_calloc(1, sizeof(*s));

	if (s == NULL)
		return SC_NOMEM;
	s->spool = spool;
	s->memory_limit_bytes = memory_limit_bytes;
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

	spool_path(s->spool, "result", name);
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

sc_err result_take_buf(struct result *r, enum stream stream, struct buf *b)
{
	struct store *s = r->store;
	struct blob new = {BLOB_MEMORY, b->len, NULL};
	sc_err err = buf_err(b);

	if (err == SC_OK && b->len > 0 && s->totals.memory_bytes + b->len > s->memory_limit_bytes) {
		new.place = BLOB_FILE;
		err = write_file(s, (const char *)b->data, b->len, &new.at);
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
	r->stream[stream] = (struct blob){place, bytes, copy};
	return SC_OK;
}

sc_err result_to_file(struct result *r, enum stream stream)
{
	struct blob *b = &r->stream[stream], new = {BLOB_FILE, b->bytes, NULL};
	sc_err err;

	if (b->place != BLOB_MEMORY)
		return SC_OK;
	err = write_file(r->store, b->at, (size_t)b->bytes, &new.at);
	if (err != SC_OK)
		return err;
	blob_fini(r->store, b);
	*b = new;
	return SC_OK;
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

static void forget(struct store *s, struct entry *e)
{
	count(s, e->result, -1);
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

struct result *store_get(struct store *s, uint64_t job, uint32_t task)
{
	struct entry *e = find(s, job, task);

	return e == NULL ? NULL : e->result;
}

void store_drop(struct store *s, uint64_t job, uint32_t task)
{
	struct entry *e = find(s, job, task);

	if (e != NULL)
		forget(s, e);
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
