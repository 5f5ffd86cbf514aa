/*
 * view_index.c - see view_index.h.
 *
 * Two hash tables with open addressing, of places among the records, and the worker numbers, all in one allocation.
 * An entry has the hash with it, so that a search reads a record only where it is very likely the right one.
 */
#include "client/view_index.h"

#include <string.h>

#include "base/hash.h"
#include "client/view.h"

struct entry {
	uint32_t hash;
	uint32_t place; /* from 1; 0: free */
};

struct view_index {
	size_t n_refs;
	size_t mask; /* entries of a table, less 1: a power of two, never all taken */
	struct entry *tables[VIEW_KEYS];
	uint32_t *workers;
};

/* NULL: it has none. */
static const char *key_of(const struct view_record *r, enum view_key key)
{
	if (r->identity == NULL)
		return NULL;
	return key == VIEW_NAME ? r->identity->name : r->identity->address;
}

static uint32_t hash_of(const char *text)
{
	unsigned hash;

	HASH_VALUE(text, strlen(text), hash);
	return hash;
}

/* In the order of places, so that of two with the same text the first is found first. */
static void enter(struct view_index *x, enum view_key key, const char *text, uint32_t place)
{
	struct entry *table = x->tables[key];
	uint32_t hash = hash_of(text);
	size_t at = hash & x->mask;

	while (table[at].place != 0)
		at = (at + 1) & x->mask;
	table[at] = (struct entry){hash, place};
}

static struct view_index *index_alloc(size_t n)
{
	size_t cap = 4;
	struct view_index *x;

	while (cap < n + n / 2) /* at most two thirds are taken */
		cap *= 2;
	x = mem_calloc(1, sizeof(*x) + VIEW_KEYS * cap * sizeof(struct entry) + n * sizeof(uint32_t));
	if (x == NULL)
		return NULL;
	x->n_refs = 1;
	x->mask = cap - 1;
	x->tables[VIEW_NAME] = (struct entry *)(x + 1);
	x->tables[VIEW_ADDRESS] = x->tables[VIEW_NAME] + cap;
	x->workers = (uint32_t *)(x->tables[VIEW_ADDRESS] + cap);
	return x;
}

sc_err view_index_new(struct view_record *const *records, size_t n, struct view_index **out)
{
	struct view_index *x = index_alloc(n);

	if (x == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < n; i++) {
		x->workers[i] = records[i]->worker;
		for (int key = 0; key < VIEW_KEYS; key++) {
			const char *text = key_of(records[i], (enum view_key)key);

			if (text != NULL)
				enter(x, (enum view_key)key, text, (uint32_t)i + 1);
		}
	}
	*out = x;
	return SC_OK;
}

struct view_index *view_index_ref(struct view_index *x)
{
	x->n_refs++;
	return x;
}

void view_index_unref(struct view_index *x)
{
	if (x != NULL && --x->n_refs == 0)
		mem_free(x);
}

const uint32_t *view_index_workers(const struct view_index *x)
{
	return x->workers;
}

const struct view_record *view_index_find(const struct view_index *x, struct view_record *const *records,
					  enum view_key key, const char *text)
{
	const struct entry *table = x->tables[key];
	uint32_t hash = hash_of(text);

	for (size_t at = hash & x->mask; table[at].place != 0; at = (at + 1) & x->mask) {
		const struct view_record *r = records[table[at].place - 1];

		if (table[at].hash == hash && strcmp(key_of(r, key), text) == 0)
			return r;
	}
	return NULL;
}
