/* rows.c - see rows.h. */
#include "scheduler/rows.h"

#include "base/mem.h"

void rows_init(struct rows *r)
{
	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < ROWS_COLUMNS_MAX; i++)
		column_writer_init(&r->columns[i]);
}

void rows_fini(struct rows *r)
{
	for (size_t i = 0; i < ROWS_COLUMNS_MAX; i++)
		column_writer_fini(&r->columns[i]);
	for (size_t i = 0; i < ROWS_TEXTS_MAX; i++)
		mem_free(r->texts[i]);
	for (size_t i = 0; i < r->n_copies; i++)
		mem_free(r->copies[i]);
	mem_free(r->copies);
}

void rows_put(struct rows *r, unsigned column, uint64_t v)
{
	column_put(&r->columns[column], v);
	if (buf_err(&r->columns[column].bytes) != SC_OK)
		r->err = SC_NOMEM;
}

void rows_put_text(struct rows *r, unsigned text, struct slice s)
{
	void *p = mem_grow(r->texts[text], &r->cap_texts[text], r->n_texts[text] + 1, sizeof(struct slice));

	if (p == NULL) {
		r->err = SC_NOMEM;
		return;
	}
	r->texts[text] = p;
	r->texts[text][r->n_texts[text]++] = s;
}

void rows_put_copy(struct rows *r, unsigned text, const char *s)
{
	char *copy = mem_strdup(s);
	void *p = mem_grow(r->copies, &r->cap_copies, r->n_copies + 1, sizeof(char *));

	if (p != NULL)
		r->copies = p;
	if (copy == NULL || p == NULL) {
		mem_free(copy);
		r->err = SC_NOMEM;
		return;
	}
	r->copies[r->n_copies++] = copy;
	rows_put_text(r, text, slice_of(copy));
}

struct column rows_column(struct rows *r, unsigned i)
{
	return column_of(&r->columns[i]);
}

struct slices rows_texts(struct rows *r, unsigned i)
{
	return (struct slices){r->texts[i], r->n_texts[i]};
}

sc_err rows_answer(struct conn *c, struct rows *r, uint64_t request, msg_type type, const void *m)
{
	sc_err err = r->err;

	if (err == SC_OK)
		err = conn_send(c, type, m);
	if (err != SC_OK)
		conn_send_error(c, request, err, "the answer cannot be made: %s", sc_err_text(err));
	rows_fini(r);
	return SC_OK;
}
