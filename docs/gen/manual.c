/* manual.c - the parts of manual pages that come from tables: commands of schedctl, fields of its JSON, metrics. */
#include <string.h>

#include "client/ctl/cli.h"
#include "docs/gen/sections.h"

/* Text in a manual page: no line may begin with a dot or an apostrophe, and a backslash is written \e. */
static void put_text(FILE *out, const char *text)
{
	int at_start = 1;

	for (; *text != '\0'; text++) {
		if (at_start && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		at_start = *text == '\n';
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-' && text[1] == '-') /* an option, not a dash */
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void put_sentence(FILE *out, const char *text)
{
	put_text(out, text);
	fputs(text[0] != '\0' && text[strlen(text) - 1] == '.' ? "\n" : ".\n", out);
}

static void put_options(FILE *out, const struct opt_row *row)
{
	for (; row->name != NULL; row++) {
		fprintf(out, ".TP\n.BR \\-\\-%s", row->name);
		if (row->kind == OPT_OPTIONAL)
			fprintf(out, " [= \\fI%s\\fP ]", row->value);
		else if (row->value != NULL)
			fprintf(out, " \" \" \\fI%s\\fP", row->value);
		fputc('\n', out);
		put_text(out, row->help);
		fputs(row->kind == OPT_MANY ? ".  May be repeated.\n" : ".\n", out);
	}
}

void print_global_options(FILE *out)
{
	put_options(out, cli_global_options);
}

void print_commands(FILE *out)
{
	for (const struct verb *v = cli_verbs; v->name != NULL; v++) {
		fprintf(out, ".SS \"%s%s%s%s\"\n", v->name, v->options->name != NULL ? " [OPTION]..." : "",
			*v->args != '\0' ? " " : "", v->args);
		put_sentence(out, v->help);
		if (v->more != NULL) {
			fputs(".PP\n", out);
			put_sentence(out, v->more);
		}
		put_options(out, v->options);
	}
}

void print_fields(FILE *out)
{
#define FIELD(name, text)                                                                                              \
	fputs(".TP\n.B " #name "\n", out);                                                                             \
	put_sentence(out, text);
#include "client/ctl/fields.def"
#undef FIELD
}

void print_metrics(FILE *out)
{
#define METRIC(name, type, help, value)                                                                                \
	fputs(".TP\n.BR " #name " \" (" type ")\"\n", out);                                                            \
	put_sentence(out, help);
#define METRIC_BY_STATE(name, type, help, value, states, shown)                                                        \
	fputs(".TP\n.BR " #name "{state=...} \" (" type ")\"\n", out);                                                 \
	put_sentence(out, help);
#include "scheduler/metrics.def"
#undef METRIC
#undef METRIC_BY_STATE
}
