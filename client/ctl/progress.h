/*
 * progress.h - how far a job is, while it runs, on standard error.
 *
 * On a terminal a bar, redrawn at most ten times a second and erased at the end; elsewhere a line at most once a
 * second, and only if something changed.
 */
#ifndef CLIENT_CTL_PROGRESS_H
#define CLIENT_CTL_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "client/sched_client.h"

enum progress_style { PROGRESS_NONE, PROGRESS_LINES, PROGRESS_BAR };

#define PROGRESS_SAMPLES 16u

struct progress {
	enum progress_style style;
	int is_drawn;	   /* the bar is on the screen */
	uint64_t drawn_us; /* when */
	char last_line[256];
	/* The rate is that of the last few seconds: tasks ended at these times, a ring. */
	struct {
		uint64_t at_us;
		uint64_t ended;
	} samples[PROGRESS_SAMPLES];
	size_t n_samples;
};

/* The style that suits standard error, unless the user wants it on (1) or off (0); -1: no wish. */
enum progress_style progress_choose(int wish);

void progress_begin(struct progress *p, enum progress_style style);
void progress_show(struct progress *p, const struct sc_progress *job, uint64_t now_us);
void progress_end(struct progress *p); /* erases the bar */

/* Add what is known now to the samples.  Separate, for tests. */
void progress_sample(struct progress *p, uint64_t ended, uint64_t now_us);
double progress_rate(const struct progress *p); /* tasks a second */

/* "512/1000 done, 3 failed, 1.2k/s, ETA 12 s", with a bar in front when width is not 0.  Into out, terminated. */
void progress_write(const struct progress *p, const struct sc_progress *job, size_t width, char *out, size_t cap);

#endif
