/*
 * message.h - the structs of messages.def and their codec.  Bytes in, structs out: no sockets, no clock, no log.
 *
 * Decoding checks that the msgpack value is complete, that no count or length exceeds the bytes that are left and
 * that every list is within its bound and holds no lists, and only then lets msgpack-c build it, field by field: a byte
 * of an array costs it forty.  Strings of a decoded message borrow the input; arrays of strings live in the decoder
 * until its next use.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "proto/column.h"
#include "proto/constants.h"
#include "proto/sched_error.h"

#define PROTO_VERSION_MIN 1u
#define PROTO_VERSION_MAX 1u

/* C types of the field types. */
typedef uint64_t msg_U64;
typedef int64_t msg_I64;
typedef struct slice msg_STR;
typedef struct slice msg_BIN;
typedef struct slices msg_STRS;
typedef struct slices msg_BINS;
typedef struct column msg_COL;

typedef enum msg_type {
	MSG_none = 0,
#define MSG_BEGIN(name, code, from, text) MSG_##name = (code),
#define FIELD(msg, type, name, bound, text)
#define MSG_END(name)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
} msg_type;

#define MSG_BEGIN(name, code, from, text)   struct msg_##name {
#define FIELD(msg, type, name, bound, text) msg_##type name;
#define MSG_END(name)                                                                                                  \
	}                                                                                                              \
	;
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END

#define MSG_CODES 128 /* codes are below this */

/* Any message, decoded. */
struct msg {
	msg_type type;
	union {
#define MSG_BEGIN(name, code, from, text) struct msg_##name name;
#define FIELD(msg, type, name, bound, text)
#define MSG_END(name)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
	} u;
};

/* "tasks_assign"; "?" for a code that is not in the table. */
const char *msg_name(msg_type type);

/*
 * Append the encoding of the message `m` (a struct msg_NAME) to out.  SC_TOO_BIG when a field is over its bound;
 * *field, if given, is then its name.  On failure out is as it was.
 */
sc_err msg_encode(struct buf *out, msg_type type, const void *m, const char **field);

/*
 * The same without the bytes of the last field, a BIN of n_bytes, which the caller sends right after: for bytes that
 * many messages share.  The last field of m is ignored.
 */
sc_err msg_encode_head(struct buf *out, msg_type type, const void *m, size_t n_bytes);

struct msg_decoder; /* memory reused from message to message */

sc_err msg_decoder_new(struct msg_decoder **out);
void msg_decoder_free(struct msg_decoder *d); /* NULL is fine */

/*
 * Decode the message at p; *used is its length.  out->u borrows p and d until d's next use.
 * SC_MALFORMED, SC_TOO_BIG (a field over its bound), SC_UNKNOWN_MESSAGE (*used is valid: it may be skipped), SC_NOMEM.
 * *field, if given, names the offending field, or NULL.
 */
sc_err msg_decode(struct msg_decoder *d, const uint8_t *p, size_t n, struct msg *out, size_t *used, const char **field);

/* As msg_decode for exactly one message of the type wanted (a task's body, say).  SC_UNEXPECTED for another type. */
sc_err msg_decode_one(struct msg_decoder *d, struct slice bytes, msg_type wanted, struct msg *out, const char **field);

/* Signed values in unsigned columns. */
static inline uint64_t msg_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t msg_unzigzag(uint64_t z)
{
	return (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
}

/* Bytes of the head of the array at p and, in *count, what it claims to hold; 0 when there is no array. */
size_t msgpack_array_head(const uint8_t *p, size_t n, uint64_t *count);

/*
 * Length of the msgpack value at p, or 0 when it is incomplete, nested deeper than max_depth, or its counts exceed
 * the bytes that are there.  Bounded work: every count is checked against the bytes left before it is believed.
 */
size_t msgpack_measure(const uint8_t *p, size_t n, unsigned max_depth);

#endif
