/* cluster.c - see cluster.h. */
#include "scheduler/info/cluster.h"

#include "base/mem.h"

void info_cluster_init(struct info_cluster *c, size_t max_tombstones)
{
	memset(c, 0, sizeof(*c));
	TAILQ_INIT(&c->changes);
	c->max_tombstones = max_tombstones;
}

/* ---- hosts ------------------------------------------------------------------------------------------------------ */

/*
 * "tcp://10.0.0.7:4711" -> "10.0.0.7", "tcp://[::1]:4711" -> "::1".  A socket in the file system names no host: it is
 * what the worker calls it.  Anything else is its own host.
 */
static struct slice host_of(struct slice address, struct slice own_name)
{
	const char *scheme = memmem(address.p, address.n, "://", 3);
	struct slice host = address;
	const char *colon;

	if (scheme == NULL)
		return host;
	if (address.n > 5 && memcmp(address.p, "unix:", 5) == 0 && own_name.n > 0)
		return own_name;
	host.p = scheme + 3;
	host.n = address.n - (size_t)(host.p - address.p);
	colon = memrchr(host.p, ':', host.n);
	if (colon == NULL)
		return host;
	host.n = (size_t)(colon - host.p);
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		host.p++;
		host.n -= 2;
	}
	return host;
}

/* The one host of this name, with one more worker. */
static struct info_host *host_take(struct info_cluster *c, struct slice address, struct slice own_name)
{
	struct slice name = host_of(address, own_name);
	struct info_host *h;

	c->hosts_parsed++;
	HASH_FIND(hh, c->hosts, name.p, name.n, h);
	if (h == NULL) {
		h = mem_calloc(1, sizeof(*h));
		if (h == NULL)
			return NULL;
		h->name = slice_dup(name);
		if (h->name != NULL)
			HASH_ADD_KEYPTR(hh, c->hosts, h->name, name.n, h);
		if (h->name == NULL || h->hh.tbl == NULL) {
			mem_free(h->name);
			mem_free(h);
			return NULL;
		}
	}
	h->n_workers++;
	return h;
}

static void host_drop(struct info_cluster *c, struct info_host *h)
{
	if (h == NULL || --h->n_workers > 0)
		return;
	HASH_DELETE(hh, c->hosts, h);
	mem_free(h->name);
	mem_free(h);
}

/* ---- records ---------------------------------------------------------------------------------------------------- */

static void texts_free(struct info_record *r)
{
	mem_free(r->name);
	mem_free(r->pool);
	mem_free(r->address);
	mem_free(r->resources);
	mem_free(r->labels);
	mem_free(r->namespace);
	r->name = r->pool = r->address = r->resources = r->labels = r->namespace = NULL;
}

void info_cluster_fini(struct info_cluster *c)
{
	struct info_record *r;

	while ((r = TAILQ_FIRST(&c->changes)) != NULL) {
		TAILQ_REMOVE(&c->changes, r, link);
		texts_free(r);
		host_drop(c, r->host);
		mem_free(r);
	}
	mem_free(c->by_worker);
	info_cluster_init(c, c->max_tombstones);
}

/* The record changes in the epoch in the making. */
static void touch(struct info_cluster *c, struct info_record *r)
{
	c->changed = 1;
	r->changed = c->epoch + 1;
	if (TAILQ_FIRST(&c->changes) == r)
		return;
	TAILQ_REMOVE(&c->changes, r, link);
	TAILQ_INSERT_HEAD(&c->changes, r, link);
}

static void count(struct info_totals *t, const struct info_record *r, int sign)
{
	uint64_t s = (uint64_t)(int64_t)sign; /* modulo 2^64: subtracting is adding the negative */

	t->workers += s;
	t->slots += s * r->slots;
	t->memory_limit_bytes += s * r->memory_limit_bytes;
	t->cpu_percent += s * r->cpu_percent;
	t->memory_mib += s * r->memory_mib;
	t->spilled_mib += s * r->spilled_mib;
	t->running += s * r->running;
	t->queued += s * r->queued;
	t->held += s * r->held;
}

/* A worker may lie, but not so that the totals of all overflow. */
static uint64_t bounded(uint64_t value)
{
	return value < INFO_VALUE_MAX ? value : INFO_VALUE_MAX;
}

static sc_err make_room(struct info_cluster *c, uint32_t worker)
{
	size_t old = c->cap_workers;
	void *p = mem_grow(c->by_worker, &c->cap_workers, (size_t)worker + 1, sizeof(struct info_record *));

	if (p == NULL)
		return SC_NOMEM;
	c->by_worker = p;
	for (size_t i = old; i < c->cap_workers; i++)
		c->by_worker[i] = NULL;
	return SC_OK;
}

sc_err info_join(struct info_cluster *c, uint32_t worker, const struct info_identity *identity)
{
	struct info_record *r;

	if (info_find(c, worker) != NULL)
		return SC_EXISTS;
	if (make_room(c, worker) != SC_OK)
		return SC_NOMEM;
	r = mem_calloc(1, sizeof(*r));
	if (r == NULL)
		return SC_NOMEM;
	r->name = slice_dup(identity->name);
	r->pool = slice_dup(identity->pool);
	r->address = slice_dup(identity->address);
	r->resources = slice_dup(identity->resources);
	r->labels = slice_dup(identity->labels);
	r->namespace = slice_dup(identity->namespace);
	if (r->name != NULL && r->pool != NULL && r->address != NULL && r->resources != NULL && r->labels != NULL &&
	    r->namespace != NULL)
		r->host = host_take(c, identity->address, identity->host);
	if (r->host == NULL) {
		texts_free(r);
		mem_free(r);
		return SC_NOMEM;
	}
	r->worker = worker;
	r->pid = identity->pid;
	r->slots = bounded(identity->slots);
	r->memory_limit_bytes = bounded(identity->memory_limit_bytes);
	r->status = identity->status;
	r->born = r->identity_changed = c->epoch + 1;
	TAILQ_INSERT_HEAD(&c->changes, r, link);
	touch(c, r);
	c->by_worker[worker] = r;
	count(&c->totals, r, 1);
	return SC_OK;
}

/* The oldest tombstones go when there are too many; they are the last in the list. */
static void drop_tombstones(struct info_cluster *c)
{
	struct info_record *r = TAILQ_LAST(&c->changes, info_changes), *before;

	for (; r != NULL && c->n_tombstones > c->max_tombstones; r = before) {
		before = TAILQ_PREV(r, info_changes, link);
		if (!r->is_gone)
			continue;
		c->horizon = r->changed;
		TAILQ_REMOVE(&c->changes, r, link);
		mem_free(r);
		c->n_tombstones--;
	}
}

void info_leave(struct info_cluster *c, uint32_t worker)
{
	struct info_record *r = worker < c->cap_workers ? c->by_worker[worker] : NULL;

	if (r == NULL)
		return;
	count(&c->totals, r, -1);
	c->by_worker[worker] = NULL;
	texts_free(r);
	host_drop(c, r->host);
	r->host = NULL;
	r->is_gone = 1;
	touch(c, r);
	c->n_tombstones++;
	if (c->n_tombstones > c->max_tombstones + c->max_tombstones / 8)
		drop_tombstones(c); /* a walk over the whole list, so not for each one */
}

void info_set_status(struct info_cluster *c, uint32_t worker, unsigned status)
{
	struct info_record *r = worker < c->cap_workers ? c->by_worker[worker] : NULL;

	if (r == NULL || r->status == status)
		return;
	r->status = status;
	r->identity_changed = c->epoch + 1;
	touch(c, r);
}

/* To the nearest; never more than INFO_VALUE_MAX bytes are. */
static uint64_t mib_of(uint64_t bytes)
{
	return (bounded(bytes) + INFO_MIB / 2) / INFO_MIB;
}

/* Noise of a rate: 64 KiB/s. */
static uint64_t kib_of(uint64_t bytes)
{
	return (bounded(bytes) >> 16) << 6;
}

static int set(uint64_t *field, uint64_t value)
{
	if (*field == value)
		return 0;
	*field = value;
	return 1;
}

int info_set_metrics(struct info_cluster *c, uint32_t worker, const struct info_metrics *m)
{
	struct info_record *r = worker < c->cap_workers ? c->by_worker[worker] : NULL;
	int changed = 0;

	if (r == NULL)
		return 0;
	count(&c->totals, r, -1);
	changed |= set(&r->cpu_percent, bounded(m->cpu_percent));
	changed |= set(&r->memory_mib, mib_of(m->memory_bytes));
	changed |= set(&r->spilled_mib, mib_of(m->spilled_bytes));
	changed |= set(&r->running, bounded(m->running));
	changed |= set(&r->queued, bounded(m->queued));
	changed |= set(&r->held, bounded(m->held));
	changed |= set(&r->sent_kib_s, kib_of(m->sent_bytes_s));
	changed |= set(&r->received_kib_s, kib_of(m->received_bytes_s));
	count(&c->totals, r, 1);
	if (changed)
		touch(c, r);
	return changed;
}

const struct info_record *info_find(const struct info_cluster *c, uint32_t worker)
{
	return worker < c->cap_workers ? c->by_worker[worker] : NULL;
}

int info_advance(struct info_cluster *c)
{
	if (!c->changed)
		return 0;
	c->changed = 0;
	c->epoch++;
	return 1;
}

int info_can_delta(const struct info_cluster *c, uint64_t epoch)
{
	return epoch >= c->horizon && epoch <= c->epoch && epoch > 0;
}
