/*
 * message.c - every message of the table, there and back, whole, cut, shorter and longer than known, lying.
 * The functions per message come from messages.def, so a new message is tested without a word here.
 */
#include "proto/message.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define POOL_BYTES ((size_t)1 << 20)
#define LIST_MAX   20u

/* Random contents, and the memory they are in. */
struct gen {
	uint64_t seed;
	uint8_t *pool;
	size_t at;
	struct slice lists[64][LIST_MAX];
	size_t n_lists;
	struct column_writer columns[64];
	size_t n_columns;
};

static uint64_t next(struct gen *g)
{
	g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
	return g->seed >> 20;
}

/* Mostly small, now and then the bound itself. */
static uint64_t number(struct gen *g, uint64_t bound)
{
	uint64_t v = next(g) >> (next(g) % 44);

	if (next(g) % 8 == 0)
		return bound;
	return bound == UINT64_MAX ? v : v % (bound + 1);
}

static void fill_U64(struct gen *g, msg_U64 *out, uint64_t bound)
{
	*out = number(g, bound);
}

static void fill_I64(struct gen *g, msg_I64 *out, uint64_t bound)
{
	int64_t v = (int64_t)(number(g, bound) & INT64_MAX);

	*out = next(g) % 2 ? -v : v;
}

static void fill_BIN(struct gen *g, msg_BIN *out, uint64_t bound)
{
	size_t n = (size_t)(next(g) % 3 == 0 ? next(g) % 700 : next(g) % 40);

	if (n > bound)
		n = (size_t)bound;
	out->p = (const char *)g->pool + g->at;
	out->n = n;
	for (size_t i = 0; i < n; i++)
		g->pool[g->at++] = (uint8_t)next(g);
}

static void fill_BINS(struct gen *g, msg_BINS *out, uint64_t bound)
{
	struct slice *v = g->lists[g->n_lists++];
	size_t n = (size_t)(next(g) % LIST_MAX);

	for (size_t i = 0; i < n; i++)
		fill_BIN(g, &v[i], 1000);
	*out = (struct slices){v, n < bound ? n : bound};
}

static void fill_COL(struct gen *g, msg_COL *out, uint64_t bound)
{
	struct column_writer *w = &g->columns[g->n_columns++];
	size_t n = (size_t)(next(g) % 50);

	for (size_t i = 0; i < n && i < bound; i++)
		column_put(w, number(g, UINT64_MAX));
	*out = column_of(w);
}

#define fill_STR  fill_BIN
#define fill_STRS fill_BINS

static int same_U64(const msg_U64 *a, const msg_U64 *b)
{
	return *a == *b;
}

static int same_I64(const msg_I64 *a, const msg_I64 *b)
{
	return *a == *b;
}

static int same_BIN(const msg_BIN *a, const msg_BIN *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

static int same_BINS(const msg_BINS *a, const msg_BINS *b)
{
	if (a->n != b->n)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		if (!same_BIN(&a->v[i], &b->v[i]))
			return 0;
	return 1;
}

static int same_COL(const msg_COL *a, const msg_COL *b)
{
	struct column_reader x, y;

	if (a->count != b->count)
		return 0;
	column_read(&x, a);
	column_read(&y, b);
	for (size_t i = 0; i < a->count; i++)
		if (column_next(&x) != column_next(&y))
			return 0;
	return 1;
}

#define same_STR  same_BIN
#define same_STRS same_BINS

/* fill_all(): random contents for a message of a type; field_differs(): name of a field in which two differ, or NULL.
 */
static void fill_all(struct gen *g, msg_type type, struct msg *m)
{
	m->type = type;
	switch ((int)type) {
#define MSG_BEGIN(name, code, from, text)    case code: {
#define FIELD(msg, type_, name, bound, text) fill_##type_(g, &m->u.msg.name, (bound));
#define MSG_END(name)                                                                                                  \
	break;                                                                                                         \
	}
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
	}
}

static const char *field_differs(const struct msg *a, const struct msg *b)
{
	if (a->type != b->type)
		return "type";
	switch ((int)a->type) {
#define MSG_BEGIN(name, code, from, text) case code: {
#define FIELD(msg, type, name, bound, text)                                                                            \
	if (!same_##type(&a->u.msg.name, &b->u.msg.name))                                                              \
		return #name;
#define MSG_END(name)                                                                                                  \
	break;                                                                                                         \
	}
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
	}
	return NULL;
}

static const struct {
	msg_type type;
	unsigned n_fields;
} all[] = {
#define MSG_BEGIN(name, code, from, text)                                                                              \
	{                                                                                                              \
		MSG_##name, 0
#define FIELD(msg, type, name, bound, text) +1
#define MSG_END(name)                                                                                                  \
	}                                                                                                              \
	,
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
};

#define N_ALL (sizeof(all) / sizeof(all[0]))

static void gen_init(struct gen *g, uint64_t seed)
{
	memset(g, 0, sizeof(*g));
	g->seed = seed;
	g->pool = mem_malloc(POOL_BYTES);
	for (size_t i = 0; i < 64; i++)
		column_writer_init(&g->columns[i]);
}

static void gen_again(struct gen *g)
{
	g->at = g->n_lists = g->n_columns = 0;
	for (size_t i = 0; i < 64; i++)
		column_writer_reset(&g->columns[i]);
}

static void gen_fini(struct gen *g)
{
	mem_free(g->pool);
	for (size_t i = 0; i < 64; i++)
		column_writer_fini(&g->columns[i]);
}

/* One random message of each type, encoded, given to `check`. */
struct sample {
	const struct msg *m;
	unsigned n_fields;
	struct buf bytes;
	struct msg_decoder *decoder;
};

static void each_message(uint64_t seed, unsigned rounds, void (*check)(struct sample *s))
{
	struct sample s;
	struct gen g;
	struct msg m;

	gen_init(&g, seed);
	buf_init(&s.bytes, 0);
	cr_assert_eq(msg_decoder_new(&s.decoder), SC_OK);
	for (unsigned r = 0; r < rounds; r++) {
		for (size_t i = 0; i < N_ALL; i++) {
			const char *field = NULL;

			gen_again(&g);
			fill_all(&g, all[i].type, &m);
			buf_reset(&s.bytes);
			cr_assert_eq(msg_encode(&s.bytes, m.type, &m.u, &field), SC_OK, "%s.%s", msg_name(m.type),
				     field);
			s.m = &m;
			s.n_fields = all[i].n_fields;
			check(&s);
		}
	}
	msg_decoder_free(s.decoder);
	buf_fini(&s.bytes);
	gen_fini(&g);
}

static void check_round_trip(struct sample *s)
{
	const char *field = "x";
	struct msg out;
	size_t used = 0;

	cr_assert_eq(msg_decode(s->decoder, s->bytes.data, s->bytes.len, &out, &used, &field), SC_OK, "%s.%s",
		     msg_name(s->m->type), field);
	cr_assert_eq(used, s->bytes.len);
	cr_assert_null(field);
	field = field_differs(s->m, &out);
	cr_assert_null(field, "%s.%s differs", msg_name(s->m->type), field);
}

Test(message, every_message_there_and_back)
{
	each_message(1, 200, check_round_trip);
}

static void check_cut(struct sample *s)
{
	for (size_t n = 0; n < s->bytes.len; n++) {
		uint8_t *copy = mem_malloc(n); /* exactly as long, so that a sanitizer sees a read beyond */
		struct msg out;
		size_t used;

		if (n > 0)
			memcpy(copy, s->bytes.data, n);
		cr_assert_eq(msg_decode(s->decoder, copy, n, &out, &used, NULL), SC_MALFORMED, "%s cut at %zu of %zu",
			     msg_name(s->m->type), n, s->bytes.len);
		mem_free(copy);
	}
}

Test(message, cut_at_every_byte)
{
	each_message(2, 1, check_cut);
}

static void put_array(struct buf *b, size_t n)
{
	uint8_t head[3] = {0xdc, (uint8_t)(n >> 8), (uint8_t)n};

	buf_append(b, head, sizeof(head));
}

/* Offset of the first value in the outer array. */
static size_t head_bytes(const struct buf *b)
{
	return b->data[0] == 0xdc ? 3 : 1;
}

/* As an older peer would send it: fields missing at the end are zero or empty. */
static void check_shorter(struct sample *s)
{
	size_t at = head_bytes(&s->bytes);
	struct buf b;

	buf_init(&b, 0);
	for (unsigned n = 0; n <= s->n_fields; n++) {
		struct msg out, wanted;
		size_t used, len;

		len = msgpack_measure(s->bytes.data + at, s->bytes.len - at, 8);
		cr_assert_gt(len, 0);
		at += len; /* the code, then a field more each time */
		buf_reset(&b);
		put_array(&b, n + 1);
		buf_append(&b, s->bytes.data + head_bytes(&s->bytes), at - head_bytes(&s->bytes));
		memset(&out, 0xa5, sizeof(out));
		cr_assert_eq(msg_decode(s->decoder, b.data, b.len, &out, &used, NULL), SC_OK, "%s with %u fields",
			     msg_name(s->m->type), n);
		if (n == s->n_fields) {
			cr_assert_null(field_differs(s->m, &out));
		} else if (n == 0) {
			memset(&wanted, 0, sizeof(wanted));
			wanted.type = s->m->type;
			cr_assert_null(field_differs(&wanted, &out), "%s", field_differs(&wanted, &out));
		}
	}
	cr_assert_eq(at, s->bytes.len);
	buf_fini(&b);
}

Test(message, fields_missing_at_the_end_have_defaults)
{
	each_message(3, 3, check_shorter);
}

/* As a newer peer would send it: more fields, of any kind, are skipped. */
static void check_longer(struct sample *s)
{
	static const uint8_t extra[] = {0x93, 0x01, 0x81, 0xa1, 'k', 0xc0, 0xc4, 0x01, 0xff, /* [1, {"k": nil}, bin] */
					0xcb, 0,    0,	  0,	0,   0,	   0,	 0,    0,    /* 0.0 */
					0xc3};						     /* true */
	struct msg out;
	struct buf b;
	size_t used;

	buf_init(&b, 0);
	put_array(&b, s->n_fields + 1 + 3);
	buf_append(&b, s->bytes.data + head_bytes(&s->bytes), s->bytes.len - head_bytes(&s->bytes));
	buf_append(&b, extra, sizeof(extra));
	cr_assert_eq(msg_decode(s->decoder, b.data, b.len, &out, &used, NULL), SC_OK, "%s", msg_name(s->m->type));
	cr_assert_eq(used, b.len);
	cr_assert_null(field_differs(s->m, &out));
	buf_fini(&b);
}

Test(message, unknown_fields_at_the_end_are_skipped)
{
	each_message(4, 3, check_longer);
}

/* Any byte changed: refused or read as something else, never more; the sanitizers judge. */
static void check_damaged(struct sample *s)
{
	for (size_t i = 0; i < s->bytes.len && i < 400; i++) {
		static const uint8_t masks[] = {0x01, 0x80, 0xff};

		for (size_t k = 0; k < sizeof(masks); k++) {
			struct msg out;
			size_t used;

			s->bytes.data[i] ^= masks[k];
			msg_decode(s->decoder, s->bytes.data, s->bytes.len, &out, &used, NULL);
			s->bytes.data[i] ^= masks[k];
		}
	}
}

Test(message, any_byte_changed)
{
	each_message(5, 1, check_damaged);
}

static sc_err decode(const void *bytes, size_t n, const char **field)
{
	struct msg_decoder *d;
	struct msg out;
	size_t used = 0;
	sc_err err;

	cr_assert_eq(msg_decoder_new(&d), SC_OK);
	err = msg_decode(d, bytes, n, &out, &used, field);
	msg_decoder_free(d);
	return err;
}

Test(message, lying_counts_are_refused)
{
	cr_expect_eq(decode("\xdd\xff\xff\xff\xff", 5, NULL), SC_MALFORMED, "five bytes that ask for gigabytes");
	cr_expect_eq(decode("\xdd\x00\xff\xff\xff\x10", 6, NULL), SC_MALFORMED);
	cr_expect_eq(decode("\x92\x28\xdd\xff\xff\xff\xff", 7, NULL), SC_MALFORMED);
	cr_expect_eq(decode("\x94\x28\x01\xa1x\xc6\xff\xff\xff\xff", 10, NULL), SC_MALFORMED);
	cr_expect_eq(decode("\xdf\xff\xff\xff\xff", 5, NULL), SC_MALFORMED);
}

/* msgpack-c makes forty bytes of each: it must not get to see them. */
Test(message, lists_are_refused_before_they_are_built)
{
	enum { MANY = 1000000 };
	const char *field;
	struct msg_decoder *d;
	struct msg m;
	struct buf b;
	size_t used;

	cr_assert_eq(msg_decoder_new(&d), SC_OK);
	buf_init(&b, 0);
	for (int as = 0; as < 2; as++) { /* where a text belongs; in a list of texts */
		buf_reset(&b);
		if (as == 0)
			buf_append(&b, "\x92\x0a", 2); /* worker_register.name */
		else
			buf_append(&b, "\x98\x0a\xa0\xa0\xa0\xa0\x00\xa0\x91", 9); /* its labels, one */
		buf_append(&b, "\xdd\x00\x0f\x42\x40", 5);			   /* 1,000,000 */
		for (size_t i = 0; i < MANY; i++)
			buf_append_byte(&b, 0xc0);
		cr_assert_eq(msg_decode(d, b.data, b.len, &m, &used, &field), SC_MALFORMED);
		cr_assert_str_eq(field, as == 0 ? "name" : "labels");
	}
	buf_fini(&b);
	msg_decoder_free(d);
}

Test(message, an_empty_text_is_somewhere)
{
	struct msg_job_state m = {.text = slice_of("")};
	struct msg_decoder *d;
	struct msg out;
	struct buf b;
	size_t used;

	cr_assert_eq(msg_decoder_new(&d), SC_OK);
	buf_init(&b, 0);
	cr_assert_eq(msg_encode(&b, MSG_job_state, &m, NULL), SC_OK);
	cr_assert_eq(msg_decode(d, b.data, b.len, &out, &used, NULL), SC_OK);
	cr_assert_eq(out.u.job_state.text.n, 0);
	cr_assert_not_null(out.u.job_state.text.p, "memcpy() wants it");
	buf_fini(&b);
	msg_decoder_free(d);
}

Test(message, what_is_not_a_message)
{
	static const char *const bad[] = {"\x01", "\xa5hello", "\x90", "\x91\xa1x", "\x91\xff", "\x81\x01\x02", "\xc0"};
	struct msg_decoder *d;
	struct msg out;
	size_t used = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(decode(bad[i], strlen(bad[i]), NULL), SC_MALFORMED, "sample %zu", i);
	cr_assert_eq(msg_decoder_new(&d), SC_OK);
	cr_assert_eq(msg_decode(d, (const uint8_t *)"\x92\x7f\x01\x05", 4, &out, &used, NULL), SC_UNKNOWN_MESSAGE);
	cr_assert_eq(used, 3, "so that it can be skipped");
	cr_assert_eq(msg_decode(d, (const uint8_t *)"\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 10, &out, &used, NULL),
		     SC_UNKNOWN_MESSAGE);
	cr_assert_eq(msg_decode(d, (const uint8_t *)"\x91\x00", 2, &out, &used, NULL), SC_UNKNOWN_MESSAGE);
	msg_decoder_free(d);
}

Test(message, wrong_types_name_the_field)
{
	const char *field = NULL;

	cr_expect_eq(decode("\x92\x04\xa1x", 4, &field), SC_MALFORMED);
	cr_expect_str_eq(field, "nonce");
	cr_expect_eq(decode("\x92\x04\xff", 3, &field), SC_MALFORMED, "a negative number");
	cr_expect_str_eq(field, "nonce");
	cr_expect_eq(decode("\x93\x03\x01\xc0", 4, &field), SC_MALFORMED);
	cr_expect_str_eq(field, "code");
	cr_expect_eq(decode("\x94\x03\x01\x01\x05", 5, &field), SC_MALFORMED);
	cr_expect_str_eq(field, "text");
	cr_expect_eq(decode("\x93\x0f\x01\xc4\x02\x01\x80", 7, &field), SC_MALFORMED, "a column that is cut");
	cr_expect_str_eq(field, "task");
	cr_expect_eq(decode("\x92\x64\x92\xa1x\x01", 6, &field), SC_MALFORMED, "a number among texts");
	cr_expect_str_eq(field, "argv");
	cr_expect_eq(decode("\x95\x28\x01\xa1n\xa1s\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 16, &field), SC_MALFORMED,
		     "a priority beyond 64 signed bits");
	cr_expect_str_eq(field, "priority");
}

Test(message, bounds_are_checked_in_both_directions)
{
	char long_name[201];
	struct msg_submit m = {.name = {long_name, 200}};
	const char *field = NULL;
	struct buf b;

	memset(long_name, 'x', sizeof(long_name));
	buf_init(&b, 0);
	buf_append(&b, "before", 6);
	cr_assert_eq(msg_encode(&b, MSG_submit, &m, &field), SC_OK);
	b.len = 6;
	m.name.n = 201;
	cr_assert_eq(msg_encode(&b, MSG_submit, &m, &field), SC_TOO_BIG);
	cr_assert_str_eq(field, "name");
	cr_assert_eq(b.len, 6, "nothing is left behind");
	m.name.n = 0;
	m.priority = -1000001;
	cr_assert_eq(msg_encode(&b, MSG_submit, &m, &field), SC_TOO_BIG);
	cr_assert_str_eq(field, "priority");
	m.priority = INT64_MIN;
	cr_assert_eq(msg_encode(&b, MSG_submit, &m, &field), SC_TOO_BIG);
	m.priority = -1000000;
	cr_assert_eq(msg_encode(&b, MSG_submit, &m, &field), SC_OK);
	buf_fini(&b);
	cr_assert_eq(decode("\x92\x01\xce\x00\x01\x00\x00", 7, &field), SC_TOO_BIG, "hello.version_min 65536");
	cr_assert_str_eq(field, "version_min");
	cr_assert_eq(decode("\x92\x01\xcd\xff\xff", 5, &field), SC_OK);
}

Test(message, a_full_buffer_is_left_as_it_was)
{
	struct msg_ping m = {.nonce = UINT64_MAX};
	struct buf b;

	buf_init(&b, 8);
	buf_append(&b, "12345", 5);
	cr_assert_eq(msg_encode(&b, MSG_ping, &m, NULL), SC_TOO_BIG);
	cr_assert_eq(b.len, 5);
	m.nonce = 1;
	cr_assert_eq(msg_encode(&b, MSG_ping, &m, NULL), SC_OK, "a smaller one still fits");
	buf_fini(&b);
}

Test(message, no_memory)
{
	struct msg_error m = {.code = 1, .text = slice_of("a text longer than the smallest buffer, so that it grows")};
	struct msg_decoder *d = NULL;
	sc_err err = SC_NOMEM;
	struct buf b;

	for (long n = 0; err != SC_OK; n++) {
		buf_init(&b, 0);
		mem_fail_nth(n);
		err = msg_encode(&b, MSG_error, &m, NULL);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && b.len == 0));
		buf_fini(&b);
	}
	mem_fail_nth(0);
	cr_assert_eq(msg_decoder_new(&d), SC_NOMEM);
	cr_assert_null(d);
	mem_fail_nth(-1);
	msg_decoder_free(NULL);
}

Test(message, exactly_one_of_the_type_wanted)
{
	struct msg_body_sleep m = {.duration_us = 5};
	struct msg_decoder *d;
	struct msg out;
	struct buf b;

	buf_init(&b, 0);
	cr_assert_eq(msg_encode(&b, MSG_body_sleep, &m, NULL), SC_OK);
	cr_assert_eq(msg_decoder_new(&d), SC_OK);
	cr_assert_eq(msg_decode_one(d, (struct slice){(char *)b.data, b.len}, MSG_body_sleep, &out, NULL), SC_OK);
	cr_assert_eq(out.u.body_sleep.duration_us, 5);
	cr_assert_eq(msg_decode_one(d, (struct slice){(char *)b.data, b.len}, MSG_body_exec, &out, NULL),
		     SC_UNEXPECTED);
	buf_append_byte(&b, 0);
	cr_assert_eq(msg_decode_one(d, (struct slice){(char *)b.data, b.len}, MSG_body_sleep, &out, NULL),
		     SC_MALFORMED);
	cr_assert_eq(msg_decode_one(d, (struct slice){"", 0}, MSG_body_sleep, &out, NULL), SC_MALFORMED);
	msg_decoder_free(d);
	buf_fini(&b);
}

Test(message, names)
{
	cr_assert_str_eq(msg_name(MSG_tasks_assign), "tasks_assign");
	cr_assert_str_eq(msg_name((msg_type)9999), "?");
	cr_assert_str_eq(msg_name(MSG_none), "?");
}

Test(message, zigzag)
{
	static const int64_t values[] = {0, -1, 1, INT64_MIN, INT64_MAX, -1000000};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		cr_assert_eq(msg_unzigzag(msg_zigzag(values[i])), values[i]);
	cr_assert_eq(msg_zigzag(-1), 1);
}

Test(message, slices)
{
	struct slice none = slice_of(NULL);
	char *copy = slice_dup(none);

	cr_assert(slice_is(slice_of("abc"), "abc") && !slice_is(slice_of("abc"), "ab") && slice_is(none, ""));
	cr_assert_str_eq(copy, "");
	mem_free(copy);
}
