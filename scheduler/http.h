/*
 * http.h - /metrics for Prometheus and /healthz for whoever watches processes, over libevent's HTTP server.
 *
 * Only when --http is given.  Needs no secret and tells none: counts alone.  Requests are answered in the turn they
 * arrive in; headers and bodies are bounded, idle connections are closed after HTTP_TIMEOUT_S.  Loop thread only.
 */
#ifndef SCHEDULER_HTTP_H
#define SCHEDULER_HTTP_H

#include <stddef.h>

#include "scheduler/scheduler.h"

struct http;

/* address is HOST:PORT; shown becomes http://HOST:PORT.  SC_INVALID, SC_IN_USE, SC_NOMEM. */
sc_err http_new(struct scheduler *s, const char *address, char *shown, size_t cap, struct http **out);
void http_free(struct http *h); /* NULL is fine */

#endif
