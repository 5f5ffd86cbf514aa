/* probe.c - functions for tests of `call` tasks: well-behaved, failing, crashing, slow, large. */
#include <sched_task.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

sc_task_fn echo, describe, nothing, fails, fails_plainly, crashes, crashes_once, exits, hangs, large, joins,
	same_process, number, twice, adds, meets, holds, vast, ends;

int echo(sc_task *t)
{
	size_t n;
	const void *p = sc_task_arg(t, 0, &n);

	if (p == NULL)
		return sc_task_fail(t, "echo takes an argument, %zu are given", sc_task_n_args(t));
	return sc_task_set_result(t, p, n);
}

int describe(sc_task *t)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%llu %s %llu %s %u", (unsigned long long)sc_task_job(t), sc_task_key(t),
			 (unsigned long long)sc_task_index(t), sc_task_item(t), sc_task_attempt(t));

	return sc_task_set_result(t, text, (size_t)n);
}

int nothing(sc_task *t)
{
	(void)t;
	return 0;
}

int fails(sc_task *t)
{
	return sc_task_fail(t, "no luck with %s", sc_task_key(t));
}

int fails_plainly(sc_task *t)
{
	(void)t;
	return 7;
}

int crashes(sc_task *t)
{
	(void)t;
	signal(SIGSEGV, SIG_DFL); /* a sanitizer would have a word in it */
	raise(SIGSEGV);
	return 0;
}

/* Dies when its index is 100; the others return it. */
int crashes_once(sc_task *t)
{
	uint64_t i = sc_task_index(t);

	if (i == 100)
		abort();
	return sc_task_set_result(t, &i, sizeof(i));
}

int exits(sc_task *t)
{
	(void)t;
	exit(3);
}

int hangs(sc_task *t)
{
	(void)t;
	for (;;)
		pause();
}

int large(sc_task *t)
{
	size_t n = 3000000;
	char *p = sc_task_result_buffer(t, n);

	if (p == NULL)
		return 1;
	memset(p, 'x', n);
	return 0;
}

/* All inputs one after the other, each behind its key. */
int joins(sc_task *t)
{
	size_t total = 0, n;
	char *out;

	for (size_t i = 0; i < sc_task_n_inputs(t); i++) {
		if (sc_task_input(t, i, &n) == NULL)
			return sc_task_fail(t, "input %zu cannot be read", i);
		total += n + strlen(sc_task_input_key(t, i)) + 1;
	}
	out = sc_task_result_buffer(t, total);
	if (out == NULL)
		return 1;
	for (size_t i = 0; i < sc_task_n_inputs(t); i++) {
		const char *key = sc_task_input_key(t, i);
		const void *p = sc_task_input(t, i, &n);

		memcpy(out, key, strlen(key));
		out[strlen(key)] = '=';
		out += strlen(key) + 1;
		memcpy(out, p, n);
		out += n;
	}
	return 0;
}

int same_process(sc_task *t)
{
	static int calls;
	char text[64];

	return sc_task_set_result(t, text, (size_t)snprintf(text, sizeof(text), "%d %d", (int)getpid(), ++calls));
}

static int set_number(sc_task *t, unsigned long long n)
{
	char text[24];

	return sc_task_set_result(t, text, (size_t)snprintf(text, sizeof(text), "%llu", n));
}

/* The decimal number of an input; inputs are not terminated. */
static unsigned long long number_of(sc_task *t, size_t i)
{
	unsigned long long sum = 0;
	size_t n;
	const char *p = sc_task_input(t, i, &n);

	for (size_t k = 0; p != NULL && k < n; k++)
		sum = sum * 10 + (unsigned long long)(p[k] - '0');
	return sum;
}

/* Its index. */
int number(sc_task *t)
{
	return set_number(t, sc_task_index(t));
}

/* Twice its input. */
int twice(sc_task *t)
{
	return set_number(t, 2 * number_of(t, 0));
}

/* The sum of its inputs. */
int adds(sc_task *t)
{
	unsigned long long sum = 0;

	for (size_t i = 0; i < sc_task_n_inputs(t); i++)
		sum += number_of(t, i);
	return set_number(t, sum);
}

static int tell_granted(sc_task *t)
{
	const char *amount = sc_task_resource(t, "gpu"), *units = sc_task_resource_units(t, "gpu"),
		   *cpus = sc_task_resource(t, "cpus");
	char text[512];
	int n;

	if (amount == NULL || units == NULL || cpus == NULL || sc_task_resource(t, "disk") != NULL)
		return sc_task_fail(t, "what it has is not what it asked for");
	n = snprintf(text, sizeof(text), "%s %s %s\n", cpus, amount, units);
	return sc_task_set_result(t, text, (size_t)n);
}

/* Two that run at the same time: each opens an end of the pipe that is the argument, and waits for the other. */
int meets(sc_task *t)
{
	const char *path = sc_task_arg(t, 0, NULL);
	int fd = open(path, sc_task_index(t) == 0 ? O_RDONLY : O_WRONLY);

	if (fd < 0)
		return sc_task_fail(t, "%s: %s", path, strerror(errno));
	close(fd);
	return tell_granted(t);
}

/* Fails when another call that runs now has one of its units; the argument is a directory. */
int holds(sc_task *t)
{
	const char *units = sc_task_resource_units(t, "gpu");
	char list[256], path[64][512], *rest, *name;
	size_t n = 0;
	int failed = 0;

	snprintf(list, sizeof(list), "%s", units == NULL ? "" : units);
	for (name = strtok_r(list, ",", &rest); name != NULL && n < 64; name = strtok_r(NULL, ",", &rest)) {
		snprintf(path[n], sizeof(path[n]), "%s/%s", (const char *)sc_task_arg(t, 0, NULL), name);
		if (mkdir(path[n], 0700) == 0)
			n++;
		else
			failed = errno;
	}
	for (size_t i = 0; i < n; i++)
		rmdir(path[i]);
	return failed == 0 && n > 0 ? tell_granted(t) : sc_task_fail(t, "%s: %s", units, strerror(failed));
}

/* As many bytes as the argument says, of which only the last are not zero. */
int vast(sc_task *t)
{
	static const char end[] = "the end of something vast";
	size_t n = strtoull(sc_task_arg(t, 0, NULL), NULL, 10);
	char *p = sc_task_result_buffer(t, n);

	if (p == NULL)
		return 1;
	memcpy(p + n - strlen(end), end, strlen(end));
	return 0;
}

/* Of each input: its length, and its last 25 bytes. */
int ends(sc_task *t)
{
	char text[1024];
	size_t used = 0, n;

	for (size_t i = 0; i < sc_task_n_inputs(t) && used < sizeof(text) / 2; i++) {
		const char *p = sc_task_input(t, i, &n);

		if (p == NULL || n < 25)
			return sc_task_fail(t, "%s: %s", sc_task_input_key(t, i), strerror(errno));
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%zu %.25s\n", n, p + n - 25);
	}
	return sc_task_set_result(t, text, used);
}
