/* log.c - see log.h.  One write() a line, so that lines of several processes on one terminal do not mix. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static enum log_level min_level = LOG_INFO;

static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t limit_second;
static unsigned limit_lines;
static unsigned limit_dropped;

void log_set_level(enum log_level level)
{
	__atomic_store_n(&min_level, level, __ATOMIC_RELAXED);
}

int log_level_parse(const char *name)
{
	for (int i = 0; i < (int)(sizeof(level_names) / sizeof(level_names[0])); i++)
		if (strcmp(level_names[i], name) == 0)
			return i;
	return -1;
}

int log_enabled(enum log_level level)
{
	return level >= __atomic_load_n(&min_level, __ATOMIC_RELAXED);
}

/* Whether this line may be written; *dropped is how many were not since the last that was. */
static int within_limit(uint64_t now_us, unsigned *dropped)
{
	int ok;

	pthread_mutex_lock(&limit_lock);
	if (now_us / US_PER_S != limit_second) {
		limit_second = now_us / US_PER_S;
		limit_lines = 0;
	}
	ok = limit_lines++ < LOG_MAX_PER_S;
	*dropped = 0;
	if (ok) {
		*dropped = limit_dropped;
		limit_dropped = 0;
	} else {
		limit_dropped++;
	}
	pthread_mutex_unlock(&limit_lock);
	return ok;
}

static void write_line(const char *line, size_t len)
{
	ssize_t n = write(STDERR_FILENO, line, len);

	(void)n; /* nowhere left to report it */
}

static int stamp(char *line, size_t cap, enum log_level level, const char *module, const char *event)
{
	uint64_t wall_us = clock_wall_us();
	time_t s = (time_t)(wall_us / US_PER_S);
	char when[32];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(line, cap, "%s %s %s at=%s.%03uZ ", level_names[level], module, event, when,
			(unsigned)(wall_us % US_PER_S / US_PER_MS));
}

void log_line(enum log_level level, const char *module, const char *event, const char *fmt, ...)
{
	char line[2048];
	unsigned dropped;
	size_t n;
	int more;
	va_list ap;

	if (!within_limit(clock_monotonic_us(), &dropped))
		return;
	if (dropped > 0) {
		n = (size_t)stamp(line, sizeof(line) / 2, LOG_WARN, "log", "suppressed");
		n += (size_t)snprintf(line + n, sizeof(line) - n, "lines=%u\n", dropped);
		write_line(line, n);
	}
	more = stamp(line, sizeof(line) - 2, level, module, event);
	n = more < (int)sizeof(line) - 2 ? (size_t)more : sizeof(line) - 3;
	va_start(ap, fmt);
	more = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (more > 0)
		n += (size_t)more < sizeof(line) - n - 1 ? (size_t)more : sizeof(line) - n - 2;
	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n++] = '\n';
	write_line(line, n);
}

const char *log_quote(const char *s)
{
	static _Thread_local char ring[8][256];
	static _Thread_local unsigned turn;
	char *out = ring[turn++ % 8];
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; s != NULL && s[i] != '\0' && i < 200 && n < 250; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c == '\n' || c == '\r' || c == '\t') {
			out[n++] = ' ';
		} else if (c < 0x20 || c == 0x7f) {
			out[n++] = '?';
		} else {
			out[n++] = (char)c;
		}
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}
