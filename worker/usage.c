/* usage.c - see usage.h. */
#include "worker/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

#define PROCESSES_MAX 2000u
#define TREE_MAX      256u /* processes of one task not looked at yet */

static uint64_t timeval_us(struct timeval t)
{
	return (uint64_t)t.tv_sec * US_PER_S + (uint64_t)t.tv_usec;
}

/* A small file as terminated text; 0 when it cannot be read. */
static size_t read_text(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, cap - 1);

	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The fields of /proc/PID/stat after the name, which may hold anything. */
static void add_process(struct usage *u, pid_t pid)
{
	unsigned long long user = 0, system = 0, waited_user = 0, waited_system = 0, pages = 0;
	uint64_t tick_us = US_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	char path[64], text[1024];
	const char *rest;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_text(path, text, sizeof(text)) == 0)
		return;
	rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest + 1,
				   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %*d %*d "
				   "%*u %*u %llu",
				   &user, &system, &waited_user, &waited_system, &pages) != 5)
		return;
	u->cpu_us += (user + system + waited_user + waited_system) * tick_us;
	u->memory_bytes += pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void usage_begin(struct usage *u)
{
	struct rusage own, ended;
	unsigned long long pages = 0;
	char text[256];

	*u = (struct usage){.left = PROCESSES_MAX};
	getrusage(RUSAGE_SELF, &own);
	getrusage(RUSAGE_CHILDREN, &ended);
	u->cpu_us = timeval_us(own.ru_utime) + timeval_us(own.ru_stime) + timeval_us(ended.ru_utime) +
		    timeval_us(ended.ru_stime);
	if (read_text("/proc/self/statm", text, sizeof(text)) > 0 && sscanf(text, "%*u %llu", &pages) == 1)
		u->memory_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void usage_add_tree(struct usage *u, pid_t pid)
{
	pid_t todo[TREE_MAX];
	size_t n = 0;
	char path[64], text[4096];

	todo[n++] = pid;
	while (n > 0 && u->left > 0) {
		char *p = text, *end;

		pid = todo[--n];
		u->left--;
		add_process(u, pid);
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
		if (read_text(path, text, sizeof(text)) == 0)
			continue;
		for (long child; n < TREE_MAX && (child = strtol(p, &end, 10)) > 0; p = end)
			todo[n++] = (pid_t)child;
	}
}
