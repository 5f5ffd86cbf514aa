/* namespaces.c - `schedctl namespace list|set`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/json.h"
#include "client/ctl/table.h"

#define WEIGHT_ONE	  1000u /* the usual, as the library has it */
#define WEIGHT_PER_AMOUNT (TEXT_AMOUNT_ONE / WEIGHT_ONE)

/* Amounts as numbers, null for no limit. */
static json_t *amount_json(uint64_t v, double one)
{
	return v == UINT64_MAX ? json_null() : json_real((double)v / one);
}

static json_t *namespace_json(const struct sc_namespace_row *r)
{
	json_t *o = json_object();

	json_put_text(o, F_name, r->name);
	json_put(o, F_weight, amount_json(r->weight, WEIGHT_ONE));
	json_put(o, F_max_tasks, r->max_tasks == UINT64_MAX ? json_null() : json_integer((json_int_t)r->max_tasks));
	json_put(o, F_max_cpus, amount_json(r->max_cpus, TEXT_AMOUNT_ONE));
	json_put_u64(o, F_running, r->tasks);
	json_put(o, F_cpus, amount_json(r->cpus, TEXT_AMOUNT_ONE));
	json_put_u64(o, F_ready, r->ready);
	json_put_u64(o, F_n_workers, r->workers);
	return o;
}

static void add_amount(struct table *t, uint64_t v)
{
	char shown[40];

	table_add(t, v == UINT64_MAX ? "-" : text_show_amount(v, shown, sizeof(shown)));
}

static void add_row(struct table *t, const struct sc_namespace_row *r)
{
	table_add(t, r->name);
	add_amount(t, r->weight * WEIGHT_PER_AMOUNT);
	table_addf(t, "%" PRIu64, r->tasks);
	if (r->max_tasks == UINT64_MAX)
		table_add(t, "-");
	else
		table_addf(t, "%" PRIu64, r->max_tasks);
	add_amount(t, r->cpus);
	add_amount(t, r->max_cpus);
	table_addf(t, "%" PRIu64, r->ready);
	table_addf(t, "%" PRIu64, r->workers);
}

int verb_namespace_list(struct ctl *c)
{
	static const char *const heads[] = {"NAME",	 ">WEIGHT", ">RUNNING", ">MAX-TASKS", ">CPUS",
					    ">MAX-CPUS", ">READY",  ">WORKERS", NULL};
	const struct sc_namespace_row *row;
	struct sc_namespaces *namespaces;
	struct table t;
	json_t *list;
	int status = ctl_open(c);
	sc_err err;

	if (status != EXIT_DONE)
		return status;
	err = sc_client_list_namespaces(c->client, &namespaces);
	if (err != SC_OK)
		return ctl_failed(c, err);
	table_init(&t, heads);
	list = json_array();
	while ((err = sc_namespaces_next(namespaces, &row)) == SC_OK && row != NULL) {
		if (c->json)
			json_array_append_new(list, namespace_json(row));
		else
			add_row(&t, row);
	}
	if (err != SC_OK)
		status = ctl_failed(c, err);
	else if (c->json)
		json_print_one(F_namespaces, json_incref(list));
	else
		table_print(&t, c->color_out);
	json_decref(list);
	table_fini(&t);
	sc_namespaces_free(namespaces);
	return status;
}

/* Fill in what was asked for; what was not stays SC_NAMESPACE_SAME. */
static int take_change(struct ctl *c, struct sc_namespace_change *change)
{
	const char *weight = cli_value(&c->cli, "weight"), *tasks = cli_value(&c->cli, "max-tasks"),
		   *cpus = cli_value(&c->cli, "max-cpus");
	uint64_t v;

	if (weight == NULL && tasks == NULL && cpus == NULL)
		return ctl_usage(c, "nothing to change: --weight, --max-tasks or --max-cpus is expected");
	if (weight != NULL) {
		if (text_amount(weight, &v) != SC_OK || v < WEIGHT_PER_AMOUNT || v > 1000u * TEXT_AMOUNT_ONE)
			return ctl_usage(c, "--weight: '%s' is not allowed; a number from 0.001 to 1000 is expected",
					 weight);
		change->weight = v / WEIGHT_PER_AMOUNT;
	}
	if (tasks != NULL && strcmp(tasks, "none") == 0)
		change->max_tasks = UINT64_MAX;
	else if (tasks != NULL &&
		 (text_u64(tasks, &change->max_tasks) != SC_OK || change->max_tasks >= SC_NAMESPACE_SAME))
		return ctl_usage(c, "--max-tasks: '%s' is not allowed; a whole number or none is expected", tasks);
	if (cpus != NULL && strcmp(cpus, "none") == 0)
		change->max_cpus = UINT64_MAX;
	else if (cpus != NULL && text_amount(cpus, &change->max_cpus) != SC_OK)
		return ctl_usage(c, "--max-cpus: '%s' is not allowed; a number like 10 or 0.5, or none is expected",
				 cpus);
	return EXIT_DONE;
}

int verb_namespace_set(struct ctl *c)
{
	struct sc_namespace_change change = {SC_NAMESPACE_SAME, SC_NAMESPACE_SAME, SC_NAMESPACE_SAME};
	int status = take_change(c, &change);
	sc_err err;

	if (status == EXIT_DONE)
		status = ctl_open(c);
	if (status != EXIT_DONE)
		return status;
	err = sc_client_set_namespace(c->client, c->cli.args[0], &change);
	if (err != SC_OK)
		return ctl_failed(c, err);
	if (c->json) {
		json_t *o = json_object();

		json_put_flag(o, F_ok, 1);
		json_print(o);
	} else {
		printf("namespace %s changed\n", c->cli.args[0]);
	}
	return EXIT_DONE;
}
