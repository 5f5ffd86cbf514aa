/*
 * pages.h - what all lists the scheduler tells page by page have in common.
 *
 * A page is kept as the scheduler encoded it and read row by row.  Its texts are copied, with terminators, into one
 * block per page.  Columns that are shorter than the first of them read as 0 or "".
 */
#ifndef CLIENT_PAGES_H
#define CLIENT_PAGES_H

#include "base/slice.h"
#include "client/client.h"
#include "client/link.h"

#define PAGE_ROWS	  1000u
#define PAGES_COLUMNS_MAX 16

struct pages {
	struct sc_client *client;
	struct msg_decoder *decoder;
	struct call call;
	int call_is_there;
	struct msg page;
	struct column_reader columns[PAGES_COLUMNS_MAX];
	size_t row, n_rows;
	char *texts; /* of the page, terminated */
	size_t texts_used;
	int at_end; /* no further pages */
};

/* SC_NOMEM; pages_fini() in any case. */
sc_err pages_init(struct pages *p, struct sc_client *client);
void pages_fini(struct pages *p);

/* Begin to ask for the next page; the caller fills in p->call.request and calls pages_read(). */
void pages_ask(struct pages *p, msg_type request, msg_type answer);
sc_err pages_read(struct pages *p);

/* Begin reading the page: its columns, the first of which says how many rows there are, and room for its texts. */
sc_err pages_open(struct pages *p, const struct column *const *columns, size_t n_columns,
		  const struct slices *const *texts, size_t n_texts);

/* The text of this row; each may be asked for once. */
const char *pages_text(struct pages *p, const struct slices *texts);

/* A terminated copy in a block with room for it, from *used on. */
const char *pages_copy_text(char *block, size_t *used, struct slice s);

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
