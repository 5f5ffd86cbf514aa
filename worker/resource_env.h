/*
 * resource_env.h - what tells a task what it was given.
 *
 * A command line has variables: SCHED_CPUS, SCHED_RESOURCE_NAME, and of indexed resources which units,
 * SCHED_RESOURCE_NAME_IDS, also under the name the libraries of such devices look for.  A function shares its process
 * with calls that came before, so it is told with the call, in the same words.
 */
#ifndef WORKER_RESOURCE_ENV_H
#define WORKER_RESOURCE_ENV_H

#include "worker/arena.h"
#include "worker/resources.h"

/* "NAME=VALUE" lines ending with NULL, in the arena; NULL when out of memory.  units: of resources_take, may be NULL.
 */
char **resource_env(struct arena *a, const struct resources *r, const struct request *q,
		    const struct unit_share *units);
#define RESOURCE_ENV_MAX 3 /* variables per part of a request */

/*
 * Of each part of a request: name, amount, and the names of its units, "" when they have none; in the arena.  Nothing
 * for the usual request, one of cpus, so that it costs nothing.  SC_NOMEM.
 */
sc_err resource_words(struct arena *a, const struct resources *r, const struct request *q,
		      const struct unit_share *units, struct slices *out);
#define RESOURCE_WORDS 3u /* per part */

#endif
