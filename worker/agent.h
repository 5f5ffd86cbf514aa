/*
 * agent.h - the worker as a whole: owns every part, passes on what the scheduler says, and ends in order.
 */
#ifndef WORKER_AGENT_H
#define WORKER_AGENT_H

#include "worker/settings.h"

/*
 * Run until told to end (by signal or by the scheduler) or until the scheduler cannot be had.  Returns the exit status
 * of the process; what went wrong has been said on standard error.
 */
int agent_run(const struct settings *s);

#endif
