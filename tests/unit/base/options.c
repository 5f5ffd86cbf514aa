/* options.c - sources and their order, units and ranges, and errors that say where and what is allowed. */
#include "base/options.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

struct fixture {
	struct options o;
	struct buf error;
	char *dir;
};

static void setup(struct fixture *f)
{
	cr_assert_eq(options_init(&f->o), SC_OK);
	buf_init(&f->error, 0);
	f->dir = dir_new();
	setenv("XDG_CONFIG_HOME", f->dir, 1);
}

static void teardown(struct fixture *f)
{
	options_fini(&f->o);
	buf_fini(&f->error);
	dir_remove(f->dir);
	mem_free(f->dir);
}

/* A file in the directory; returns its path, static. */
static const char *file(struct fixture *f, const char *name, const char *text)
{
	static char path[4200];
	FILE *out;

	snprintf(path, sizeof(path), "%s/sched", f->dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	out = fopen(path, "we");
	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
	return path;
}

static void expect_error(struct fixture *f, const char *wanted)
{
	cr_expect_not_null(strstr(buf_str(&f->error), wanted), "'%s' does not say '%s'", buf_str(&f->error), wanted);
	buf_reset(&f->error);
}

Test(options, built_in_values)
{
	struct fixture f;

	setup(&f);
	cr_assert_str_eq(f.o.log_level, "info");
	cr_assert_eq(f.o.net_max_frame, 64u << 20);
	cr_assert_eq(f.o.worker_kill_delay, 5000000);
	cr_assert_eq(f.o.worker_give_up_after, UINT64_MAX);
	cr_assert_eq(f.o.scheduler_crash_limit, 3);
	cr_assert_str_eq(f.o.worker_spool_dir, "");
	teardown(&f);
}

Test(options, every_default_is_within_its_own_limits)
{
	struct options o;

	cr_assert_eq(options_init(&o), SC_OK);
	options_fini(&o);
}

Test(options, one_key)
{
	struct fixture f;

	setup(&f);
	cr_assert_eq(options_set(&f.o, "here", "worker.kill-delay", "250ms", &f.error), SC_OK);
	cr_assert_eq(f.o.worker_kill_delay, 250000);
	cr_assert_eq(options_set_pair(&f.o, "here", "log.level=debug", &f.error), SC_OK);
	cr_assert_str_eq(f.o.log_level, "debug");
	cr_assert_eq(options_set_pair(&f.o, "here", "worker.spool-dir=/a=b", &f.error), SC_OK);
	cr_assert_str_eq(f.o.worker_spool_dir, "/a=b", "only the first = separates");
	cr_assert_eq(options_set_pair(&f.o, "here", "worker.spool-dir=", &f.error), SC_OK);
	cr_assert_str_eq(f.o.worker_spool_dir, "");
	teardown(&f);
}

Test(options, mistakes_say_where_what_and_what_is_allowed)
{
	struct fixture f;

	setup(&f);
	cr_expect_eq(options_set_pair(&f.o, "--set", "worker.kil-delay=1s", &f.error), SC_INVALID);
	expect_error(&f, "--set: unknown key 'worker.kil-delay'; did you mean 'worker.kill-delay'?");
	cr_expect_eq(options_set_pair(&f.o, "--set", "nonsense=1s", &f.error), SC_INVALID);
	expect_error(&f, "unknown key 'nonsense'; see sched.yaml(5)");
	cr_expect_eq(options_set_pair(&f.o, "--set", "worker.kill-delay", &f.error), SC_INVALID);
	expect_error(&f, "is not of the form key=value");
	cr_expect_eq(options_set_pair(&f.o, "--set", "worker.kill-delay=5 parsecs", &f.error), SC_INVALID);
	expect_error(&f, "--set: worker.kill-delay: '5 parsecs' is not allowed; it has to be a duration from 0s to 1h");
	cr_expect_eq(options_set_pair(&f.o, "--set", "worker.kill-delay=2h", &f.error), SC_INVALID);
	expect_error(&f, "from 0s to 1h");
	cr_expect_eq(options_set_pair(&f.o, "--set", "worker.kill-delay=off", &f.error), SC_INVALID);
	expect_error(&f, "from 0s to 1h");
	cr_expect_eq(options_set_pair(&f.o, "--set", "net.max-frame=1KiB", &f.error), SC_INVALID);
	expect_error(&f, "a size from 64KiB to 1GiB");
	cr_expect_eq(options_set_pair(&f.o, "--set", "scheduler.crash-limit=0", &f.error), SC_INVALID);
	expect_error(&f, "a whole number from 1 to 1000");
	cr_expect_eq(options_set_pair(&f.o, "--set", "log.level=loud", &f.error), SC_INVALID);
	expect_error(&f, "one of debug|info|warn|error");
	cr_expect_eq(options_set_pair(&f.o, "--set", "log.level=debug|info", &f.error), SC_INVALID);
	expect_error(&f, "one of ");
	cr_assert_eq(f.o.worker_kill_delay, 5000000, "a refused value changes nothing");
	cr_assert_str_eq(f.o.log_level, "info");
	teardown(&f);
}

Test(options, text_is_bounded)
{
	struct fixture f;
	char long_text[4000];

	setup(&f);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	cr_assert_eq(options_set(&f.o, "here", "worker.spool-dir", long_text, &f.error), SC_INVALID);
	expect_error(&f, "text of at most 3000 bytes");
	cr_assert_eq(options_set(&f.o, "here", long_text, "1", &f.error), SC_INVALID);
	teardown(&f);
}

Test(options, a_file_has_sections_or_full_keys)
{
	struct fixture f;

	setup(&f);
	cr_assert_eq(options_load_file(
			     &f.o,
			     file(&f, "a.yaml", "worker:\n  kill-delay: 1s\n  output-max: 1GiB\nlog.level: warn\n"),
			     &f.error),
		     SC_OK, "%s", buf_str(&f.error));
	cr_assert_eq(f.o.worker_kill_delay, 1000000);
	cr_assert_eq(f.o.worker_output_max, 1u << 30);
	cr_assert_str_eq(f.o.log_level, "warn");
	cr_assert_eq(options_load_file(&f.o, file(&f, "empty.yaml", ""), &f.error), SC_OK);
	cr_assert_eq(options_load_file(&f.o, file(&f, "bare.yaml", "worker:\nlog:\n  # level: info\n"), &f.error),
		     SC_OK, "a section with nothing in it: %s", buf_str(&f.error));
	teardown(&f);
}

Test(options, mistakes_in_a_file_name_file_line_and_key)
{
	struct fixture f;

	setup(&f);
	cr_expect_eq(options_load_file(&f.o, file(&f, "b.yaml", "log:\n  level: info\nworker:\n  kill-dealy: 1s\n"),
				       &f.error),
		     SC_INVALID);
	expect_error(&f, "b.yaml:4: unknown key 'worker.kill-dealy'; did you mean 'worker.kill-delay'?");
	cr_expect_eq(options_load_file(&f.o, file(&f, "b.yaml", "log: [a]\n"), &f.error), SC_INVALID);
	expect_error(&f, "b.yaml:1: log: a single value is expected here");
	cr_expect_eq(options_load_file(&f.o, file(&f, "b.yaml", "log:\n  level:\n    deep: 1\n"), &f.error),
		     SC_INVALID);
	expect_error(&f, "b.yaml:2: log.level: a single value is expected here");
	cr_expect_eq(options_load_file(&f.o, file(&f, "b.yaml", "- a\n"), &f.error), SC_INVALID);
	expect_error(&f, "b.yaml:1: sections with keys are expected here");
	cr_expect_eq(options_load_file(&f.o, file(&f, "b.yaml", "nosuch:\n"), &f.error), SC_INVALID);
	expect_error(&f, "b.yaml:1: unknown key 'nosuch'");
	cr_expect_eq(options_load_file(&f.o, "/nonexistent/x.yaml", &f.error), SC_NOT_FOUND);
	expect_error(&f, "/nonexistent/x.yaml");
	teardown(&f);
}

Test(options, the_environment)
{
	static char *env[] = {"SCHED_WORKER__KILL_DELAY=3s",
			      "SCHED_ACCESS_FILE=/tmp/a__b",
			      "SCHED_RESOURCE__GPU=2",
			      "SCHED_RESOURCE_A__B=1",
			      "SCHED_KEY=a__b",
			      "HOME=/root",
			      "SCHED_BIN",
			      "OTHER__X=1",
			      NULL};
	static char *bad[] = {"SCHED_WORKER__KILL_DELAY=soon", NULL},
		    *unknown[] = {"SCHED_WORKER__KILL_DELAI=1s", NULL};
	struct fixture f;

	setup(&f);
	cr_assert_eq(options_load_env(&f.o, env, &f.error), SC_OK, "%s", buf_str(&f.error));
	cr_assert_eq(f.o.worker_kill_delay, 3000000);
	cr_expect_eq(options_load_env(&f.o, bad, &f.error), SC_INVALID);
	expect_error(&f, "environment SCHED_WORKER__KILL_DELAY: worker.kill-delay: 'soon' is not allowed");
	cr_expect_eq(options_load_env(&f.o, unknown, &f.error), SC_INVALID);
	expect_error(&f, "did you mean 'worker.kill-delay'?");
	teardown(&f);
}

Test(options, later_sources_win)
{
	static char *sets[] = {"worker.kill-delay=4s"};
	struct fixture f;
	char config[4200];

	setup(&f);
	file(&f, "sched/sched.yaml",
	     "worker: {kill-delay: 1s, fetch-parallel: 7, fetch-timeout: 1s, give-up-after: 1s}\n");
	snprintf(config, sizeof(config), "%s",
		 file(&f, "c.yaml", "worker: {kill-delay: 2s, fetch-timeout: 2s, give-up-after: 2s}\n"));
	setenv("SCHED_WORKER__KILL_DELAY", "3s", 1);
	setenv("SCHED_WORKER__GIVE_UP_AFTER", "3s", 1);
	cr_assert_eq(options_load(&f.o, config, sets, 1, &f.error), SC_OK, "%s", buf_str(&f.error));
	cr_assert_eq(f.o.worker_fetch_parallel, 7, "from the user's file");
	cr_assert_eq(f.o.worker_fetch_timeout, 2000000, "from --config");
	cr_assert_eq(f.o.worker_give_up_after, 3000000, "from the environment");
	cr_assert_eq(f.o.worker_kill_delay, 4000000, "from --set");
	cr_assert_eq(options_load(&f.o, "/nonexistent.yaml", NULL, 0, &f.error), SC_NOT_FOUND, "--config has to exist");
	teardown(&f);
}

/* The sample file, with the comment signs of its keys taken away, is a valid file that changes nothing. */
Test(options, the_sample_says_what_is_built_in)
{
	struct fixture f;
	struct options plain;
	char *text = NULL, *p;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	setup(&f);
	cr_assert_eq(options_init(&plain), SC_OK);
	options_print_sample(out);
	fclose(out);
	cr_assert_eq(options_load_file(&f.o, file(&f, "sample.yaml", text), &f.error), SC_OK, "as it is: %s",
		     buf_str(&f.error));
	for (p = text; (p = strstr(p, "\n  # ")) != NULL; p += 5) {
		size_t key = strspn(p + 5, "abcdefghijklmnopqrstuvwxyz-");

		if (p[5 + key] == ':')
			p[3] = ' ';
	}
	cr_assert_eq(options_load_file(&f.o, file(&f, "sample.yaml", text), &f.error), SC_OK, "uncommented: %s",
		     buf_str(&f.error));
#define VALUE_DURATION(field)				    cr_expect_eq(f.o.field, plain.field, "%s", #field)
#define VALUE_BYTES					    VALUE_DURATION
#define VALUE_COUNT					    VALUE_DURATION
#define VALUE_SHARE					    VALUE_DURATION
#define VALUE_TEXT(field)				    cr_expect_str_eq(f.o.field, plain.field, "%s", #field)
#define VALUE_CHOICE					    VALUE_TEXT
#define OPT(type, section, field, key, def, min, max, help) VALUE_##type(section##_##field);
#include "base/options.def"
#undef OPT
	free(text);
	options_fini(&plain);
	teardown(&f);
}

Test(options, help_is_limited_to_the_sections_asked_for)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	options_print_help(out, "log|worker");
	fclose(out);
	cr_assert_not_null(strstr(text, "worker.kill-delay"));
	cr_assert_not_null(strstr(text, "log.level"));
	cr_assert_null(strstr(text, "scheduler."));
	free(text);
}

Test(options, survive_any_failed_allocation)
{
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		struct options o;

		mem_fail_nth(n);
		err = options_init(&o);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || err == SC_NOMEM);
		if (err == SC_OK)
			options_fini(&o);
	}
}
