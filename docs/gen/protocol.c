/* protocol.c - the tables of docs/protocol.md: messages, errors, constants. */
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "docs/gen/sections.h"
#include "proto/sched_error.h"

/* Text in a cell: a bar would end it, an angle bracket would be read as a tag. */
static void put_cell(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|')
			fputs("\\|", out);
		else if (*text == '<')
			fputs("&lt;", out);
		else
			fputc(*text, out);
	}
}

static void put_bound(FILE *out, const char *type, uint64_t bound)
{
	if (bound == UINT64_MAX)
		fputs("2^64-1", out);
	else if (bound == UINT32_MAX)
		fputs("2^32-1", out);
	else
		fprintf(out, "%s%" PRIu64, strcmp(type, "I64") == 0 ? "±" : "", bound);
}

static void begin_message(FILE *out, const char *name, unsigned code, const char *from, const char *text)
{
	fprintf(out, "\n#### %u `%s`\n\nFrom: %s. ", code, name, from);
	put_cell(out, text);
	fputs(".\n\n| | field | type | bound | meaning |\n|---:|---|---|---:|---|\n", out);
}

static void field(FILE *out, unsigned number, const char *type, const char *name, uint64_t bound, const char *text)
{
	fprintf(out, "| %u | `%s` | %s | ", number, name, type);
	put_bound(out, type, bound);
	fputs(" | ", out);
	put_cell(out, text);
	fputs(" |\n", out);
}

void print_messages(FILE *out)
{
	unsigned number;

#define MSG_BEGIN(name, code, from, text)                                                                              \
	number = 0;                                                                                                    \
	begin_message(out, #name, code, #from, text);
#define FIELD(msg, type, name, bound, text) field(out, ++number, #type, #name, (bound), text);
#define MSG_END(name)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
	fputc('\n', out);
}

void print_errors(FILE *out)
{
	fputs("\n| code | name | meaning |\n|---:|---|---|\n", out);
#define ROW(name, code, text) fprintf(out, "| %d | `%s` | %s |\n", code, #name, text);
	SC_ERRORS(ROW)
#undef ROW
	fputc('\n', out);
}

void print_constants(FILE *out)
{
	const char *family = "";

#define CONST(family_, name, value, shown, text)                                                                       \
	if (strcmp(family, #family_) != 0)                                                                             \
		fputs("\n| value | name | shown as | meaning |\n|---:|---|---|---|\n", out);                           \
	family = #family_;                                                                                             \
	fprintf(out, "| %u | `%s_%s` | %s | ", (unsigned)(value), #family_, #name, shown);                             \
	put_cell(out, text);                                                                                           \
	fputs(" |\n", out);
#include "proto/constants.def"
#undef CONST
	fputc('\n', out);
}
