/*
 * completion.c - completion scripts for shells, from the tables of verbs.c.
 *
 * Only words are completed, not job numbers: that would ask the scheduler at every press of the key.
 */
#include <string.h>

#include "client/ctl/cli.h"

static void print_option_names(FILE *out, const struct opt_row *table)
{
	for (; table != NULL && table->name != NULL; table++)
		fprintf(out, " --%s", table->name);
}

/* The words that may stand first, or after a first word like "job". */
static void print_words(FILE *out, const char *group)
{
	size_t len = group != NULL ? strlen(group) : 0;
	const char *before = "";

	for (const struct verb *v = cli_verbs; v->name != NULL; v++) {
		size_t n = strcspn(v->name, " ");

		if (group == NULL && (strlen(before) < n || strncmp(before, v->name, n) != 0))
			fprintf(out, " %.*s", (int)n, v->name);
		else if (group != NULL && n == len && strncmp(v->name, group, n) == 0 && v->name[n] == ' ')
			fprintf(out, " %s", v->name + n + 1);
		before = v->name;
	}
}

static void bash_values(FILE *out, const struct opt_row *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (table->choices == NULL || table->kind == OPT_FLAG)
			continue;
		if (strcmp(table->choices, "FILE") == 0) {
			fprintf(out, "\t--%s) _schedctl_files; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
				table->name);
		} else if (strcmp(table->choices, "DIR") == 0) {
			fprintf(out, "\t--%s) _schedctl_files; COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n",
				table->name);
		} else {
			fprintf(out, "\t--%s) COMPREPLY=($(compgen -W '", table->name);
			for (const char *p = table->choices; *p != '\0'; p++)
				fputc(*p == '|' ? ' ' : *p, out);
			fprintf(out, "' -- \"$cur\")); return ;;\n");
		}
	}
}

static void print_bash_body(FILE *out)
{
	const char *before = "";

	/* zsh has no compopt */
	fprintf(out, "_schedctl_files() { if type compopt >/dev/null 2>&1; then compopt -o filenames; fi; }\n");
	fprintf(out, "_schedctl() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i verb=\n"
		     "\tCOMPREPLY=()\n"
		     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		     "\t\tcase ${COMP_WORDS[i]} in\n"
		     "\t\t--access-file|--config|--set|--color) ((i++)) ;;\n"
		     "\t\t--) return ;;\n"
		     "\t\t-*) ;;\n"
		     "\t\t*) [[ $verb == *' '* ]] || verb=\"${verb:+$verb }${COMP_WORDS[i]}\" ;;\n"
		     "\t\tesac\n\tdone\n"
		     "\tcase $prev in\n");
	bash_values(out, cli_global_options);
	for (const struct verb *v = cli_verbs; v->name != NULL; v++)
		bash_values(out, v->options);
	fprintf(out, "\tesac\n\tcase $verb in\n\t'') COMPREPLY=($(compgen -W '");
	print_words(out, NULL);
	print_option_names(out, cli_global_options);
	fprintf(out, "' -- \"$cur\")) ;;\n");
	for (const struct verb *v = cli_verbs; v->name != NULL; v++) {
		size_t n = strcspn(v->name, " ");
		char group[32];

		if (v->name[n] == ' ' && (strncmp(before, v->name, n) != 0 || before[n] != ' ')) {
			snprintf(group, sizeof(group), "%.*s", (int)n, v->name);
			fprintf(out, "\t%s) COMPREPLY=($(compgen -W '", group);
			print_words(out, group);
			fprintf(out, "' -- \"$cur\")) ;;\n");
		}
		before = v->name;
		fprintf(out, "\t'%s'*) COMPREPLY=($(compgen %s-W '", v->name,
			v->complete != NULL && strcmp(v->complete, "FILE") == 0 ? "-f " : "");
		print_option_names(out, v->options);
		print_option_names(out, cli_global_options);
		if (v->complete != NULL && strchr(v->complete, '|') != NULL)
			for (const char *p = v->complete; *p != '\0'; p++)
				fprintf(out, "%s%c", p == v->complete ? " " : "", *p == '|' ? ' ' : *p);
		fprintf(out, "' -- \"$cur\")) ;;\n");
	}
	fprintf(out, "\tesac\n}\n");
}

sc_err cli_print_completion(FILE *out, const char *shell)
{
	if (strcmp(shell, "bash") == 0) {
		fprintf(out, "# bash completion for schedctl\n");
		print_bash_body(out);
		fprintf(out, "complete -o default -F _schedctl schedctl\n");
		return SC_OK;
	}
	if (strcmp(shell, "zsh") == 0) { /* zsh runs scripts written for bash */
		fprintf(out, "# zsh completion for schedctl: source <(schedctl completion zsh)\n"
			     "autoload -U +X bashcompinit && bashcompinit\n");
		print_bash_body(out);
		fprintf(out, "complete -o default -F _schedctl schedctl\n");
		return SC_OK;
	}
	return SC_INVALID;
}
