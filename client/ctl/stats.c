/* stats.c - `schedctl stats`: what the scheduler spends, and on what. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/ctl/ctl.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json.h"
#include "client/ctl/screen.h"
#include "client/ctl/table.h"

#define DEFAULT_INTERVAL_US (2u * US_PER_S)

static double mean_us(const struct sc_spent *r)
{
	return r->count == 0 ? 0.0 : (double)r->total_ns / (double)r->count / 1e3;
}

/* ---- for programs ----------------------------------------------------------------------------------------------- */

static json_t *spent_json(const struct sc_spent *rows, size_t n, enum field name)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		json_put_text(o, name, rows[i].name);
		json_put_u64(o, F_count, rows[i].count);
		json_put(o, F_mean_us, json_real(mean_us(&rows[i])));
		json_put_u64(o, F_total_us, rows[i].total_ns / 1000);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *stats_json(const struct sc_stats *s)
{
	json_t *o = json_object(), *metrics = json_object();

	for (size_t i = 0; i < s->n_metrics; i++)
		json_object_set_new(metrics, s->metrics[i].name, json_integer((json_int_t)s->metrics[i].value));
	json_put(o, F_metrics, metrics);
	json_put(o, F_requests, spent_json(s->kinds, s->n_kinds, F_kind));
	json_put(o, F_clients, spent_json(s->clients, s->n_clients, F_client));
	return o;
}

/* ---- for people ------------------------------------------------------------------------------------------------- */

static int more_spent(const void *a, const void *b)
{
	const struct sc_spent *x = a, *y = b;

	return x->total_ns > y->total_ns ? -1 : x->total_ns < y->total_ns;
}

static void write_spent(const char *what, const struct sc_spent *rows, size_t n, int with_color, struct buf *out)
{
	const char *const heads[] = {what, ">COUNT", ">MEAN US", ">TOTAL US", NULL};
	struct sc_spent *sorted = n > 0 ? mem_calloc(n, sizeof(*sorted)) : NULL;
	struct table t;

	table_init(&t, heads);
	if (sorted != NULL) {
		memcpy(sorted, rows, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), more_spent);
		for (size_t i = 0; i < n; i++) {
			table_add(&t, sorted[i].name);
			table_addf(&t, "%" PRIu64, sorted[i].count);
			table_addf(&t, "%.1f", mean_us(&sorted[i]));
			table_addf(&t, "%" PRIu64, sorted[i].total_ns / 1000);
		}
	}
	table_write(&t, with_color, out);
	table_fini(&t);
	mem_free(sorted);
}

static void write_text(const struct sc_stats *s, int with_color, struct buf *out)
{
	static const char *const heads[] = {"METRIC", ">VALUE", NULL};
	struct table t;

	table_init(&t, heads);
	for (size_t i = 0; i < s->n_metrics; i++) {
		table_add(&t, s->metrics[i].name);
		table_addf(&t, "%" PRIu64, s->metrics[i].value);
	}
	write_spent("REQUEST", s->kinds, s->n_kinds, with_color, out);
	buf_append_byte(out, '\n');
	write_spent("CLIENT", s->clients, s->n_clients, with_color, out);
	buf_append_byte(out, '\n');
	table_write(&t, with_color, out);
	table_fini(&t);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static int show(struct ctl *c, int is_watch)
{
	struct sc_stats *s;
	struct buf out;
	sc_err err = sc_client_stats(c->client, &s);

	if (err != SC_OK)
		return ctl_failed(c, err);
	buf_init(&out, 0);
	if (c->json && is_watch) {
		json_print_line(stats_json(s));
	} else if (c->json) {
		json_print(stats_json(s));
	} else {
		write_text(s, c->color_out, &out);
		if (is_watch && isatty(STDOUT_FILENO)) {
			screen_draw(&out);
		} else {
			if (is_watch)
				buf_append_byte(&out, '\n');
			fwrite(out.data, 1, out.len, stdout);
		}
	}
	buf_fini(&out);
	sc_stats_free(s);
	return ctl_finish_output(c);
}

/* A signal ends the wait; one that came just before it is noticed after a second at most. */
static void wait_until(uint64_t until_us)
{
	uint64_t now;

	while (interrupt_count() == 0 && (now = clock_monotonic_us()) < until_us) {
		uint64_t ms = (until_us - now) / US_PER_MS + 1;

		poll(NULL, 0, ms < 1000 ? (int)ms : 1000);
	}
}

static int watch(struct ctl *c, uint64_t interval_us)
{
	int status = EXIT_DONE, on_terminal = !c->json && isatty(STDOUT_FILENO);

	interrupt_begin(NULL);
	if (on_terminal)
		screen_begin(0);
	while (status == EXIT_DONE && interrupt_count() == 0) {
		uint64_t begun = clock_monotonic_us();

		status = show(c, 1);
		if (status == EXIT_DONE)
			wait_until(interval_us < UINT64_MAX - begun ? begun + interval_us : UINT64_MAX);
	}
	interrupt_end();
	if (on_terminal && status == EXIT_DONE)
		puts("");
	return status;
}

int verb_stats(struct ctl *c)
{
	uint64_t interval_us = DEFAULT_INTERVAL_US;
	int is_watch = cli_has(&c->cli, "watch"), status = ctl_option_duration(c, "interval", &interval_us);

	if (status == EXIT_DONE && cli_has(&c->cli, "interval") && !is_watch)
		status = ctl_usage(c, "--interval is of use with --watch only");
	if (status == EXIT_DONE && interval_us < 100000)
		status = ctl_usage(c, "--interval: '%s' is not allowed; 100ms is the shortest",
				   cli_value(&c->cli, "interval"));
	if (status == EXIT_DONE)
		status = ctl_open(c);
	if (status != EXIT_DONE)
		return status;
	return is_watch ? watch(c, interval_us) : show(c, 0);
}
