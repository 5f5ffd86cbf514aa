/* cli.c - parsing the command line by the tables of verbs.c, and the help that comes from them. */
#include "client/ctl/cli.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/options.h"
#include "base/text.h"

#define NAMES_MAX 64u /* verbs, or options of a verb */

/* ---- finding ---------------------------------------------------------------------------------------------------- */

const char *cli_nearest(const char *word, const char *const *known, size_t n)
{
	const char *best = NULL;
	unsigned best_distance = UINT_MAX;

	for (size_t i = 0; i < n; i++) {
		unsigned distance = text_slip(word, known[i]);

		if (distance < best_distance) {
			best_distance = distance;
			best = known[i];
		}
	}
	return best;
}

static const struct opt_row *find_in(const struct opt_row *table, const char *name, size_t len)
{
	for (; table != NULL && table->name != NULL; table++)
		if (strlen(table->name) == len && memcmp(table->name, name, len) == 0)
			return table;
	return NULL;
}

static const struct opt_row *find_option(const struct verb *verb, const char *name, size_t len)
{
	const struct opt_row *row = find_in(cli_global_options, name, len);

	return row != NULL || verb == NULL ? row : find_in(verb->options, name, len);
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *v = cli_verbs; v->name != NULL; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

/* Whether `word` is the first of verbs of two words, like "job". */
static int is_group(const char *word)
{
	size_t len = strlen(word);

	for (const struct verb *v = cli_verbs; v->name != NULL; v++)
		if (strncmp(v->name, word, len) == 0 && v->name[len] == ' ')
			return 1;
	return 0;
}

/* ---- errors ----------------------------------------------------------------------------------------------------- */

static sc_err unknown_option(const struct cli *cli, const char *name, size_t len, struct buf *error)
{
	const char *known[NAMES_MAX] = {NULL}, *near;
	char shown[80];
	size_t n = 0;

	for (const struct opt_row *r = cli_global_options; r->name != NULL && n < NAMES_MAX; r++)
		known[n++] = r->name;
	for (const struct opt_row *r = cli->verb != NULL ? cli->verb->options : NULL;
	     r != NULL && r->name != NULL && n < NAMES_MAX; r++)
		known[n++] = r->name;
	snprintf(shown, sizeof(shown), "%.*s", (int)(len < 70 ? len : 70), name);
	near = cli_nearest(shown, known, n);
	buf_printf(error, "unknown option --%s", shown);
	if (near != NULL)
		buf_printf(error, "; did you mean --%s?", near);
	else
		buf_printf(error, "; see schedctl %s%s--help", cli->verb != NULL ? cli->verb->name : "",
			   cli->verb != NULL ? " " : "");
	return SC_INVALID;
}

/* The words that may stand first (group NULL), or after a first word like "job", each once. */
static size_t list_words(const char *group, char words[NAMES_MAX][32])
{
	size_t n = 0, len = group != NULL ? strlen(group) : 0;

	for (const struct verb *v = cli_verbs; v->name != NULL && n < NAMES_MAX; v++) {
		size_t first = strcspn(v->name, " ");

		if (group != NULL && (first != len || strncmp(v->name, group, len) != 0 || v->name[len] == '\0'))
			continue;
		if (group != NULL)
			snprintf(words[n], sizeof(words[0]), "%s", v->name + len + 1);
		else
			snprintf(words[n], sizeof(words[0]), "%.*s", (int)first, v->name);
		if (n == 0 || strcmp(words[n], words[n - 1]) != 0)
			n++;
	}
	return n;
}

/* group: "job" for `schedctl job lits`, else NULL; word: NULL when it is missing. */
static sc_err unknown_verb(const char *group, const char *word, struct buf *error)
{
	const char *known[NAMES_MAX] = {NULL}, *near = NULL;
	char words[NAMES_MAX][32];
	size_t n = list_words(group, words);

	for (size_t i = 0; i < n; i++)
		known[i] = words[i];
	if (word == NULL) {
		buf_printf(error, "%s: a further word is missing", group);
	} else {
		buf_printf(error, "unknown command '%s%s%s'", group != NULL ? group : "", group != NULL ? " " : "",
			   word);
		near = cli_nearest(word, known, n);
	}
	if (near != NULL) {
		buf_printf(error, "; did you mean '%s%s%s'?", group != NULL ? group : "", group != NULL ? " " : "",
			   near);
		return SC_INVALID;
	}
	buf_printf(error, "; known:");
	for (size_t i = 0; i < n; i++)
		buf_printf(error, "%s %s", i > 0 ? "," : "", known[i]);
	return SC_INVALID;
}

/* ---- parsing ---------------------------------------------------------------------------------------------------- */

static sc_err add_given(struct cli *cli, const struct opt_row *row, const char *value)
{
	void *p = mem_grow(cli->given, &cli->cap_given, cli->n_given + 1, sizeof(*cli->given));

	if (p == NULL)
		return SC_NOMEM;
	cli->given = p;
	cli->given[cli->n_given++] = (struct given){row, value};
	return SC_OK;
}

static sc_err add_arg(struct cli *cli, char *arg)
{
	void *p = mem_grow(cli->args, &cli->cap_args, cli->n_args + 2, sizeof(*cli->args));

	if (p == NULL)
		return SC_NOMEM;
	cli->args = p;
	cli->args[cli->n_args++] = arg;
	cli->args[cli->n_args] = NULL; /* so that it can be used as an argv */
	return SC_OK;
}

static sc_err check_choice(const struct opt_row *row, const char *value, struct buf *error)
{
	size_t len = strlen(value);

	if (row->choices == NULL || strchr(row->choices, '|') == NULL)
		return SC_OK;
	for (const char *p = row->choices; *p != '\0';) {
		size_t n = strcspn(p, "|");

		if (n == len && memcmp(p, value, n) == 0)
			return SC_OK;
		p += n + (p[n] == '|');
	}
	buf_printf(error, "--%s: '%s' is not allowed; it has to be one of %s", row->name, value, row->choices);
	return SC_INVALID;
}

/* argv[*i] is an option; *i is moved past a value of its own. */
static sc_err parse_option(struct cli *cli, char **argv, int *i, struct buf *error)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '='), *value = NULL;
	size_t len = eq != NULL ? (size_t)(eq - name) : strlen(name);
	const struct opt_row *row = find_option(cli->verb, name, len);

	if (row == NULL)
		return unknown_option(cli, name, len, error);
	if (eq != NULL)
		value = eq + 1;
	if (row->kind == OPT_FLAG && value != NULL) {
		buf_printf(error, "--%s takes no value", row->name);
		return SC_INVALID;
	}
	if ((row->kind == OPT_VALUE || row->kind == OPT_MANY) && value == NULL) {
		value = argv[*i + 1];
		if (value == NULL) {
			buf_printf(error, "--%s needs a value: --%s %s", row->name, row->name, row->value);
			return SC_INVALID;
		}
		++*i;
	}
	if (value != NULL && check_choice(row, value, error) != SC_OK)
		return SC_INVALID;
	if (strcmp(row->name, "help") == 0)
		cli->wants_help = 1;
	if (strcmp(row->name, "version") == 0)
		cli->wants_version = 1;
	return add_given(cli, row, value);
}

/* A word that is not an option: part of the verb, or an argument. */
static sc_err parse_word(struct cli *cli, char *word, struct buf *error)
{
	char full[64];

	if (cli->verb != NULL)
		return add_arg(cli, word);
	if (cli->group == NULL) {
		cli->verb = find_verb(word);
		if (cli->verb == NULL && is_group(word))
			cli->group = word;
		else if (cli->verb == NULL)
			return unknown_verb(NULL, word, error);
		return SC_OK;
	}
	snprintf(full, sizeof(full), "%s %s", cli->group, word);
	cli->verb = find_verb(full);
	return cli->verb != NULL ? SC_OK : unknown_verb(cli->group, word, error);
}

static sc_err check_args(const struct cli *cli, struct buf *error)
{
	const struct verb *v = cli->verb;

	if (cli->wants_help || cli->wants_version)
		return SC_OK;
	if (v == NULL && cli->group != NULL)
		return unknown_verb(cli->group, NULL, error);
	if (v == NULL) {
		buf_printf(error, "no command; see schedctl --help");
		return SC_INVALID;
	}
	if (cli->n_args >= v->min_args && cli->n_args <= v->max_args)
		return SC_OK;
	if (cli->n_args > v->max_args)
		buf_printf(error, "one argument too many: '%s'", cli->args[v->max_args]);
	else
		buf_printf(error, "an argument is missing");
	buf_printf(error, "; usage: schedctl %s %s", v->name, v->args);
	return SC_INVALID;
}

sc_err cli_parse(struct cli *cli, int argc, char **argv, struct buf *error)
{
	int only_args = 0;
	sc_err err = SC_OK;

	memset(cli, 0, sizeof(*cli));
	for (int i = 1; i < argc && err == SC_OK; i++) {
		char *word = argv[i];

		if (only_args) {
			err = add_arg(cli, word);
		} else if (strcmp(word, "--") == 0) {
			only_args = cli->verb != NULL;
			if (!only_args) {
				buf_printf(error, "a command of schedctl has to stand before --");
				err = SC_INVALID;
			}
		} else if (strcmp(word, "-h") == 0) {
			cli->wants_help = 1;
		} else if (strncmp(word, "--", 2) == 0) {
			err = parse_option(cli, argv, &i, error);
		} else if (word[0] == '-' && word[1] != '\0' && cli->n_args == 0) {
			buf_printf(error, "unknown option %s: options begin with two dashes", word);
			err = SC_INVALID;
		} else {
			err = parse_word(cli, word, error);
			only_args = cli->n_args > 0 && cli->verb->is_command;
		}
	}
	return err == SC_OK ? check_args(cli, error) : err;
}

void cli_fini(struct cli *cli)
{
	mem_free(cli->given);
	mem_free(cli->args);
	memset(cli, 0, sizeof(*cli));
}

/* ---- what was given --------------------------------------------------------------------------------------------- */

const char *cli_next_value(const struct cli *cli, const char *option, size_t *at)
{
	assert(find_option(cli->verb, option, strlen(option)) != NULL && "an option that is not in the table");
	while (*at < cli->n_given) {
		const struct given *g = &cli->given[(*at)++];

		if (strcmp(g->row->name, option) == 0)
			return g->value != NULL ? g->value : "";
	}
	return NULL;
}

int cli_has(const struct cli *cli, const char *option)
{
	size_t at = 0;

	return cli_next_value(cli, option, &at) != NULL;
}

const char *cli_value(const struct cli *cli, const char *option)
{
	const char *value, *last = NULL;
	size_t at = 0;

	while ((value = cli_next_value(cli, option, &at)) != NULL)
		last = value;
	return last;
}

/* ---- help ------------------------------------------------------------------------------------------------------- */

static void print_options(FILE *out, const struct opt_row *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s%s", table->name,
			 table->kind == OPT_FLAG       ? ""
			 : table->kind == OPT_OPTIONAL ? "[="
						       : " ",
			 table->kind == OPT_FLAG ? "" : table->value, table->kind == OPT_OPTIONAL ? "]" : "");
		fprintf(out, "  %-26s %s%s\n", left, table->help, table->kind == OPT_MANY ? " (repeatable)" : "");
	}
}

static void print_verbs(FILE *out, const char *group)
{
	size_t len = group != NULL ? strlen(group) : 0;

	for (const struct verb *v = cli_verbs; v->name != NULL; v++) {
		char left[128];

		if (group != NULL && (strncmp(v->name, group, len) != 0 || v->name[len] != ' '))
			continue;
		snprintf(left, sizeof(left), "%s %s", v->name, v->args);
		if (strlen(left) > 34)
			fprintf(out, "  %s\n  %-34s %s\n", left, "", v->help);
		else
			fprintf(out, "  %-34s %s\n", left, v->help);
	}
}

static void print_verb_help(FILE *out, const struct verb *v)
{
	fprintf(out, "usage: schedctl %s%s %s\n\n%s.\n", v->name,
		v->options != NULL && v->options->name != NULL ? " [OPTION]..." : "", v->args, v->help);
	if (v->more != NULL)
		fprintf(out, "\n%s\n", v->more);
	if (v->options != NULL && v->options->name != NULL) {
		fprintf(out, "\noptions:\n");
		print_options(out, v->options);
	}
	fprintf(out, "\noptions of every command:\n");
	print_options(out, cli_global_options);
}

void cli_print_help(FILE *out, const struct cli *cli)
{
	if (cli->verb != NULL) {
		print_verb_help(out, cli->verb);
		return;
	}
	fprintf(out, "usage: schedctl [OPTION]... COMMAND [ARG]...\n\nSubmit work to a scheduler, watch it, fetch its "
		     "results.\n\ncommands:\n");
	print_verbs(out, cli->group);
	fprintf(out, "\noptions of every command:\n");
	print_options(out, cli_global_options);
	if (cli->group == NULL) {
		fprintf(out, "\nconfiguration keys (--set, sched.yaml):\n");
		options_print_help(out, "net|client");
	}
	fprintf(out,
		"\nJOB is the number of a job, or `last`.  `schedctl COMMAND --help` tells more.\n"
		"Exit status: 0 success, 1 the work failed, 2 usage, 3 cannot reach the scheduler or not allowed.\n");
}
