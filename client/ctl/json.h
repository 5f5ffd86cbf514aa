/*
 * json.h - JSON output.  Field names come from fields.def only, so that they are listed in one place.
 *
 * Putting takes values over; a failed allocation leaves the field out.
 */
#ifndef CLIENT_CTL_JSON_H
#define CLIENT_CTL_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "client/sched_client.h"

enum field {
#define FIELD(name, text) F_##name,
#include "client/ctl/fields.def"
#undef FIELD
};

void json_put(json_t *o, enum field f, json_t *value); /* takes value */
void json_put_text(json_t *o, enum field f, const char *text);
void json_put_u64(json_t *o, enum field f, uint64_t v);
void json_put_i64(json_t *o, enum field f, int64_t v);
void json_put_flag(json_t *o, enum field f, int v);

/* Bytes as text; those that are not UTF-8 are replaced by '?'. */
void json_put_bytes(json_t *o, enum field f, const void *p, size_t n);

/* The contents of a result: F_result when it is UTF-8 text, F_result_base64 otherwise. */
void json_put_result(json_t *o, const void *p, size_t n);

/* {"waiting": 3, ...} */
void json_put_counts(json_t *o, const uint64_t counts[SC_TASK_STATES]);

/* Print the document on standard output, with a newline, and free it. */
void json_print(json_t *document);

/* The same on one line, at once: one of many, for who reads them as they come. */
void json_print_line(json_t *document);

/* json_print() of a document with one field; takes value. */
void json_print_one(enum field f, json_t *value);

/*
 * A long list, printed as it comes instead of being built in memory: {"job": 1, "tasks": [ row, ... ], ...}.
 * Add fields to `tail` before json_rows_end(), which prints and frees it.
 */
struct json_rows {
	json_t *tail;
	int is_begun; /* a row has been printed */
};
void json_rows_begin(struct json_rows *r, uint64_t job, enum field list);
void json_rows_add(struct json_rows *r, json_t *row); /* takes row */
void json_rows_end(struct json_rows *r);

#endif
