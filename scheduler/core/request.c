/* request.c - see request.h. */
#include "scheduler/core/request.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

sc_err requests_init(struct requests *r)
{
	*r = (struct requests){0};
	namespaces_init(&r->namespaces);
	r->names[RESOURCE_CPUS] = mem_strdup("cpus");
	r->names[RESOURCE_MEMORY] = mem_strdup("memory");
	r->n_names = 2;
	return r->names[RESOURCE_CPUS] == NULL || r->names[RESOURCE_MEMORY] == NULL ? SC_NOMEM : SC_OK;
}

static void request_drop(struct requests *r, struct request *q)
{
	if (q == NULL || --q->n_users > 0)
		return;
	HASH_DELETE(hh, r->by_text, q);
	request_free(q);
}

/* One that is in no table. */
static void class_free(struct request_class *c)
{
	request_drop(c->home, c->request);
	namespace_drop(c->namespace);
	mem_free(c->heap);
	mem_free(c->unmet_why);
	mem_free(c);
}

void request_class_drop(struct request_class *c)
{
	struct requests *r;

	if (c == NULL || --c->n_users > 0)
		return;
	r = c->home;
	namespace_forget_class(c);
	HASH_DELETE(hh, r->by_key, c);
	r->classes[c->number] = r->classes[--r->n_classes];
	r->classes[c->number]->number = c->number;
	class_free(c);
}

void requests_fini(struct requests *r)
{
	while (r->n_classes > 0) {
		r->classes[0]->n_users = 1;
		request_class_drop(r->classes[0]);
	}
	namespaces_fini(&r->namespaces);
	mem_free(r->classes);
	for (size_t i = 0; i < r->n_names; i++)
		mem_free(r->names[i]);
	*r = (struct requests){0};
}

struct requests_mark requests_mark(const struct requests *r)
{
	return (struct requests_mark){r->n_names};
}

void requests_undo(struct requests *r, struct requests_mark m)
{
	while (r->n_names > m.n_names)
		mem_free(r->names[--r->n_names]);
}

/* The request equal to this one, with one more user.  Takes q, on failure as well. */
static sc_err request_take(struct requests *r, struct request *q, const char *text, struct request **out)
{
	struct request *known;

	HASH_FIND_STR(r->by_text, text, known);
	if (known != NULL) {
		request_free(q);
		q = known;
	} else {
		q->text = mem_strdup(text);
		if (q->text != NULL)
			HASH_ADD_KEYPTR(hh, r->by_text, q->text, strlen(q->text), q);
		if (q->text == NULL || q->hh.tbl == NULL) {
			request_free(q);
			return SC_NOMEM;
		}
	}
	q->n_users++;
	*out = q;
	return SC_OK;
}

/* Takes both parts of the key, on failure as well. */
static sc_err class_new(struct requests *r, struct class_key key, struct request_class **out)
{
	struct request_class *c = mem_calloc(1, sizeof(*c));
	void *p = mem_grow(r->classes, &r->cap_classes, r->n_classes + 1, sizeof(struct request_class *));

	if (p != NULL)
		r->classes = p;
	if (c == NULL) {
		request_drop(r, key.request);
		namespace_drop(key.namespace);
		return SC_NOMEM;
	}
	c->home = r;
	c->key = key;
	c->number = (uint32_t)r->n_classes;
	if (p != NULL)
		HASH_ADD(hh, r->by_key, key, sizeof(c->key), c);
	if (c->hh.tbl == NULL) {
		class_free(c);
		return SC_NOMEM;
	}
	r->classes[r->n_classes++] = c;
	*out = c;
	return SC_OK;
}

/* The class of a request with its canonical text, found or made.  Takes q, on failure as well. */
static sc_err class_take(struct requests *r, struct slice namespace, struct request *q, const char *text,
			 uint32_t gang_size, struct request_class **out, struct buf *error)
{
	struct class_key key = {NULL, NULL, gang_size};
	struct request_class *c = NULL;
	sc_err err = request_take(r, q, text, &key.request);

	if (err == SC_OK)
		err = namespace_take(&r->namespaces, namespace, &key.namespace);
	if (err == SC_OK)
		HASH_FIND(hh, r->by_key, &key, sizeof(key), c);
	if (err == SC_OK && c == NULL && r->n_classes == CLASSES_MAX) {
		buf_printf(error, "request '%s': there are %u different requests already", text, CLASSES_MAX);
		err = SC_LIMIT;
	}
	if (err == SC_OK && c == NULL) {
		err = class_new(r, key, &c);
	} else { /* the class has its own references */
		request_drop(r, key.request);
		namespace_drop(key.namespace);
	}
	if (err != SC_OK)
		return err;
	c->n_users++;
	*out = c;
	return SC_OK;
}

sc_err requests_class(struct requests *r, struct slice namespace, struct slice text, uint32_t gang_size,
		      struct request_class **out, struct buf *error)
{
	struct requests_mark before = requests_mark(r);
	struct request *q;
	struct buf canon;
	sc_err err = request_read(r, text.n == 0 ? slice_of("cpus=1") : text, &q, error);

	if (err != SC_OK)
		return err;
	buf_init(&canon, 0);
	err = request_write(r, q, &canon, error);
	if (err == SC_OK)
		err = class_take(r, namespace, q, buf_str(&canon), gang_size, out, error);
	else
		request_free(q);
	if (err != SC_OK)
		requests_undo(r, before);
	buf_fini(&canon);
	return err;
}
