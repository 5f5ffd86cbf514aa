/* request_text.c - requests and amounts as text, see request.h for the grammar. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "scheduler/core/request.h"

#define REQUEST_MAX_BYTES 4096u /* written out, so that it fits into the messages that name it */
#define LABEL_MAX_BYTES	  400u

#define LABEL  "label:"
#define PREFER "prefer:"

/* ---- amounts -------------------------------------------------------------------------------------------------- */

const char *amount_show(uint32_t resource, uint64_t amount, char *buf, size_t cap)
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
	unsigned u = 0;

	if (resource != RESOURCE_MEMORY)
		return text_show_amount(amount, buf, cap);
	while (u < 4 && amount > 0 && amount % 1024 == 0) {
		amount /= 1024;
		u++;
	}
	snprintf(buf, cap, "%" PRIu64 "%s", amount, units[u]);
	return buf;
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

/* The amount after the equals sign; text is NULL when there is none. */
static sc_err read_amount(const char *name, const char *text, uint64_t *out, struct buf *error)
{
	if (strcmp(name, "memory") == 0) {
		if (text != NULL && text_bytes(text, out) == SC_OK && *out <= MEMORY_UNLIMITED)
			return SC_OK;
		buf_printf(error, "memory: '%s' is not a size; allowed are sizes like 512MiB or 2GiB",
			   text != NULL ? text : "");
		return SC_INVALID;
	}
	*out = AMOUNT_ONE;
	if (text == NULL || text_amount(text, out) == SC_OK)
		return SC_OK;
	buf_printf(error, "resource '%s': '%s' is not an amount; allowed are numbers like 2 or 0.5", name, text);
	return SC_INVALID;
}

/* Splits part in place. */
static sc_err read_part(struct requests *r, char *part, struct amounts *out, struct buf *error)
{
	char *eq = strchr(part, '=');
	uint64_t amount;
	uint32_t number;
	sc_err err;

	if (eq != NULL)
		*eq = '\0';
	err = read_amount(part, eq != NULL ? eq + 1 : NULL, &amount, error);
	if (err == SC_OK)
		err = resource_number(r, part, &number, error);
	return err == SC_OK ? add_amount(out, number, amount, part, error) : err;
}

sc_err requests_parse(struct requests *r, struct slice text, struct amounts *out, struct buf *error)
{
	char *copy = slice_dup(text), *rest, *part;
	struct requests_mark before = requests_mark(r);
	sc_err err = SC_OK;

	if (copy == NULL)
		return SC_NOMEM;
	out->n = 0;
	for (part = strtok_r(copy, ",", &rest); part != NULL && err == SC_OK; part = strtok_r(NULL, ",", &rest))
		err = read_part(r, part, out, error);
	if (err != SC_OK)
		requests_undo(r, before);
	mem_free(copy);
	return err;
}

/* ---- requests ------------------------------------------------------------------------------------------------- */

void request_free(struct request *q)
{
	if (q == NULL)
		return;
	for (uint32_t k = 0; k < q->n; k++)
		for (uint32_t i = 0; i < q->v[k].n_labels; i++)
			label_drop(q->v[k].labels[i]);
	mem_free(q->text);
	mem_free(q);
}

/* In order among its kind; those required come before those preferred.  One given twice is taken once. */
static sc_err add_label(struct requests *r, struct alternative *a, const char *text, int is_required, struct buf *error)
{
	uint32_t from = is_required ? 0 : a->n_required, i = is_required ? a->n_required : a->n_labels;
	const char *eq = strchr(text, '=');
	struct label *l;
	sc_err err;

	if (eq == NULL || !text_is_name(text, (size_t)(eq - text)) || strlen(text) > LABEL_MAX_BYTES) {
		buf_printf(error, "label '%.80s' is not of the form KEY=VALUE, with a key of %s", text,
			   TEXT_NAME_ALLOWED);
		return SC_INVALID;
	}
	for (uint32_t k = from; k < i; k++)
		if (strcmp(a->labels[k]->text, text) == 0)
			return SC_OK;
	if (a->n_labels == LABELS_MAX) {
		buf_printf(error, "label '%.80s': at most %u labels are possible", text, LABELS_MAX);
		return SC_LIMIT;
	}
	err = label_take(&r->labels, slice_of(text), &l);
	if (err != SC_OK)
		return err;
	while (i > from && strcmp(a->labels[i - 1]->text, text) > 0)
		i--;
	memmove(&a->labels[i + 1], &a->labels[i], (a->n_labels - i) * sizeof(struct label *));
	a->labels[i] = l;
	a->n_labels++;
	a->n_required += is_required != 0;
	return SC_OK;
}

/* One alternative; text is split in place. */
static sc_err read_alternative(struct requests *r, char *text, struct alternative *a, struct buf *error)
{
	sc_err err = SC_OK;
	char *part, *rest;

	for (part = strtok_r(text, ",", &rest); part != NULL && err == SC_OK; part = strtok_r(NULL, ",", &rest)) {
		if (strncmp(part, LABEL, strlen(LABEL)) == 0)
			err = add_label(r, a, part + strlen(LABEL), 1, error);
		else if (strncmp(part, PREFER, strlen(PREFER)) == 0)
			err = add_label(r, a, part + strlen(PREFER), 0, error);
		else
			err = read_part(r, part, &a->needs, error);
	}
	for (size_t i = 0; i < a->needs.n; i++)
		if (a->needs.v[i].resource == RESOURCE_CPUS)
			a->cpus = a->needs.v[i].amount;
	a->is_memory = a->needs.n == 1 && a->needs.v[0].resource == RESOURCE_MEMORY;
	return err;
}

sc_err request_read(struct requests *r, struct slice text, struct request **out, struct buf *error)
{
	char *copy = slice_dup(text), *next = copy, *part;
	struct requests_mark before = requests_mark(r);
	struct request *q;
	sc_err err = SC_OK;
	uint32_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '|';
	if (n > ALTERNATIVES_MAX) {
		buf_printf(error, "a request has at most %u alternatives, not %u", ALTERNATIVES_MAX, n);
		mem_free(copy);
		return SC_LIMIT;
	}
	q = mem_calloc(1, sizeof(*q) + n * sizeof(*q->v));
	if (copy == NULL || q == NULL)
		err = SC_NOMEM;
	while (err == SC_OK && (part = strsep(&next, "|")) != NULL) {
		if (part[0] == '\0' && n > 1) {
			buf_printf(error, "alternative %u of the request is empty", q->n + 1);
			err = SC_INVALID;
		} else {
			err = read_alternative(r, part, &q->v[q->n++], error);
		}
	}
	mem_free(copy);
	if (err != SC_OK) {
		request_free(q);
		requests_undo(r, before);
		return err;
	}
	*out = q;
	return SC_OK;
}

sc_err request_write(const struct requests *r, const struct request *q, struct buf *out, struct buf *error)
{
	for (uint32_t k = 0; k < q->n; k++) {
		const struct alternative *a = &q->v[k];
		const char *comma = "";
		char shown[32];

		if (k > 0)
			buf_append_str(out, "|");
		for (size_t i = 0; i < a->needs.n; i++, comma = ",")
			buf_printf(out, "%s%s=%s", comma, r->names[a->needs.v[i].resource],
				   amount_show(a->needs.v[i].resource, a->needs.v[i].amount, shown, sizeof(shown)));
		if (a->needs.n == 0) { /* an empty text would be the usual request */
			buf_append_str(out, "cpus=0");
			comma = ",";
		}
		for (uint32_t i = 0; i < a->n_labels; i++, comma = ",")
			buf_printf(out, "%s%s%s", comma, i < a->n_required ? LABEL : PREFER, a->labels[i]->text);
	}
	if (buf_err(out) == SC_OK && out->len > REQUEST_MAX_BYTES) {
		buf_printf(error, "a request for resources has at most %u bytes", REQUEST_MAX_BYTES);
		return SC_TOO_BIG;
	}
	return buf_err(out);
}
