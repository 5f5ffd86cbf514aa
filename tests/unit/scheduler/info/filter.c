/* filter.c - which workers a filter lets through, and when two filters are one. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "client/view.h"
#include "scheduler/info/encoding.h"

static struct info_cluster cluster;
static struct info_encoder encoder;

static void join(uint32_t number, const char *name, const char *namespace, const char *pool, const char *labels)
{
	struct info_identity id = {.name = slice_of(name),
				   .pool = slice_of(pool),
				   .address = slice_of("tcp://10.0.0.1:1"),
				   .resources = slice_of("cpus=1"),
				   .labels = slice_of(labels),
				   .namespace = slice_of(namespace),
				   .slots = 10000};

	cr_assert_eq(info_join(&cluster, number, &id), SC_OK);
}

static void begin(void)
{
	info_cluster_init(&cluster, 10);
	info_encoder_init(&encoder, &cluster);
	join(1, "open", "", "p", "k=v");
	join(2, "of-x", "x", "p", "");
	join(3, "of-y", "y", "q", "k=v");
	info_advance(&cluster);
}

static void end(void)
{
	info_encoder_fini(&encoder);
	info_cluster_fini(&cluster);
}

TestSuite(info_filter, .init = begin, .fini = end);

static struct info_filter *take(const char *namespace, const char *pool, const char *label)
{
	struct slice labels = slice_of(label);
	struct info_filter *f = NULL;

	cr_assert_eq(info_filter_take(&encoder, slice_of(namespace), slice_of(pool),
				      (struct slices){&labels, label[0] != '\0'}, &f),
		     SC_OK);
	return f;
}

static size_t in_use(void)
{
	return HASH_COUNT(encoder.filters) - encoder.n_unused;
}

/* A bit per worker the filter lets through: 1 for the first, 2 for the second, 4 for the third. */
static unsigned seen(const char *namespace, const char *pool, const char *label)
{
	struct info_filter *f = take(namespace, pool, label);
	unsigned bits = 0;

	for (uint32_t i = 1; i <= 3; i++)
		bits |= (unsigned)info_filter_matches(f, info_find(&cluster, i)) << (i - 1);
	info_filter_drop(&encoder, f);
	return bits;
}

Test(info_filter, a_namespace_selects_what_its_jobs_may_run_on)
{
	cr_assert_eq(seen("x", "", ""), 1 | 2);
	cr_assert_eq(seen("y", "", ""), 1 | 4);
	cr_assert_eq(seen("nobody-knows", "", ""), 1);
	cr_assert_eq(seen("", "p", ""), 1 | 2);
	cr_assert_eq(seen("y", "p", ""), 1, "all that is asked for");
	cr_assert_eq(seen("y", "", "k=v"), 1 | 4);
	cr_assert_eq(seen("y", "q", "k=v"), 4);
	cr_assert_eq(in_use(), 0);
}

/* Whatever bytes a client sends, it gets a filter of its own and not that of another. */
Test(info_filter, equal_filters_are_one_and_no_other_is)
{
	struct info_filter *all[] = {take("x", "p", ""),   take("p", "x", ""),	   take("", "x", "p=1"),
				     take("x", "", "p=1"), take("x\np=1", "", ""), take("", "x\np=1", ""),
				     take("1:x", "", ""),  take("x", "1:p", ""),   take("", "x1:p", "")};
	size_t n = sizeof(all) / sizeof(all[0]);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(all[i], all[k], "%zu and %zu", i, k);
	cr_assert_eq(take("x", "p", ""), all[0]);
	info_filter_drop(&encoder, all[0]);
	for (size_t i = 0; i < n; i++)
		info_filter_drop(&encoder, all[i]);
	cr_assert_eq(in_use(), 0);
}

/* Every worker is compared with every label, so a filter cannot be made of any amount. */
Test(info_filter, what_is_compared_is_bounded)
{
	static char text[INFO_LABEL_BYTES + 1];
	struct slice labels[INFO_LABELS_MAX + 1];
	struct info_filter *f = NULL;

	memset(text, 'x', sizeof(text));
	text[1] = '=';
	for (size_t i = 0; i <= INFO_LABELS_MAX; i++)
		labels[i] = (struct slice){text, INFO_LABEL_BYTES};
	cr_assert_eq(info_filter_take(&encoder, slice_of(""), slice_of(""),
				      (struct slices){labels, INFO_LABELS_MAX + 1}, &f),
		     SC_INVALID);
	cr_assert_eq(
		info_filter_take(&encoder, slice_of(""), slice_of(""), (struct slices){labels, INFO_LABELS_MAX}, &f),
		SC_OK);
	info_filter_drop(&encoder, f);
	labels[1].n++;
	f = NULL;
	cr_assert_eq(info_filter_take(&encoder, slice_of(""), slice_of(""), (struct slices){labels, 2}, &f),
		     SC_INVALID);
	cr_assert_null(f);
	cr_assert_eq(in_use(), 0);
}

/* The texts borrow *raw. */
static struct msg_info_body decode(struct msg_decoder *d, const struct info_encoding *x, struct buf *raw)
{
	struct frame_codec codec = {0};
	struct msg m;

	buf_reset(raw);
	if (x->raw_bytes == 0)
		buf_append(raw, x->bytes, x->n_bytes);
	else
		cr_assert_eq(frame_decompress(&codec, x->bytes, x->n_bytes, 1 << 20, raw), SC_OK);
	cr_assert_eq(msg_decode_one(d, (struct slice){(char *)raw->data, raw->len}, MSG_info_body, &m, NULL), SC_OK);
	frame_codec_fini(&codec);
	return m.u.info_body;
}

/* What the column costs where nobody is reserved: an empty list. */
Test(info_filter, namespaces_travel_only_when_a_worker_has_one)
{
	struct info_filter *f = take("nobody-knows", "", "");
	struct msg_info_body b;
	struct info_encoding *x;
	struct msg_decoder *d;
	struct buf raw;

	buf_init(&raw, 0);
	cr_assert_eq(msg_decoder_new(&d), SC_OK);
	cr_assert_eq(info_encode(&encoder, 0, INFO_ALL, NULL, &x), SC_OK);
	b = decode(d, x, &raw);
	cr_assert_eq(b.namespace.n, 3);
	cr_assert(slice_is(b.namespace.v[0], ""));
	cr_assert(slice_is(b.namespace.v[1], "x"));
	info_encoding_unref(x);
	cr_assert_eq(info_encode(&encoder, 0, INFO_ALL, f, &x), SC_OK);
	b = decode(d, x, &raw);
	cr_assert_eq(b.worker.count, 1);
	cr_assert_eq(b.namespace.n, 0);
	info_encoding_unref(x);
	info_filter_drop(&encoder, f);
	msg_decoder_free(d);
	buf_fini(&raw);
}

Test(info_filter, survives_any_failed_allocation)
{
	struct slice label = slice_of("k=v");
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		struct info_filter *f = NULL;

		mem_fail_nth(n);
		err = info_filter_take(&encoder, slice_of("x"), slice_of("p"), (struct slices){&label, 1}, &f);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && f == NULL));
		info_filter_drop(&encoder, f);
		cr_assert_eq(in_use(), 0);
	}
}

/* What is asked once, and then again by nobody who is still there. */
Test(info_filter, the_same_question_finds_what_was_encoded_for_it)
{
	struct info_encoding *x;

	for (int i = 0; i < 10000; i++) {
		struct info_filter *f = take("x", "", "");

		cr_assert_eq(info_encode(&encoder, 0, INFO_ALL, f, &x), SC_OK);
		info_encoding_unref(x);
		info_filter_drop(&encoder, f);
	}
	cr_assert_eq(encoder.counts.snapshots_encoded, 1);
}

Test(info_filter, other_questions_without_end_leave_little_behind)
{
	struct info_encoding *x;
	char pool[32];

	for (int i = 0; i < 10000; i++) {
		struct info_filter *f;

		snprintf(pool, sizeof(pool), "pool-%d", i);
		f = take("", pool, "");
		cr_assert_eq(info_encode(&encoder, 0, INFO_ALL, f, &x), SC_OK);
		info_encoding_unref(x);
		info_filter_drop(&encoder, f);
	}
	cr_assert_eq(HASH_COUNT(encoder.filters), INFO_FILTERS_KEPT);
	cr_assert_eq(HASH_COUNT(encoder.table), INFO_FILTERS_KEPT);
	for (int i = 0; i < 10000; i++) { /* without a filter as well */
		for (uint32_t sections = 0; sections < 8; sections++) {
			cr_assert_eq(info_encode(&encoder, 0, (uint32_t)i * 8 + sections, NULL, &x), SC_OK);
			info_encoding_unref(x);
		}
	}
	cr_assert_leq(HASH_COUNT(encoder.table), INFO_ENCODINGS_MAX);
	cr_assert_leq(encoder.table_bytes, INFO_ENCODED_MAX_BYTES);
}

Test(info_filter, one_in_use_is_refused_only_while_all_are)
{
	static struct info_filter *f[INFO_FILTERS_MAX];
	struct info_filter *one_more = NULL;
	char pool[32];

	for (size_t i = 0; i < INFO_FILTERS_MAX; i++) {
		snprintf(pool, sizeof(pool), "pool-%zu", i);
		f[i] = take("", pool, "");
	}
	cr_assert_eq(info_filter_take(&encoder, slice_of("x"), slice_of(""), (struct slices){0}, &one_more), SC_LIMIT);
	cr_assert_eq(take("", "pool-7", ""), f[7], "those there are can be shared");
	info_filter_drop(&encoder, f[7]);
	info_filter_drop(&encoder, f[9]);
	one_more = take("x", "", "");
	info_filter_drop(&encoder, one_more);
	for (size_t i = 0; i < INFO_FILTERS_MAX; i++)
		if (i != 9)
			info_filter_drop(&encoder, f[i]);
	cr_assert_eq(in_use(), 0);
}
