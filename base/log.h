/*
 * log.h - log lines `level module event at=TIME key=value...` on standard error.
 *
 *     log_info("listener", "accepted", "peer=%s role=%s", name, role);
 *
 * Values with spaces are written through log_quote().  At most LOG_MAX_PER_S lines a second are written; the
 * number left out is reported in one line when the second is over.  Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

#define LOG_MAX_PER_S 2000

void log_set_level(enum log_level level);

/* "debug", "info", "warn", "error"; -1 for anything else. */
int log_level_parse(const char *name);

void log_line(enum log_level level, const char *module, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int log_enabled(enum log_level level);

#define log_at(level, ...)                                                                                             \
	do {                                                                                                           \
		if (log_enabled(level))                                                                                \
			log_line(level, __VA_ARGS__);                                                                  \
	} while (0)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)

/*
 * s as a log value: quoted, control characters and quotes escaped, cut at 200 bytes.  Borrowed from a ring of
 * eight per thread: good until eight more calls.
 */
const char *log_quote(const char *s);

#endif
