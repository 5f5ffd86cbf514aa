/*
 * plan.h - the body of an exec group, read once and kept as what its children need: arguments, environment, files.
 *
 * The environment of a task, later wins: the agent's own; the body's; what tells the task who it is (SCHED_KEY and so
 * on).  All but the last few lines of it are the same for every task of a group and are made once.
 */
#ifndef WORKER_PLAN_H
#define WORKER_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/message.h"
#include "worker/arena.h"
#include "worker/jobs.h"
#include "worker/launcher.h"
#include "worker/expand.h"
#include "worker/resources.h"

/* The environment every child starts from; made once. */
struct base_env {
	char **v; /* owned, as are the strings */
	size_t n;
};

/* The agent's environment less the variables that are set for each task, plus those given ("NAME=VALUE").  SC_NOMEM. */
sc_err base_env_init(struct base_env *e, char *const *environ_, const char *const *more);
void base_env_fini(struct base_env *e);

struct exec_plan {
	struct arena memory; /* of all that follows */
	size_t argc;
	char **argv; /* texts, terminated */
	size_t n_env;
	char **env;	    /* the group's environment without the variables of a single task; env[n_env] is NULL */
	size_t n_templates; /* the last of env that may hold placeholders */
	char *cwd;	    /* NULL: a directory of the worker's */
	char *stdin_path;   /* NULL: none */
	struct slice stdin_bytes;
	int stdin_fd;	      /* a memfd that holds stdin_bytes, -1 until it is needed; owned */
	uint32_t stdin_group; /* 1 + number, 0: none */
	char *stdout_pattern; /* NULL: captured */
	char *stderr_pattern;
	int substitute;
	int own_resources;			    /* tasks differ in what they were given: it is not in env */
	char **programs;			    /* where to look, when argv[0] is the same for all */
	unsigned hint;				    /* which of these was it */
	int writes_much;			    /* to a pipe: somebody has to read it while the task runs */
	struct launch_lane lanes[ALTERNATIVES_MAX]; /* of the tasks with each request */
};

/*
 * Make g's plan from its body and drop the body; nothing when it is made already.  SC_INVALID with *error: the body
 * cannot be understood.  SC_NOMEM.
 */
sc_err exec_plan_prepare(struct group *g, struct msg_decoder *d, const struct base_env *base, const struct resources *r,
			 struct buf *error);

/* What the tasks of one start have of their own. */
struct exec_call {
	char **argv; /* argv[-1] is free */
	char **envp;
	char **programs; /* the plan's, unless tasks differ in it */
};

/*
 * Arguments and environment of one task, in the arena.  inputs_dir may be NULL; resources are the task's own lines, of
 * resource_env(), NULL unless the plan has own_resources.  SC_NOMEM, also when an argument gets
 * too long.
 */
sc_err exec_plan_instantiate(const struct exec_plan *p, struct arena *a, const struct pattern_values *v,
			     const char *inputs_dir, int has_item, char **resources, struct exec_call *out);

/* Decode the body of a group into m, which borrows it.  SC_INVALID with *error; SC_NOMEM. */
sc_err plan_decode(struct msg_decoder *d, const struct group *g, msg_type wanted, struct msg *m, struct buf *error);

#endif
