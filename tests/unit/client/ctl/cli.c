/* cli.c - the command line: what is understood, and what is said about the rest. */
#include "client/ctl/cli.h"

#include <criterion/criterion.h>
#include <string.h>

#define ARGV(...) ((char *[]){"schedctl", __VA_ARGS__, NULL})

static sc_err parse(struct cli *cli, char **argv, char *error, size_t cap)
{
	struct buf text;
	int argc = 0;
	sc_err err;

	while (argv[argc] != NULL)
		argc++;
	buf_init(&text, 0);
	err = cli_parse(cli, argc, argv, &text);
	snprintf(error, cap, "%s", buf_str(&text));
	buf_fini(&text);
	return err;
}

static void expect_error(char **argv, const char *wanted)
{
	struct cli cli;
	char error[1024];

	cr_expect_eq(parse(&cli, argv, error, sizeof(error)), SC_INVALID, "taken: %s ...", argv[1]);
	cr_expect(strstr(error, wanted) != NULL, "'%s' does not say '%s'", error, wanted);
	cli_fini(&cli);
}

Test(cli, options_stand_anywhere_before_the_command)
{
	struct cli cli;
	char error[1024];
	const char *value;
	size_t at = 0;

	cr_assert_eq(parse(&cli,
			   ARGV("--json", "submit", "--env", "A=1", "--name=x", "--env=B=2", "--", "ls", "--wait"),
			   error, sizeof(error)),
		     SC_OK, "%s", error);
	cr_expect_str_eq(cli.verb->name, "submit");
	cr_expect(cli_has(&cli, "json") && !cli_has(&cli, "wait"));
	cr_expect_str_eq(cli_value(&cli, "name"), "x");
	value = cli_next_value(&cli, "env", &at);
	cr_expect_str_eq(value, "A=1");
	value = cli_next_value(&cli, "env", &at);
	cr_expect_str_eq(value, "B=2");
	cr_expect_null(cli_next_value(&cli, "env", &at));
	cr_assert_eq(cli.n_args, 2u);
	cr_expect_str_eq(cli.args[1], "--wait");
	cr_expect_null(cli.args[2]);
	cli_fini(&cli);
}

Test(cli, a_command_line_begins_at_its_first_word)
{
	struct cli cli;
	char error[1024];

	cr_assert_eq(parse(&cli, ARGV("submit", "--wait", "ls", "-l", "--color"), error, sizeof(error)), SC_OK);
	cr_expect(cli_has(&cli, "wait"));
	cr_expect_eq(cli.n_args, 3u);
	cli_fini(&cli);
}

Test(cli, optional_values_need_the_equals_sign)
{
	struct cli cli;
	char error[1024];

	cr_assert_eq(parse(&cli, ARGV("run", "--local", "4"), error, sizeof(error)), SC_OK);
	cr_expect_str_eq(cli_value(&cli, "local"), "");
	cr_expect_str_eq(cli.args[0], "4");
	cli_fini(&cli);
	cr_assert_eq(parse(&cli, ARGV("run", "--local=4", "g.yaml"), error, sizeof(error)), SC_OK);
	cr_expect_str_eq(cli_value(&cli, "local"), "4");
	cli_fini(&cli);
}

Test(cli, mistakes_are_named_with_what_is_near)
{
	expect_error(ARGV("jbo", "list"), "did you mean 'job'?");
	expect_error(ARGV("job", "lits"), "did you mean 'job list'?");
	expect_error(ARGV("job"), "known: list, show");
	expect_error(ARGV("frobnicate"), "known: submit, run, job");
	expect_error(ARGV("submit", "--retreis", "3"), "did you mean --retries?");
	expect_error(ARGV("submit", "--bogus", "ls"), "unknown option --bogus; see schedctl submit --help");
	expect_error(ARGV("job", "list", "--wait"), "unknown option --wait");
	expect_error(ARGV("submit", "--name"), "--name needs a value");
	expect_error(ARGV("submit", "--wait=1", "ls"), "takes no value");
	expect_error(ARGV("submit"), "an argument is missing");
	expect_error(ARGV("job", "show", "1", "2"), "too many: '2'");
	expect_error(ARGV("--color", "sometimes", "job", "list"), "auto|always|never");
	expect_error(ARGV("job", "list", "-n"), "two dashes");
	expect_error(ARGV("--", "x"), "before --");
}

Test(cli, every_verb_has_help_and_completion)
{
	char *text = NULL;
	size_t n = 0;

	for (const struct verb *v = cli_verbs; v->name != NULL; v++) {
		struct cli cli = {.verb = v};
		FILE *f = open_memstream(&text, &n);

		cli_print_help(f, &cli);
		fclose(f);
		cr_expect(strstr(text, v->name) != NULL);
		for (const struct opt_row *o = v->options; o->name != NULL; o++)
			cr_expect(strstr(text, o->name) != NULL && o->help != NULL, "%s --%s", v->name, o->name);
		free(text);
	}
	for (int zsh = 0; zsh < 2; zsh++) {
		FILE *f = open_memstream(&text, &n);

		cr_expect_eq(cli_print_completion(f, zsh ? "zsh" : "bash"), SC_OK);
		fclose(f);
		cr_expect(strstr(text, "--each-line") != NULL);
		free(text);
	}
	cr_expect_eq(cli_print_completion(stdout, "fish"), SC_INVALID);
}
