/* yaml.c - any text as YAML: a tree that can be walked, or an error with a text. */
#include "base/yaml_doc.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static size_t walk(const struct yaml_item *i)
{
	size_t n = 1;

	FUZZ_CHECK(i->line > 0);
	if (i->kind == YAML_SCALAR)
		return n + strlen(i->text);
	for (size_t k = 0; k < i->n; k++) {
		if (i->kind == YAML_MAP)
			FUZZ_CHECK(yaml_get(i, i->keys[k]->text) != NULL);
		n += walk(i->values[k]);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	struct yaml_doc *d = NULL;
	struct buf error;

	buf_init(&error, 0);
	if (yaml_doc_parse("t.yaml", (const char *)data, n_bytes, &d, &error) == SC_OK)
		walk(yaml_doc_root(d));
	else
		FUZZ_CHECK(error.len > 0);
	yaml_doc_free(d);
	buf_fini(&error);
	return 0;
}
