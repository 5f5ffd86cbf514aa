/* request.c - see request.h. */
#include "scheduler/core/request.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"

#define REQUEST_MAX_BYTES 4096u /* written out, so that it fits into the messages that name it */

struct class_entry {
	struct request_class class; /* first: the entry is the class */
	UT_hash_handle hh;
};

sc_err requests_init(struct requests *r)
{
	*r = (struct requests){0};
	r->names[0] = mem_strdup("cpus");
	if (r->names[0] == NULL)
		return SC_NOMEM;
	r->n_names = 1;
	return SC_OK;
}

static void class_free(struct class_entry *e)
{
	namespace_drop(e->class.namespace);
	mem_free(e->class.key);
	mem_free(e->class.heap);
	mem_free(e);
}

void requests_fini(struct requests *r)
{
	struct class_entry *head = r->by_key;

	HASH_CLEAR(hh, head);
	for (size_t i = 0; i < r->n_classes; i++)
		class_free((struct class_entry *)r->classes[i]);
	mem_free(r->classes);
	for (size_t i = 0; i < r->n_names; i++)
		mem_free(r->names[i]);
	*r = (struct requests){0};
}

struct requests_mark requests_mark(const struct requests *r)
{
	return (struct requests_mark){r->n_names, r->n_classes};
}

void requests_undo(struct requests *r, struct requests_mark m)
{
	struct class_entry *head = r->by_key;

	while (r->n_classes > m.n_classes) {
		struct class_entry *e = (struct class_entry *)r->classes[--r->n_classes];

		HASH_DELETE(hh, head, e);
		class_free(e);
	}
	r->by_key = head;
	while (r->n_names > m.n_names)
		mem_free(r->names[--r->n_names]);
}

static sc_err resource_number(struct requests *r, const char *name, uint32_t *out, struct buf *error)
{
	for (uint32_t i = 0; i < r->n_names; i++) {
		if (strcmp(r->names[i], name) == 0) {
			*out = i;
			return SC_OK;
		}
	}
	if (!text_is_name(name, strlen(name)) || strchr(name, '=') != NULL) {
		buf_printf(error, "'%s' cannot be the name of a resource; allowed are %s", name, TEXT_NAME_ALLOWED);
		return SC_INVALID;
	}
	if (r->n_names == RESOURCES_MAX) {
		buf_printf(error, "resource '%s': there are %u names already, more are not possible", name,
			   RESOURCES_MAX);
		return SC_LIMIT;
	}
	r->names[r->n_names] = mem_strdup(name);
	if (r->names[r->n_names] == NULL)
		return SC_NOMEM;
	*out = (uint32_t)r->n_names++;
	return SC_OK;
}

/* Insert in order; a name given twice is a mistake. */
static sc_err add_amount(struct amounts *out, uint32_t resource, uint64_t amount, const char *name, struct buf *error)
{
	size_t i = out->n;

	for (size_t k = 0; k < out->n; k++) {
		if (out->v[k].resource == resource) {
			buf_printf(error, "resource '%s' is named twice", name);
			return SC_INVALID;
		}
	}
	if (amount == 0)
		return SC_OK;
	while (i > 0 && out->v[i - 1].resource > resource) {
		out->v[i] = out->v[i - 1];
		i--;
	}
	out->v[i] = (struct amount){resource, amount};
	out->n++;
	return SC_OK;
}

sc_err requests_parse(struct requests *r, struct slice text, struct amounts *out, struct buf *error)
{
	char *copy = slice_dup(text), *rest, *part;
	struct requests_mark before = requests_mark(r);
	sc_err err = SC_OK;

	if (copy == NULL)
		return SC_NOMEM;
	out->n = 0;
	for (part = strtok_r(copy, ",", &rest); part != NULL && err == SC_OK; part = strtok_r(NULL, ",", &rest)) {
		char *eq = strchr(part, '=');
		uint64_t amount = AMOUNT_ONE;
		uint32_t number;

		if (eq != NULL)
			*eq = '\0';
		if (eq != NULL && text_amount(eq + 1, &amount) != SC_OK) {
			buf_printf(error, "resource '%s': '%s' is not an amount; allowed are numbers like 2 or 0.5",
				   part, eq + 1);
			err = SC_INVALID;
			break;
		}
		err = resource_number(r, part, &number, error);
		if (err == SC_OK)
			err = add_amount(out, number, amount, part, error);
	}
	if (err != SC_OK)
		requests_undo(r, before);
	mem_free(copy);
	return err;
}

/* Equal requests written differently are one class. */
static sc_err canonical(const struct requests *r, const struct amounts *a, struct buf *out)
{
	for (size_t i = 0; i < a->n; i++) {
		char shown[32];

		buf_printf(out, "%s%s=%s", i > 0 ? "," : "", r->names[a->v[i].resource],
			   text_show_amount(a->v[i].amount, shown, sizeof(shown)));
	}
	return buf_err(out);
}

/* key: as in struct request_class, the first n bytes of which are the namespace. */
static sc_err class_new(struct requests *r, const struct amounts *needs, const char *key, size_t n,
			struct class_entry **out)
{
	struct class_entry *e, *head = r->by_key;
	void *p = mem_grow(r->classes, &r->cap_classes, r->n_classes + 1, sizeof(struct request_class *));

	if (p == NULL)
		return SC_NOMEM;
	r->classes = p;
	e = mem_calloc(1, sizeof(*e));
	if (e == NULL)
		return SC_NOMEM;
	e->class.key = mem_strdup(key);
	if (e->class.key == NULL ||
	    namespace_take(&r->namespaces, (struct slice){key, n}, &e->class.namespace) != SC_OK) {
		class_free(e);
		return SC_NOMEM;
	}
	e->class.text = e->class.key + n + 1;
	e->class.needs = *needs;
	e->class.number = (uint32_t)r->n_classes;
	e->hh.tbl = NULL;
	HASH_ADD_KEYPTR(hh, head, e->class.key, strlen(e->class.key), e);
	r->by_key = head;
	if (e->hh.tbl == NULL) {
		class_free(e);
		return SC_NOMEM;
	}
	r->classes[r->n_classes++] = &e->class;
	*out = e;
	return SC_OK;
}

sc_err requests_class(struct requests *r, struct slice namespace, struct slice text, struct request_class **out,
		      struct buf *error)
{
	struct class_entry *e, *head = r->by_key;
	struct amounts needs;
	struct buf key;
	sc_err err = requests_parse(r, text.n == 0 ? slice_of("cpus=1") : text, &needs, error);

	if (err != SC_OK)
		return err;
	buf_init(&key, 0);
	buf_printf(&key, "%.*s\n", (int)namespace.n, namespace.p);
	err = canonical(r, &needs, &key);
	if (err == SC_OK && key.len - namespace.n - 1 > REQUEST_MAX_BYTES) {
		buf_printf(error, "a request for resources has at most %u bytes", REQUEST_MAX_BYTES);
		err = SC_TOO_BIG;
	}
	if (err == SC_OK) {
		HASH_FIND(hh, head, buf_str(&key), key.len, e);
		if (e == NULL && r->n_classes == CLASSES_MAX) {
			buf_printf(error, "request '%.*s': there are %u different requests already", (int)text.n,
				   text.p, CLASSES_MAX);
			err = SC_LIMIT;
		} else if (e == NULL) {
			err = class_new(r, &needs, buf_str(&key), namespace.n, &e);
		}
	}
	if (err == SC_OK)
		*out = &e->class;
	buf_fini(&key);
	return err;
}
