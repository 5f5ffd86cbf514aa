/*
 * top.c - `schedctl top`: the workers on a full screen, sorted by what the user presses.
 *
 * Needs nothing but the subscription: every key redraws from the version at hand, without asking.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/ctl.h"
#include "client/ctl/feed.h"
#include "client/ctl/info_show.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/screen.h"
#include "client/ctl/table.h"

#define LOOK_MS	   500
#define ROWS_TAKEN 5u /* by all that is not a worker */

struct top {
	struct ctl *ctl;
	enum info_order order;
	int is_lost;
	int is_over;
};

static void draw(struct top *t)
{
	static const char *const orders[] = {"name", "cpu", "memory", "running"};
	const struct sc_info *info = sc_client_info(t->ctl->client);
	struct screen_size size = screen_size();
	struct buf out;

	if (info == NULL)
		return;
	buf_init(&out, 0);
	if (!sc_info_is_complete(info))
		buf_append_str(&out, "waiting for the scheduler ...\n");
	else
		info_write_totals(info, &out);
	buf_printf(&out, "sorted by %s; keys: c cpu, m memory, r running, n name, q quit%s\n\n", orders[t->order],
		   t->is_lost ? "  -- connection lost, connecting again ..." : "");
	info_write_workers(info, 0, t->order, size.rows > ROWS_TAKEN ? size.rows - ROWS_TAKEN : 1, t->ctl->color_out,
			   &out);
	screen_draw(&out);
	buf_fini(&out);
	sc_info_unpin(info);
}

static void take_key(struct top *t, int key)
{
	switch (key) {
	case 'c':
		t->order = INFO_BY_CPU;
		break;
	case 'm':
		t->order = INFO_BY_MEMORY;
		break;
	case 'r':
		t->order = INFO_BY_RUNNING;
		break;
	case 'n':
		t->order = INFO_BY_NAME;
		break;
	case 'q':
	case -1:
		t->is_over = 1;
		break;
	default:
		break;
	}
}

static void run(struct top *t, struct feed *f)
{
	enum sc_info_event event;
	int key;

	while (!t->is_over && interrupt_count() == 0) {
		draw(t);
		feed_wait(f, 1, LOOK_MS);
		while (feed_next(f, &event))
			t->is_lost = event == SC_INFO_LOST;
		while (!t->is_over && (key = screen_key()) != 0)
			take_key(t, key);
	}
}

int verb_top(struct ctl *c)
{
	struct top t = {.ctl = c, .order = INFO_BY_CPU};
	struct feed_options o;
	struct feed feed;
	int status;

	if (c->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return ctl_usage(c, "top needs a terminal; see `schedctl info --watch`");
	status = feed_read_options(c, &o);
	if (status == EXIT_DONE)
		status = ctl_open(c);
	if (status != EXIT_DONE)
		return status;
	status = feed_begin(&feed, c, &o.info);
	if (status == EXIT_DONE) {
		interrupt_begin(screen_restore);
		screen_begin(1);
		run(&t, &feed);
		screen_end();
		interrupt_end();
	}
	feed_end(&feed, c);
	return status;
}
