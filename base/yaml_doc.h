/*
 * yaml_doc.h - a YAML file as a tree, with line numbers, over libyaml.
 *
 * Nodes are borrowed from the document until it is closed.  Aliases are refused (they can blow a small file up), as are
 * keys that are not plain scalars and keys that occur twice.
 */
#ifndef BASE_YAML_DOC_H
#define BASE_YAML_DOC_H

#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "proto/sched_error.h"

struct yaml_doc;

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_item {
	enum yaml_kind kind;
	unsigned line;	   /* from 1 */
	int is_plain;	   /* a scalar written without quotes */
	const char *text;  /* of a scalar, terminated */
	size_t text_bytes; /* it may hold zeros */
	size_t n;	   /* elements of a list, pairs of a map */
	struct yaml_item **values;
	struct yaml_item **keys; /* of a map: scalars */
};

/*
 * *out is new.  An empty document is a map of nothing.  Files over max_bytes are refused.
 * SC_NOT_FOUND, SC_DENIED, SC_INVALID with *error "FILE:LINE: what", SC_NOMEM.
 */
sc_err yaml_doc_load(const char *path, size_t max_bytes, struct yaml_doc **out, struct buf *error);
sc_err yaml_doc_parse(const char *name, const char *text, size_t n, struct yaml_doc **out, struct buf *error);
void yaml_doc_free(struct yaml_doc *d); /* NULL is fine */

const struct yaml_item *yaml_doc_root(const struct yaml_doc *d);

/* The value of a key of a map, or NULL. */
const struct yaml_item *yaml_get(const struct yaml_item *map, const char *key);

#endif
