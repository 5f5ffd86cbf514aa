/* pages.c - see pages.h. */
#include "client/pages.h"

#include <string.h>

#include "base/mem.h"

void pages_fini(struct pages *p)
{
	if (p->call_is_there)
		call_fini(&p->call);
	msg_decoder_free(p->decoder);
	mem_free(p->texts);
}

sc_err pages_init(struct pages *p, struct sc_client *client)
{
	p->client = client;
	if (msg_decoder_new(&p->decoder) != SC_OK)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	return SC_OK;
}

void pages_ask(struct pages *p, msg_type request, msg_type answer)
{
	if (p->call_is_there)
		call_fini(&p->call);
	call_init(&p->call, p->client, request, answer);
	p->call_is_there = 1;
}

sc_err pages_read(struct pages *p)
{
	sc_err err = call_run(&p->call);

	if (err == SC_OK)
		err = call_decode(&p->call, p->decoder, &p->page);
	if (err != SC_OK)
		p->at_end = 1;
	return err;
}

sc_err pages_open(struct pages *p, const struct column *const *columns, size_t n_columns,
		  const struct slices *const *texts, size_t n_texts)
{
	size_t room = 1;
	char *block;

	p->row = 0;
	p->n_rows = columns[0]->count;
	for (size_t i = 0; i < n_columns; i++)
		column_read(&p->columns[i], columns[i]);
	for (size_t i = 0; i < n_texts; i++)
		for (size_t k = 0; k < texts[i]->n; k++)
			room += texts[i]->v[k].n + 1;
	block = mem_malloc(room);
	if (block == NULL)
		return client_error(SC_NOMEM, "%s", sc_err_text(SC_NOMEM));
	mem_free(p->texts);
	p->texts = block;
	p->texts_used = 0;
	return SC_OK;
}

const char *pages_copy_text(char *block, size_t *used, struct slice s)
{
	char *at = block + *used;

	memcpy(at, s.p, s.n);
	at[s.n] = '\0';
	*used += s.n + 1;
	return at;
}

const char *pages_text(struct pages *p, const struct slices *texts)
{
	return p->row < texts->n ? pages_copy_text(p->texts, &p->texts_used, texts->v[p->row]) : "";
}
