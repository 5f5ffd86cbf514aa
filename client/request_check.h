/* request_check.h - whether what tasks ask for is written as the scheduler reads it, told before it is asked. */
#ifndef CLIENT_REQUEST_CHECK_H
#define CLIENT_REQUEST_CHECK_H

#include "client/sched_client.h"

/* "cpus=1,gpu=0.5,label:zone=a|cpus=8": SC_INVALID or SC_LIMIT, with sc_client_error() naming the group. */
sc_err request_check(const char *group, const char *text);

#endif
