/*
 * docs/gen - writes the parts of the documentation that come from tables in the source.
 *
 *     docs-gen FILE...        rewrite what is between `begin NAME` and `end NAME` markers of each file, in place
 *     docs-gen --sample       the sample configuration file, on standard output
 *
 * A marker is a line that holds the words "begin NAME" or "end NAME" in a comment: `<!-- begin messages -->` in
 * Markdown,
 * `.\" begin messages` in a manual page.  `make docs` runs this; `make lint` fails when its output is not what is
 * there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/options.h"
#include "docs/gen/sections.h"

static const struct {
	const char *name;
	void (*print)(FILE *out);
} sections[] = {
	{"messages", print_messages},	{"errors", print_errors},     {"constants", print_constants},
	{"options", options_print_man}, {"commands", print_commands}, {"global-options", print_global_options},
	{"json-fields", print_fields},	{"metrics", print_metrics},
};

static const size_t n_sections = sizeof(sections) / sizeof(sections[0]);

/* The name in a marker line, or NULL; static. */
static const char *marker(const char *line, const char *word)
{
	static char name[64];
	const char *p = NULL;

	if (strncmp(line, "<!-- ", 5) == 0)
		p = line + 5;
	else if (strncmp(line, ".\\\" ", 4) == 0)
		p = line + 4;
	if (p == NULL || strncmp(p, word, strlen(word)) != 0 || p[strlen(word)] != ' ')
		return NULL;
	p += strlen(word) + 1;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, " \n"), p);
	return name;
}

static void fail(const char *path, const char *what, const char *detail)
{
	fprintf(stderr, "docs-gen: %s: %s%s\n", path, what, detail);
	exit(1);
}

static void print_section(FILE *out, const char *path, const char *name)
{
	for (size_t i = 0; i < n_sections; i++) {
		if (strcmp(sections[i].name, name) == 0) {
			sections[i].print(out);
			return;
		}
	}
	fail(path, "unknown section ", name);
}

static void rewrite(const char *path)
{
	FILE *in = fopen(path, "re"), *out;
	char *text = NULL, *line = NULL;
	size_t n = 0, cap = 0;
	int inside = 0;

	if (in == NULL)
		fail(path, strerror(errno), "");
	out = open_memstream(&text, &n);
	while (getline(&line, &cap, in) >= 0) {
		const char *name = marker(line, "begin");

		if (marker(line, "end") != NULL)
			inside = 0;
		if (!inside)
			fputs(line, out);
		if (name != NULL) {
			print_section(out, path, name);
			inside = 1;
		}
	}
	if (inside)
		fail(path, "a section has no end", "");
	fclose(in);
	fclose(out);
	in = fopen(path, "we");
	if (in == NULL || fwrite(text, 1, n, in) != n || fclose(in) != 0)
		fail(path, strerror(errno), "");
	free(line);
	free(text);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--sample") == 0) {
		options_print_sample(stdout);
		return 0;
	}
	for (int i = 1; i < argc; i++)
		rewrite(argv[i]);
	return 0;
}
