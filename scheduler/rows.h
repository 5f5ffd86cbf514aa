/*
 * rows.h - the answer to a question in the making: columns of numbers and of texts, one value of each per row.
 */
#ifndef SCHEDULER_ROWS_H
#define SCHEDULER_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/conn.h"
#include "proto/column.h"
#include "proto/message.h"

#define ROWS_MAX	 1000u /* of a page */
#define ROWS_COLUMNS_MAX 16
#define ROWS_TEXTS_MAX	 8

#define ROWS_PER_MESSAGE 10u /* writing so many rows is as much work as a small message, see conn_charge() */

struct rows {
	struct column_writer columns[ROWS_COLUMNS_MAX];
	struct slice *texts[ROWS_TEXTS_MAX]; /* borrowed, or kept in copies */
	size_t n_texts[ROWS_TEXTS_MAX], cap_texts[ROWS_TEXTS_MAX];
	char **copies;
	size_t n_copies, cap_copies;
	sc_err err; /* the first thing that went wrong */
};

void rows_init(struct rows *r);
void rows_fini(struct rows *r);

void rows_put(struct rows *r, unsigned column, uint64_t v);
/* The text is borrowed until the answer is sent. */
void rows_put_text(struct rows *r, unsigned text, struct slice s);
void rows_put_copy(struct rows *r, unsigned text, const char *s);

struct column rows_column(struct rows *r, unsigned i);
struct slices rows_texts(struct rows *r, unsigned i);

/* Send the answer made of the rows, or the error that came up; r is finished with.  SC_OK. */
sc_err rows_answer(struct conn *c, struct rows *r, uint64_t request, msg_type type, const void *m);

#endif
