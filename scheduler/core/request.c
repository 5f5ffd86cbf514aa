/* request.c - see request.h. */
#include "scheduler/core/request.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"

#define REQUEST_MAX_BYTES 4096u /* written out, so that it fits into the messages that name it */

sc_err requests_init(struct requests *r)
{
	*r = (struct requests){0};
	namespaces_init(&r->namespaces);
	r->names[RESOURCE_CPUS] = mem_strdup("cpus");
	if (r->names[RESOURCE_CPUS] == NULL)
		return SC_NOMEM;
	r->n_names = 1;
	return SC_OK;
}

static void request_drop(struct requests *r, struct request *q)
{
	if (q == NULL || --q->n_users > 0)
		return;
	HASH_DELETE(hh, r->by_text, q);
	mem_free(q->text);
	mem_free(q);
}

/* One that is in no table. */
static void class_free(struct request_class *c)
{
	request_drop(c->home, c->request);
	namespace_drop(c->namespace);
	mem_free(c->heap);
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

/* The request of this canonical text, with one more user. */
static sc_err request_take(struct requests *r, const struct amounts *needs, const char *text, struct request **out)
{
	struct request *q;

	HASH_FIND_STR(r->by_text, text, q);
	if (q == NULL) {
		q = mem_calloc(1, sizeof(*q));
		if (q == NULL)
			return SC_NOMEM;
		q->needs = *needs;
		for (size_t i = 0; i < needs->n; i++)
			if (needs->v[i].resource == RESOURCE_CPUS)
				q->cpus = needs->v[i].amount;
		q->text = mem_strdup(text);
		if (q->text != NULL)
			HASH_ADD_KEYPTR(hh, r->by_text, q->text, strlen(q->text), q);
		if (q->text == NULL || q->hh.tbl == NULL) {
			mem_free(q->text);
			mem_free(q);
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

/* The class of a canonical text, found or made. */
static sc_err class_take(struct requests *r, struct slice namespace, const struct amounts *needs, const char *text,
			 uint32_t gang_size, struct request_class **out, struct buf *error)
{
	struct class_key key = {NULL, NULL, gang_size};
	struct request_class *c = NULL;
	sc_err err = namespace_take(&r->namespaces, namespace, &key.namespace);

	if (err == SC_OK)
		err = request_take(r, needs, text, &key.request);
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
	struct amounts needs;
	struct buf canon;
	sc_err err = requests_parse(r, text.n == 0 ? slice_of("cpus=1") : text, &needs, error);

	if (err != SC_OK)
		return err;
	buf_init(&canon, 0);
	err = canonical(r, &needs, &canon);
	if (err == SC_OK && canon.len > REQUEST_MAX_BYTES) {
		buf_printf(error, "a request for resources has at most %u bytes", REQUEST_MAX_BYTES);
		err = SC_TOO_BIG;
	}
	if (err == SC_OK)
		err = class_take(r, namespace, &needs, buf_str(&canon), gang_size, out, error);
	buf_fini(&canon);
	return err;
}
