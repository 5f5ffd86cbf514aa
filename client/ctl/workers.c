/* workers.c - `schedctl worker list|stop` and `schedctl shutdown`. */
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/json.h"
#include "client/ctl/table.h"

static json_t *worker_json(const struct sc_worker_row *r)
{
	json_t *o = json_object();

	json_put_text(o, F_name, r->name);
	json_put_text(o, F_pool, r->pool);
	json_put_text(o, F_namespace, r->name_space);
	json_put_text(o, F_host, r->host);
	json_put_text(o, F_address, r->address);
	json_put_u64(o, F_pid, r->pid);
	json_put_text(o, F_status, sc_worker_status_name(r->status));
	json_put_text(o, F_resources, r->resources);
	json_put_text(o, F_labels, r->labels);
	json_put_u64(o, F_assigned, r->assigned);
	json_put_u64(o, F_running, r->running);
	json_put_u64(o, F_done, r->done);
	json_put_u64(o, F_held, r->held);
	json_put_u64(o, F_held_bytes, r->held_bytes);
	json_put_u64(o, F_cpu_percent, r->cpu_percent);
	json_put_u64(o, F_memory_bytes, r->memory_bytes);
	json_put_u64(o, F_memory_limit_bytes, r->memory_limit_bytes);
	json_put_u64(o, F_seen_us, r->seen_us);
	json_put_flag(o, F_drained, r->drained);
	json_put_flag(o, F_stuck, r->stuck);
	return o;
}

static void add_worker_row(struct table *t, const struct sc_worker_row *r)
{
	char shown[64], limit[64], ago[80];

	table_add(t, r->name);
	table_add(t, r->pool[0] != '\0' ? r->pool : "-");
	table_add(t, r->name_space[0] != '\0' ? r->name_space : "-");
	table_add_color(t, color_of_worker(r->status), sc_worker_status_name(r->status));
	table_add(t, r->host);
	table_add(t, r->resources);
	table_add(t, r->labels[0] != '\0' ? r->labels : "-");
	table_addf(t, "%" PRIu64, r->assigned);
	table_addf(t, "%" PRIu64, r->done);
	table_add(t, text_show_bytes(r->held_bytes, shown, sizeof(shown)));
	table_addf(t, "%" PRIu64 "%%", r->cpu_percent);
	text_show_bytes(r->memory_bytes, shown, sizeof(shown));
	if (r->memory_limit_bytes > 0)
		table_addf(t, "%s of %s", shown, text_show_bytes(r->memory_limit_bytes, limit, sizeof(limit)));
	else
		table_add(t, shown);
	snprintf(ago, sizeof(ago), "%s ago", text_show_us(r->seen_us, shown, sizeof(shown)));
	table_add(t, ago);
}

int verb_worker_list(struct ctl *c)
{
	static const char *const heads[] = {"NAME",	 "POOL",    "?NAMESPACE", "STATUS", "HOST",
					    "RESOURCES", "?LABELS", ">TASKS",	  ">DONE",  ">HELD",
					    ">CPU",	 ">MEMORY", ">SEEN",	  NULL};
	const struct sc_worker_row *row;
	struct sc_workers *workers;
	struct table t;
	json_t *list;
	int status = ctl_open(c);
	sc_err err;

	if (status != EXIT_DONE)
		return status;
	err = sc_client_list_workers(c->client, &workers);
	if (err != SC_OK)
		return ctl_failed(c, err);
	table_init(&t, heads);
	list = json_array();
	while ((err = sc_workers_next(workers, &row)) == SC_OK && row != NULL) {
		if (c->json)
			json_array_append_new(list, worker_json(row));
		else
			add_worker_row(&t, row);
	}
	if (err != SC_OK)
		status = ctl_failed(c, err);
	else if (c->json)
		json_print_one(F_workers, json_incref(list));
	else
		table_print(&t, c->color_out);
	json_decref(list);
	table_fini(&t);
	sc_workers_free(workers);
	return status;
}

/* The end of a command that changes something: say so. */
static int report(struct ctl *c, sc_err err, const char *name, const char *what)
{
	json_t *o;

	if (err != SC_OK)
		return ctl_failed(c, err);
	if (c->json) {
		o = json_object();
		json_put_flag(o, F_ok, 1);
		json_print(o);
	} else {
		printf("%s%s%s\n", name, name[0] != '\0' ? " " : "", what);
	}
	return EXIT_DONE;
}

int verb_worker_stop(struct ctl *c)
{
	int status = ctl_open(c);

	if (status != EXIT_DONE)
		return status;
	return report(c, sc_client_stop_worker(c->client, c->cli.args[0]), c->cli.args[0], "was told to end");
}

int verb_shutdown(struct ctl *c)
{
	int workers = cli_has(&c->cli, "workers"), status = ctl_open(c);

	if (status != EXIT_DONE)
		return status;
	return report(c, sc_client_shutdown(c->client, workers), "",
		      workers ? "the scheduler and its workers end" : "the scheduler ends");
}

int verb_completion(struct ctl *c)
{
	if (cli_print_completion(stdout, c->cli.args[0]) == SC_OK)
		return EXIT_DONE;
	return ctl_usage(c, "'%s' is not a shell we know; bash or zsh is expected", c->cli.args[0]);
}
