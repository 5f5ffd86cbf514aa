/*
 * sched_task.h - for functions that run as tasks (`call` tasks): what a function is given and what it gives back.
 *
 *     #include <sched_task.h>
 *
 *     int shout(sc_task *t)
 *     {
 *             size_t n;
 *             const char *text = sc_task_arg(t, 0, &n);
 *
 *             if (text == NULL)
 *                     return sc_task_fail(t, "one argument is expected");
 *             ...
 *             return sc_task_set_result(t, text, n);
 *     }
 *
 * Build it as a shared object: cc -shared -fPIC -o libshout.so shout.c.  The sc_task_ functions are found in the
 * process that loads it.  A function runs in a process of its own kind, one call at a time, that may have run other
 * calls before: static variables live on.  If it crashes, its task fails and nobody else is harmed.  Standard output
 * and error go nowhere (to the worker's log, when that is written at level debug).
 *
 * Everything handed out lives until the function returns.  Not for use from other threads.  C and C++.
 */
#ifndef SCHED_TASK_H
#define SCHED_TASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SC_TASK_API		__attribute__((visibility("default")))
#define SC_TASK_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#else
#define SC_TASK_API
#define SC_TASK_PRINTF(fmt, va)
#endif

typedef struct sc_task sc_task;

/* A function that can be a task: 0 for success.  It has to be visible (not static, not hidden). */
typedef int sc_task_fn(sc_task *t);

/* Arguments, as bytes; *len, if given, is the length.  A zero follows that does not count.  NULL: there is no such. */
SC_TASK_API size_t sc_task_n_args(const sc_task *t);
SC_TASK_API const void *sc_task_arg(const sc_task *t, size_t i, size_t *len);

/*
 * Results of the tasks this one takes as inputs, in the order they were named.  Large ones are mapped, not copied; no
 * zero follows.  NULL with an errno of its own: there is no such, or it cannot be read.  An empty one is not NULL.
 */
SC_TASK_API size_t sc_task_n_inputs(const sc_task *t);
SC_TASK_API const void *sc_task_input(sc_task *t, size_t i, size_t *len);
SC_TASK_API const char *sc_task_input_key(const sc_task *t, size_t i); /* NULL: there is no such */

/* Who we are. */
SC_TASK_API const char *sc_task_key(const sc_task *t);
SC_TASK_API uint64_t sc_task_index(const sc_task *t);
SC_TASK_API const char *sc_task_item(const sc_task *t); /* "" when tasks of this group have none */
SC_TASK_API uint64_t sc_task_job(const sc_task *t);
SC_TASK_API unsigned sc_task_attempt(const sc_task *t); /* how often it was tried before */

/*
 * What it has for as long as it runs, in the words a command line finds in its environment.  sc_task_resource: how much
 * of "cpus", "gpu" ..., like "2" or "0.5", of "memory" bytes.  sc_task_resource_units: which, of a resource whose units
 * have names (sched-worker --resource gpu=[0,1]), like "0,1"; "" when they have none.  NULL: it asked for none of it.
 *
 * Nothing of this is in the environment (CUDA_VISIBLE_DEVICES): another call in the same process may have other units,
 * and libraries look there only once.  Name the device instead when you open it.
 */
SC_TASK_API const char *sc_task_resource(const sc_task *t, const char *resource);
SC_TASK_API const char *sc_task_resource_units(const sc_task *t, const char *resource);

/*
 * The result: copied, or written in place into a buffer of len bytes.  The last of these calls counts; without one the
 * result is empty.  sc_task_set_result returns 0, or the task's failure when there is no room for it;
 * sc_task_result_buffer returns NULL then.
 */
SC_TASK_API int sc_task_set_result(sc_task *t, const void *data, size_t len);
SC_TASK_API void *sc_task_result_buffer(sc_task *t, size_t len);

/* Set the reason of failure.  Returns non-zero: `return sc_task_fail(t, "no such word: %s", word);` */
SC_TASK_API int sc_task_fail(sc_task *t, const char *fmt, ...) SC_TASK_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif
