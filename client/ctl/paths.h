/* paths.h - paths made absolute: tasks run elsewhere, perhaps in another directory. */
#ifndef CLIENT_CTL_PATHS_H
#define CLIENT_CTL_PATHS_H

#include "proto/sched_error.h"

/* The current directory; owned by the caller, NULL: it cannot be found out. */
char *path_current(void);

/* dir/path, or path when that is absolute; owned by the caller, NULL: no memory. */
char *path_join(const char *dir, const char *path);

/*
 * The same for a path that the worker replaces placeholders in, where dir is the directory of its task: one that begins
 * with {item} stays as it is, as the item may be an absolute path.
 */
char *path_join_pattern(const char *dir, const char *path);

/* Make the directories that path needs, the last name left out.  SC_DENIED with errno. */
sc_err path_make_parents(const char *path);

#endif
