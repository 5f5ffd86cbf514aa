/*
 * cli.h - the command line: verbs and options are rows; parsing, --help and completion read them.
 *
 * Strings given by the user are borrowed from argv.
 */
#ifndef CLIENT_CTL_CLI_H
#define CLIENT_CTL_CLI_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "proto/sched_error.h"

struct ctl;

enum opt_kind {
	OPT_FLAG,    /* --wait */
	OPT_VALUE,   /* --name S, --name=S */
	OPT_MANY,    /* the same, may be given several times */
	OPT_OPTIONAL /* --local, --local=4 */
};

struct opt_row {
	const char *name; /* without the dashes; NULL ends a table */
	enum opt_kind kind;
	const char *value; /* how its value is shown in help */
	const char *help;
	const char *choices; /* "auto|always|never", or NULL; "FILE", "DIR": for completion */
};

/* Exit statuses. */
enum { EXIT_DONE = 0, EXIT_WORK_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_ACCESS = 3 };

struct verb {
	const char *name; /* "submit", "job list" */
	const char *args; /* how its arguments are shown in help */
	const char *help; /* one line */
	const char *more; /* further lines of its --help, or NULL */
	const struct opt_row *options;
	size_t min_args, max_args; /* SIZE_MAX: any number */
	int is_command;		   /* the first argument ends the options: what follows is a command line */
	int (*run)(struct ctl *c); /* returns the exit status */
	const char *complete;	   /* "FILE" for completion of arguments, or NULL */
};

/* The tables, in verbs.c; a row with name NULL ends each. */
extern const struct verb cli_verbs[];
extern const struct opt_row cli_global_options[];

struct given {
	const struct opt_row *row;
	const char *value; /* NULL: none */
};

struct cli {
	const struct verb *verb; /* NULL: none was given */
	int wants_help;
	int wants_version;
	struct given *given; /* owned */
	size_t n_given, cap_given;
	char **args; /* owned; the strings are argv's */
	size_t n_args, cap_args;
	const char *group; /* "job" when only that was given, for its help */
};

/* SC_INVALID with *error: what is wrong, what is known.  cli_fini() in any case. */
sc_err cli_parse(struct cli *cli, int argc, char **argv, struct buf *error);
void cli_fini(struct cli *cli);

int cli_has(const struct cli *cli, const char *option);
const char *cli_value(const struct cli *cli, const char *option);		   /* the last one; NULL: not given */
const char *cli_next_value(const struct cli *cli, const char *option, size_t *at); /* *at from 0; NULL: no more */

/* Help for the program, for a group of verbs ("job") or for one verb. */
void cli_print_help(FILE *out, const struct cli *cli);

/* The word of the list nearest to the one given, if it looks like a slip; NULL otherwise. */
const char *cli_nearest(const char *word, const char *const *known, size_t n);

/* A completion script; SC_INVALID: not a shell we know. */
sc_err cli_print_completion(FILE *out, const char *shell);

#endif
