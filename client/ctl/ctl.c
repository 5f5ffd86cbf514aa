/* ctl.c - see ctl.h. */
#include "client/ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/ctl/json.h"
#include "client/ctl/table.h"

#define RED   "\033[31m"
#define PLAIN "\033[0m"

/* ---- saying things ---------------------------------------------------------------------------------------------- */

/* In JSON mode a program reads standard output: tell it there as well. */
static void say_error(struct ctl *c, const char *code, const char *text)
{
	struct buf clean;
	json_t *o;

	buf_init(&clean, 0);
	text_harmless(&clean, text, strlen(text));
	fflush(stdout);
	fprintf(stderr, "%sschedctl:%s %s\n", c->color_err ? RED : "", c->color_err ? PLAIN : "", buf_str(&clean));
	buf_fini(&clean);
	if (!c->json)
		return;
	o = json_object();
	json_put_text(o, F_error, text);
	if (code != NULL)
		json_put_text(o, F_code, code);
	json_print(o);
}

int ctl_fail(struct ctl *c, int status, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, 0);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	say_error(c, NULL, buf_str(&text));
	buf_fini(&text);
	return status;
}

int ctl_usage(struct ctl *c, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, 0);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	say_error(c, "USAGE", buf_str(&text));
	buf_fini(&text);
	return EXIT_USAGE;
}

void ctl_note(const struct ctl *c, const char *fmt, ...)
{
	struct buf text, clean;
	va_list ap;

	(void)c;
	buf_init(&text, 0);
	buf_init(&clean, 0);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	text_harmless(&clean, text.data, text.len);
	fflush(stdout);
	fprintf(stderr, "%s\n", buf_str(&clean));
	buf_fini(&text);
	buf_fini(&clean);
}

int ctl_status_of(sc_err err)
{
	switch (err) {
	case SC_OK:
		return EXIT_DONE;
	case SC_INVALID:
	case SC_CYCLE:
	case SC_EXISTS:
		return EXIT_USAGE;
	case SC_UNREACHABLE:
	case SC_AUTH:
	case SC_VERSION:
	case SC_DENIED:
	case SC_CLOSED:
	case SC_TIMEOUT:
	case SC_SHUTDOWN:
	case SC_BAD_FRAME:
	case SC_UNEXPECTED:
		return EXIT_NO_ACCESS;
	default:
		return EXIT_WORK_FAILED;
	}
}

/* What to do about it. */
static const char *hint(sc_err err)
{
	return err == SC_UNREACHABLE ? "; start one with `sched`, or name its access file with --access-file" : "";
}

int ctl_failed(struct ctl *c, sc_err err)
{
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%s%s", sc_client_error_text(c->client), hint(err));
	say_error(c, sc_err_name(err), buf_str(&text));
	buf_fini(&text);
	return ctl_status_of(err);
}

int ctl_finish_output(struct ctl *c)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	c->json = 0; /* nobody reads it */
	return ctl_fail(c, EXIT_WORK_FAILED, "cannot write to standard output: %s", strerror(errno));
}

/* ---- options ---------------------------------------------------------------------------------------------------- */

int ctl_option_u64(struct ctl *c, const char *option, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = cli_value(&c->cli, option);
	uint64_t v;

	if (text == NULL)
		return EXIT_DONE;
	if (text_u64(text, &v) != SC_OK || v < min || v > max)
		return ctl_usage(
			c, "--%s: '%s' is not allowed; a whole number from %" PRIu64 " to %" PRIu64 " is expected",
			option, text, min, max);
	*out = v;
	return EXIT_DONE;
}

int ctl_option_i64(struct ctl *c, const char *option, int64_t min, int64_t max, int64_t *out)
{
	const char *text = cli_value(&c->cli, option);
	int64_t v;

	if (text == NULL)
		return EXIT_DONE;
	if (text_i64(text, &v) != SC_OK || v < min || v > max)
		return ctl_usage(
			c, "--%s: '%s' is not allowed; a whole number from %" PRId64 " to %" PRId64 " is expected",
			option, text, min, max);
	*out = v;
	return EXIT_DONE;
}

int ctl_option_duration(struct ctl *c, const char *option, uint64_t *out_us)
{
	const char *text = cli_value(&c->cli, option);
	uint64_t v;

	if (text == NULL)
		return EXIT_DONE;
	if (text_duration_us(text, &v) != SC_OK || v == 0)
		return ctl_usage(c, "--%s: '%s' is not allowed; a duration is expected, like 500ms, 2s, 1.5h", option,
				 text);
	*out_us = v;
	return EXIT_DONE;
}

int ctl_job_id(struct ctl *c, const char *text, uint64_t *out)
{
	const struct sc_job_row *row;
	struct sc_jobs *jobs;
	sc_err err;

	if (strcmp(text, "last") != 0) {
		if (text_u64(text, out) == SC_OK && *out > 0)
			return EXIT_DONE;
		return ctl_usage(c, "'%s' is not a job; the number of a job or `last` is expected", text);
	}
	err = sc_client_list_jobs(c->client, 0, NULL, &jobs);
	if (err != SC_OK)
		return ctl_failed(c, err);
	err = sc_jobs_next(jobs, &row);
	if (err == SC_OK && row != NULL)
		*out = row->job;
	sc_jobs_free(jobs);
	if (err != SC_OK)
		return ctl_failed(c, err);
	return row != NULL ? EXIT_DONE : ctl_fail(c, EXIT_WORK_FAILED, "there are no jobs");
}

void ctl_warn_unmet(struct ctl *c, const struct sc_job *job, json_t *o)
{
	json_t *list = json_array();

	for (const char *p = sc_job_unmet(job); *p != '\0';) {
		size_t n = strcspn(p, "\n");

		ctl_note(c, "schedctl: warning: %.*s", (int)n, p);
		json_array_append_new(list, json_stringn_nocheck(p, n));
		p += n + (p[n] == '\n');
	}
	json_put(o, F_warnings, list);
}

/* ---- the client ------------------------------------------------------------------------------------------------- */

int ctl_open_at(struct ctl *c, const char *access_file)
{
	struct sc_client_options o = {.access_file = access_file, .software = "schedctl"};
	const char *sets[128], *set;
	size_t at = 0;
	int status;
	sc_err err;

	if (c->client != NULL)
		return EXIT_DONE;
	if (access_file == NULL)
		o.access_file = cli_value(&c->cli, "access-file");
	o.config = cli_value(&c->cli, "config");
	o.sets = sets;
	while ((set = cli_next_value(&c->cli, "set", &at)) != NULL) {
		if (o.n_sets == sizeof(sets) / sizeof(sets[0]))
			return ctl_usage(c, "--set: at most %zu times", sizeof(sets) / sizeof(sets[0]));
		sets[o.n_sets++] = set;
	}
	err = sc_client_open(&o, &c->client);
	if (err == SC_OK)
		return EXIT_DONE;
	c->client = NULL;
	status = ctl_failed(c, err);
	return status == EXIT_WORK_FAILED ? EXIT_NO_ACCESS : status; /* no work has begun */
}

int ctl_open(struct ctl *c)
{
	return ctl_open_at(c, NULL);
}

/* ---- the program ------------------------------------------------------------------------------------------------ */

static int wants_color(const struct ctl *c, int fd)
{
	const char *choice = cli_value(&c->cli, "color"), *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (choice != NULL && strcmp(choice, "auto") != 0)
		return strcmp(choice, "always") == 0;
	return isatty(fd) && (no == NULL || *no == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}

static int run(struct ctl *c)
{
	int status;

	if (c->cli.wants_help) {
		cli_print_help(stdout, &c->cli);
		return ctl_finish_output(c);
	}
	if (c->cli.wants_version) {
		printf("schedctl %s\n", SC_CLIENT_VERSION);
		return ctl_finish_output(c);
	}
	status = c->cli.verb->run(c);
	if (status == EXIT_DONE)
		status = ctl_finish_output(c);
	return status;
}

/* In a command line that could not be read to its end: whoever parses our output is told in its form. */
static int asks_for_json(char **argv)
{
	for (; *argv != NULL && strcmp(*argv, "--") != 0; argv++)
		if (strcmp(*argv, "--json") == 0)
			return 1;
	return 0;
}

int ctl_main(int argc, char **argv)
{
	struct ctl c = {0};
	struct buf error;
	int status;

	json_set_alloc_funcs(mem_malloc, mem_free);
	log_set_level(LOG_ERROR); /* a library that warns in passing would spoil the output */
	buf_init(&error, 0);
	if (cli_parse(&c.cli, argc, argv, &error) != SC_OK) {
		c.json = argc > 0 && asks_for_json(argv + 1);
		c.color_err = isatty(STDERR_FILENO);
		status = ctl_usage(&c, "%s", buf_str(&error));
	} else {
		c.json = cli_has(&c.cli, "json");
		c.color_out = wants_color(&c, STDOUT_FILENO) && !c.json;
		c.color_err = wants_color(&c, STDERR_FILENO);
		status = run(&c);
	}
	buf_fini(&error);
	sc_client_close(c.client);
	cli_fini(&c.cli);
	return status;
}
