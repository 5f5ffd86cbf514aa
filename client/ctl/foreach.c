/* foreach.c - see foreach.h. */
#include "client/ctl/foreach.h"

#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

#define ALLOWED                                                                                                        \
	"a pattern of files (texts/*.txt), a list, a range (0-99), {range: 0-99}, {glob: PATTERN} or {lines: FILE} "   \
	"is "                                                                                                          \
	"expected"
#define LINES_MAX_BYTES ((size_t)1 << 30)

struct each {
	struct graph *g;
	struct graph_task *t;
	struct buf *error;
};

#define FAIL(e, item, ...) graph_error((e)->g, (item)->line, (e)->error, __VA_ARGS__)

static sc_err add_item(struct each *e, const struct yaml_item *v, const char *p, size_t n)
{
	struct graph_task *t = e->t;
	void *grown;

	if (n > 65536)
		return FAIL(e, v, "foreach: an item of more than 65536 bytes");
	if (t->n_items >= FOREACH_ITEMS_MAX)
		return FAIL(e, v, "foreach: more than %u items", FOREACH_ITEMS_MAX);
	grown = mem_grow(t->items, &t->cap_items, t->n_items + 1, sizeof(*t->items));
	if (grown == NULL)
		return SC_NOMEM;
	t->items = grown;
	t->items[t->n_items++] = (struct graph_text){p, n};
	return SC_OK;
}

/* A range, or a list of them. */
static sc_err take_ranges(struct graph_task *t, const char *text)
{
	struct ranges r;
	sc_err err = ranges_parse(text, &r);

	if (err != SC_OK)
		return err;
	if (r.max_running > 0)
		t->max_running = r.max_running;
	t->range = (struct range){r.v[0].first, r.v[0].step, r.count};
	if (r.n == 1)
		ranges_fini(&r);
	else
		t->ranges = r;
	return SC_OK;
}

static sc_err from_range(struct each *e, const struct yaml_item *v)
{
	if (v->kind != YAML_SCALAR || take_ranges(e->t, v->text) != SC_OK)
		return FAIL(e, v, "foreach: '%s' is not a range; " RANGES_ALLOWED " is expected",
			    v->kind == YAML_SCALAR ? v->text : "...");
	return SC_OK;
}

static sc_err from_list(struct each *e, const struct yaml_item *v)
{
	sc_err err = SC_OK;

	if (v->n == 0)
		return FAIL(e, v, "foreach: the list is empty");
	for (size_t i = 0; i < v->n && err == SC_OK; i++) {
		if (v->values[i]->kind != YAML_SCALAR)
			return FAIL(e, v->values[i], "foreach: a single text is expected");
		err = add_item(e, v->values[i], v->values[i]->text, v->values[i]->text_bytes);
	}
	return err;
}

/* Files, and links that lead to files; a directory among them is left out. */
static sc_err from_glob(struct each *e, const struct yaml_item *v)
{
	glob_t found;
	sc_err err = SC_OK;
	int failed;

	if (v->kind != YAML_SCALAR || v->text[0] == '\0')
		return FAIL(e, v, "foreach: " ALLOWED);
	failed = glob(v->text, 0, NULL, &found);
	if (failed == GLOB_NOSPACE)
		return SC_NOMEM;
	for (size_t i = 0; failed == 0 && i < found.gl_pathc && err == SC_OK; i++) {
		struct stat st;
		char *copy;

		if (stat(found.gl_pathv[i], &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		copy = graph_own(e->g, mem_strdup(found.gl_pathv[i]));
		err = copy != NULL ? add_item(e, v, copy, strlen(copy)) : SC_NOMEM;
	}
	if (failed == 0)
		globfree(&found);
	if (err == SC_OK && e->t->n_items == 0)
		return FAIL(e, v, "foreach: no file matches '%s'", v->text);
	return err;
}

static sc_err read_whole(struct each *e, const struct yaml_item *v, struct buf *out)
{
	FILE *f = fopen(v->text, "re");
	uint8_t chunk[65536];
	size_t n;
	int failed;

	if (f == NULL)
		return FAIL(e, v, "foreach: cannot read '%s': %s", v->text, strerror(errno));
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_append(out, chunk, n);
	failed = ferror(f);
	fclose(f);
	if (failed || buf_err(out) != SC_OK)
		return FAIL(e, v, "foreach: cannot read '%s': %s", v->text,
			    failed ? strerror(errno) : sc_err_text(buf_err(out)));
	return SC_OK;
}

static sc_err from_lines(struct each *e, const struct yaml_item *v)
{
	struct buf text;
	char *all;
	sc_err err;

	if (v->kind != YAML_SCALAR || v->text[0] == '\0')
		return FAIL(e, v, "foreach: {lines: FILE} is expected");
	buf_init(&text, LINES_MAX_BYTES);
	err = read_whole(e, v, &text);
	if (err != SC_OK) {
		buf_fini(&text);
		return err;
	}
	all = graph_own(e->g, text.data); /* taken over */
	for (size_t at = 0; all != NULL && at < text.len && err == SC_OK;) {
		const char *newline = memchr(all + at, '\n', text.len - at);
		size_t n = newline != NULL ? (size_t)(newline - all) - at : text.len - at;

		err = add_item(e, v, all + at, n);
		at += n + 1;
	}
	if (err == SC_OK && e->t->n_items == 0)
		return FAIL(e, v, "foreach: '%s' has no lines", v->text);
	return err;
}

static sc_err from_map(struct each *e, const struct yaml_item *v)
{
	const char *key = v->n == 1 ? v->keys[0]->text : "";

	if (strcmp(key, "range") == 0)
		return from_range(e, v->values[0]);
	if (strcmp(key, "glob") == 0)
		return from_glob(e, v->values[0]);
	if (strcmp(key, "lines") == 0)
		return from_lines(e, v->values[0]);
	return FAIL(e, v, "foreach: " ALLOWED);
}

sc_err foreach_read(struct graph *g, struct graph_task *t, const struct yaml_item *v, struct buf *error)
{
	struct each e = {g, t, error};
	sc_err err;

	t->is_group = 1;
	if (v->kind == YAML_LIST)
		err = from_list(&e, v);
	else if (v->kind == YAML_MAP)
		err = from_map(&e, v);
	else if (take_ranges(t, v->text) == SC_OK)
		err = SC_OK;
	else
		err = from_glob(&e, v);
	if (t->n_items > 0)
		t->range = (struct range){0, 1, t->n_items};
	return err;
}
