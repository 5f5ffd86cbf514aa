/*
 * answers.h - what this worker tells the scheduler about tasks, collected over one or more turns and sent by job in
 * columns.
 *
 * Loop thread only.  While there is no connection everything said here is dropped: the scheduler has forgotten the
 * tasks.
 */
#ifndef WORKER_ANSWERS_H
#define WORKER_ANSWERS_H

#include <stdint.h>

#include "net/conn.h"
#include "worker/jobs.h"
#include "worker/task.h"

struct answers;

/* SC_NOMEM. */
sc_err answers_new(struct answers **out);
void answers_free(struct answers *a); /* NULL is fine */

/* Send to c from now on; NULL: to nobody.  What was collected is dropped. */
void answers_connect(struct answers *a, struct conn *c);

/* n tasks that are done and have nothing to show: numbers from a column. */
void answers_done_all(struct answers *a, struct job *job, const struct column *tasks);

void answers_done(struct answers *a, struct job *job, uint32_t task, const struct outcome *o);
void answers_failed(struct answers *a, struct job *job, uint32_t task, const struct outcome *o);
void answers_cancelled(struct answers *a, struct job *job, uint32_t task);
void answers_fetching(struct answers *a, struct job *job, uint32_t task);
void answers_running(struct answers *a, struct job *job, uint32_t task);

/* Copies of others' results: here, with so many bytes; or not here any more. */
void answers_copy_added(struct answers *a, struct job *job, uint32_t task, uint64_t result_bytes,
			uint64_t stderr_bytes);
void answers_copy_dropped(struct answers *a, struct job *job, uint32_t task);

/* Sent before all that is collected. */
void answers_paused(struct answers *a, int is_paused);

/* Names the inputs of t that are marked failed. */
void answers_inputs_missing(struct answers *a, const struct task *t);

/* Whether nothing is collected, and whether something is that should not wait. */
int answers_are_empty(const struct answers *a);
int answers_are_urgent(const struct answers *a);
/* Whether there is nobody to give them to, or will not be when this turn is over. */
int answers_are_cut_off(const struct answers *a);

/* Send what was collected. */
void answers_flush(struct answers *a);

/* The same, and written before anything else happens. */
void answers_write(struct answers *a);

#endif
