/*
 * message.c - see message.h.  Each message is a row of descriptors; one encoder and one decoder interpret them.
 */
#include "proto/message.h"

#include <assert.h>
#include <msgpack.h>

#include "base/mem.h"

#define DEPTH_MAX 8

enum field_type { T_U64, T_I64, T_STR, T_BIN, T_STRS, T_BINS, T_COL };

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	uint64_t bound;
};

#define MSG_BEGIN(name, code, from, text)   static const struct field fields_##name[] = {
#define FIELD(msg, type, name, bound, text) {#name, T_##type, offsetof(struct msg_##msg, name), (bound)},
#define MSG_END(name)                                                                                                  \
	}                                                                                                              \
	;
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END

struct shape {
	const char *name;
	const struct field *fields;
	size_t n_fields;
};

static const struct shape shapes[MSG_CODES] = {
#define MSG_BEGIN(name, code, from, text)                                                                              \
	[code] = {#name, fields_##name, sizeof(fields_##name) / sizeof(fields_##name[0])},
#define FIELD(msg, type, name, bound, text)
#define MSG_END(name)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
};

static const struct shape *shape_of(uint64_t code)
{
	return code < MSG_CODES && shapes[code].name != NULL ? &shapes[code] : NULL;
}

const char *msg_name(msg_type type)
{
	const struct shape *s = shape_of((uint64_t)type);

	return s == NULL ? "?" : s->name;
}

/* ---- encoding ------------------------------------------------------------------------------------------------- */

static int write_to_buf(void *data, const char *p, size_t n)
{
	struct buf *b = data;

	buf_append(b, p, n);
	return buf_err(b) == SC_OK ? 0 : -1;
}

static void pack_bytes(msgpack_packer *pk, struct slice s, int binary)
{
	if (binary)
		msgpack_pack_bin_with_body(pk, s.p, s.n);
	else
		msgpack_pack_str_with_body(pk, s.p, s.n);
}

static int over_bound(const struct field *f, const void *at)
{
	switch (f->type) {
	case T_U64:
		return *(const msg_U64 *)at > f->bound;
	case T_I64: {
		int64_t v = *(const msg_I64 *)at;

		return (v < 0 ? 0 - (uint64_t)v : (uint64_t)v) > f->bound;
	}
	case T_STR:
	case T_BIN:
		return ((const struct slice *)at)->n > f->bound;
	case T_STRS:
	case T_BINS:
		return ((const struct slices *)at)->n > f->bound;
	case T_COL:
		return ((const struct column *)at)->count > f->bound;
	}
	return 1;
}

static void encode_field(msgpack_packer *pk, const struct field *f, const void *at)
{
	const struct slices *list;
	const struct column *col;

	switch (f->type) {
	case T_U64:
		msgpack_pack_uint64(pk, *(const msg_U64 *)at);
		break;
	case T_I64:
		msgpack_pack_int64(pk, *(const msg_I64 *)at);
		break;
	case T_STR:
	case T_BIN:
		pack_bytes(pk, *(const struct slice *)at, f->type == T_BIN);
		break;
	case T_STRS:
	case T_BINS:
		list = at;
		msgpack_pack_array(pk, list->n);
		for (size_t i = 0; i < list->n; i++)
			pack_bytes(pk, list->v[i], f->type == T_BINS);
		break;
	case T_COL:
		col = at;
		pack_bytes(pk, (struct slice){(const char *)col->p, col->size_bytes}, 1);
		break;
	}
}

/* The code and the first n fields of a message that has more of them, perhaps. */
static sc_err encode_fields(struct buf *out, msgpack_packer *pk, msg_type type, size_t n, const void *m,
			    const char **field)
{
	const struct shape *s = shape_of((uint64_t)type);

	if (field != NULL)
		*field = NULL;
	msgpack_packer_init(pk, out, write_to_buf);
	msgpack_pack_array(pk, s->n_fields + 1);
	msgpack_pack_uint64(pk, (uint64_t)type);
	for (size_t i = 0; i < n; i++) {
		const void *at = (const char *)m + s->fields[i].offset;

		if (over_bound(&s->fields[i], at)) {
			if (field != NULL)
				*field = s->fields[i].name;
			return SC_TOO_BIG;
		}
		encode_field(pk, &s->fields[i], at);
	}
	return SC_OK;
}

/* The outcome of an encoding that began at `start`; a failed one leaves nothing behind. */
static sc_err encoded(struct buf *out, size_t start, sc_err err)
{
	if (err == SC_OK)
		err = buf_err(out);
	if (err != SC_OK) {
		out->len = start;
		out->err = SC_OK;
	}
	return err;
}

sc_err msg_encode(struct buf *out, msg_type type, const void *m, const char **field)
{
	const struct shape *s = shape_of((uint64_t)type);
	size_t start = out->len;
	msgpack_packer pk;

	assert(s != NULL && "a message that is not in the table");
	return encoded(out, start, encode_fields(out, &pk, type, s->n_fields, m, field));
}

sc_err msg_encode_head(struct buf *out, msg_type type, const void *m, size_t n_bytes)
{
	const struct shape *s = shape_of((uint64_t)type);
	size_t start = out->len;
	msgpack_packer pk;
	sc_err err;

	assert(s != NULL && s->n_fields > 0 && s->fields[s->n_fields - 1].type == T_BIN);
	if (n_bytes > s->fields[s->n_fields - 1].bound)
		return SC_TOO_BIG;
	err = encode_fields(out, &pk, type, s->n_fields - 1, m, NULL);
	if (err == SC_OK)
		msgpack_pack_bin(&pk, n_bytes);
	return encoded(out, start, err);
}

/* ---- decoding ------------------------------------------------------------------------------------------------- */

struct msg_decoder {
	msgpack_zone zone;
};

sc_err msg_decoder_new(struct msg_decoder **out)
{
	struct msg_decoder *d = mem_calloc(1, sizeof(*d));

	if (d == NULL)
		return SC_NOMEM;
	if (!msgpack_zone_init(&d->zone, MSGPACK_ZONE_CHUNK_SIZE)) {
		mem_free(d);
		return SC_NOMEM;
	}
	*out = d;
	return SC_OK;
}

void msg_decoder_free(struct msg_decoder *d)
{
	if (d == NULL)
		return;
	msgpack_zone_destroy(&d->zone);
	mem_free(d);
}

static sc_err bytes_of(const msgpack_object *o, struct slice *out)
{
	if (o->type == MSGPACK_OBJECT_STR)
		*out = (struct slice){o->via.str.ptr, o->via.str.size};
	else if (o->type == MSGPACK_OBJECT_BIN)
		*out = (struct slice){o->via.bin.ptr, o->via.bin.size};
	else
		return SC_MALFORMED;
	if (out->n == 0) /* msgpack-c may say NULL */
		out->p = "";
	return SC_OK;
}

static sc_err list_of(struct msg_decoder *d, const msgpack_object *o, struct slices *out)
{
	struct slice *v;

	if (o->type != MSGPACK_OBJECT_ARRAY)
		return SC_MALFORMED;
	*out = (struct slices){NULL, 0};
	if (o->via.array.size == 0)
		return SC_OK;
	v = msgpack_zone_malloc(&d->zone, o->via.array.size * sizeof(*v));
	if (v == NULL)
		return SC_NOMEM;
	for (uint32_t i = 0; i < o->via.array.size; i++)
		if (bytes_of(&o->via.array.ptr[i], &v[i]) != SC_OK)
			return SC_MALFORMED;
	*out = (struct slices){v, o->via.array.size};
	return SC_OK;
}

static sc_err decode_field(struct msg_decoder *d, const struct field *f, const msgpack_object *o, void *at)
{
	struct slice bytes;

	switch (f->type) {
	case T_U64:
		if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
			return SC_MALFORMED;
		*(msg_U64 *)at = o->via.u64;
		return SC_OK;
	case T_I64:
		if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
			*(msg_I64 *)at = o->via.i64;
		else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
			*(msg_I64 *)at = (int64_t)o->via.u64;
		else
			return SC_MALFORMED;
		return SC_OK;
	case T_STR:
	case T_BIN:
		return bytes_of(o, at);
	case T_STRS:
	case T_BINS:
		return list_of(d, o, at);
	case T_COL:
		if (bytes_of(o, &bytes) != SC_OK)
			return SC_MALFORMED;
		return column_check((const uint8_t *)bytes.p, bytes.n, at);
	}
	return SC_MALFORMED;
}

/* What a field has when its sender knew nothing of it. */
static void default_field(const struct field *f, void *at)
{
	switch (f->type) {
	case T_U64:
	case T_I64:
		*(msg_U64 *)at = 0;
		break;
	case T_STR:
	case T_BIN:
		*(struct slice *)at = (struct slice){"", 0};
		break;
	case T_STRS:
	case T_BINS:
		*(struct slices *)at = (struct slices){NULL, 0};
		break;
	case T_COL:
		*(struct column *)at = (struct column){NULL, 0, 0};
		break;
	}
}

/* Let msgpack-c build the value of n bytes at p, which has been measured. */
static sc_err unpack(struct msg_decoder *d, const uint8_t *p, size_t n, msgpack_object *out)
{
	size_t at = 0;

	switch (msgpack_unpack((const char *)p, n, &at, &d->zone, out)) {
	case MSGPACK_UNPACK_SUCCESS:
	case MSGPACK_UNPACK_EXTRA_BYTES:
		return SC_OK;
	case MSGPACK_UNPACK_NOMEM_ERROR:
		return SC_NOMEM;
	default:
		return SC_MALFORMED;
	}
}

/* One field from the n bytes at p; *used is its length. */
static sc_err take_field(struct msg_decoder *d, const struct field *f, const uint8_t *p, size_t n, void *at,
			 size_t *used)
{
	int is_list = f->type == T_STRS || f->type == T_BINS;
	msgpack_object o;
	uint64_t count;
	sc_err err;

	*used = msgpack_measure(p, n, is_list ? 1 : 0);
	if (*used == 0)
		return SC_MALFORMED;
	if (is_list && msgpack_array_head(p, n, &count) > 0 && count > f->bound)
		return SC_TOO_BIG;
	err = unpack(d, p, *used, &o);
	if (err == SC_OK)
		err = decode_field(d, f, &o, at);
	if (err == SC_OK && over_bound(f, at))
		err = SC_TOO_BIG;
	return err;
}

/* `count` values are in the n bytes at p. */
static sc_err decode_fields(struct msg_decoder *d, const struct shape *s, const uint8_t *p, size_t n, uint64_t count,
			    void *m, const char **field)
{
	size_t used;

	for (size_t i = 0; i < s->n_fields; i++) {
		const struct field *f = &s->fields[i];
		void *at = (char *)m + f->offset;
		sc_err err;

		if (i >= count) {
			default_field(f, at);
			continue;
		}
		if (field != NULL)
			*field = f->name;
		err = take_field(d, f, p, n, at, &used);
		if (err != SC_OK)
			return err;
		p += used;
		n -= used;
	}
	if (field != NULL)
		*field = NULL;
	return SC_OK;
}

sc_err msg_decode(struct msg_decoder *d, const uint8_t *p, size_t n, struct msg *out, size_t *used, const char **field)
{
	const struct shape *s;
	msgpack_object o;
	size_t len, at, code;
	uint64_t count = 0;

	if (field != NULL)
		*field = NULL;
	len = msgpack_measure(p, n, DEPTH_MAX);
	if (len == 0)
		return SC_MALFORMED;
	*used = len;
	at = msgpack_array_head(p, len, &count);
	code = at == 0 || count == 0 ? 0 : msgpack_measure(p + at, len - at, 0);
	if (code == 0)
		return SC_MALFORMED;
	msgpack_zone_clear(&d->zone);
	if (unpack(d, p + at, code, &o) != SC_OK || o.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return SC_MALFORMED;
	s = shape_of(o.via.u64);
	if (s == NULL)
		return SC_UNKNOWN_MESSAGE;
	out->type = (msg_type)o.via.u64;
	at += code;
	return decode_fields(d, s, p + at, len - at, count - 1, &out->u, field);
}

sc_err msg_decode_one(struct msg_decoder *d, struct slice bytes, msg_type wanted, struct msg *out, const char **field)
{
	size_t used;
	sc_err err = msg_decode(d, (const uint8_t *)bytes.p, bytes.n, out, &used, field);

	if (err != SC_OK)
		return err;
	if (used != bytes.n)
		return SC_MALFORMED;
	return out->type == wanted ? SC_OK : SC_UNEXPECTED;
}
