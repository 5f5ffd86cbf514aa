/*
 * info_ask.c - questions about the cluster that are asked once: what it looks like, what the scheduler spends.
 *
 * The answer to `identity` is kept in a view of its own, so that the same question asked again is asked with the
 * version held and answered with what has changed.  One is asked at a time; ask_lock is held over the network, and over
 * nothing else that is waited for.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/info.h"

#define TRIES_MAX 1000u

/* ---- identity --------------------------------------------------------------------------------------------------- */

/* The options as bytes, to be compared. */
static void write_options(struct buf *out, const struct sc_info_options *o)
{
	buf_printf(out, "%u\n%s\n%s", o->sections, o->name_space != NULL ? o->name_space : "",
		   o->pool != NULL ? o->pool : "");
	for (size_t i = 0; i < o->n_labels; i++)
		buf_printf(out, "\n%s", o->labels[i]);
}

/* Another question than last time has nothing to go on from. */
static sc_err prepare(struct info *n, const struct sc_info_options *o)
{
	struct buf now;
	sc_err err;

	buf_init(&now, 0);
	write_options(&now, o);
	err = buf_err(&now);
	if (err == SC_OK && n->asked == NULL)
		err = view_new(&n->asked);
	if (err != SC_OK) {
		buf_fini(&now);
		return err;
	}
	if (now.len != n->asked_options.len || memcmp(now.data, n->asked_options.data, now.len) != 0)
		n->asked_epoch = 0;
	buf_fini(&n->asked_options);
	n->asked_options = now;
	return SC_OK;
}

/* SC_OK: the view holds the answer.  SC_BAD_STATE: it has to be asked from nothing. */
static sc_err take_answer(struct info *n, const struct msg_info_update *u)
{
	int is_snapshot = u->kind == INFO_KIND_SNAPSHOT;
	sc_err err;

	if (u->kind == INFO_KIND_UNCHANGED)
		return u->to == n->asked_epoch && slice_is(u->incarnation, n->asked_incarnation) ? SC_OK : SC_BAD_STATE;
	if (!is_snapshot && (u->kind != INFO_KIND_DELTA || n->asked_epoch == 0 || u->from != n->asked_epoch ||
			     !slice_is(u->incarnation, n->asked_incarnation)))
		return SC_BAD_STATE;
	err = view_apply(n->asked, u->body, u->raw_bytes, is_snapshot);
	if (err != SC_OK) {
		n->asked_epoch = 0;
		return err;
	}
	snprintf(n->asked_incarnation, sizeof(n->asked_incarnation), "%.*s", (int)u->incarnation.n, u->incarnation.p);
	n->asked_epoch = u->to;
	err = view_publish(n->asked, n->asked_incarnation, n->asked_epoch);
	if (err != SC_OK)
		n->asked_epoch = 0; /* readers see an older one than the table holds: begin anew */
	return err;
}

/* Ask, once; *wait_us: not 0, ask again after this time. */
static sc_err ask_once(struct info *n, const struct sc_info_options *o, const struct slice *labels,
		       struct msg_decoder *d, uint64_t *wait_us)
{
	struct call c;
	struct msg_identity *q = &c.request.u.identity;
	struct msg m;
	sc_err err;

	call_init(&c, n->client, MSG_identity, MSG_info_update);
	q->sections = o->sections;
	q->namespace = slice_of(o->name_space != NULL ? o->name_space : "");
	q->pool = slice_of(o->pool != NULL ? o->pool : "");
	q->labels = (struct slices){(struct slice *)(uintptr_t)labels, o->n_labels};
	q->incarnation = slice_of(n->asked_epoch != 0 ? n->asked_incarnation : "");
	q->epoch = n->asked_epoch;
	err = call_run(&c);
	if (err == SC_OK)
		err = call_decode(&c, d, &m);
	*wait_us = 0;
	if (err == SC_OK && m.u.info_update.kind == INFO_KIND_LATER) {
		*wait_us = m.u.info_update.granted_us > 0 ? m.u.info_update.granted_us : 1;
	} else if (err == SC_OK) {
		err = take_answer(n, &m.u.info_update);
		if (err == SC_BAD_STATE && n->asked_epoch != 0) { /* a version that is of no use */
			n->asked_epoch = 0;
			*wait_us = 1;
			err = SC_OK;
		} else if (err == SC_LIMIT) {
			client_error(err, "too many versions of cluster info are pinned");
		} else if (err != SC_OK) {
			client_error(err, "cluster info: %s", sc_err_text(err));
		}
	}
	call_fini(&c);
	return err;
}

static void pause_us(uint64_t us)
{
	struct timespec ts = {(time_t)(us / US_PER_S), (long)(us % US_PER_S * 1000u)};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* Under ask_lock.  As often as the scheduler says "later", within client.request-timeout. */
static sc_err ask(struct info *n, const struct sc_info_options *o, struct msg_decoder *d)
{
	uint64_t limit = n->client->options.client_request_timeout, start = clock_monotonic_us(), wait_us;
	struct slice labels[16] = {{NULL, 0}};
	sc_err err = prepare(n, o);

	if (err != SC_OK)
		return client_error(err, "%s", sc_err_text(err));
	for (size_t i = 0; i < o->n_labels; i++)
		labels[i] = slice_of(o->labels[i]);
	for (unsigned i = 0; i < TRIES_MAX; i++) {
		err = ask_once(n, o, labels, d, &wait_us);
		if (err != SC_OK || wait_us == 0)
			return err;
		if (wait_us > limit || clock_monotonic_us() - start > limit - wait_us)
			break;
		pause_us(wait_us);
	}
	return client_error(SC_TIMEOUT, "the scheduler has too many such questions to answer from us");
}

sc_err sc_client_identity(struct sc_client *client, const struct sc_info_options *options, const struct sc_info **info)
{
	static const struct sc_info_options none;
	const struct sc_info_options *o = options != NULL ? options : &none;
	struct info *n = info_of(client);
	struct msg_decoder *d;
	sc_err err = info_check_options(o);

	if (err != SC_OK)
		return err;
	if (n == NULL || msg_decoder_new(&d) != SC_OK)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	pthread_mutex_lock(&n->ask_lock);
	err = ask(n, o, d);
	if (err == SC_OK)
		*info = (const struct sc_info *)view_pin(n->asked);
	pthread_mutex_unlock(&n->ask_lock);
	msg_decoder_free(d);
	return err;
}

/* ---- stats ------------------------------------------------------------------------------------------------------ */

/* The public part first, then the rows, then the texts, all in one block. */
struct stats_block {
	struct sc_stats stats;
	char *text; /* where the next one goes */
};

static const char *put_text(struct stats_block *b, struct slice s)
{
	char *at = b->text;

	memcpy(at, s.p, s.n);
	at[s.n] = '\0';
	b->text += s.n + 1;
	return at;
}

static size_t texts_size(const struct slices *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->v[i].n + 1;
	return n;
}

static void put_spent(struct stats_block *b, struct sc_spent *rows, const struct slices *names,
		      const struct column *count, const struct column *ns)
{
	struct column_reader counts, nss;

	column_read(&counts, count);
	column_read(&nss, ns);
	for (size_t i = 0; i < names->n; i++) {
		rows[i].name = put_text(b, names->v[i]);
		rows[i].count = column_next(&counts);
		rows[i].total_ns = column_next(&nss);
	}
}

static sc_err stats_new(const struct msg_stats_rows *m, struct sc_stats **out)
{
	size_t rows = m->name.n * sizeof(struct sc_metric) + (m->kind.n + m->client.n) * sizeof(struct sc_spent);
	struct stats_block *b =
		mem_calloc(1, sizeof(*b) + rows + texts_size(&m->name) + texts_size(&m->kind) + texts_size(&m->client));
	struct column_reader values;
	struct sc_metric *metrics;
	struct sc_spent *kinds, *clients;

	if (b == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	metrics = (struct sc_metric *)(b + 1);
	kinds = (struct sc_spent *)(metrics + m->name.n);
	clients = kinds + m->kind.n;
	b->text = (char *)(clients + m->client.n);
	column_read(&values, &m->value);
	for (size_t i = 0; i < m->name.n; i++) {
		metrics[i].name = put_text(b, m->name.v[i]);
		metrics[i].value = column_next(&values);
	}
	put_spent(b, kinds, &m->kind, &m->kind_count, &m->kind_ns);
	put_spent(b, clients, &m->client, &m->client_count, &m->client_ns);
	b->stats = (struct sc_stats){metrics, m->name.n, kinds, m->kind.n, clients, m->client.n};
	*out = &b->stats;
	return SC_OK;
}

sc_err sc_client_stats(struct sc_client *client, struct sc_stats **out)
{
	struct msg_decoder *d;
	struct call c;
	struct msg m;
	sc_err err;

	if (msg_decoder_new(&d) != SC_OK)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	call_init(&c, client, MSG_stats, MSG_stats_rows);
	err = call_run(&c);
	if (err == SC_OK)
		err = call_decode(&c, d, &m);
	if (err == SC_OK)
		err = stats_new(&m.u.stats_rows, out);
	call_fini(&c);
	msg_decoder_free(d);
	return err;
}

void sc_stats_free(struct sc_stats *stats)
{
	mem_free(stats);
}
