/* table.c - aligned columns, and text made harmless. */
#include "client/ctl/table.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *const heads[] = {">ID", "NAME", "STATE", NULL};

static void fill(struct table *t)
{
	table_init(t, heads);
	table_add(t, "7");
	table_add(t, "caf\xc3\xa9"); /* four characters, five bytes */
	table_add_color(t, "\033[32m", "done");
	table_addf(t, "%d", 1000);
	table_add(t, "x");
	table_add(t, "failed");
}

Test(table, aligns_by_characters)
{
	struct table t;
	struct buf out;

	fill(&t);
	buf_init(&out, 0);
	table_write(&t, 0, &out);
	cr_expect_str_eq(buf_str(&out), "  ID  NAME  STATE\n"
					"   7  caf\xc3\xa9  done\n"
					"1000  x     failed\n");
	buf_fini(&out);
	table_fini(&t);
}

/* A column that says nothing is left out, until one row of it does. */
Test(table, leaves_out_what_no_row_has)
{
	static const char *const optional[] = {"NAME", "?OWNER", ">N", NULL};
	struct table t;
	struct buf out;

	table_init(&t, optional);
	buf_init(&out, 0);
	table_add(&t, "a");
	table_add(&t, "-");
	table_add(&t, "1");
	table_write(&t, 0, &out);
	cr_expect_str_eq(buf_str(&out), "NAME  N\na     1\n");
	table_add(&t, "b");
	table_add(&t, "x");
	table_add(&t, "2");
	buf_reset(&out);
	table_write(&t, 0, &out);
	cr_expect_str_eq(buf_str(&out), "NAME  OWNER  N\n"
					"a     -      1\n"
					"b     x      2\n");
	buf_fini(&out);
	table_fini(&t);
}

Test(table, colours_do_not_count)
{
	struct table t;
	struct buf out;

	fill(&t);
	buf_init(&out, 0);
	table_write(&t, 1, &out);
	cr_expect(strstr(buf_str(&out), "   7  caf\xc3\xa9  \033[32mdone\033[0m\n") != NULL, "%s", buf_str(&out));
	buf_fini(&out);
	table_fini(&t);
}

Test(table, escape_sequences_do_not_reach_the_terminal)
{
	static const char evil[] = "a\033[2Jb\xc2\x9b"
				   "c\x7f\td\n";
	struct buf out;

	buf_init(&out, 0);
	text_harmless(&out, evil, sizeof(evil) - 1);
	cr_expect_str_eq(buf_str(&out), "a?[2Jb?c?\td\n");
	buf_fini(&out);
}
