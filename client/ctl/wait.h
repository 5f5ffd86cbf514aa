/*
 * wait.h - waiting for a job with progress, and telling what failed in it.
 */
#ifndef CLIENT_CTL_WAIT_H
#define CLIENT_CTL_WAIT_H

#include <jansson.h>
#include <stdint.h>

#include "client/ctl/ctl.h"
#include "client/ctl/progress.h"

struct wait {
	uint64_t job;
	enum progress_style style;
	uint64_t timeout_us;	 /* UINT64_MAX: none */
	int cancel_on_interrupt; /* else the wait ends and the job goes on */
	/* results */
	struct sc_progress last; /* its text is copied to text[] */
	char text[4097];
	int interrupted;
	int timed_out;
};

/* EXIT_DONE: it has ended (well or not), or was interrupted or timed out; else the exit status, with a message said. */
int wait_for_job(struct ctl *c, struct wait *w);

/*
 * Tell about the tasks of a job that has failed, the first ten of those that failed of themselves, on standard error,
 * and append them to `json`.
 */
int tell_failures(struct ctl *c, const struct wait *w, json_t *json);

#endif
