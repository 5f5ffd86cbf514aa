/* namespace.c - see namespace.h. */
#include "scheduler/core/namespace.h"

#include "base/mem.h"

sc_err namespace_take(struct namespaces *all, struct slice name, struct namespace **out)
{
	struct namespace *n;

	HASH_FIND(hh, all->by_name, name.p, name.n, n);
	if (n == NULL) {
		n = mem_calloc(1, sizeof(*n));
		if (n == NULL)
			return SC_NOMEM;
		n->home = all;
		n->name = slice_dup(name);
		if (n->name != NULL)
			HASH_ADD_KEYPTR(hh, all->by_name, n->name, name.n, n);
		if (n->name == NULL || n->hh.tbl == NULL) {
			mem_free(n->name);
			mem_free(n);
			return SC_NOMEM;
		}
	}
	n->n_users++;
	*out = n;
	return SC_OK;
}

void namespace_drop(struct namespace *n)
{
	if (n == NULL || --n->n_users > 0)
		return;
	HASH_DELETE(hh, n->home->by_name, n);
	mem_free(n->name);
	mem_free(n);
}
