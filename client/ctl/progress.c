/* progress.c - see progress.h. */
#include "client/ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define DRAW_EVERY_US (100u * US_PER_MS)
#define LINE_EVERY_US (1000u * US_PER_MS)
#define SAMPLE_US     (500u * US_PER_MS)
#define BAR_MAX	      40u
#define BAR_MIN	      5u
#define ERASE	      "\r\033[K"

enum progress_style progress_choose(int wish)
{
	if (wish == 0)
		return PROGRESS_NONE;
	return isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_LINES;
}

void progress_begin(struct progress *p, enum progress_style style)
{
	memset(p, 0, sizeof(*p));
	p->style = style;
}

void progress_sample(struct progress *p, uint64_t ended, uint64_t now_us)
{
	if (p->n_samples > 0 && now_us - p->samples[(p->n_samples - 1) % PROGRESS_SAMPLES].at_us < SAMPLE_US)
		return;
	p->samples[p->n_samples % PROGRESS_SAMPLES].at_us = now_us;
	p->samples[p->n_samples % PROGRESS_SAMPLES].ended = ended;
	p->n_samples++;
}

double progress_rate(const struct progress *p)
{
	size_t newest = p->n_samples - 1,
	       oldest = p->n_samples > PROGRESS_SAMPLES ? p->n_samples - PROGRESS_SAMPLES : 0;
	uint64_t us, ended;

	if (p->n_samples < 2)
		return 0;
	us = p->samples[newest % PROGRESS_SAMPLES].at_us - p->samples[oldest % PROGRESS_SAMPLES].at_us;
	ended = p->samples[newest % PROGRESS_SAMPLES].ended - p->samples[oldest % PROGRESS_SAMPLES].ended;
	return (double)ended * 1e6 / (double)us;
}

struct totals {
	uint64_t all, done, failed, cancelled, ended;
};

static struct totals totals_of(const struct sc_progress *job)
{
	struct totals t = {0};

	for (unsigned i = 0; i < SC_TASK_STATES; i++)
		t.all += job->counts[i];
	t.done = job->counts[SC_TASK_DONE] + job->counts[SC_TASK_RELEASED];
	t.failed = job->counts[SC_TASK_FAILED];
	t.cancelled = job->counts[SC_TASK_CANCELLED];
	t.ended = t.done + t.failed + t.cancelled;
	return t;
}

static void add(char *out, size_t cap, const char *text)
{
	size_t n = strlen(out);

	snprintf(out + n, cap - n, "%s", text);
}

static void add_rate(char *out, size_t cap, double rate)
{
	char text[48];

	if (rate >= 1e6)
		snprintf(text, sizeof(text), ", %.1fM/s", rate / 1e6);
	else if (rate >= 1e3)
		snprintf(text, sizeof(text), ", %.1fk/s", rate / 1e3);
	else if (rate >= 10)
		snprintf(text, sizeof(text), ", %.0f/s", rate);
	else
		snprintf(text, sizeof(text), ", %.1f/s", rate);
	add(out, cap, text);
}

/* To the second: more would only flicker. */
static void add_eta(char *out, size_t cap, double seconds)
{
	uint64_t s = seconds < 1e9 ? (uint64_t)(seconds + 1) : 1000000000u;
	char text[48], shown[32];

	if (s < 60)
		snprintf(text, sizeof(text), ", ETA %" PRIu64 " s", s);
	else
		snprintf(text, sizeof(text), ", ETA %s", text_show_us(s * US_PER_S, shown, sizeof(shown)));
	add(out, cap, text);
}

static void add_bar(char *out, size_t cap, const struct totals *t, size_t width)
{
	char bar[BAR_MAX + 4];
	size_t full = t->all > 0 ? (size_t)((double)t->ended / (double)t->all * (double)width) : 0;

	bar[0] = '[';
	memset(bar + 1, '#', full);
	memset(bar + 1 + full, '.', width - full);
	memcpy(bar + 1 + width, "] ", 3);
	add(out, cap, bar);
}

/* How wide a bar may be beside n characters of text.  Where both do not fit the text is worth more. */
static size_t bar_width(size_t width, size_t n)
{
	size_t bar = width / 3 < BAR_MAX ? width / 3 : BAR_MAX, around = n + strlen("[] ") + 1;

	if (around + BAR_MIN > width)
		return 0;
	return bar < width - around ? bar : width - around;
}

void progress_write(const struct progress *p, const struct sc_progress *job, size_t width, char *out, size_t cap)
{
	struct totals t = totals_of(job);
	double rate = progress_rate(p);
	char counts[256], text[64];
	size_t bar;

	snprintf(counts, sizeof(counts), "%" PRIu64 "/%" PRIu64 " done", t.done, t.all);
	if (t.failed > 0) {
		snprintf(text, sizeof(text), ", %" PRIu64 " failed", t.failed);
		add(counts, sizeof(counts), text);
	}
	if (t.cancelled > 0) {
		snprintf(text, sizeof(text), ", %" PRIu64 " cancelled", t.cancelled);
		add(counts, sizeof(counts), text);
	}
	if (rate > 0 && t.ended < t.all) {
		add_rate(counts, sizeof(counts), rate);
		add_eta(counts, sizeof(counts), (double)(t.all - t.ended) / rate);
	} else if (job->state == SC_JOB_HELD) {
		add(counts, sizeof(counts), ", held: waits for an earlier job");
	}
	bar = bar_width(width, strlen(counts));
	out[0] = '\0';
	if (bar > 0)
		add_bar(out, cap, &t, bar);
	add(out, cap, counts);
}

static size_t terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

static void draw_bar(struct progress *p, const struct sc_progress *job)
{
	size_t width = terminal_width();
	char line[256], out[300];

	progress_write(p, job, width, line, sizeof(line));
	if (width > 1 && strlen(line) >= width) /* a line that wraps cannot be erased */
		line[width - 1 < sizeof(line) ? width - 1 : sizeof(line) - 1] = '\0';
	if (p->is_drawn && strcmp(line, p->last_line) == 0)
		return;
	snprintf(p->last_line, sizeof(p->last_line), "%s", line);
	snprintf(out, sizeof(out), ERASE "%s", line);
	fputs(out, stderr);
	fflush(stderr);
	p->is_drawn = 1;
}

static void print_line(struct progress *p, const struct sc_progress *job)
{
	char line[256], counts[256];
	struct progress still = {0}; /* no rate: it would make every line a new one */

	progress_write(&still, job, 0, counts, sizeof(counts));
	if (strcmp(counts, p->last_line) == 0)
		return;
	snprintf(p->last_line, sizeof(p->last_line), "%s", counts);
	progress_write(p, job, 0, line, sizeof(line));
	fprintf(stderr, "job %" PRIu64 ": %s\n", job->job, line);
}

void progress_show(struct progress *p, const struct sc_progress *job, uint64_t now_us)
{
	struct totals t = totals_of(job);
	uint64_t every = p->style == PROGRESS_BAR ? DRAW_EVERY_US : LINE_EVERY_US;
	int is_over = sc_job_state_is_final((uint64_t)job->state);

	if (p->style == PROGRESS_NONE)
		return;
	progress_sample(p, t.ended, now_us);
	if (!is_over && p->drawn_us != 0 && now_us - p->drawn_us < every)
		return;
	p->drawn_us = now_us;
	if (p->style == PROGRESS_BAR)
		draw_bar(p, job);
	else
		print_line(p, job);
}

void progress_end(struct progress *p)
{
	if (!p->is_drawn)
		return;
	fputs(ERASE, stderr);
	fflush(stderr);
	p->is_drawn = 0;
}
