/*
 * exec_files.h - the files of one exec task: its directory, its inputs, standard input, output and error.
 *
 * What can go wrong here is the user's to know: every failure is told with the path and the system's reason.
 */
#ifndef WORKER_EXEC_FILES_H
#define WORKER_EXEC_FILES_H

#include "worker/arena.h"
#include "worker/capture.h"
#include "worker/feed.h"
#include "worker/expand.h"
#include "worker/plan.h"
#include "worker/spool.h"
#include "worker/task.h"

/* Where a stream of output goes. */
struct output {
	struct capture capture; /* when it is captured */
	char *path;		/* else the file, absolute; owned */
};

struct exec_files {
	char *temp_dir;	      /* owned; NULL: the task runs in a directory of the user's */
	char *inputs_dir;     /* owned; NULL: it has no inputs */
	uint32_t n_written;   /* inputs that are in it */
	uint32_t first_empty; /* 1 + number of the input whose file the other empty ones are names of; 0: none */
	struct feed feed;     /* of standard input, when it is more than we care to copy */
	struct output out, err;
	int child_fds[3]; /* what the child gets; owned until files_passed_on() */
};

void files_init(struct exec_files *f);

/* Make the directory to run in, if it is ours to make, and that of inputs, empty.  Not 0: *o says what failed. */
int files_make_dirs(struct exec_files *f, const struct exec_plan *p, const struct task *t, struct spool *spool,
		    struct outcome *o);

/* Put the next inputs, at most n, into their directory.  1: there are more; 0: that was all; -1: *o says what failed.
 */
int files_write_inputs(struct exec_files *f, const struct task *t, uint32_t n, struct outcome *o);

/* The directory to run in, borrowed. */
const char *files_cwd(const struct exec_files *f, const struct exec_plan *p);

/* Standard input, output and error.  null_fd is /dev/null.  Not 0: *o says what failed. */
int files_open(struct exec_files *f, struct exec_plan *p, const struct task *t, const struct pattern_values *v,
	       const char *cwd, struct arena *scratch, int null_fd, struct outcome *o);

/* Somebody else closes child_fds. */
void files_passed_on(struct exec_files *f);

/* Close and free all; directories are removed, by remove_later when they are too full. */
void files_fini(struct exec_files *f, int null_fd, void (*remove_later)(const char *path, void *arg), void *arg);

#endif
