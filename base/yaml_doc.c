/* yaml_doc.c - see yaml_doc.h.  libyaml parses; its document is copied into a tree that is easy to walk. */
#include "base/yaml_doc.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"

#define DEPTH_MAX 64

struct yaml_doc {
	yaml_document_t doc;
	struct yaml_item *items; /* one per libyaml node, same order */
	struct yaml_item empty;
};

static void item_fini(struct yaml_item *i)
{
	mem_free(i->values);
	mem_free(i->keys);
}

void yaml_doc_free(struct yaml_doc *d)
{
	size_t n;

	if (d == NULL)
		return;
	n = (size_t)(d->doc.nodes.top - d->doc.nodes.start);
	for (size_t i = 0; d->items != NULL && i < n; i++)
		item_fini(&d->items[i]);
	mem_free(d->items);
	yaml_document_delete(&d->doc);
	mem_free(d);
}

static struct yaml_item *item_at(struct yaml_doc *d, int index)
{
	return &d->items[index - 1];
}

static sc_err copy_scalar(const yaml_node_t *n, struct yaml_item *it)
{
	it->kind = YAML_SCALAR;
	it->text = (const char *)n->data.scalar.value;
	it->text_bytes = n->data.scalar.length;
	it->is_plain = n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return SC_OK;
}

static sc_err copy_list(struct yaml_doc *d, const yaml_node_t *n, struct yaml_item *it)
{
	it->kind = YAML_LIST;
	it->n = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
	it->values = mem_calloc(it->n, sizeof(*it->values));
	if (it->values == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < it->n; i++)
		it->values[i] = item_at(d, n->data.sequence.items.start[i]);
	return SC_OK;
}

static sc_err copy_map(struct yaml_doc *d, const char *name, const yaml_node_t *n, struct yaml_item *it,
		       struct buf *error)
{
	it->kind = YAML_MAP;
	it->n = (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
	it->values = mem_calloc(it->n, sizeof(*it->values));
	it->keys = mem_calloc(it->n, sizeof(*it->keys));
	if (it->values == NULL || it->keys == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < it->n; i++) {
		const yaml_node_pair_t *pair = &n->data.mapping.pairs.start[i];
		const yaml_node_t *key = yaml_document_get_node(&d->doc, pair->key);

		if (key->type != YAML_SCALAR_NODE) {
			buf_printf(error, "%s:%zu: a key has to be a plain word", name, key->start_mark.line + 1);
			return SC_INVALID;
		}
		it->keys[i] = item_at(d, pair->key);
		it->values[i] = item_at(d, pair->value);
	}
	return SC_OK;
}

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_item *x = *(struct yaml_item *const *)a, *y = *(struct yaml_item *const *)b;
	int c = strcmp(x->text, y->text);

	return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

/* A key that occurs twice is a mistake that would otherwise go unseen. */
static sc_err check_duplicates(const char *name, const struct yaml_item *map, struct buf *error)
{
	struct yaml_item **sorted = mem_malloc(map->n * sizeof(*sorted));
	sc_err err = SC_OK;

	if (sorted == NULL)
		return SC_NOMEM;
	memcpy(sorted, map->keys, map->n * sizeof(*sorted));
	qsort(sorted, map->n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < map->n && err == SC_OK; i++) {
		if (strcmp(sorted[i - 1]->text, sorted[i]->text) != 0)
			continue;
		buf_printf(error, "%s:%u: '%s' is there already, in line %u", name, sorted[i]->line, sorted[i]->text,
			   sorted[i - 1]->line);
		err = SC_INVALID;
	}
	mem_free(sorted);
	return err;
}

static sc_err copy_nodes(struct yaml_doc *d, const char *name, struct buf *error)
{
	size_t n = (size_t)(d->doc.nodes.top - d->doc.nodes.start);
	sc_err err = SC_OK;

	d->items = mem_calloc(n, sizeof(*d->items));
	if (d->items == NULL)
		return SC_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const yaml_node_t *node = &d->doc.nodes.start[i];

		d->items[i].line = (unsigned)node->start_mark.line + 1;
		if (node->type == YAML_SCALAR_NODE)
			copy_scalar(node, &d->items[i]);
	}
	for (size_t i = 0; i < n && err == SC_OK; i++) {
		const yaml_node_t *node = &d->doc.nodes.start[i];

		if (node->type == YAML_SEQUENCE_NODE)
			err = copy_list(d, node, &d->items[i]);
		else if (node->type == YAML_MAPPING_NODE)
			err = copy_map(d, name, node, &d->items[i], error);
		if (err == SC_OK && d->items[i].kind == YAML_MAP)
			err = check_duplicates(name, &d->items[i], error);
	}
	return err;
}

/* One pass over the events, before the tree is built: no aliases, not too deep, one document. */
static sc_err check_events(const char *name, const char *text, size_t n, struct buf *error)
{
	yaml_parser_t parser;
	yaml_event_t ev;
	unsigned depth = 0, documents = 0;
	sc_err err = SC_OK;
	int done = 0;

	if (!yaml_parser_initialize(&parser))
		return SC_NOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	while (!done && err == SC_OK) {
		const char *what = NULL;

		if (!yaml_parser_parse(&parser, &ev)) {
			buf_printf(error, "%s:%zu: %s%s%s", name, parser.problem_mark.line + 1,
				   parser.problem != NULL ? parser.problem : "not valid YAML",
				   parser.context != NULL ? ", " : "", parser.context != NULL ? parser.context : "");
			err = SC_INVALID;
			break;
		}
		if (ev.type == YAML_ALIAS_EVENT)
			what = "aliases (*name) are not supported";
		else if (ev.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
			what = "only one document in a file";
		else if ((ev.type == YAML_SEQUENCE_START_EVENT || ev.type == YAML_MAPPING_START_EVENT) &&
			 ++depth > DEPTH_MAX)
			what = "nested too deep";
		else if (ev.type == YAML_SEQUENCE_END_EVENT || ev.type == YAML_MAPPING_END_EVENT)
			depth--;
		if (what != NULL) {
			buf_printf(error, "%s:%zu: %s", name, ev.start_mark.line + 1, what);
			err = SC_INVALID;
		}
		done = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&parser);
	return err;
}

sc_err yaml_doc_parse(const char *name, const char *text, size_t n, struct yaml_doc **out, struct buf *error)
{
	struct yaml_doc *d;
	yaml_parser_t parser;
	sc_err err;

	if (text == NULL) /* an empty buffer has no bytes; libyaml wants some, if none of them */
		text = "";
	err = check_events(name, text, n, error);
	if (err != SC_OK)
		return err;
	d = mem_calloc(1, sizeof(*d));
	if (d == NULL)
		return SC_NOMEM;
	d->empty.kind = YAML_MAP;
	d->empty.line = 1;
	if (!yaml_parser_initialize(&parser)) {
		mem_free(d);
		return SC_NOMEM;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	if (!yaml_parser_load(&parser, &d->doc)) {
		buf_printf(error, "%s:%zu: %s", name, parser.problem_mark.line + 1,
			   parser.problem != NULL ? parser.problem : "not valid YAML");
		yaml_parser_delete(&parser);
		mem_free(d);
		return SC_INVALID;
	}
	yaml_parser_delete(&parser);
	err = copy_nodes(d, name, error);
	if (err != SC_OK) {
		yaml_doc_free(d);
		return err;
	}
	*out = d;
	return SC_OK;
}

sc_err yaml_doc_load(const char *path, size_t max_bytes, struct yaml_doc **out, struct buf *error)
{
	FILE *f = fopen(path, "re");
	struct buf text;
	sc_err err = SC_OK;
	size_t n;

	if (f == NULL) {
		buf_printf(error, "%s: %s", path, strerror(errno));
		return errno == ENOENT ? SC_NOT_FOUND : SC_DENIED;
	}
	buf_init(&text, max_bytes);
	do {
		uint8_t chunk[8192];

		n = fread(chunk, 1, sizeof(chunk), f);
		buf_append(&text, chunk, n);
	} while (n > 0 && buf_err(&text) == SC_OK);
	if (ferror(f)) {
		buf_printf(error, "%s: cannot be read: %s", path, strerror(errno));
		err = SC_IO;
	} else if (buf_err(&text) != SC_OK) {
		buf_printf(error, "%s: larger than %zu bytes", path, max_bytes);
		err = SC_INVALID;
	} else {
		err = yaml_doc_parse(path, (const char *)text.data, text.len, out, error);
	}
	fclose(f);
	buf_fini(&text);
	return err;
}

const struct yaml_item *yaml_doc_root(const struct yaml_doc *d)
{
	return d->doc.nodes.top == d->doc.nodes.start ? &d->empty : &d->items[0];
}

const struct yaml_item *yaml_get(const struct yaml_item *map, const char *key)
{
	for (size_t i = 0; map->kind == YAML_MAP && i < map->n; i++)
		if (strcmp(map->keys[i]->text, key) == 0)
			return map->values[i];
	return NULL;
}
