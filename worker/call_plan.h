/*
 * call_plan.h - the body of a call group, read once: module, function, arguments.
 */
#ifndef WORKER_CALL_PLAN_H
#define WORKER_CALL_PLAN_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "proto/message.h"
#include "worker/arena.h"
#include "worker/jobs.h"
#include "worker/expand.h"

/* Which file a module was when the group was looked at: a module built anew must not run as the old one. */
struct module_file {
	dev_t device;
	ino_t inode;
	struct timespec changed;
};

struct call_plan {
	struct arena memory; /* of all that follows */
	struct slice module, function;
	struct module_file file; /* zero when it is not there, or is looked up by the loader */
	struct slice *args;
	size_t n_args;
	int substitute;
	struct slices granted[ALTERNATIVES_MAX]; /* resource_words() of each request, but which units they are */
};

/* As exec_plan_prepare(). */
sc_err call_plan_prepare(struct group *g, struct msg_decoder *d, const struct resources *r, struct buf *error);

/* The arguments of one task, in the arena if they are its own.  NULL when out of memory or too long. */
const struct slice *call_plan_args(const struct call_plan *p, struct arena *a, const struct pattern_values *v);

int module_file_equal(const struct module_file *a, const struct module_file *b);

#endif
