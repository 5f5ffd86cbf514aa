/*
 * zero_workers.h - workers that do nothing at once: what is left is what scheduling costs.
 *
 * As the "zero worker" of RSDS: a task given to it is answered at once as done, with a result of 20 bytes and a run
 * time of 10 us; inputs count as fetched.  All of them share a loop in this process, one TCP connection each.
 */
#ifndef BENCH_ZERO_WORKERS_H
#define BENCH_ZERO_WORKERS_H

#include <stddef.h>
#include <stdint.h>

struct zero_workers;

/*
 * n workers of one slot each, all registered when this returns.  *out is new.  -1 after saying on standard error what
 * went wrong.
 */
int zero_workers_start(const char *access_file, size_t n, struct zero_workers **out);
void zero_workers_free(struct zero_workers *z); /* NULL is fine */

/* Serve until zero_workers_finish(), which any thread may call.  -1 when a connection was lost. */
int zero_workers_serve(struct zero_workers *z);
void zero_workers_finish(struct zero_workers *z);

#endif
