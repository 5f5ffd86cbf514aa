/* encoding.c - see encoding.h. */
#include "scheduler/info/encoding.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
	GONE,
	WORKER,
	PID,
	SLOTS,
	LIMIT,
	STATUS,
	MEASURED,
	CPU,
	MEMORY,
	SPILLED,
	RUNNING,
	QUEUED,
	HELD,
	SENT,
	RECEIVED,
	TOTALS
};
enum { NAME, POOL, ADDRESS, HOST, RESOURCES, LABELS, NAMESPACE };

#define N_COLUMNS 16
#define N_TEXTS	  7

static void filter_free(struct info_filter *f);

void info_encoder_init(struct info_encoder *e, struct info_cluster *c)
{
	memset(e, 0, sizeof(*e));
	e->cluster = c;
	e->next_filter = 1;
	TAILQ_INIT(&e->unused);
	for (size_t i = 0; i < N_COLUMNS; i++)
		column_writer_init(&e->columns[i]);
}

void info_encoder_fini(struct info_encoder *e)
{
	struct info_filter *f, *next;

	info_encoder_new_epoch(e);
	HASH_ITER (hh, e->filters, f, next) {
		HASH_DEL(e->filters, f);
		filter_free(f);
	}
	for (size_t i = 0; i < N_COLUMNS; i++)
		column_writer_fini(&e->columns[i]);
	for (size_t i = 0; i < N_TEXTS; i++)
		mem_free(e->texts[i]);
	mem_free(e->found);
	frame_codec_fini(&e->codec);
}

void info_encoding_ref(struct info_encoding *x)
{
	x->n_refs++;
}

void info_encoding_unref(struct info_encoding *x)
{
	if (--x->n_refs > 0)
		return;
	mem_free(x->bytes);
	mem_free(x);
}

static void table_remove(struct info_encoder *e, struct info_encoding *x)
{
	HASH_DEL(e->table, x);
	e->table_bytes -= x->n_bytes;
	if (x->key.filter != 0)
		LIST_REMOVE(x, of_filter);
	info_encoding_unref(x);
}

/* The oldest make room.  One for which there is no memory in the table is not found there. */
static void table_add(struct info_encoder *e, struct info_encoding *x, struct info_filter *f)
{
	while (e->table != NULL &&
	       (HASH_COUNT(e->table) >= INFO_ENCODINGS_MAX || e->table_bytes + x->n_bytes > INFO_ENCODED_MAX_BYTES))
		table_remove(e, e->table);
	HASH_ADD(hh, e->table, key, sizeof(x->key), x);
	if (x->hh.tbl == NULL)
		return;
	x->n_refs++;
	e->table_bytes += x->n_bytes;
	if (f != NULL)
		LIST_INSERT_HEAD(&f->encodings, x, of_filter);
}

void info_encoder_new_epoch(struct info_encoder *e)
{
	while (e->table != NULL)
		table_remove(e, e->table);
}

/* ---- filters ---------------------------------------------------------------------------------------------------- */

/* Whether the labels "a=b,c=d" contain the label. */
static int has_label(const char *labels, struct slice label)
{
	for (const char *at = labels; *at != '\0';) {
		size_t len = strcspn(at, ",");

		if (len == label.n && memcmp(at, label.p, len) == 0)
			return 1;
		at += len + (at[len] == ',');
	}
	return 0;
}

int info_filter_matches(const struct info_filter *f, const struct info_record *r)
{
	if (f == NULL)
		return 1;
	if (f->namespace[0] != '\0' && r->namespace[0] != '\0' && strcmp(f->namespace, r->namespace) != 0)
		return 0;
	if (f->pool[0] != '\0' && strcmp(f->pool, r->pool) != 0)
		return 0;
	for (size_t i = 0; i < f->n_labels; i++)
		if (!has_label(r->labels, f->labels[i]))
			return 0;
	return 1;
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct slice *)a)->p, ((const struct slice *)b)->p);
}

static void filter_free(struct info_filter *f)
{
	for (size_t i = 0; i < f->n_labels; i++)
		mem_free((char *)(uintptr_t)f->labels[i].p);
	mem_free(f->namespace);
	mem_free(f->pool);
	mem_free(f->text);
	mem_free(f);
}

/* A part of the key.  With its length, so that no text can pass for two others. */
static void put_key(struct buf *key, const char *text)
{
	if (text != NULL)
		buf_printf(key, "%zu:%s", strlen(text), text);
}

static sc_err filter_new(struct slice namespace, struct slice pool, struct slices labels, struct info_filter **out)
{
	struct info_filter *f = mem_calloc(1, sizeof(*f));
	struct buf text;

	if (f == NULL)
		return SC_NOMEM;
	f->namespace = slice_dup(namespace);
	f->pool = slice_dup(pool);
	for (size_t i = 0; i < labels.n; i++) {
		char *copy = slice_dup(labels.v[i]);

		if (copy == NULL)
			break;
		f->labels[f->n_labels++] = slice_of(copy);
	}
	qsort(f->labels, f->n_labels, sizeof(struct slice), compare_labels);
	buf_init(&text, 0);
	put_key(&text, f->namespace);
	put_key(&text, f->pool);
	for (size_t i = 0; i < f->n_labels; i++)
		put_key(&text, f->labels[i].p);
	f->text = mem_strndup((const char *)text.data, text.len);
	buf_fini(&text);
	if (f->namespace == NULL || f->pool == NULL || f->text == NULL || f->n_labels < labels.n) {
		filter_free(f);
		return SC_NOMEM;
	}
	*out = f;
	return SC_OK;
}

/* Nobody uses it: it goes, and what was encoded with it. */
static void filter_forget(struct info_encoder *e, struct info_filter *f)
{
	while (!LIST_EMPTY(&f->encodings))
		table_remove(e, LIST_FIRST(&f->encodings));
	TAILQ_REMOVE(&e->unused, f, unused);
	e->n_unused--;
	HASH_DEL(e->filters, f);
	filter_free(f);
}

void info_filter_keep(struct info_encoder *e, struct info_filter *f)
{
	if (f == NULL || f->n_users++ > 0)
		return;
	TAILQ_REMOVE(&e->unused, f, unused);
	e->n_unused--;
}

sc_err info_filter_take(struct info_encoder *e, struct slice namespace, struct slice pool, struct slices labels,
			struct info_filter **out)
{
	struct info_filter *f, *known;
	sc_err err;

	if (labels.n > INFO_LABELS_MAX)
		return SC_INVALID;
	for (size_t i = 0; i < labels.n; i++)
		if (labels.v[i].n > INFO_LABEL_BYTES)
			return SC_INVALID;
	err = filter_new(namespace, pool, labels, &f);
	if (err != SC_OK)
		return err;
	HASH_FIND_STR(e->filters, f->text, known);
	if (known != NULL) {
		filter_free(f);
		info_filter_keep(e, known);
		*out = known;
		return SC_OK;
	}
	if (HASH_COUNT(e->filters) >= INFO_FILTERS_MAX && e->n_unused > 0)
		filter_forget(e, TAILQ_FIRST(&e->unused));
	if (HASH_COUNT(e->filters) >= INFO_FILTERS_MAX) {
		filter_free(f);
		return SC_LIMIT;
	}
	HASH_ADD_KEYPTR(hh, e->filters, f->text, strlen(f->text), f);
	if (f->hh.tbl == NULL) {
		filter_free(f);
		return SC_NOMEM;
	}
	f->number = e->next_filter++; /* 64 bits do not wrap */
	f->n_users = 1;
	*out = f;
	return SC_OK;
}

void info_filter_drop(struct info_encoder *e, struct info_filter *f)
{
	if (f == NULL || --f->n_users > 0)
		return;
	TAILQ_INSERT_TAIL(&e->unused, f, unused);
	if (++e->n_unused > INFO_FILTERS_KEPT)
		filter_forget(e, TAILQ_FIRST(&e->unused));
}

/* ---- encoding --------------------------------------------------------------------------------------------------- */

static sc_err put_texts(struct info_encoder *e, const struct info_record *r)
{
	const char *texts[N_TEXTS] = {r->name,	    r->pool,   r->address,  r->host->name,
				      r->resources, r->labels, r->namespace};

	for (size_t i = 0; i < N_TEXTS; i++) {
		void *p = mem_grow(e->texts[i], &e->cap_texts[i], e->n_texts + 1, sizeof(struct slice));

		if (p == NULL)
			return SC_NOMEM;
		e->texts[i] = p;
		e->texts[i][e->n_texts] = slice_of(texts[i]);
	}
	e->n_texts++;
	e->any_reserved |= r->namespace[0] != '\0';
	return SC_OK;
}

static sc_err put_identity(struct info_encoder *e, const struct info_record *r)
{
	column_put(&e->columns[WORKER], r->worker);
	column_put(&e->columns[PID], r->pid);
	column_put(&e->columns[SLOTS], r->slots);
	column_put(&e->columns[LIMIT], r->memory_limit_bytes);
	column_put(&e->columns[STATUS], r->status);
	return put_texts(e, r);
}

static void put_metrics(struct info_encoder *e, const struct info_record *r)
{
	column_put(&e->columns[MEASURED], r->worker);
	column_put(&e->columns[CPU], r->cpu_percent);
	column_put(&e->columns[MEMORY], r->memory_mib);
	column_put(&e->columns[SPILLED], r->spilled_mib);
	column_put(&e->columns[RUNNING], r->running);
	column_put(&e->columns[QUEUED], r->queued);
	column_put(&e->columns[HELD], r->held);
	column_put(&e->columns[SENT], r->sent_kib_s);
	column_put(&e->columns[RECEIVED], r->received_kib_s);
}

static void put_totals(struct info_encoder *e, const struct info_totals *t)
{
	const uint64_t v[] = {t->workers,     t->slots,	     t->memory_limit_bytes,
			      t->cpu_percent, t->memory_mib, t->spilled_mib,
			      t->running,     t->queued,     t->held};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		column_put(&e->columns[TOTALS], v[i]);
}

/* Totals of those a filter lets through: a walk over all, so once per epoch and filter at most. */
static struct info_totals filtered_totals(const struct info_cluster *c, const struct info_filter *f)
{
	struct info_totals t = {0};
	const struct info_record *r;

	if (f == NULL)
		return c->totals;
	TAILQ_FOREACH (r, &c->changes, link) {
		if (r->is_gone || !info_filter_matches(f, r))
			continue;
		t.workers++;
		t.slots += r->slots;
		t.memory_limit_bytes += r->memory_limit_bytes;
		t.cpu_percent += r->cpu_percent;
		t.memory_mib += r->memory_mib;
		t.spilled_mib += r->spilled_mib;
		t.running += r->running;
		t.queued += r->queued;
		t.held += r->held;
	}
	return t;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = (*(const struct info_record *const *)a)->worker,
		 y = (*(const struct info_record *const *)b)->worker;

	return (x > y) - (x < y);
}

#define MANY_CHANGED 16 /* more than one worker of so many: all are walked over in order, which beats sorting */

static void add_living(struct info_encoder *e, uint64_t from)
{
	const struct info_cluster *c = e->cluster;

	for (size_t i = 0; i < c->cap_workers; i++)
		if (c->by_worker[i] != NULL && c->by_worker[i]->changed > from)
			e->found[e->n_found++] = c->by_worker[i];
}

/*
 * What has changed since `from`, by number: neighbours are alike, and numbers that rise cost next to nothing when
 * compressed.
 */
static sc_err find_changed(struct info_encoder *e, uint64_t from)
{
	const struct info_cluster *c = e->cluster;
	const struct info_record *r;
	size_t n = 0, n_gone = 0;
	void *p = mem_grow(e->found, &e->cap_found, c->totals.workers + c->n_tombstones + 1, sizeof(*e->found));

	if (p == NULL)
		return SC_NOMEM;
	e->found = p;
	e->n_found = 0;
	if (from == 0) {
		add_living(e, 0);
		return SC_OK;
	}
	TAILQ_FOREACH (r, &c->changes, link) {
		if (r->changed <= from)
			break;
		e->found[n++] = r;
	}
	if (n <= c->totals.workers / MANY_CHANGED) {
		e->n_found = n;
		qsort(e->found, n, sizeof(*e->found), compare_numbers);
		return SC_OK;
	}
	for (size_t i = 0; i < n; i++)
		if (e->found[i]->is_gone)
			e->found[n_gone++] = e->found[i];
	e->n_found = n_gone;
	add_living(e, from);
	return SC_OK;
}

static sc_err collect(struct info_encoder *e, uint64_t from, uint32_t sections, const struct info_filter *f)
{
	sc_err err = find_changed(e, from);

	for (size_t i = 0; i < N_COLUMNS; i++)
		column_writer_reset(&e->columns[i]);
	e->n_texts = 0;
	e->any_reserved = 0;
	for (size_t i = 0; err == SC_OK && i < e->n_found; i++) {
		const struct info_record *r = e->found[i];

		if (r->is_gone) {
			if (r->born <= from && (sections & (INFO_SECTION_MEMBERS | INFO_SECTION_METRICS)) != 0)
				column_put(&e->columns[GONE], r->worker);
			continue;
		}
		if (!info_filter_matches(f, r))
			continue;
		if ((sections & INFO_SECTION_MEMBERS) != 0 && r->identity_changed > from)
			err = put_identity(e, r);
		if ((sections & INFO_SECTION_METRICS) != 0)
			put_metrics(e, r);
	}
	if ((sections & INFO_SECTION_TOTALS) != 0) {
		struct info_totals t = filtered_totals(e->cluster, f);

		put_totals(e, &t);
	}
	for (size_t i = 0; i < N_COLUMNS && err == SC_OK; i++)
		err = buf_err(&e->columns[i].bytes);
	return err;
}

static struct slices texts_of(const struct info_encoder *e, size_t i)
{
	return (struct slices){e->texts[i], e->n_texts};
}

static sc_err body_encode(struct info_encoder *e, struct buf *out)
{
	struct column_writer *c = e->columns;
	struct msg_info_body m = {
		.gone = column_of(&c[GONE]),
		.worker = column_of(&c[WORKER]),
		.name = texts_of(e, NAME),
		.pool = texts_of(e, POOL),
		.address = texts_of(e, ADDRESS),
		.host = texts_of(e, HOST),
		.resources = texts_of(e, RESOURCES),
		.pid = column_of(&c[PID]),
		.slots = column_of(&c[SLOTS]),
		.memory_limit_bytes = column_of(&c[LIMIT]),
		.status = column_of(&c[STATUS]),
		.labels = texts_of(e, LABELS),
		.measured = column_of(&c[MEASURED]),
		.cpu_percent = column_of(&c[CPU]),
		.memory_mib = column_of(&c[MEMORY]),
		.spilled_mib = column_of(&c[SPILLED]),
		.running = column_of(&c[RUNNING]),
		.queued = column_of(&c[QUEUED]),
		.held = column_of(&c[HELD]),
		.sent_kib_s = column_of(&c[SENT]),
		.received_kib_s = column_of(&c[RECEIVED]),
		.totals = column_of(&c[TOTALS]),
		.namespace = e->any_reserved ? texts_of(e, NAMESPACE) : (struct slices){NULL, 0},
	};

	return msg_encode(out, MSG_info_body, &m, NULL);
}

/* Takes the bytes of raw or of its compressed form. */
static sc_err pack(struct info_encoder *e, struct buf *raw, struct info_encoding *x)
{
	struct buf small;
	sc_err err;

	buf_init(&small, 0);
	err = frame_compress(&e->codec, raw->data, raw->len, &small);
	if (err != SC_OK && err != SC_INVALID) {
		buf_fini(&small);
		return err;
	}
	if (err == SC_OK) {
		x->raw_bytes = raw->len;
		x->bytes = small.data;
		x->n_bytes = small.len;
	} else { /* does not pay */
		buf_fini(&small);
		x->bytes = raw->data;
		x->n_bytes = raw->len;
		buf_init(raw, 0);
	}
	e->counts.raw_bytes += x->raw_bytes != 0 ? x->raw_bytes : x->n_bytes;
	e->counts.encoded_bytes += x->n_bytes;
	return SC_OK;
}

static sc_err encode(struct info_encoder *e, const struct info_filter *f, struct info_encoding *x)
{
	struct buf raw;
	sc_err err;

	buf_init(&raw, 0);
	err = collect(e, x->key.from, x->key.sections, f);
	if (err == SC_OK)
		err = body_encode(e, &raw);
	if (err == SC_OK)
		err = pack(e, &raw, x);
	buf_fini(&raw);
	return err;
}

/* The key is compared as bytes, padding and all. */
static void make_key(struct info_encoding *key, uint64_t from, uint32_t sections, const struct info_filter *f)
{
	memset(key, 0, sizeof(*key));
	key->key.from = from;
	key->key.sections = sections;
	key->key.filter = f == NULL ? 0 : f->number;
}

struct info_encoding *info_encoded(struct info_encoder *e, uint64_t from, uint32_t sections,
				   const struct info_filter *f)
{
	struct info_encoding *x, key;

	make_key(&key, from, sections, f);
	HASH_FIND(hh, e->table, &key.key, sizeof(key.key), x);
	if (x == NULL)
		return NULL;
	e->counts.cache_hits++;
	x->n_refs++;
	return x;
}

sc_err info_encode(struct info_encoder *e, uint64_t from, uint32_t sections, struct info_filter *f,
		   struct info_encoding **out)
{
	struct info_encoding *x, key;
	sc_err err;

	assert(!e->cluster->changed && "an epoch in the making cannot be told");
	make_key(&key, info_can_delta(e->cluster, from) ? from : 0, sections, f);
	*out = info_encoded(e, key.key.from, sections, f);
	if (*out != NULL)
		return SC_OK;
	x = mem_calloc(1, sizeof(*x));
	if (x == NULL)
		return SC_NOMEM;
	x->key = key.key;
	x->to = e->cluster->epoch;
	x->n_refs = 1;
	err = encode(e, f, x);
	if (err != SC_OK) {
		mem_free(x);
		return err;
	}
	if (x->key.from == 0)
		e->counts.snapshots_encoded++;
	else
		e->counts.deltas_encoded++;
	table_add(e, x, f);
	*out = x;
	return SC_OK;
}
