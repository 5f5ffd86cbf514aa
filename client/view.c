/* view.c - see view.h. */
#include "client/view.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define SLOTS	       64u /* versions at the same time */
#define SLOT_SHIFT     48  /* of the current word: place of the version, then how often it was taken */
#define TAKEN_MASK     (((uint64_t)1 << SLOT_SHIFT) - 1)
#define BODY_MAX_BYTES ((size_t)256 * 1024 * 1024)
#define WORKER_MAX     16777216u /* larger numbers are refused: the table is an array over them */
#define TOTALS_COUNT   9u

struct view {
	struct view_record **table; /* by worker number */
	size_t cap_table, n_workers;
	struct view_totals totals;
	struct view_index *index; /* true of the table; NULL: to be built */
	int is_torn;		  /* memory ran out in the middle of a change: only a snapshot helps */
	uint64_t granted_us;
	struct msg_decoder *decoder;
	struct frame_codec codec;
	_Atomic(struct view_version *) slots[SLOTS];
	_Atomic uint64_t current;
};

/* ---- counted parts ---------------------------------------------------------------------------------------------- */

static void identity_unref(struct view_identity *i)
{
	if (i == NULL || --i->n_refs > 0)
		return;
	mem_free(i->name);
	mem_free(i->pool);
	mem_free(i->address);
	mem_free(i->host);
	mem_free(i->resources);
	mem_free(i->labels);
	mem_free(i->namespace);
	mem_free(i);
}

static void record_unref(struct view_record *r)
{
	if (r == NULL || --r->n_refs > 0)
		return;
	identity_unref(r->identity);
	mem_free(r);
}

static void version_free(struct view *v, struct view_version *version)
{
	atomic_store(&v->slots[version->slot], NULL);
	for (size_t i = 0; i < version->n; i++)
		record_unref(version->records[i]);
	mem_free(version->records);
	view_index_unref(version->index);
	mem_free(version);
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

/* Somebody has come, gone, or changed name or address. */
static void index_forget(struct view *v)
{
	view_index_unref(v->index);
	v->index = NULL;
}

static void table_set(struct view *v, uint32_t worker, struct view_record *r)
{
	struct view_record *old = worker < v->cap_table ? v->table[worker] : NULL;

	v->n_workers += r != NULL;
	v->n_workers -= old != NULL;
	if ((r != NULL) != (old != NULL))
		index_forget(v);
	if (worker < v->cap_table)
		v->table[worker] = r;
	record_unref(old);
}

static sc_err table_reserve(struct view *v, uint32_t worker)
{
	size_t old = v->cap_table;
	void *p = mem_grow(v->table, &v->cap_table, (size_t)worker + 1, sizeof(struct view_record *));

	if (p == NULL)
		return SC_NOMEM;
	v->table = p;
	for (size_t i = old; i < v->cap_table; i++)
		v->table[i] = NULL;
	return SC_OK;
}

static void table_clear(struct view *v)
{
	for (size_t i = 0; i < v->cap_table; i++)
		if (v->table[i] != NULL)
			table_set(v, (uint32_t)i, NULL);
	memset(&v->totals, 0, sizeof(v->totals));
}

/* A record of its own for the worker, to be changed: published ones are never written to. */
static struct view_record *table_edit(struct view *v, uint32_t worker)
{
	struct view_record *old, *r;

	if (table_reserve(v, worker) != SC_OK)
		return NULL;
	old = v->table[worker];
	if (old != NULL && old->n_refs == 1)
		return old;
	r = mem_calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	if (old != NULL)
		*r = *old;
	r->n_refs = 1;
	r->worker = worker;
	if (r->identity != NULL)
		r->identity->n_refs++;
	table_set(v, worker, r);
	return r;
}

size_t view_n_workers(const struct view *v)
{
	return v->n_workers;
}

const struct view_record *view_worker(const struct view *v, uint32_t worker)
{
	return worker < v->cap_table ? v->table[worker] : NULL;
}

const struct view_totals *view_totals(const struct view *v)
{
	return &v->totals;
}

void view_set_granted(struct view *v, uint64_t granted_us)
{
	v->granted_us = granted_us;
}

/* ---- applying --------------------------------------------------------------------------------------------------- */

static int numbers_are_sane(const struct column *c)
{
	struct column_reader r;

	column_read(&r, c);
	for (size_t i = 0; i < c->count; i++)
		if (column_next(&r) > WORKER_MAX)
			return 0;
	return 1;
}

static sc_err check_body(const struct msg_info_body *b)
{
	size_t n = b->worker.count, m = b->measured.count;

	if (b->name.n != n || b->pool.n != n || b->address.n != n || b->host.n != n || b->resources.n != n ||
	    b->labels.n != n || b->pid.count != n || b->slots.count != n || b->memory_limit_bytes.count != n ||
	    b->status.count != n || (b->namespace.n != 0 && b->namespace.n != n))
		return SC_MALFORMED;
	if (b->cpu_percent.count != m || b->memory_mib.count != m || b->spilled_mib.count != m ||
	    b->running.count != m || b->queued.count != m || b->held.count != m || b->sent_kib_s.count != m ||
	    b->received_kib_s.count != m)
		return SC_MALFORMED;
	if (b->totals.count != 0 && b->totals.count < TOTALS_COUNT)
		return SC_MALFORMED;
	if (!numbers_are_sane(&b->gone) || !numbers_are_sane(&b->worker) || !numbers_are_sane(&b->measured))
		return SC_TOO_BIG;
	return SC_OK;
}

static void apply_gone(struct view *v, const struct column *gone)
{
	struct column_reader r;

	column_read(&r, gone);
	for (size_t i = 0; i < gone->count; i++) {
		uint32_t worker = (uint32_t)column_next(&r);

		if (worker < v->cap_table)
			table_set(v, worker, NULL);
	}
}

static struct view_identity *identity_new(const struct msg_info_body *b, size_t i)
{
	struct view_identity *d = mem_calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->n_refs = 1;
	d->name = slice_dup(b->name.v[i]);
	d->pool = slice_dup(b->pool.v[i]);
	d->address = slice_dup(b->address.v[i]);
	d->host = slice_dup(b->host.v[i]);
	d->resources = slice_dup(b->resources.v[i]);
	d->labels = slice_dup(b->labels.v[i]);
	d->namespace = slice_dup(b->namespace.n > 0 ? b->namespace.v[i] : slice_of(""));
	if (d->name == NULL || d->pool == NULL || d->address == NULL || d->host == NULL || d->resources == NULL ||
	    d->labels == NULL || d->namespace == NULL) {
		identity_unref(d);
		return NULL;
	}
	return d;
}

static int is_found_as(const struct view_identity *a, const struct view_identity *b)
{
	return a != NULL && strcmp(a->name, b->name) == 0 && strcmp(a->address, b->address) == 0;
}

static sc_err apply_identities(struct view *v, const struct msg_info_body *b)
{
	struct column_reader worker, pid, slots, limit, status;

	column_read(&worker, &b->worker);
	column_read(&pid, &b->pid);
	column_read(&slots, &b->slots);
	column_read(&limit, &b->memory_limit_bytes);
	column_read(&status, &b->status);
	for (size_t i = 0; i < b->worker.count; i++) {
		struct view_record *r = table_edit(v, (uint32_t)column_next(&worker));
		struct view_identity *d = identity_new(b, i);

		if (r == NULL || d == NULL) {
			identity_unref(d);
			return SC_NOMEM;
		}
		d->pid = column_next(&pid);
		d->slots = column_next(&slots);
		d->memory_limit_bytes = column_next(&limit);
		d->status = (unsigned)column_next(&status);
		if (!is_found_as(r->identity, d))
			index_forget(v);
		identity_unref(r->identity);
		r->identity = d;
	}
	return SC_OK;
}

static sc_err apply_metrics(struct view *v, const struct msg_info_body *b)
{
	struct column_reader worker, cpu, memory, spilled, running, queued, held, sent, received;

	column_read(&worker, &b->measured);
	column_read(&cpu, &b->cpu_percent);
	column_read(&memory, &b->memory_mib);
	column_read(&spilled, &b->spilled_mib);
	column_read(&running, &b->running);
	column_read(&queued, &b->queued);
	column_read(&held, &b->held);
	column_read(&sent, &b->sent_kib_s);
	column_read(&received, &b->received_kib_s);
	for (size_t i = 0; i < b->measured.count; i++) {
		struct view_record *r = table_edit(v, (uint32_t)column_next(&worker));

		if (r == NULL)
			return SC_NOMEM;
		r->cpu_percent = column_next(&cpu);
		r->memory_mib = column_next(&memory);
		r->spilled_mib = column_next(&spilled);
		r->running = column_next(&running);
		r->queued = column_next(&queued);
		r->held = column_next(&held);
		r->sent_kib_s = column_next(&sent);
		r->received_kib_s = column_next(&received);
	}
	return SC_OK;
}

static void apply_totals(struct view *v, const struct column *totals)
{
	uint64_t *const fields[TOTALS_COUNT] = {
		&v->totals.workers,	&v->totals.slots,      &v->totals.memory_limit_bytes,
		&v->totals.cpu_percent, &v->totals.memory_mib, &v->totals.spilled_mib,
		&v->totals.running,	&v->totals.queued,     &v->totals.held};
	struct column_reader r;

	if (totals->count == 0)
		return;
	column_read(&r, totals);
	for (size_t i = 0; i < TOTALS_COUNT; i++)
		*fields[i] = column_next(&r);
}

static sc_err apply(struct view *v, struct slice body, int is_snapshot)
{
	struct msg m;
	sc_err err = msg_decode_one(v->decoder, body, MSG_info_body, &m, NULL);

	if (err == SC_OK)
		err = check_body(&m.u.info_body);
	if (err == SC_OK && v->is_torn && !is_snapshot)
		err = SC_BAD_STATE;
	if (err != SC_OK)
		return err;
	v->is_torn = 1;
	if (is_snapshot)
		table_clear(v);
	apply_gone(v, &m.u.info_body.gone);
	err = apply_identities(v, &m.u.info_body);
	if (err == SC_OK)
		err = apply_metrics(v, &m.u.info_body);
	if (err != SC_OK)
		return err;
	apply_totals(v, &m.u.info_body.totals);
	v->is_torn = 0;
	return SC_OK;
}

sc_err view_apply(struct view *v, struct slice body, uint64_t raw_bytes, int is_snapshot)
{
	struct buf raw;
	sc_err err;

	if (raw_bytes == 0)
		return apply(v, body, is_snapshot);
	buf_init(&raw, BODY_MAX_BYTES);
	err = frame_decompress(&v->codec, (const uint8_t *)body.p, body.n, BODY_MAX_BYTES, &raw);
	if (err == SC_OK)
		err = raw.len == raw_bytes ? apply(v, (struct slice){(char *)raw.data, raw.len}, is_snapshot)
					   : SC_MALFORMED;
	buf_fini(&raw);
	return err;
}

/* ---- versions --------------------------------------------------------------------------------------------------- */

/* The records of a table that has no index yet, and the index of them. */
static sc_err gather(struct view *v, struct view_record **records)
{
	size_t n = 0;

	for (size_t i = 0; i < v->cap_table; i++)
		if (v->table[i] != NULL)
			records[n++] = v->table[i];
	return view_index_new(records, n, &v->index);
}

static void gather_again(const struct view *v, struct view_record **records)
{
	const uint32_t *workers = view_index_workers(v->index);

	for (size_t i = 0; i < v->n_workers; i++)
		records[i] = v->table[workers[i]];
}

static sc_err version_new(struct view *v, struct view_version **out)
{
	struct view_version *version = mem_calloc(1, sizeof(*version));
	sc_err err = SC_OK;

	if (version == NULL)
		return SC_NOMEM;
	version->records = mem_malloc(v->n_workers * sizeof(struct view_record *));
	if (version->records == NULL)
		err = SC_NOMEM;
	else if (v->index == NULL)
		err = gather(v, version->records);
	else
		gather_again(v, version->records);
	if (err != SC_OK) {
		mem_free(version->records);
		mem_free(version);
		return err;
	}
	version->n = v->n_workers;
	for (size_t i = 0; i < version->n; i++)
		version->records[i]->n_refs++;
	version->index = view_index_ref(v->index);
	version->totals = v->totals;
	*out = version;
	return SC_OK;
}

/* Free versions all of whose readers have given them back; a place that is free now, or SLOTS. */
static uint32_t sweep(struct view *v)
{
	uint32_t current = (uint32_t)(atomic_load(&v->current) >> SLOT_SHIFT), place = SLOTS;

	for (uint32_t i = 0; i < SLOTS; i++) {
		struct view_version *version = atomic_load(&v->slots[i]);

		if (version != NULL && i != current && atomic_load(&version->n_given_back) == version->n_taken)
			version_free(v, version);
		if (atomic_load(&v->slots[i]) == NULL && place == SLOTS)
			place = i;
	}
	return place;
}

sc_err view_publish(struct view *v, const char *incarnation, uint64_t epoch)
{
	uint32_t place = sweep(v);
	struct view_version *version, *old;
	uint64_t word;
	sc_err err;

	if (v->is_torn)
		return SC_BAD_STATE;
	if (place == SLOTS)
		return SC_LIMIT;
	err = version_new(v, &version);
	if (err != SC_OK)
		return err;
	version->slot = place;
	version->epoch = epoch;
	version->granted_us = v->granted_us;
	snprintf(version->incarnation, sizeof(version->incarnation), "%s", incarnation);
	atomic_store(&v->slots[place], version);
	word = atomic_exchange(&v->current, (uint64_t)place << SLOT_SHIFT);
	old = atomic_load(&v->slots[word >> SLOT_SHIFT]);
	if (old != NULL && old != version)
		old->n_taken = word & TAKEN_MASK;
	return SC_OK;
}

const struct view_version *view_pin(struct view *v)
{
	uint64_t word = atomic_fetch_add(&v->current, 1);

	return atomic_load(&v->slots[word >> SLOT_SHIFT]);
}

void view_unpin(const struct view_version *version)
{
	struct view_version *mine = (struct view_version *)(uintptr_t)version;

	atomic_fetch_add(&mine->n_given_back, 1);
}

const struct view_record *view_by_name(const struct view_version *version, const char *name)
{
	return view_index_find(version->index, version->records, VIEW_NAME, name);
}

const struct view_record *view_by_address(const struct view_version *version, const char *address)
{
	return view_index_find(version->index, version->records, VIEW_ADDRESS, address);
}

sc_err view_new(struct view **out)
{
	struct view *v = mem_calloc(1, sizeof(*v));
	struct view_version *empty;

	if (v == NULL)
		return SC_NOMEM;
	if (msg_decoder_new(&v->decoder) != SC_OK || version_new(v, &empty) != SC_OK) {
		msg_decoder_free(v->decoder);
		mem_free(v);
		return SC_NOMEM;
	}
	atomic_store(&v->slots[0], empty);
	*out = v;
	return SC_OK;
}

void view_free(struct view *v)
{
	if (v == NULL)
		return;
	for (uint32_t i = 0; i < SLOTS; i++)
		if (atomic_load(&v->slots[i]) != NULL)
			version_free(v, atomic_load(&v->slots[i]));
	table_clear(v);
	index_forget(v);
	mem_free(v->table);
	msg_decoder_free(v->decoder);
	frame_codec_fini(&v->codec);
	mem_free(v);
}
