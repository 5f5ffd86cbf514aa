/* options.c - see options.h. */
#include "base/options.h"

#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/yaml_doc.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024)

enum opt_type { O_DURATION, O_BYTES, O_COUNT, O_SHARE, O_TEXT, O_CHOICE };

struct opt {
	enum opt_type type;
	const char *section;
	const char *key;
	size_t offset;
	const char *def, *min, *max;
	const char *help;
};

static const struct opt table[] = {
#define OPT(type, section, field, key, def, min, max, help)                                                            \
	{O_##type, #section, key, offsetof(struct options, section##_##field), def, min, max, help},
#include "base/options.def"
#undef OPT
};

#define N_OPTS (sizeof(table) / sizeof(table[0]))

static sc_err parse_number(enum opt_type type, const char *text, uint64_t *out)
{
	switch (type) {
	case O_DURATION:
		return text_duration_us(text, out);
	case O_BYTES:
		return text_bytes(text, out);
	case O_COUNT:
		return text_u64(text, out);
	case O_SHARE:
		return text_share(text, out);
	default:
		return SC_INVALID;
	}
}

/* What may be written for this option, for error texts. */
static void allowed(const struct opt *o, struct buf *out)
{
	switch (o->type) {
	case O_DURATION:
		buf_printf(out, "a duration from %s to %s, like 500ms, 2s, 1.5h%s", o->min, o->max,
			   strcmp(o->max, "off") == 0 ? ", or off" : "");
		break;
	case O_BYTES:
		buf_printf(out, "a size from %s to %s, like 4096, 64KiB, 1GB", o->min, o->max);
		break;
	case O_COUNT:
		buf_printf(out, "a whole number from %s to %s", o->min, o->max);
		break;
	case O_SHARE:
		buf_printf(out, "a share from %s to %s, like 1%% or 0.5%%", o->min, o->max);
		break;
	case O_TEXT:
		buf_printf(out, "text of at most %s bytes", o->max);
		break;
	case O_CHOICE:
		buf_printf(out, "one of %s", o->max);
		break;
	}
}

static int is_choice(const char *choices, const char *value)
{
	size_t n = strlen(value);

	while (*choices != '\0') {
		size_t len = strcspn(choices, "|");

		if (len == n && memcmp(choices, value, n) == 0)
			return 1;
		choices += len + (choices[len] == '|');
	}
	return 0;
}

static sc_err assign(struct options *opts, const struct opt *o, const char *value)
{
	void *at = (char *)opts + o->offset;
	uint64_t v, min = 0, max = UINT64_MAX;
	char *copy;

	if (o->type == O_TEXT || o->type == O_CHOICE) {
		if (o->type == O_CHOICE ? !is_choice(o->max, value) : strlen(value) > strtoul(o->max, NULL, 10))
			return SC_INVALID;
		copy = mem_strdup(value);
		if (copy == NULL)
			return SC_NOMEM;
		mem_free(*(char **)at);
		*(char **)at = copy;
		return SC_OK;
	}
	if (parse_number(o->type, value, &v) != SC_OK)
		return SC_INVALID;
	parse_number(o->type, o->min, &min);
	parse_number(o->type, o->max, &max);
	if (v < min || v > max)
		return SC_INVALID;
	*(uint64_t *)at = v;
	return SC_OK;
}

sc_err options_init(struct options *o)
{
	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < N_OPTS; i++) {
		sc_err err = assign(o, &table[i], table[i].def);

		if (err != SC_OK) {
			options_fini(o);
			return err;
		}
	}
	return SC_OK;
}

void options_fini(struct options *o)
{
	for (size_t i = 0; i < N_OPTS; i++)
		if (table[i].type == O_TEXT || table[i].type == O_CHOICE)
			mem_free(*(char **)((char *)o + table[i].offset));
	memset(o, 0, sizeof(*o));
}

static const struct opt *find(const char *key)
{
	for (size_t i = 0; i < N_OPTS; i++) {
		size_t n = strlen(table[i].section);

		if (strncmp(key, table[i].section, n) == 0 && key[n] == '.' && strcmp(key + n + 1, table[i].key) == 0)
			return &table[i];
	}
	return NULL;
}

/* The known key with the smallest edit distance, if it is near enough to be a slip. */
static const struct opt *nearest(const char *key)
{
	const struct opt *best = NULL;
	unsigned best_distance = UINT_MAX;

	for (size_t k = 0; k < N_OPTS; k++) {
		char full[64];
		unsigned distance;

		snprintf(full, sizeof(full), "%s.%s", table[k].section, table[k].key);
		distance = text_slip(key, full);
		if (distance < best_distance) {
			best_distance = distance;
			best = &table[k];
		}
	}
	return best;
}

sc_err options_set(struct options *o, const char *where, const char *key, const char *value, struct buf *error)
{
	const struct opt *opt = find(key);
	sc_err err;

	if (opt == NULL) {
		const struct opt *near = nearest(key);

		buf_printf(error, "%s: unknown key '%s'", where, key);
		if (near != NULL)
			buf_printf(error, "; did you mean '%s.%s'?", near->section, near->key);
		else
			buf_printf(error, "; see sched.yaml(5) for all keys");
		return SC_INVALID;
	}
	err = assign(o, opt, value);
	if (err == SC_INVALID) {
		buf_printf(error, "%s: %s: '%s' is not allowed; it has to be ", where, key, value);
		allowed(opt, error);
	}
	return err;
}

sc_err options_set_pair(struct options *o, const char *where, const char *pair, struct buf *error)
{
	const char *eq = strchr(pair, '=');
	char *key;
	sc_err err;

	if (eq == NULL) {
		buf_printf(error, "%s: '%s' is not of the form key=value", where, pair);
		return SC_INVALID;
	}
	key = mem_strndup(pair, (size_t)(eq - pair));
	if (key == NULL)
		return SC_NOMEM;
	err = options_set(o, where, key, eq + 1, error);
	mem_free(key);
	return err;
}

static int is_section(const char *name)
{
	for (size_t i = 0; i < N_OPTS; i++)
		if (strcmp(table[i].section, name) == 0)
			return 1;
	return 0;
}

/* `worker:` with all its keys commented out, as in the sample file. */
static int is_empty_section(const struct yaml_item *key, const struct yaml_item *value)
{
	return value->kind == YAML_SCALAR && value->is_plain && value->text_bytes == 0 && is_section(key->text);
}

static sc_err load_map(struct options *o, const char *path, const char *prefix, const struct yaml_item *map,
		       struct buf *error)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_item *v = map->values[i];
		char where[512], key[160];
		sc_err err;

		snprintf(where, sizeof(where), "%s:%u", path, map->keys[i]->line);
		snprintf(key, sizeof(key), "%s%s%s", prefix, *prefix ? "." : "", map->keys[i]->text);
		if (*prefix == '\0' && is_empty_section(map->keys[i], v)) {
			err = SC_OK;
		} else if (v->kind == YAML_MAP && *prefix == '\0') {
			err = load_map(o, path, map->keys[i]->text, v, error);
		} else if (v->kind != YAML_SCALAR) {
			buf_printf(error, "%s: %s: a single value is expected here", where, key);
			err = SC_INVALID;
		} else {
			err = options_set(o, where, key, v->text, error);
		}
		if (err != SC_OK)
			return err;
	}
	return SC_OK;
}

sc_err options_load_file(struct options *o, const char *path, struct buf *error)
{
	struct yaml_doc *d;
	const struct yaml_item *root;
	sc_err err = yaml_doc_load(path, FILE_MAX_BYTES, &d, error);

	if (err != SC_OK)
		return err;
	root = yaml_doc_root(d);
	if (root->kind != YAML_MAP) {
		buf_printf(error, "%s:%u: sections with keys are expected here", path, root->line);
		err = SC_INVALID;
	} else {
		err = load_map(o, path, "", root, error);
	}
	yaml_doc_free(d);
	return err;
}

sc_err options_load_env(struct options *o, char **env, struct buf *error)
{
	for (; *env != NULL; env++) {
		const char *name = *env, *eq = strchr(name, '='), *gap;
		char key[128], where[192];
		size_t n = 0;
		sc_err err;

		if (eq == NULL || strncmp(name, "SCHED_", 6) != 0)
			continue;
		gap = strstr(name, "__");
		/* SCHED_ACCESS_FILE and others are no options, nor is what a task is told of its resources. */
		if (gap == NULL || gap > eq || eq - name > 120 || strncmp(name, "SCHED_RESOURCE_", 15) == 0)
			continue;
		for (const char *p = name + 6; p < eq; p++) {
			if (p == gap) {
				key[n++] = '.';
				p++;
			} else {
				key[n++] = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
			}
		}
		key[n] = '\0';
		snprintf(where, sizeof(where), "environment %.*s", (int)(eq - name), name);
		err = options_set(o, where, key, eq + 1, error);
		if (err != SC_OK)
			return err;
	}
	return SC_OK;
}

static sc_err load_optional(struct options *o, const char *path, struct buf *error)
{
	sc_err err;

	if (access(path, R_OK) != 0)
		return SC_OK;
	err = options_load_file(o, path, error);
	return err == SC_NOT_FOUND ? SC_OK : err;
}

sc_err options_load(struct options *o, const char *config, char *const *sets, size_t n_sets, struct buf *error)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
	char path[4096] = "";
	sc_err err = load_optional(o, "/etc/sched/sched.yaml", error);

	if (xdg != NULL && *xdg != '\0')
		snprintf(path, sizeof(path), "%s/sched/sched.yaml", xdg);
	else if (home != NULL && *home != '\0')
		snprintf(path, sizeof(path), "%s/.config/sched/sched.yaml", home);
	if (err == SC_OK && *path != '\0')
		err = load_optional(o, path, error);
	if (err == SC_OK && config != NULL)
		err = options_load_file(o, config, error);
	if (err == SC_OK)
		err = options_load_env(o, environ, error);
	for (size_t i = 0; err == SC_OK && i < n_sets; i++)
		err = options_set_pair(o, "--set", sets[i], error);
	return err;
}

static int section_wanted(const char *sections, const char *section)
{
	return sections == NULL || is_choice(sections, section);
}

void options_print_help(FILE *out, const char *sections)
{
	for (size_t i = 0; i < N_OPTS; i++) {
		char full[64];

		if (!section_wanted(sections, table[i].section))
			continue;
		snprintf(full, sizeof(full), "%s.%s", table[i].section, table[i].key);
		fprintf(out, "  %-32s %s [%s]\n", full, table[i].help, table[i].def);
	}
}

void options_print_sample(FILE *out)
{
	const char *section = "";
	struct buf text;

	fprintf(out, "# sched.yaml - every key with its built-in value.  Generated from base/options.def.\n");
	for (size_t i = 0; i < N_OPTS; i++) {
		if (strcmp(section, table[i].section) != 0)
			fprintf(out, "\n%s:\n", table[i].section);
		section = table[i].section;
		buf_init(&text, 0);
		allowed(&table[i], &text);
		fprintf(out, "  # %s; %s\n  # %s: %s%s%s\n", table[i].help, buf_str(&text), table[i].key,
			*table[i].def ? "" : "\"", table[i].def, *table[i].def ? "" : "\"");
		buf_fini(&text);
	}
}

void options_print_man(FILE *out)
{
	struct buf text;

	for (size_t i = 0; i < N_OPTS; i++) {
		buf_init(&text, 0);
		allowed(&table[i], &text);
		fprintf(out, ".TP\n.B %s.%s\n%s.\nDefault: %s.  Allowed: %s.\n", table[i].section, table[i].key,
			table[i].help, *table[i].def ? table[i].def : "empty", buf_str(&text));
		buf_fini(&text);
	}
}
