/*
 * ctl.h - what all commands share: the parsed command line, the client, and how to say things.
 *
 * Results go to standard output, everything else (progress, messages, errors) to standard error.
 */
#ifndef CLIENT_CTL_CTL_H
#define CLIENT_CTL_CTL_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "client/ctl/cli.h"
#include "client/sched_client.h"

struct ctl {
	struct cli cli;
	int json;
	int color_out, color_err;
	struct sc_client *client; /* NULL until ctl_open() */
};

/* The program: parse, run, clean up.  Returns the exit status. */
int ctl_main(int argc, char **argv);

/* Connect, if that has not been done.  EXIT_DONE, or the exit status after having said why not. */
int ctl_open(struct ctl *c);
int ctl_open_at(struct ctl *c, const char *access_file); /* NULL: as --access-file says */

/* Say what is wrong and return the exit status: `return ctl_usage(c, "...")`. */
int ctl_usage(struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int ctl_fail(struct ctl *c, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* After a failed call of the library. */
int ctl_failed(struct ctl *c, sc_err err);
int ctl_status_of(sc_err err);

/* A message on standard error, not an error. */
void ctl_note(const struct ctl *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Standard output could be written; else says so and returns EXIT_WORK_FAILED. */
int ctl_finish_output(struct ctl *c);

/*
 * Read values of options; EXIT_DONE, or EXIT_USAGE after having said what is allowed.  Without the option *out stays as
 * it is.
 */
int ctl_option_u64(struct ctl *c, const char *option, uint64_t min, uint64_t max, uint64_t *out);
int ctl_option_i64(struct ctl *c, const char *option, int64_t min, int64_t max, int64_t *out);
int ctl_option_duration(struct ctl *c, const char *option, uint64_t *out_us);

/* The number of a job from "17" or "last", which asks the scheduler.  EXIT_DONE or the exit status. */
int ctl_job_id(struct ctl *c, const char *text, uint64_t *out);

/* Warn of what the job that was just submitted asks for and no worker can meet; the warnings go into o as well. */
void ctl_warn_unmet(struct ctl *c, const struct sc_job *job, json_t *o);

/* Print the tasks of these jobs as they end, until all jobs have.  The exit status; 1 when a task did not succeed. */
int await_jobs(struct ctl *c, const uint64_t *ids, size_t n);

/* The commands, one file each for those that belong together. */
int verb_submit(struct ctl *c);
int verb_run(struct ctl *c);
int verb_job_list(struct ctl *c);
int verb_job_show(struct ctl *c);
int verb_job_wait(struct ctl *c);
int verb_job_close(struct ctl *c);
int verb_job_cancel(struct ctl *c);
int verb_job_cat(struct ctl *c);
int verb_job_forget(struct ctl *c);
int verb_task_list(struct ctl *c);
int verb_task_show(struct ctl *c);
int verb_task_explain(struct ctl *c);
int verb_task_wait(struct ctl *c);
int verb_task_retry(struct ctl *c);
int verb_namespace_list(struct ctl *c);
int verb_namespace_set(struct ctl *c);
int verb_worker_list(struct ctl *c);
int verb_worker_drain(struct ctl *c);
int verb_worker_stop(struct ctl *c);
int verb_shutdown(struct ctl *c);
int verb_info(struct ctl *c);
int verb_stats(struct ctl *c);
int verb_top(struct ctl *c);
int verb_completion(struct ctl *c);

#endif
