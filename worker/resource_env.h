/*
 * resource_env.h - the variables that tell a task what it was given: SCHED_CPUS, SCHED_RESOURCE_NAME, and of indexed
 * resources which units, SCHED_RESOURCE_NAME_IDS, also under the name the libraries of such devices look for.
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

#endif
