/*
 * drain.c - `schedctl worker drain`: with --wait, until the worker may go; what that waits for is said meanwhile.
 *
 * On standard error a line when it has changed, at most one a second; with --json such a document per line, and at last
 * {"ok": true}.  That nobody may take what is left is said at once: it can be so for ever.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "client/ctl/ctl.h"
#include "client/ctl/json.h"

#define LOOK_LEAST_US (50 * US_PER_MS)
#define LOOK_MOST_US  (2 * US_PER_S)
#define LOOK_SHARE    20u /* of the time: all workers are listed, and to list ten thousand is work for the scheduler */
#define LINE_EVERY_US US_PER_S

struct drain {
	struct ctl *ctl;
	const char *name;
	/* at the last look */
	int is_there, is_draining, is_drained, is_stuck;
	uint64_t tasks, results;
	/* what was said last */
	int was_said, was_stuck;
	uint64_t said_tasks, said_results, said_us;
};

static sc_err look(struct drain *d)
{
	const struct sc_worker_row *row;
	struct sc_workers *workers;
	sc_err err = sc_client_list_workers(d->ctl->client, &workers);

	if (err != SC_OK)
		return err;
	d->is_there = 0;
	while ((err = sc_workers_next(workers, &row)) == SC_OK && row != NULL) {
		if (strcmp(row->name, d->name) != 0)
			continue;
		d->is_there = 1;
		d->is_draining = row->status == SC_WORKER_DRAINING || row->status == SC_WORKER_STOPPING;
		d->is_drained = row->drained;
		d->is_stuck = row->stuck;
		d->tasks = row->assigned;
		d->results = row->held;
	}
	sc_workers_free(workers);
	return err;
}

static void write_waits(const struct drain *d, struct buf *out)
{
	if (d->tasks > 0)
		buf_printf(out, "waits for %" PRIu64 " task%s to end", d->tasks, d->tasks == 1 ? "" : "s");
	if (d->results > 0)
		buf_printf(out, "%s %" PRIu64 " result%s to be taken by others",
			   d->tasks > 0 ? ", and for" : "waits for", d->results, d->results == 1 ? "" : "s");
	if (d->is_stuck)
		buf_printf(
			out,
			"; but no other worker that takes tasks serves the namespace of %s: start one with "
			"sched-worker, let one take tasks again with schedctl worker drain --undo, or drop what nobody "
			"needs with schedctl job forget; if %s is stopped all the same, what is still needed is "
			"computed again",
			d->results == 1 ? "its job" : "their jobs", d->name);
	if (out->len == 0)
		buf_append_str(out, "waits for the scheduler"); /* which looks in its next turn */
}

static void say(struct drain *d, uint64_t now_us)
{
	int is_same = d->was_said && d->is_stuck == d->was_stuck && d->tasks == d->said_tasks &&
		      d->results == d->said_results;
	struct buf text;
	json_t *o;

	if (is_same || (d->was_said && d->is_stuck == d->was_stuck && now_us - d->said_us < LINE_EVERY_US))
		return;
	buf_init(&text, 1024);
	write_waits(d, &text);
	ctl_note(d->ctl, "%s %s", d->name, buf_str(&text));
	if (d->ctl->json) {
		o = json_object();
		json_put_text(o, F_name, d->name);
		json_put_u64(o, F_assigned, d->tasks);
		json_put_u64(o, F_held, d->results);
		json_put_flag(o, F_drained, 0);
		json_put_flag(o, F_stuck, d->is_stuck);
		json_put_text(o, F_waits, buf_str(&text));
		json_print_line(o);
	}
	buf_fini(&text);
	d->was_said = 1;
	d->was_stuck = d->is_stuck;
	d->said_tasks = d->tasks;
	d->said_results = d->results;
	d->said_us = now_us;
}

static sc_err wait_until_drained(struct drain *d)
{
	for (;;) {
		uint64_t begun_us = clock_monotonic_us(), pause_us;
		sc_err err = look(d);

		if (err != SC_OK || !d->is_there || !d->is_draining || d->is_drained)
			return err;
		say(d, clock_monotonic_us());
		pause_us = LOOK_SHARE * (clock_monotonic_us() - begun_us);
		pause_us = pause_us < LOOK_LEAST_US ? LOOK_LEAST_US : pause_us > LOOK_MOST_US ? LOOK_MOST_US : pause_us;
		nanosleep(&(struct timespec){(time_t)(pause_us / US_PER_S), (long)(pause_us % US_PER_S) * 1000}, NULL);
	}
}

static int tell(struct ctl *c, const char *name, const char *what)
{
	json_t *o;

	if (!c->json) {
		printf("%s %s\n", name, what);
		return EXIT_DONE;
	}
	o = json_object();
	json_put_flag(o, F_ok, 1);
	if (cli_has(&c->cli, "wait"))
		json_print_line(o);
	else
		json_print(o);
	return EXIT_DONE;
}

int verb_worker_drain(struct ctl *c)
{
	int undo = cli_has(&c->cli, "undo"), status = ctl_open(c);
	struct drain d = {.ctl = c, .name = c->cli.args[0]};
	sc_err err;

	if (status != EXIT_DONE)
		return status;
	err = sc_client_drain_worker(c->client, d.name, undo);
	if (err == SC_OK && undo)
		return tell(c, d.name, "takes tasks again");
	if (err == SC_OK && !cli_has(&c->cli, "wait"))
		return tell(c, d.name, "gets no new tasks");
	if (err == SC_OK)
		err = wait_until_drained(&d);
	if (err != SC_OK)
		return ctl_failed(c, err);
	if (!d.is_there) /* all it had was moved before, or it was stopped */
		return tell(c, d.name, "is not there any more");
	if (!d.is_draining)
		return ctl_fail(c, EXIT_WORK_FAILED, "%s takes tasks again: somebody has undone the drain", d.name);
	return tell(c, d.name, "is drained");
}
