/* demand.c - see demand.h. */
#include "client/ctl/demand.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define DEMAND_MAX_BYTES 4096u

void demand_init(struct demand *d)
{
	*d = (struct demand){.n = 1};
	for (size_t i = 0; i < DEMAND_ALTERNATIVES; i++)
		buf_init(&d->ways[i], DEMAND_MAX_BYTES);
	buf_init(&d->labels, DEMAND_MAX_BYTES);
}

void demand_fini(struct demand *d)
{
	for (size_t i = 0; i < DEMAND_ALTERNATIVES; i++)
		buf_fini(&d->ways[i]);
	buf_fini(&d->labels);
}

sc_err demand_amount(struct demand *d, const char *name, const char *amount, struct buf *error)
{
	struct buf *way = &d->ways[d->n - 1];
	uint64_t value;

	if (!text_is_name(name, strlen(name))) {
		buf_printf(error, "'%s' cannot be the name of a resource; allowed: " TEXT_NAME_ALLOWED, name);
		return SC_INVALID;
	}
	if (strcmp(name, "memory") == 0) {
		if (text_bytes(amount, &value) != SC_OK) {
			buf_printf(error, "memory: '%s' is not a size; like 512MiB or 2GiB is expected", amount);
			return SC_INVALID;
		}
	} else if (text_amount(amount, &value) != SC_OK) {
		buf_printf(error,
			   "%s: '%s' is not an amount; a number with at most four decimals is expected, like 2 or 0.5",
			   name, amount);
		return SC_INVALID;
	}
	if (strcmp(name, "cpus") == 0)
		d->has_cpus |= 1u << (d->n - 1);
	buf_printf(way, "%s%s=%s", way->len > 0 ? "," : "", name, amount);
	return buf_err(way);
}

sc_err demand_amounts(struct demand *d, const char *list, struct buf *error)
{
	char *copy = mem_strdup(list), *rest = copy, *part;
	sc_err err = copy == NULL ? SC_NOMEM : SC_OK;

	while (err == SC_OK && (part = strsep(&rest, ",")) != NULL) {
		char *eq = strchr(part, '=');

		if (eq == NULL) {
			buf_printf(error, "'%s' is not of the form NAME=AMOUNT, like gpu=1", part);
			err = SC_INVALID;
			break;
		}
		*eq = '\0';
		err = demand_amount(d, part, eq + 1, error);
	}
	mem_free(copy);
	return err;
}

sc_err demand_label(struct demand *d, const char *key, const char *value, int is_required, struct buf *error)
{
	if (!text_is_name(key, strlen(key)) || strpbrk(value, ",|") != NULL) {
		buf_printf(error,
			   "label '%s=%s' is not allowed; KEY=VALUE is expected, with a key of " TEXT_NAME_ALLOWED
			   " and a value without , and |",
			   key, value);
		return SC_INVALID;
	}
	buf_printf(&d->labels, ",%s:%s=%s", is_required ? "label" : "prefer", key, value);
	return buf_err(&d->labels);
}

sc_err demand_another(struct demand *d, struct buf *error)
{
	if (d->n == DEMAND_ALTERNATIVES) {
		buf_printf(error, "at most %u alternatives are possible, the first included", DEMAND_ALTERNATIVES);
		return SC_LIMIT;
	}
	d->n++;
	return SC_OK;
}

sc_err demand_write(const struct demand *d, struct buf *out)
{
	if (d->n == 1 && d->ways[0].len == 0 && d->labels.len == 0)
		return buf_err(out);
	for (size_t i = 0; i < d->n; i++) {
		int has_cpus = (d->has_cpus >> i & 1) != 0;

		buf_printf(out, "%s%s%s", i > 0 ? "|" : "", has_cpus ? "" : "cpus=1",
			   !has_cpus && d->ways[i].len > 0 ? "," : "");
		buf_append(out, d->ways[i].data, d->ways[i].len);
		buf_append(out, d->labels.data, d->labels.len);
	}
	return buf_err(out);
}
