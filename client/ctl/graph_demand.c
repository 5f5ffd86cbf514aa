/* graph_demand.c - see graph_demand.h. */
#include "client/ctl/graph_demand.h"

#include <string.h>

#include "base/mem.h"
#include "client/ctl/demand.h"

struct reader {
	struct graph *g;
	struct demand demand;
	struct buf *error;
};

/* The text of a scalar, NULL for anything else. */
static const char *scalar(const struct yaml_item *v)
{
	return v->kind == YAML_SCALAR ? v->text : NULL;
}

/* What the demand has to say is put behind the line it is about, and key unless it names that itself. */
static sc_err told(struct reader *r, unsigned line, const char *key, sc_err err, struct buf *why)
{
	if (err == SC_INVALID || err == SC_LIMIT || err == SC_TOO_BIG) {
		graph_error(r->g, line, r->error, "%s%s%s", key, key[0] != '\0' ? ": " : "",
			    why->len > 0 ? buf_str(why) : sc_err_text(err));
		err = SC_INVALID;
	}
	buf_fini(why);
	return err;
}

static sc_err add_amount(struct reader *r, const char *key, const char *name, const struct yaml_item *v)
{
	struct buf why;

	if (scalar(v) == NULL)
		return graph_error(r->g, v->line, r->error, "%s: a single amount of %s is expected", key, name);
	buf_init(&why, 0);
	return told(r, v->line, "", demand_amount(&r->demand, name, v->text, &why), &why);
}

static int is_of_labels(const char *name)
{
	return strcmp(name, "labels") == 0 || strcmp(name, "prefer") == 0;
}

/* {NAME: AMOUNT, ...}; cpus and memory only where they have no key of their own. */
static sc_err read_amounts(struct reader *r, const char *key, const struct yaml_item *v, int all_names)
{
	sc_err err = SC_OK;

	if (v->kind != YAML_MAP)
		return graph_error(r->g, v->line, r->error, "%s: {NAME: AMOUNT, ...} is expected", key);
	for (size_t i = 0; i < v->n && err == SC_OK; i++) {
		const char *name = v->keys[i]->text, *given = scalar(v->values[i]);

		if (!all_names && (strcmp(name, "cpus") == 0 || strcmp(name, "memory") == 0))
			return graph_error(r->g, v->keys[i]->line, r->error, "%s: %s is a key of its own: %s: %s", key,
					   name, name, given != NULL ? given : "N");
		if (all_names && (strcmp(name, "resources") == 0 || is_of_labels(name)))
			return graph_error(r->g, v->keys[i]->line, r->error,
					   "%s: %s; only amounts are expected, like {cpus: 8, gpu: 0.5}", key,
					   is_of_labels(name) ? "labels are those of the task in all of them"
							      : "resources are named at once, without `resources`");
		err = add_amount(r, key, name, v->values[i]);
	}
	return err;
}

static sc_err read_labels(struct reader *r, const char *key, const struct yaml_item *v, int is_required)
{
	sc_err err = SC_OK;

	if (v->kind != YAML_MAP)
		return graph_error(r->g, v->line, r->error, "%s: {KEY: VALUE, ...} is expected", key);
	for (size_t i = 0; i < v->n && err == SC_OK; i++) {
		struct buf why;

		if (scalar(v->values[i]) == NULL)
			return graph_error(r->g, v->values[i]->line, r->error, "%s: a single value is expected", key);
		buf_init(&why, 0);
		err = told(r, v->keys[i]->line, key,
			   demand_label(&r->demand, v->keys[i]->text, v->values[i]->text, is_required, &why), &why);
	}
	return err;
}

static sc_err read_alternatives(struct reader *r, const struct yaml_item *v)
{
	sc_err err = SC_OK;

	if (v->kind != YAML_LIST || v->n == 0)
		return graph_error(r->g, v->line, r->error, "alternatives: [{cpus: 8, ...}, ...] is expected");
	for (size_t i = 0; i < v->n && err == SC_OK; i++) {
		struct buf why;

		buf_init(&why, 0);
		err = told(r, v->values[i]->line, "alternatives", demand_another(&r->demand, &why), &why);
		if (err == SC_OK)
			err = read_amounts(r, "alternatives", v->values[i], 1);
	}
	return err;
}

static sc_err read_all(struct reader *r, const struct yaml_item *map)
{
	const struct yaml_item *v;
	sc_err err = SC_OK;

	if ((v = yaml_get(map, "cpus")) != NULL)
		err = add_amount(r, "cpus", "cpus", v);
	if (err == SC_OK && (v = yaml_get(map, "memory")) != NULL)
		err = add_amount(r, "memory", "memory", v);
	if (err == SC_OK && (v = yaml_get(map, "resources")) != NULL)
		err = read_amounts(r, "resources", v, 0);
	if (err == SC_OK && (v = yaml_get(map, "labels")) != NULL)
		err = read_labels(r, "labels", v, 1);
	if (err == SC_OK && (v = yaml_get(map, "prefer")) != NULL)
		err = read_labels(r, "prefer", v, 0);
	if (err == SC_OK && (v = yaml_get(map, "alternatives")) != NULL)
		err = read_alternatives(r, v);
	return err;
}

sc_err graph_demand_read(struct graph *g, struct graph_task *t, const struct yaml_item *map, struct buf *error)
{
	struct reader r = {.g = g, .error = error};
	struct buf text;
	sc_err err;

	demand_init(&r.demand);
	buf_init(&text, 0);
	err = read_all(&r, map);
	if (err == SC_OK)
		err = demand_write(&r.demand, &text);
	if (err == SC_OK && text.len > 0) {
		t->resources = graph_own(g, mem_strdup(buf_str(&text)));
		err = t->resources == NULL ? SC_NOMEM : SC_OK;
	}
	buf_fini(&text);
	demand_fini(&r.demand);
	return err;
}
