/* view.c - the view of the cluster: bodies that are not valid change nothing, versions are read while others come. */
#include "client/view.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define WORKERS	 8u
#define COLUMNS	 16
#define VERSIONS 64u /* the view keeps so many */
#define READERS	 3u
#define ROUNDS	 4000u

/* A body in the making: workers 1..n, whose metrics and totals are all `stamp`. */
struct sample {
	struct column_writer columns[COLUMNS];
	struct slice texts[6][WORKERS];
	char names[WORKERS][16], addresses[WORKERS][32];
	struct msg_info_body b;
	struct buf bytes;
};

/* What has been put into the columns, and n texts, are the body. */
static void sample_columns(struct sample *s, uint32_t n)
{
	struct msg_info_body *b = &s->b;
	struct column *const identity[] = {&b->worker, &b->pid, &b->slots, &b->memory_limit_bytes, &b->status};
	struct column *const metrics[] = {&b->measured, &b->cpu_percent, &b->memory_mib, &b->spilled_mib,   &b->running,
					  &b->queued,	&b->held,	 &b->sent_kib_s, &b->received_kib_s};
	struct slices *const texts[] = {&b->name, &b->pool, &b->address, &b->host, &b->resources, &b->labels};

	for (size_t k = 0; k < 5; k++)
		*identity[k] = column_of(&s->columns[k]);
	for (size_t k = 0; k < 9; k++)
		*metrics[k] = column_of(&s->columns[5 + k]);
	for (size_t k = 0; k < 6; k++)
		*texts[k] = (struct slices){s->texts[k], n};
	b->totals = column_of(&s->columns[14]);
	b->gone = column_of(&s->columns[15]);
}

static void sample_init(struct sample *s, uint32_t n, uint64_t stamp)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->bytes, 0);
	for (size_t k = 0; k < COLUMNS; k++)
		column_writer_init(&s->columns[k]);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(s->names[i], sizeof(s->names[i]), "w%u", n - i);
		snprintf(s->addresses[i], sizeof(s->addresses[i]), "tcp://127.0.0.1:%u", 1000 + i);
		for (size_t k = 0; k < 6; k++)
			s->texts[k][i] = slice_of(k == 0 ? s->names[i] : k == 2 ? s->addresses[i] : "");
		for (size_t k = 0; k < 14; k++)
			column_put(&s->columns[k], k == 0 || k == 5 ? i + 1 : stamp);
	}
	for (size_t k = 0; k < 9; k++)
		column_put(&s->columns[14], k == 0 ? n : stamp);
	sample_columns(s, n);
}

static struct slice sample_bytes(struct sample *s)
{
	buf_reset(&s->bytes);
	cr_assert_eq(msg_encode(&s->bytes, MSG_info_body, &s->b, NULL), SC_OK);
	return (struct slice){(const char *)s->bytes.data, s->bytes.len};
}

static void sample_fini(struct sample *s)
{
	for (size_t k = 0; k < COLUMNS; k++)
		column_writer_fini(&s->columns[k]);
	buf_fini(&s->bytes);
}

static sc_err apply_sample(struct view *v, uint32_t n, uint64_t stamp, int is_snapshot)
{
	struct sample s;
	struct slice bytes;
	sc_err err;

	sample_init(&s, n, stamp);
	bytes = sample_bytes(&s);
	err = view_apply(v, bytes, 0, is_snapshot);
	sample_fini(&s);
	return err;
}

static struct view *view_of(uint32_t n, uint64_t stamp)
{
	struct view *v;

	cr_assert_eq(view_new(&v), SC_OK);
	cr_assert_eq(apply_sample(v, n, stamp, 1), SC_OK);
	return v;
}

static void assert_shows(const struct view *v, uint32_t n, uint64_t stamp)
{
	cr_assert_eq(view_n_workers(v), n);
	cr_assert_eq(view_totals(v)->workers, n);
	cr_assert_eq(view_totals(v)->held, stamp);
	for (uint32_t i = 1; i <= n; i++) {
		cr_assert_not_null(view_worker(v, i));
		cr_assert_eq(view_worker(v, i)->cpu_percent, stamp);
		cr_assert_eq(view_worker(v, i)->identity->pid, stamp);
	}
}

/* ---- what is not valid ------------------------------------------------------------------------------------------ */

enum damage { SHORT_METRICS, SHORT_TEXTS, SHORT_NAMESPACES, SHORT_TOTALS, LARGE_NUMBER, DAMAGES };

static void do_damage(struct sample *s, enum damage d, struct column_writer *w)
{
	switch (d) {
	case SHORT_METRICS:
		column_put(w, 1);
		s->b.running = column_of(w);
		break;
	case SHORT_TEXTS:
		s->b.labels.n--;
		break;
	case SHORT_NAMESPACES:
		s->b.namespace = s->b.labels;
		s->b.namespace.n--;
		break;
	case SHORT_TOTALS:
		column_put(w, 1);
		s->b.totals = column_of(w);
		break;
	case LARGE_NUMBER:
		for (uint32_t i = 0; i < 3; i++)
			column_put(w, i == 2 ? UINT32_MAX : i + 1);
		s->b.measured = column_of(w);
		break;
	default:
		break;
	}
}

Test(view, a_body_that_is_not_valid_changes_nothing)
{
	for (int d = 0; d < DAMAGES; d++) {
		struct view *v = view_of(3, 7);
		struct column_writer w;
		struct sample s;

		column_writer_init(&w);
		sample_init(&s, 3, 9);
		do_damage(&s, (enum damage)d, &w);
		cr_assert_neq(view_apply(v, sample_bytes(&s), 0, 0), SC_OK, "damage %d", d);
		cr_assert_neq(view_apply(v, sample_bytes(&s), 0, 1), SC_OK, "damage %d", d);
		assert_shows(v, 3, 7);
		sample_fini(&s);
		column_writer_fini(&w);
		view_free(v);
	}
}

Test(view, a_body_that_is_cut_changes_nothing)
{
	struct view *v = view_of(3, 7);
	struct slice bytes;
	struct sample s;

	sample_init(&s, 3, 9);
	bytes = sample_bytes(&s);
	for (size_t n = 0; n < bytes.n; n++)
		if (view_apply(v, (struct slice){bytes.p, n}, 0, 1) == SC_OK)
			cr_assert_fail("%zu of %zu bytes were taken", n, bytes.n);
	assert_shows(v, 3, 7);
	cr_assert_eq(view_apply(v, bytes, 0, 1), SC_OK);
	assert_shows(v, 3, 9);
	sample_fini(&s);
	view_free(v);
}

Test(view, a_compressed_body_has_the_size_it_says)
{
	struct view *v = view_of(3, 7);
	struct frame_codec codec = {0};
	struct sample s;
	struct slice bytes;
	struct buf packed;

	buf_init(&packed, 0);
	sample_init(&s, WORKERS, 9);
	bytes = sample_bytes(&s);
	cr_assert_eq(frame_compress(&codec, (const uint8_t *)bytes.p, bytes.n, &packed), SC_OK);
	bytes = (struct slice){(const char *)packed.data, packed.len};
	cr_assert_eq(view_apply(v, bytes, s.bytes.len + 1, 1), SC_MALFORMED);
	cr_assert_neq(view_apply(v, (struct slice){bytes.p, bytes.n - 2}, s.bytes.len, 1), SC_OK);
	cr_assert_neq(view_apply(v, bytes, 0, 1), SC_OK);
	assert_shows(v, 3, 7);
	cr_assert_eq(view_apply(v, bytes, s.bytes.len, 1), SC_OK);
	assert_shows(v, WORKERS, 9);
	frame_codec_fini(&codec);
	buf_fini(&packed);
	sample_fini(&s);
	view_free(v);
}

/* A sender that knows nothing of namespaces, or has none to tell of, leaves the column out. */
Test(view, without_namespaces_all_workers_serve_all)
{
	struct view *v = view_of(3, 7);
	struct sample s;

	cr_assert_str_eq(view_worker(v, 1)->identity->namespace, "");
	sample_init(&s, 3, 9);
	s.b.namespace = s.b.name;
	cr_assert_eq(view_apply(v, sample_bytes(&s), 0, 0), SC_OK);
	cr_assert_str_eq(view_worker(v, 1)->identity->namespace, view_worker(v, 1)->identity->name);
	sample_fini(&s);
	view_free(v);
}

/* ---- versions --------------------------------------------------------------------------------------------------- */

Test(view, a_version_stays_as_it_was)
{
	struct view *v = view_of(3, 7);
	const struct view_version *before, *after;

	view_set_granted(v, 500);
	cr_assert_eq(view_publish(v, "abc", 1), SC_OK);
	before = view_pin(v);
	cr_assert_eq(apply_sample(v, 2, 9, 0), SC_OK);
	cr_assert_eq(view_publish(v, "abc", 2), SC_OK);
	after = view_pin(v);
	cr_assert_eq(before->epoch, 1);
	cr_assert_eq(before->granted_us, 500);
	cr_assert_eq(before->n, 3);
	cr_assert_eq(before->records[0]->cpu_percent, 7);
	cr_assert_eq(after->epoch, 2);
	cr_assert_eq(after->n, 3);
	cr_assert_eq(after->records[0]->cpu_percent, 9);
	cr_assert_eq(after->records[2], before->records[2], "what has not changed is shared");
	view_unpin(before);
	view_unpin(after);
	view_free(v);
}

Test(view, workers_are_found_by_name_and_address)
{
	struct view *v = view_of(WORKERS, 1);
	const struct view_version *x;

	cr_assert_eq(view_publish(v, "abc", 1), SC_OK);
	x = view_pin(v);
	cr_assert_eq(view_by_name(x, "w8")->worker, 1);
	cr_assert_eq(view_by_name(x, "w1")->worker, 8);
	cr_assert_null(view_by_name(x, "w"));
	cr_assert_null(view_by_name(x, ""));
	cr_assert_eq(view_by_address(x, "tcp://127.0.0.1:1003")->worker, 4);
	cr_assert_null(view_by_address(x, "tcp://127.0.0.1:100"));
	view_unpin(x);
	view_free(v);
}

Test(view, old_versions_that_are_pinned_are_bounded)
{
	const struct view_version *pinned[VERSIONS];
	struct view *v = view_of(2, 1);
	size_t n = 0;
	sc_err err;

	while ((err = view_publish(v, "abc", n + 1)) == SC_OK && n < VERSIONS)
		pinned[n++] = view_pin(v);
	cr_assert_eq(err, SC_LIMIT);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(pinned[i]->epoch, i + 1);
	cr_assert_eq(view_publish(v, "abc", 100), SC_LIMIT, "nothing has been given back");
	view_unpin(pinned[5]);
	cr_assert_eq(view_publish(v, "abc", 100), SC_OK);
	cr_assert_eq(pinned[4]->epoch, 5);
	for (size_t i = 0; i < n; i++)
		if (i != 5)
			view_unpin(pinned[i]);
	view_free(v);
}

Test(view, one_version_may_be_pinned_very_often)
{
	const struct view_version *first;
	struct view *v = view_of(2, 1);

	cr_assert_eq(view_publish(v, "abc", 1), SC_OK);
	first = view_pin(v);
	for (int i = 0; i < 100000; i++)
		cr_assert_eq(view_pin(v), first);
	for (int i = 0; i < 100000; i++)
		view_unpin(first);
	for (uint64_t i = 2; i < 200; i++)
		cr_assert_eq(view_publish(v, "abc", i), SC_OK);
	cr_assert_eq(first->epoch, 1);
	view_unpin(first);
	view_free(v);
}

/* ---- who is found ----------------------------------------------------------------------------------------------- */

#define GENERATIONS 4u
#define CHANGES	    2000u

/* What the view has to say: worker i+1 is there unless generation[i] is 0, which is part of its name and address. */
struct truth {
	unsigned generation[WORKERS];
};

static void text_of(char *out, size_t size, const char *what, uint32_t i, unsigned generation)
{
	snprintf(out, size, "%s%u.%u", what, i, generation);
}

/* Make the sample one of these workers; those that are not there are gone. */
static void sample_tell(struct sample *s, const struct truth *t, const uint8_t *is_told, uint64_t stamp)
{
	uint32_t n = 0;

	sample_init(s, 0, stamp);
	for (uint32_t i = 0; i < WORKERS; i++) {
		if (is_told[i] && t->generation[i] == 0)
			column_put(&s->columns[15], i + 1);
		if (!is_told[i] || t->generation[i] == 0)
			continue;
		text_of(s->names[n], sizeof(s->names[n]), "w", i, t->generation[i]);
		text_of(s->addresses[n], sizeof(s->addresses[n]), "a", i, t->generation[i]);
		for (size_t k = 0; k < 6; k++)
			s->texts[k][n] = slice_of(k == 0 ? s->names[n] : k == 2 ? s->addresses[n] : "");
		for (size_t k = 0; k < 14; k++)
			column_put(&s->columns[k], k == 0 || k == 5 ? i + 1 : stamp);
		n++;
	}
	sample_columns(s, n);
}

static void assert_found(const struct view_record *r, int is_there, uint32_t worker)
{
	cr_assert_eq(r != NULL, is_there, "worker %u", worker);
	if (is_there)
		cr_assert_eq(r->worker, worker);
}

/* Under the names and addresses they have, and under none they had or will have. */
static void assert_finds(const struct view_version *x, const struct truth *t)
{
	char text[32];

	for (uint32_t i = 0; i < WORKERS; i++) {
		for (unsigned g = 1; g <= GENERATIONS; g++) {
			text_of(text, sizeof(text), "w", i, g);
			assert_found(view_by_name(x, text), t->generation[i] == g, i + 1);
			cr_assert_null(view_by_address(x, text));
			text_of(text, sizeof(text), "a", i, g);
			assert_found(view_by_address(x, text), t->generation[i] == g, i + 1);
			cr_assert_null(view_by_name(x, text));
		}
	}
}

static sc_err tell(struct view *v, const struct truth *t, const uint8_t *is_told, uint64_t stamp)
{
	struct sample s;
	sc_err err;

	sample_tell(&s, t, is_told, stamp);
	err = view_apply(v, sample_bytes(&s), 0, 0);
	sample_fini(&s);
	return err;
}

Test(view, workers_are_found_as_they_come_go_and_are_renamed)
{
	const struct view_version *x, *before;
	struct truth t = {{0}}, told_before;
	struct view *v;
	unsigned seed = 7;

	cr_assert_eq(view_new(&v), SC_OK);
	before = view_pin(v);
	told_before = t;
	for (unsigned round = 1; round <= CHANGES; round++) {
		uint8_t is_told[WORKERS] = {0};

		for (unsigned n = (unsigned)rand_r(&seed) % 3; n > 0; n--) {
			uint32_t i = (uint32_t)rand_r(&seed) % WORKERS;

			t.generation[i] = (unsigned)rand_r(&seed) % (GENERATIONS + 1);
			is_told[i] = 1;
		}
		cr_assert_eq(tell(v, &t, is_told, round), SC_OK);
		cr_assert_eq(view_publish(v, "abc", round), SC_OK);
		x = view_pin(v);
		assert_finds(x, &t);
		assert_finds(before, &told_before);
		view_unpin(before);
		before = x;
		told_before = t;
	}
	view_unpin(before);
	view_free(v);
}

Test(view, a_number_may_pass_to_another)
{
	struct truth t = {{1, 1, 1}};
	const uint8_t all[WORKERS] = {1, 1, 1}, second[WORKERS] = {0, 1};
	const struct view_version *x, *y;
	struct view *v;

	cr_assert_eq(view_new(&v), SC_OK);
	cr_assert_eq(tell(v, &t, all, 1), SC_OK);
	cr_assert_eq(view_publish(v, "abc", 1), SC_OK);
	x = view_pin(v);
	t.generation[1] = 2;
	cr_assert_eq(tell(v, &t, second, 2), SC_OK);
	cr_assert_eq(view_publish(v, "abc", 2), SC_OK);
	y = view_pin(v);
	cr_assert_eq(view_by_name(x, "w1.1")->worker, 2, "the old version stays as it was");
	cr_assert_null(view_by_name(x, "w1.2"));
	cr_assert_null(view_by_name(y, "w1.1"));
	cr_assert_eq(view_by_address(y, "a1.2")->worker, 2);
	cr_assert_neq(x->index, y->index);
	view_unpin(x);
	view_unpin(y);
	view_free(v);
}

Test(view, of_two_with_one_name_the_first_is_found)
{
	const struct view_version *x;
	struct view *v;
	struct sample s;

	cr_assert_eq(view_new(&v), SC_OK);
	sample_init(&s, 3, 1);
	s.texts[0][2] = s.texts[0][1];
	s.texts[2][0] = s.texts[2][2];
	cr_assert_eq(view_apply(v, sample_bytes(&s), 0, 1), SC_OK);
	cr_assert_eq(view_publish(v, "abc", 1), SC_OK);
	x = view_pin(v);
	cr_assert_eq(view_by_name(x, "w2")->worker, 2);
	cr_assert_null(view_by_name(x, "w1"));
	cr_assert_eq(view_by_address(x, "tcp://127.0.0.1:1002")->worker, 1);
	view_unpin(x);
	sample_fini(&s);
	view_free(v);
}

Test(view, who_has_only_metrics_is_not_found)
{
	const struct view_version *x;
	struct sample s;
	struct view *v;

	cr_assert_eq(view_new(&v), SC_OK);
	sample_init(&s, 0, 1);
	for (size_t k = 5; k < 14; k++)
		column_put(&s.columns[k], 3);
	sample_columns(&s, 0);
	cr_assert_eq(view_apply(v, sample_bytes(&s), 0, 1), SC_OK);
	cr_assert_eq(view_publish(v, "abc", 1), SC_OK);
	x = view_pin(v);
	cr_assert_eq(x->n, 1);
	cr_assert_eq(x->records[0]->worker, 3);
	cr_assert_null(view_by_name(x, ""));
	cr_assert_null(view_by_address(x, ""));
	view_unpin(x);
	sample_fini(&s);
	view_free(v);
}

Test(view, the_index_lasts_until_who_is_there_changes)
{
	struct truth t = {{1, 1, 1}};
	const uint8_t all[WORKERS] = {1, 1, 1}, fourth[WORKERS] = {0, 0, 0, 1};
	const struct view_version *x[4];
	struct view *v;

	cr_assert_eq(view_new(&v), SC_OK);
	for (uint64_t i = 0; i < 4; i++) { /* it comes; nothing but numbers; one more; it goes */
		if (i >= 2)
			t.generation[3] = i == 2;
		cr_assert_eq(tell(v, &t, i < 2 ? all : fourth, i), SC_OK);
		cr_assert_eq(view_publish(v, "abc", i + 1), SC_OK);
		x[i] = view_pin(v);
	}
	cr_assert_eq(x[0]->index, x[1]->index);
	cr_assert_neq(x[1]->records[0], x[0]->records[0]);
	cr_assert_neq(x[2]->index, x[1]->index);
	cr_assert_neq(x[3]->index, x[2]->index);
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(view_by_name(x[i], "w0.1"), x[i]->records[0]);
		cr_assert_eq(view_by_name(x[i], "w3.1") != NULL, i == 2);
		view_unpin(x[i]);
	}
	view_free(v);
}

/* ---- many threads ----------------------------------------------------------------------------------------------- */

struct reading {
	struct view *view;
	atomic_int is_over;
	atomic_size_t n_wrong, n_read;
};

/* Every version is true in itself: all its numbers are its epoch. */
static void *read_on(void *arg)
{
	struct reading *r = arg;
	uint64_t last = 0;

	while (!atomic_load(&r->is_over)) {
		const struct view_version *x = view_pin(r->view);
		int wrong = x->epoch < last || x->totals.held != x->epoch || x->totals.workers != x->n;

		for (size_t i = 0; i < x->n; i++)
			wrong |= x->records[i]->cpu_percent != x->epoch || x->records[i]->identity->pid != x->epoch;
		wrong |= x->n > 0 && view_by_name(x, "w1") == NULL;
		wrong |= x->n > 0 && view_by_address(x, "tcp://127.0.0.1:1000") != x->records[0];
		last = x->epoch;
		view_unpin(x);
		atomic_fetch_add(&r->n_wrong, (size_t)(wrong != 0));
		atomic_fetch_add(&r->n_read, 1);
	}
	return NULL;
}

Test(view, many_read_while_it_changes, .timeout = 60)
{
	struct reading r = {.view = view_of(1, 0)};
	pthread_t threads[READERS];

	view_free(r.view);
	cr_assert_eq(view_new(&r.view), SC_OK);
	for (size_t i = 0; i < READERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, read_on, &r), 0);
	for (uint64_t epoch = 1; epoch <= ROUNDS; epoch++) {
		/* snapshots of another size, each followed by one that shares its index */
		cr_assert_eq(apply_sample(r.view, (uint32_t)(epoch / 2 % WORKERS) + 1, epoch, epoch % 2 == 0), SC_OK);
		cr_assert_eq(view_publish(r.view, "abc", epoch), SC_OK);
	}
	while (atomic_load(&r.n_read) < ROUNDS)
		sched_yield();
	atomic_store(&r.is_over, 1);
	for (size_t i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(atomic_load(&r.n_wrong), 0);
	view_free(r.view);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static const uint8_t everybody[WORKERS] = {1, 1, 1, 1, 1, 1, 1, 1};

/* A version in which all numbers are its epoch. */
static void assert_whole(struct view *v, uint64_t epoch, const struct truth *t)
{
	const struct view_version *x = view_pin(v);

	cr_assert_eq(x->epoch, epoch);
	assert_finds(x, t);
	for (size_t i = 0; i < x->n; i++) {
		cr_assert_eq(x->records[i]->cpu_percent, epoch);
		cr_assert_eq(x->records[i]->identity->pid, epoch);
	}
	view_unpin(x);
}

static sc_err apply_and_publish(struct view *v, struct slice body, int is_snapshot, sc_err *applied)
{
	sc_err err = *applied = view_apply(v, body, 0, is_snapshot);

	return err == SC_OK ? view_publish(v, "abc", 2) : err;
}

/* From version 1 to 2, with the n-th allocation failing: readers have the one or the other. */
static sc_err go_on(struct slice from, const struct truth *t1, struct slice to, const struct truth *t2, int is_snapshot,
		    long n)
{
	sc_err err, applied;
	struct view *v;

	cr_assert_eq(view_new(&v), SC_OK);
	cr_assert_eq(view_apply(v, from, 0, 1), SC_OK);
	cr_assert_eq(view_publish(v, "abc", 1), SC_OK);
	mem_fail_nth(n);
	err = apply_and_publish(v, to, is_snapshot, &applied);
	mem_fail_nth(-1);
	assert_whole(v, err == SC_OK ? 2 : 1, err == SC_OK ? t2 : t1);
	if (applied == SC_OK) {
		cr_assert_eq(view_publish(v, "abc", 2), SC_OK, "the table is whole, and shown when there is memory");
	} else if (view_publish(v, "abc", 2) == SC_OK) { /* it ran out before anything was changed */
		cr_assert_eq(view_publish(v, "abc", 1), SC_OK);
		assert_whole(v, 1, t1);
		cr_assert_eq(apply_and_publish(v, to, is_snapshot, &applied), SC_OK);
	} else {
		cr_assert_eq(view_publish(v, "abc", 2), SC_BAD_STATE);
		cr_assert_eq(view_apply(v, to, 0, 0), SC_BAD_STATE);
		assert_whole(v, 1, t1);
		cr_assert_eq(view_apply(v, from, 0, 1), SC_OK, "a snapshot makes all well");
		cr_assert_eq(apply_and_publish(v, to, is_snapshot, &applied), SC_OK);
	}
	assert_whole(v, 2, t2);
	view_free(v);
	return err;
}

/* Workers 1 to 6 are there; then one leaves, one is renamed, two come, and everybody's numbers change. */
Test(view, no_failed_allocation_leaves_a_torn_view, .timeout = 30)
{
	const struct truth t1 = {{1, 1, 1, 1, 1, 1}}, t2 = {{1, 2, 0, 1, 1, 1, 1, 1}};
	struct sample from, to;
	struct slice a, b;

	sample_tell(&from, &t1, everybody, 1);
	sample_tell(&to, &t2, everybody, 2);
	a = sample_bytes(&from);
	b = sample_bytes(&to);
	for (int is_snapshot = 0; is_snapshot < 2; is_snapshot++) {
		sc_err err = SC_NOMEM;
		long n = 0;

		while (err != SC_OK) {
			err = go_on(a, &t1, b, &t2, is_snapshot, n++);
			cr_assert(err == SC_OK || err == SC_NOMEM, "allocation %ld: %s", n, sc_err_text(err));
		}
		cr_assert_gt(n, 50, "every identity has eight");
	}
	sample_fini(&from);
	sample_fini(&to);
}

Test(view, a_view_is_made_or_not, .timeout = 30)
{
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		struct view *v = NULL;

		mem_fail_nth(n);
		err = view_new(&v);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && v == NULL));
		view_free(v);
	}
}
