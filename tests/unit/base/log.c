/* log.c - one line an event, values that cannot break out of their line, a bound on lines a second. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* Standard error goes to a file from here on; returns the descriptor to read it from. */
static int capture(void)
{
	char path[] = "/tmp/sched-test-log.XXXXXX";
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	unlink(path);
	fflush(stderr);
	cr_assert(dup2(fd, STDERR_FILENO) >= 0);
	return fd;
}

static char *captured(int fd)
{
	off_t n = lseek(fd, 0, SEEK_END);
	char *text = mem_calloc(1, (size_t)n + 1);

	cr_assert(pread(fd, text, (size_t)n, 0) == n);
	return text;
}

static size_t lines_in(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

Test(log, a_line_has_level_module_event_time_and_values)
{
	int fd = capture();
	char *text;

	log_warn("listener", "refused", "peer=%s reason=%s", "tcp://127.0.0.1:1", log_quote("no \"hello\""));
	text = captured(fd);
	cr_assert(strncmp(text, "warn listener refused at=2", 26) == 0, "%s", text);
	cr_assert_not_null(strstr(text, "Z peer=tcp://127.0.0.1:1 reason=\"no \\\"hello\\\"\"\n"), "%s", text);
	cr_assert_eq(lines_in(text), 1);
	mem_free(text);
}

Test(log, lines_below_the_level_are_left_out)
{
	int fd = capture();
	char *text;

	log_debug("m", "unseen", "a=1");
	log_set_level(LOG_ERROR);
	log_info("m", "unseen", "a=1");
	log_error("m", "seen", "a=1");
	log_set_level(LOG_DEBUG);
	log_debug("m", "seen", "a=1");
	text = captured(fd);
	cr_assert_null(strstr(text, "unseen"));
	cr_assert_eq(lines_in(text), 2);
	mem_free(text);
}

Test(log, a_line_longer_than_its_buffer_is_cut_and_still_ends)
{
	int fd = capture();
	char long_text[8000], *text;

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	log_info("m", "long", "v=%s", long_text);
	log_info("m", "next", "a=1");
	text = captured(fd);
	cr_assert_eq(lines_in(text), 2);
	cr_assert_not_null(strstr(text, "\ninfo m next "));
	mem_free(text);
}

Test(log, a_flood_is_bounded_and_counted)
{
	int fd = capture();
	size_t n;
	char *text;

	for (int i = 0; i < 5 * LOG_MAX_PER_S; i++)
		log_info("m", "flood", "i=%d", i);
	text = captured(fd);
	n = lines_in(text);
	/* The loop may cross into another second, where the limit is granted again and the loss is reported. */
	cr_assert(n >= LOG_MAX_PER_S && n <= 4 * (LOG_MAX_PER_S + 1), "%zu lines", n);
	mem_free(text);
}

Test(log, quoting)
{
	char long_text[500];

	cr_assert_str_eq(log_quote("a b"), "\"a b\"");
	cr_assert_str_eq(log_quote("a\nlevel=forged\tb\r"), "\"a level=forged b \"");
	cr_assert_str_eq(log_quote("\x1b[31m\x7f"), "\"?[31m?\"");
	cr_assert_str_eq(log_quote("\"\\"), "\"\\\"\\\\\"");
	cr_assert_str_eq(log_quote(""), "\"\"");
	cr_assert_str_eq(log_quote(NULL), "\"\"");
	memset(long_text, '"', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	cr_assert(strlen(log_quote(long_text)) <= 255);
	memset(long_text, 'a', sizeof(long_text) - 1);
	cr_assert_eq(strlen(log_quote(long_text)), 202);
}

Test(log, levels_by_name)
{
	cr_assert_eq(log_level_parse("debug"), LOG_DEBUG);
	cr_assert_eq(log_level_parse("error"), LOG_ERROR);
	cr_assert_eq(log_level_parse("Error"), -1);
	cr_assert_eq(log_level_parse(""), -1);
}
