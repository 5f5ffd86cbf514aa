/*
 * task.h - one task of this worker, from its arrival to its answer.
 *
 * The queue (task_queue.c) owns tasks and alone changes their state; executors and the fetcher borrow them and keep
 * what they need to know in the parts meant for them.
 */
#ifndef WORKER_TASK_H
#define WORKER_TASK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/slice.h"
#include "proto/sched_error.h"
#include "worker/deadlines.h"
#include "worker/jobs.h"
#include "worker/store.h"
#include "worker/table.h"

/* Where a task is; the transitions are the table in task_queue.c. */
enum task_place {
	PLACE_FETCHING, /* some input is on its way here */
	PLACE_QUEUED,	/* waits for its turn and its resources */
	PLACE_AHEAD,	/* an executor starts it as soon as a running task hands on its resources */
	PLACE_RUNNING,
	PLACE_STOPPING, /* told to end, not gone yet */
	PLACE_ENDED,	/* answered; about to be freed */
	TASK_PLACES,
};

struct task;
struct input_fetch;

#define INPUT_HOLDERS_MAX 3u

/* An input of a task, or what the scheduler wants to be copied here (mover.h). */
struct input {
	TAILQ_ENTRY(input) waiting; /* for the same fetch */
	struct task *task;	    /* NULL: the mover's */
	struct input_fetch *fetch;  /* NULL: not on its way */
	struct result *result;	    /* shared; NULL: empty, or not there yet */
	uint64_t job;
	const char *holders[INPUT_HOLDERS_MAX]; /* data addresses; borrowed from task->holders, or the mover's */
	uint8_t n_holders;			/* 0: nobody has it, the result is empty */
	uint8_t tried;				/* bits of holders that did not have it */
	uint8_t stream;				/* STREAM_*: which of the result */
	uint64_t bytes;				/* as the scheduler has it */
	uint32_t number;
	int failed;
	int problem; /* errno: it failed on our side, whoever holds it */
};

/* The holders named by one message, shared by its tasks. */
struct holders {
	unsigned refs;
	size_t n;
	char *v[];
};

void holders_unref(struct holders *h); /* NULL is fine */

struct task_key {
	uint64_t job;
	uint64_t task; /* 64 bits wide, so that there is no padding in a key */
};

struct task {
	UT_hash_handle hh;
	struct task_key key;
	TAILQ_ENTRY(task) link;	       /* in the list of its place */
	TAILQ_ENTRY(task) fresh;       /* started this turn, not announced */
	struct group *group;	       /* shared */
	const struct request *request; /* of the group: the alternative it was given */
	struct unit_share *units;      /* with has_resources: which units it has of what is indexed; owned, or NULL */
	uint32_t attempt;
	enum task_place place;
	unsigned is_fresh : 1;
	unsigned has_resources : 1;
	unsigned silent : 1; /* nobody waits for an answer */
	unsigned input_lost : 1;
	unsigned is_announced : 1; /* as running, before it was started */
	struct slice item;	   /* owned */
	struct input *inputs;	   /* owned */
	uint32_t n_inputs;
	uint32_t n_fetching;
	struct holders *holders; /* shared */
	uint64_t started_us;
	struct deadline deadline; /* the executor's: end of sleep, time limit, kill delay */
	void *run;		  /* the executor's */
};

#define OUTCOME_TEXT_MAX 1024
#define OUTCOME_TAIL_MAX 4096

/* How a task ended. */
struct outcome {
	unsigned cause; /* FAIL_*, 0: success */
	uint64_t status;
	char text[OUTCOME_TEXT_MAX]; /* the reason in words; "" on success */
	struct result *result;	     /* shared, handed over; NULL: nothing was written */
	uint64_t elapsed_us, cpu_us, rss_bytes;
	size_t tail_bytes;
	char tail[OUTCOME_TAIL_MAX]; /* end of standard error */
};

/* Everything but the texts is zero: they are long. */
void outcome_init(struct outcome *o);

void outcome_fail(struct outcome *o, unsigned cause, uint64_t status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

enum follow {
	FOLLOW_NO,
	FOLLOW_STARTED, /* it runs, or is as good as running */
	FOLLOW_AHEAD,	/* queue_started() will be called, unless it is withdrawn */
};

/* What runs the tasks of one kind.  x is the executor's own object. */
struct executor {
	/* 1: started, the end will be reported by queue_ended(); 0: it has ended already, *o says how. */
	int (*start)(void *x, struct task *t, struct outcome *o);
	/* End it: SIGTERM, then SIGKILL after worker.kill-delay; hard: SIGKILL at once.  Its end is reported as ever.
	 */
	void (*stop)(void *x, struct task *t, int hard);
	/* Start it without resources, right behind a running task that will hand its own on.  May be NULL. */
	enum follow (*follow)(void *x, struct task *t);
	/* Take back a task that is ahead: 1: the executor has forgotten it; 0: it has started already.  NULL if no task
	 * ever is. */
	int (*withdraw)(void *x, struct task *t);
};

#endif
