/* feed.c - see feed.h. */
#include "client/ctl/feed.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/ctl/interrupt.h"

#define LABELS_MAX (sizeof(((struct feed_options *)NULL)->labels) / sizeof(char *))

/* ---- options ---------------------------------------------------------------------------------------------------- */

int feed_read_sections(struct ctl *c, unsigned *sections)
{
	static const char *const names[] = {"totals", "members", "metrics"};
	const char *text = cli_value(&c->cli, "sections");

	for (const char *p = text; p != NULL && *p != '\0';) {
		size_t n = strcspn(p, ","), k;

		for (k = 0; k < 3; k++)
			if (strlen(names[k]) == n && memcmp(names[k], p, n) == 0)
				break;
		if (k == 3)
			return ctl_usage(
				c,
				"--sections: '%.*s' is not a section; totals, members, metrics are, separated by "
				"commas",
				(int)n, p);
		*sections |= 1u << k;
		p += n + (p[n] == ',');
	}
	if (text != NULL && *sections == 0)
		return ctl_usage(c, "--sections: nothing is named; totals, members, metrics are known");
	return EXIT_DONE;
}

int feed_read_options(struct ctl *c, struct feed_options *o)
{
	const char *label;
	size_t at = 0;
	int status;

	memset(o, 0, sizeof(*o));
	o->info.name_space = cli_value(&c->cli, "namespace");
	o->info.pool = cli_value(&c->cli, "pool");
	o->info.labels = o->labels;
	while ((label = cli_next_value(&c->cli, "label", &at)) != NULL) {
		if (o->info.n_labels == LABELS_MAX)
			return ctl_usage(c, "--label: at most %zu times", LABELS_MAX);
		if (strchr(label, '=') == NULL)
			return ctl_usage(c, "--label: '%s' is not allowed; KEY=VALUE is expected", label);
		o->labels[o->info.n_labels++] = label;
	}
	status = ctl_option_duration(c, "interval", &o->info.interval_us);
	if (status == EXIT_DONE && o->info.interval_us != 0 &&
	    (o->info.interval_us < 100000 || o->info.interval_us == UINT64_MAX))
		status = ctl_usage(c, "--interval: '%s' is not allowed; 100ms is the shortest",
				   cli_value(&c->cli, "interval"));
	return status;
}

/* ---- the feed --------------------------------------------------------------------------------------------------- */

static void on_event(enum sc_info_event event, const struct sc_info *info, void *arg)
{
	struct feed *f = arg;
	uint64_t one = 1;
	ssize_t n;

	(void)info;
	pthread_mutex_lock(&f->lock);
	if (f->n_events > 0 && event == SC_INFO_UPDATED && f->events[f->n_events - 1] != SC_INFO_LOST) {
		/* the version shown with the one before is the newest anyway */
	} else if (f->n_events < FEED_EVENTS_MAX) {
		f->events[f->n_events++] = event;
	} else {
		f->events[FEED_EVENTS_MAX - 1] = event;
	}
	pthread_mutex_unlock(&f->lock);
	n = write(f->fd, &one, sizeof(one));
	(void)n; /* full: it is readable, which is all that matters */
}

int feed_begin(struct feed *f, struct ctl *c, const struct sc_info_options *o)
{
	sc_err err;

	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->fd < 0)
		return ctl_fail(c, EXIT_WORK_FAILED, "too many files are open");
	err = sc_client_info_subscribe(c->client, o, on_event, f);
	return err == SC_OK ? EXIT_DONE : ctl_failed(c, err);
}

void feed_end(struct feed *f, struct ctl *c)
{
	sc_client_close(c->client); /* and with it the subscription: nothing of it has to be waited for */
	c->client = NULL;
	if (f->fd >= 0)
		close(f->fd);
	pthread_mutex_destroy(&f->lock);
}

int feed_next(struct feed *f, enum sc_info_event *event)
{
	int there;

	pthread_mutex_lock(&f->lock);
	there = f->n_events > 0;
	if (there) {
		*event = f->events[0];
		memmove(f->events, f->events + 1, --f->n_events * sizeof(f->events[0]));
	}
	pthread_mutex_unlock(&f->lock);
	return there;
}

void feed_wait(struct feed *f, int with_keys, int timeout_ms)
{
	struct pollfd fds[2] = {{.fd = f->fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	uint64_t count;
	ssize_t n;

	if (interrupt_count() == 0)
		poll(fds, with_keys ? 2 : 1, timeout_ms);
	n = read(f->fd, &count, sizeof(count));
	(void)n;
}
