/* json.c - see json.h. */
#include "client/ctl/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static const char *const names[] = {
#define FIELD(name, text) #name,
#include "client/ctl/fields.def"
#undef FIELD
};

void json_put(json_t *o, enum field f, json_t *value)
{
	if (value != NULL)
		json_object_set_new(o, names[f], value);
}

void json_put_text(json_t *o, enum field f, const char *text)
{
	json_put_bytes(o, f, text, strlen(text));
}

void json_put_u64(json_t *o, enum field f, uint64_t v)
{
	json_put(o, f, json_integer(v <= INT64_MAX ? (json_int_t)v : INT64_MAX));
}

void json_put_i64(json_t *o, enum field f, int64_t v)
{
	json_put(o, f, json_integer(v));
}

void json_put_flag(json_t *o, enum field f, int v)
{
	json_put(o, f, json_boolean(v));
}

/* Bytes of the UTF-8 character at p, 0 when there is none.  JSON knows no others. */
static size_t character_bytes(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static int is_utf8(const unsigned char *p, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		len = character_bytes(p + i, n - i);
		if (len == 0)
			return 0;
	}
	return 1;
}

void json_put_bytes(json_t *o, enum field f, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	struct buf clean;

	if (is_utf8(p, n)) {
		json_put(o, f, json_stringn_nocheck(n > 0 ? bytes : "", n));
		return;
	}
	buf_init(&clean, 0);
	for (size_t i = 0; i < n;) {
		size_t len = character_bytes(p + i, n - i);

		if (len == 0)
			buf_append_byte(&clean, '?');
		else
			buf_append(&clean, p + i, len);
		i += len > 0 ? len : 1;
	}
	json_put(o, f, json_stringn_nocheck(buf_str(&clean), clean.len));
	buf_fini(&clean);
}

static json_t *base64(const unsigned char *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf out;
	json_t *text;

	buf_init(&out, 0);
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? (unsigned)p[i + 2] : 0);
		char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};

		if (i + 1 >= n)
			four[2] = '=';
		if (i + 2 >= n)
			four[3] = '=';
		buf_append(&out, four, sizeof(four));
	}
	text = json_stringn_nocheck(buf_str(&out), out.len);
	buf_fini(&out);
	return text;
}

void json_put_result(json_t *o, const void *p, size_t n)
{
	if (is_utf8(p, n))
		json_put(o, F_result, json_stringn_nocheck(n > 0 ? p : "", n));
	else
		json_put(o, F_result_base64, base64(p, n));
}

void json_put_counts(json_t *o, const uint64_t counts[SC_TASK_STATES])
{
	json_t *by_state = json_object();

	for (unsigned i = 0; i < SC_TASK_STATES; i++)
		json_object_set_new(by_state, sc_task_state_name(i), json_integer((json_int_t)counts[i]));
	json_put(o, F_counts, by_state);
}

void json_print(json_t *document)
{
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	fputc('\n', stdout);
	json_decref(document);
}

void json_print_line(json_t *document)
{
	json_dumpf(document, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	fputc('\n', stdout);
	fflush(stdout);
	json_decref(document);
}

void json_print_one(enum field f, json_t *value)
{
	json_t *o = json_object();

	json_put(o, f, value);
	json_print(o);
}

void json_rows_begin(struct json_rows *r, uint64_t job, enum field list)
{
	r->tail = json_object();
	r->is_begun = 0;
	printf("{\n  \"%s\": %" PRIu64 ",\n  \"%s\": [", names[F_job], job, names[list]);
}

void json_rows_add(struct json_rows *r, json_t *row)
{
	fputs(r->is_begun ? ",\n    " : "\n    ", stdout);
	r->is_begun = 1;
	json_dumpf(row, stdout, JSON_PRESERVE_ORDER);
	json_decref(row);
}

void json_rows_end(struct json_rows *r)
{
	const char *key;
	json_t *value;

	fputs(r->is_begun ? "\n  ]" : "]", stdout);
	json_object_foreach(r->tail, key, value)
	{
		printf(",\n  \"%s\": ", key);
		json_dumpf(value, stdout, JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);
	}
	puts("\n}");
	json_decref(r->tail);
}
