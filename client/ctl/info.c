/* info.c - `schedctl info`, once (a single question) and with --watch (a subscription). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/ctl.h"
#include "client/ctl/feed.h"
#include "client/ctl/info_show.h"
#include "client/ctl/interrupt.h"
#include "client/ctl/json.h"
#include "client/ctl/screen.h"

#define LOOK_MS 500 /* how long a signal that came just before the wait may go unnoticed */

static void write_text(const struct sc_info *info, unsigned sections, size_t max_rows, int with_color, struct buf *out)
{
	if (sections == 0 || sections & SC_INFO_TOTALS)
		info_write_totals(info, out);
	if (sections == 0 || sections & (SC_INFO_MEMBERS | SC_INFO_METRICS))
		info_write_workers(info, sections, INFO_BY_NAME, max_rows, with_color, out);
}

static int print_once(struct ctl *c, const struct sc_info_options *o)
{
	const struct sc_info *info;
	struct buf out;
	json_t *doc;
	sc_err err = sc_client_identity(c->client, o, &info);

	if (err != SC_OK)
		return ctl_failed(c, err);
	if (c->json) {
		doc = json_object();
		info_put_json(doc, info, o->sections);
		json_print(doc);
	} else {
		buf_init(&out, 0);
		write_text(info, o->sections, SIZE_MAX, c->color_out, &out);
		fwrite(out.data, 1, out.len, stdout);
		buf_fini(&out);
	}
	sc_info_unpin(info);
	return EXIT_DONE;
}

/* ---- watching --------------------------------------------------------------------------------------------------- */

struct watcher {
	struct ctl *ctl;
	unsigned sections;
	int on_terminal;
	int is_lost;
};

static void print_line(struct watcher *w, enum sc_info_event event, const struct sc_info *info)
{
	static const char *const names[] = {
		[SC_INFO_UPDATED] = "updated", [SC_INFO_RESYNCHRONISED] = "resynchronised", [SC_INFO_LOST] = "lost"};
	json_t *o = json_object();

	json_put_text(o, F_event, names[event]);
	if (event != SC_INFO_LOST)
		info_put_json(o, info, w->sections);
	json_print_line(o);
}

static void draw(struct watcher *w, const struct sc_info *info)
{
	size_t rows = w->on_terminal ? screen_size().rows : SIZE_MAX;
	struct buf out;

	buf_init(&out, 0);
	if (w->is_lost)
		buf_append_str(&out, "connection lost, connecting again ...\n");
	write_text(info, w->sections, rows == SIZE_MAX ? rows : rows > 4 ? rows - 4 : 1, w->ctl->color_out, &out);
	if (w->on_terminal) {
		screen_draw(&out);
	} else {
		buf_append_byte(&out, '\n');
		fwrite(out.data, 1, out.len, stdout);
	}
	buf_fini(&out);
}

static int show_event(struct watcher *w, enum sc_info_event event)
{
	const struct sc_info *info = sc_client_info(w->ctl->client);

	if (info == NULL)
		return ctl_fail(w->ctl, EXIT_WORK_FAILED, "out of memory");
	w->is_lost = event == SC_INFO_LOST;
	if (w->ctl->json)
		print_line(w, event, info);
	else
		draw(w, info);
	sc_info_unpin(info);
	return ctl_finish_output(w->ctl);
}

static int watch(struct ctl *c, const struct sc_info_options *o)
{
	struct watcher w = {.ctl = c, .sections = o->sections};
	enum sc_info_event event;
	struct feed feed;
	int status = feed_begin(&feed, c, o);

	w.on_terminal = !c->json && isatty(STDOUT_FILENO);
	interrupt_begin(NULL);
	if (status == EXIT_DONE && w.on_terminal)
		screen_begin(0);
	while (status == EXIT_DONE && interrupt_count() == 0) {
		if (feed_next(&feed, &event))
			status = show_event(&w, event);
		else
			feed_wait(&feed, 0, LOOK_MS);
	}
	interrupt_end();
	if (w.on_terminal && status == EXIT_DONE)
		puts("");
	feed_end(&feed, c);
	return status;
}

int verb_info(struct ctl *c)
{
	struct feed_options o;
	int status = feed_read_options(c, &o);

	if (status == EXIT_DONE)
		status = feed_read_sections(c, &o.info.sections);
	if (status == EXIT_DONE && o.info.interval_us != 0 && !cli_has(&c->cli, "watch"))
		status = ctl_usage(c, "--interval is of use with --watch only");
	if (status == EXIT_DONE)
		status = ctl_open(c);
	if (status != EXIT_DONE)
		return status;
	return cli_has(&c->cli, "watch") ? watch(c, &o.info) : print_once(c, &o.info);
}
