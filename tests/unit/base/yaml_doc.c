/* yaml_doc.c - what of YAML is taken, what is refused, and that every mistake names its line. */
#include "base/yaml_doc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static struct yaml_doc *parse_ok(const char *text)
{
	struct yaml_doc *d = NULL;
	struct buf error;

	buf_init(&error, 0);
	cr_assert_eq(yaml_doc_parse("t.yaml", text, strlen(text), &d, &error), SC_OK, "%s", buf_str(&error));
	cr_assert_eq(error.len, 0);
	buf_fini(&error);
	return d;
}

static void parse_bad(const char *text, const char *expected)
{
	struct yaml_doc *d = NULL;
	struct buf error;

	buf_init(&error, 0);
	cr_expect_eq(yaml_doc_parse("t.yaml", text, strlen(text), &d, &error), SC_INVALID, "taken: %s", text);
	cr_expect(strncmp(buf_str(&error), expected, strlen(expected)) == 0, "'%s' does not begin with '%s'",
		  buf_str(&error), expected);
	cr_expect_null(d);
	buf_fini(&error);
}

Test(yaml, a_tree_with_lines)
{
	struct yaml_doc *d = parse_ok("name: x\n"
				      "tasks:\n"
				      "  a:\n"
				      "    run: [echo, \"5\", 5]\n");
	const struct yaml_item *root = yaml_doc_root(d), *run;

	cr_assert(root->kind == YAML_MAP && root->n == 2);
	cr_assert_str_eq(yaml_get(root, "name")->text, "x");
	run = yaml_get(yaml_get(yaml_get(root, "tasks"), "a"), "run");
	cr_assert(run->kind == YAML_LIST && run->n == 3);
	cr_assert_eq(run->line, 4);
	cr_assert_str_eq(run->values[0]->text, "echo");
	cr_assert(!run->values[1]->is_plain && run->values[2]->is_plain);
	cr_assert_null(yaml_get(root, "nothing"));
	cr_assert_null(yaml_get(run, "not a map"));
	yaml_doc_free(d);
}

Test(yaml, nothing_is_a_map_of_nothing)
{
	static const char *const texts[] = {"", "\n\n", "# only a comment\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct yaml_doc *d = parse_ok(texts[i]);

		cr_assert(yaml_doc_root(d)->kind == YAML_MAP && yaml_doc_root(d)->n == 0);
		yaml_doc_free(d);
	}
	yaml_doc_free(NULL);
}

Test(yaml, a_scalar_may_hold_zeros)
{
	struct yaml_doc *d = parse_ok("k: \"a\\0b\"\n");
	const struct yaml_item *v = yaml_get(yaml_doc_root(d), "k");

	cr_assert_eq(v->text_bytes, 3);
	cr_assert_eq(memcmp(v->text, "a\0b", 4), 0);
	yaml_doc_free(d);
}

Test(yaml, mistakes_name_their_line)
{
	parse_bad("a: 1\nb: [\n", "t.yaml:3: ");
	parse_bad("a: 1\n\tb: 2\n", "t.yaml:2: ");
	parse_bad("a: 1\nb: 2\na: 3\n", "t.yaml:3: 'a' is there already, in line 1");
	parse_bad("x:\n  k: 1\n  k: 1\n", "t.yaml:3: 'k' is there already, in line 2");
	parse_bad("a: &x 1\nb: *x\n", "t.yaml:2: aliases");
	parse_bad("[a, b]: 1\n", "t.yaml:1: a key has to be a plain word");
	parse_bad("a: 1\n---\nb: 2\n", "t.yaml:2: only one document");
	parse_bad("a: \"unterminated\n", "t.yaml:");
	parse_bad("a: \xff\xfe\n", "t.yaml:");
}

Test(yaml, depth_is_bounded)
{
	char text[201];
	struct yaml_doc *d;

	memset(text, '[', 100);
	memset(text + 100, ']', 100);
	text[200] = '\0';
	parse_bad(text, "t.yaml:1: nested too deep");
	memset(text, '[', 60);
	memset(text + 60, ']', 60);
	text[120] = '\0';
	d = parse_ok(text);
	yaml_doc_free(d);
}

Test(yaml, aliases_cannot_blow_a_small_file_up)
{
	parse_bad("a: &a [x,x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n", "t.yaml:2: aliases");
}

Test(yaml, files)
{
	char *dir = dir_new(), path[4200];
	struct yaml_doc *d = NULL;
	struct buf error;
	FILE *f;

	buf_init(&error, 0);
	snprintf(path, sizeof(path), "%s/f.yaml", dir);
	cr_assert_eq(yaml_doc_load(path, 100, &d, &error), SC_NOT_FOUND);
	cr_assert_not_null(strstr(buf_str(&error), path));
	f = fopen(path, "we");
	fclose(f);
	buf_reset(&error);
	cr_assert_eq(yaml_doc_load(path, 100, &d, &error), SC_OK, "an empty file: %s", buf_str(&error));
	yaml_doc_free(d);
	d = NULL;
	f = fopen(path, "we");
	for (int i = 0; i < 30; i++)
		fprintf(f, "k%d: 1\n", i);
	fclose(f);
	cr_assert_eq(yaml_doc_load(path, 100, &d, &error), SC_INVALID);
	cr_assert_not_null(strstr(buf_str(&error), "larger than 100 bytes"), "%s", buf_str(&error));
	cr_assert_eq(yaml_doc_load(path, 1000, &d, &error), SC_OK);
	cr_assert_eq(yaml_doc_root(d)->n, 30);
	yaml_doc_free(d);
	buf_reset(&error);
	cr_assert_eq(yaml_doc_load(dir, 1000, &d, &error), SC_IO, "a directory");
	dir_remove(dir);
	mem_free(dir);
	buf_fini(&error);
}

Test(yaml, survives_any_failed_allocation)
{
	static const char text[] = "a: {b: [1, 2], c: x}\nd: y\n";
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		struct yaml_doc *d = NULL;
		struct buf error;

		buf_init(&error, 0);
		mem_fail_nth(n);
		err = yaml_doc_parse("t", text, strlen(text), &d, &error);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && d == NULL), "allocation %ld: %s", n, sc_err_text(err));
		yaml_doc_free(d);
		buf_fini(&error);
	}
}
