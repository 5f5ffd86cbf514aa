/* info_show.c - see info_show.h. */
#include "client/ctl/info_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "client/ctl/json.h"
#include "client/ctl/table.h"

#define ALL_SECTIONS (SC_INFO_TOTALS | SC_INFO_MEMBERS | SC_INFO_METRICS)

/* ---- for people ------------------------------------------------------------------------------------------------- */

void info_write_totals(const struct sc_info *info, struct buf *out)
{
	char cpus[32], memory[32], limit[32], spilled[32], interval[32];
	uint64_t granted_us = sc_info_granted_us(info);
	struct sc_info_totals t;

	sc_info_totals_of(info, &t);
	buf_printf(out, "%" PRIu64 " worker%s, %s cpus: %" PRIu64 " running, %" PRIu64 " queued, %" PRIu64 " held; ",
		   t.workers, t.workers == 1 ? "" : "s", text_show_amount(t.slots, cpus, sizeof(cpus)), t.running,
		   t.queued, t.held);
	buf_printf(out, "cpu %" PRIu64 "%%, memory %s", t.cpu_percent,
		   text_show_bytes(t.memory_bytes, memory, sizeof(memory)));
	if (t.memory_limit_bytes > 0)
		buf_printf(out, " (limits %s)", text_show_bytes(t.memory_limit_bytes, limit, sizeof(limit)));
	if (t.spilled_bytes > 0)
		buf_printf(out, ", spilled %s", text_show_bytes(t.spilled_bytes, spilled, sizeof(spilled)));
	buf_printf(out, "  (version %" PRIu64, sc_info_epoch(info));
	if (granted_us > 0)
		buf_printf(out, ", every %s", text_show_us(granted_us, interval, sizeof(interval)));
	buf_append_str(out, ")\n");
}

struct key {
	struct sc_info_worker w;
	uint64_t rank; /* the larger, the earlier */
};

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int by_name;

	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	by_name = strcmp(x->w.name, y->w.name);
	return by_name != 0 ? by_name : x->w.worker < y->w.worker ? -1 : x->w.worker > y->w.worker;
}

/* All workers in order; NULL: there are none, or no memory. */
static struct key *sorted(const struct sc_info *info, enum info_order order)
{
	size_t n = sc_info_n_workers(info);
	struct key *keys = n > 0 ? mem_calloc(n, sizeof(*keys)) : NULL;

	for (size_t i = 0; keys != NULL && i < n; i++) {
		struct sc_info_worker *w = &keys[i].w;

		sc_info_worker_at(info, i, w);
		keys[i].rank = order == INFO_BY_CPU	  ? w->cpu_percent
			       : order == INFO_BY_MEMORY  ? w->memory_bytes
			       : order == INFO_BY_RUNNING ? w->running
							  : 0;
	}
	if (keys != NULL)
		qsort(keys, n, sizeof(*keys), compare_keys);
	return keys;
}

static void add_bytes(struct table *t, uint64_t bytes)
{
	char shown[32];

	table_add(t, text_show_bytes(bytes, shown, sizeof(shown)));
}

static void add_row(struct table *t, const struct sc_info_worker *w, unsigned sections)
{
	char shown[32];

	if (sections & SC_INFO_MEMBERS) {
		table_add(t, w->name);
		table_add(t, w->pool[0] != '\0' ? w->pool : "-");
		table_add(t, w->name_space[0] != '\0' ? w->name_space : "-");
		table_add_color(t, color_of_worker(w->status), sc_worker_status_name(w->status));
		table_add(t, w->host);
		table_add(t, text_show_amount(w->slots, shown, sizeof(shown)));
	} else {
		table_addf(t, "%u", w->worker);
	}
	if (!(sections & SC_INFO_METRICS))
		return;
	table_addf(t, "%" PRIu64, w->running);
	table_addf(t, "%" PRIu64, w->queued);
	table_addf(t, "%" PRIu64, w->held);
	table_addf(t, "%" PRIu64 "%%", w->cpu_percent);
	add_bytes(t, w->memory_bytes);
	add_bytes(t, w->spilled_bytes);
	add_bytes(t, w->sent_bytes_s);
	add_bytes(t, w->received_bytes_s);
}

void info_write_workers(const struct sc_info *info, unsigned sections, enum info_order order, size_t max_rows,
			int with_color, struct buf *out)
{
	static const char *const members[] = {"NAME", "POOL", "?NAMESPACE", "STATUS", "HOST", ">CPUS"};
	static const char *const metrics[] = {">RUNNING", ">QUEUED",  ">HELD",	 ">CPU",
					      ">MEMORY",  ">SPILLED", ">SENT/S", ">RECEIVED/S"};
	const char *heads[TABLE_COLUMNS_MAX] = {">WORKER"};
	size_t n = sc_info_n_workers(info), n_heads = 1;
	struct key *keys = sorted(info, order);
	struct table t;

	if (sections == 0)
		sections = ALL_SECTIONS;
	if (sections & SC_INFO_MEMBERS) {
		memcpy(heads, members, sizeof(members));
		n_heads = sizeof(members) / sizeof(members[0]);
	}
	if (sections & SC_INFO_METRICS)
		memcpy(heads + n_heads, metrics, sizeof(metrics));
	table_init(&t, heads);
	for (size_t i = 0; keys != NULL && i < n && i < max_rows; i++)
		add_row(&t, &keys[i].w, sections);
	table_write(&t, with_color, out);
	if (n > max_rows)
		buf_printf(out, "... and %zu more\n", n - max_rows);
	table_fini(&t);
	mem_free(keys);
}

/* ---- for programs ----------------------------------------------------------------------------------------------- */

json_t *info_cpus_json(uint64_t slots)
{
	if (slots % TEXT_AMOUNT_ONE == 0)
		return json_integer((json_int_t)(slots / TEXT_AMOUNT_ONE));
	return json_real((double)slots / TEXT_AMOUNT_ONE);
}

static json_t *totals_json(const struct sc_info *info)
{
	json_t *o = json_object();
	struct sc_info_totals t;

	sc_info_totals_of(info, &t);
	json_put_u64(o, F_n_workers, t.workers);
	json_put(o, F_cpus, info_cpus_json(t.slots));
	json_put_u64(o, F_running, t.running);
	json_put_u64(o, F_queued, t.queued);
	json_put_u64(o, F_held, t.held);
	json_put_u64(o, F_cpu_percent, t.cpu_percent);
	json_put_u64(o, F_memory_bytes, t.memory_bytes);
	json_put_u64(o, F_memory_limit_bytes, t.memory_limit_bytes);
	json_put_u64(o, F_spilled_bytes, t.spilled_bytes);
	return o;
}

static json_t *worker_json(const struct sc_info_worker *w, unsigned sections)
{
	json_t *o = json_object();

	json_put_u64(o, F_number, w->worker);
	if (sections & SC_INFO_MEMBERS) {
		json_put_text(o, F_name, w->name);
		json_put_text(o, F_pool, w->pool);
		json_put_text(o, F_namespace, w->name_space);
		json_put_text(o, F_host, w->host);
		json_put_text(o, F_address, w->address);
		json_put_u64(o, F_pid, w->pid);
		json_put_text(o, F_status, sc_worker_status_name(w->status));
		json_put_text(o, F_resources, w->resources);
		json_put_text(o, F_labels, w->labels);
		json_put(o, F_cpus, info_cpus_json(w->slots));
		json_put_u64(o, F_memory_limit_bytes, w->memory_limit_bytes);
	}
	if (sections & SC_INFO_METRICS) {
		json_put_u64(o, F_running, w->running);
		json_put_u64(o, F_queued, w->queued);
		json_put_u64(o, F_held, w->held);
		json_put_u64(o, F_cpu_percent, w->cpu_percent);
		json_put_u64(o, F_memory_bytes, w->memory_bytes);
		json_put_u64(o, F_spilled_bytes, w->spilled_bytes);
		json_put_u64(o, F_sent_bytes_per_s, w->sent_bytes_s);
		json_put_u64(o, F_received_bytes_per_s, w->received_bytes_s);
	}
	return o;
}

void info_put_json(json_t *o, const struct sc_info *info, unsigned sections)
{
	struct sc_info_worker w;
	json_t *list;

	if (sections == 0)
		sections = ALL_SECTIONS;
	json_put_text(o, F_incarnation, sc_info_incarnation(info));
	json_put_u64(o, F_epoch, sc_info_epoch(info));
	if (sc_info_granted_us(info) > 0)
		json_put_u64(o, F_interval_us, sc_info_granted_us(info));
	if (sections & SC_INFO_TOTALS)
		json_put(o, F_totals, totals_json(info));
	if (!(sections & (SC_INFO_MEMBERS | SC_INFO_METRICS)))
		return;
	list = json_array();
	for (size_t i = 0; i < sc_info_n_workers(info); i++) {
		sc_info_worker_at(info, i, &w);
		json_array_append_new(list, worker_json(&w, sections));
	}
	json_put(o, F_workers, list);
}
