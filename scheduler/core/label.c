/* label.c - see label.h. */
#include "scheduler/core/label.h"

sc_err label_take(struct label **all, struct slice text, struct label **out)
{
	struct label *l;

	HASH_FIND(hh, *all, text.p, text.n, l);
	if (l == NULL) {
		l = mem_calloc(1, sizeof(*l));
		if (l == NULL)
			return SC_NOMEM;
		l->home = all;
		l->text = slice_dup(text);
		if (l->text != NULL)
			HASH_ADD_KEYPTR(hh, *all, l->text, text.n, l);
		if (l->text == NULL || l->hh.tbl == NULL) {
			mem_free(l->text);
			mem_free(l);
			return SC_NOMEM;
		}
	}
	l->n_users++;
	*out = l;
	return SC_OK;
}

void label_drop(struct label *l)
{
	if (l == NULL || --l->n_users > 0)
		return;
	HASH_DELETE(hh, *l->home, l);
	mem_free(l->text);
	mem_free(l);
}
