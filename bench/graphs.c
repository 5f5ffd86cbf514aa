/*
 * graphs.c - graphs by name, and what their generators share; the larger shapes are in graphs_tables.c.
 *
 * Groups are layers: what can run at the same time has neighbouring numbers, as a client that makes a graph stage by
 * stage would number it.
 */
#include "bench/graphs.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define TASKS_MAX   ((uint64_t)20 * 1000 * 1000)
#define FIELDS_MAX  4
#define FIELD_BYTES 32
#define US_PER_S    1000000.0

const char graph_names[] = "independent-N merge-N merge_slow-N-SECONDS tree-N bag-N-P numpy-N-P groupby-D-1s-Hh "
			   "join-1-1s-1h join-1-1s-1t xarray-N vectorizer-N-P wordbag-N-P; N like 100k or 1m";

/* Thesis, table of benchmark graphs. */
const struct graph_printed graphs_printed[] = {
	{"merge-10k", 10001, 10000},
	{"merge-15k", 15001, 15000},
	{"merge-20k", 20001, 20000},
	{"merge-25k", 25001, 25000},
	{"merge-30k", 30001, 30000},
	{"merge-50k", 50001, 50000},
	{"merge-100k", 100001, 100000},
	{"merge_slow-5k-0.1", 5001, 5000},
	{"merge_slow-20k-0.1", 20001, 20000},
	{"tree-15", 32767, 32766},
	{"bag-25k-10", 236, 415},
	{"bag-25k-50", 5458, 10357},
	{"bag-25k-100", 21631, 41430},
	{"bag-25k-200", 86116, 165715},
	{"bag-50k-50", 5458, 10357},
	{"numpy-50k-10", 209, 228},
	{"numpy-50k-50", 4892, 5491},
	{"numpy-50k-100", 19334, 21783},
	{"numpy-50k-200", 77067, 86966},
	{"groupby-90-1s-8h", 1434, 1973},
	{"groupby-90-1s-1h", 11424, 15743},
	{"groupby-360-1s-8h", 5714, 7873},
	{"groupby-360-1s-1h", 45674, 62953},
	{"groupby-1440-1s-8h", 22842, 31481},
	{"groupby-1440-1s-1h", 182682, 251801},
	{"groupby-2880-1s-16h", 22842, 31481},
	{"groupby-2880-1s-8h", 45674, 62953},
	{"join-1-1s-1h", 673, 1224},
	{"join-1-2s-1h", 673, 1224},
	{"join-1-1s-1t", 72001, 125568},
	{"xarray-25", 552, 862},
	{"xarray-5", 9258, 14976},
	{"vectorizer-1m-300", 301, 0},
	{"wordbag-100k-50", 250, 200},
	{NULL, 0, 0},
};

/* ---- building --------------------------------------------------------------------------------------------------- */

static void failed(struct graph *g, sc_err err)
{
	if (g->err == SC_OK)
		g->err = err;
}

void graph_fini(struct graph *g)
{
	mem_free(g->groups);
	mem_free(g->counts);
	mem_free(g->inputs);
	*g = (struct graph){0};
}

void graph_group(struct graph *g, const char *name)
{
	void *p = mem_grow(g->groups, &g->cap_groups, g->n_groups + 1, sizeof(*g->groups));
	struct graph_group *group;

	if (p == NULL) {
		failed(g, SC_NOMEM);
		return;
	}
	g->groups = p;
	group = &g->groups[g->n_groups++];
	*group = (struct graph_group){.first_task = (uint32_t)g->n_tasks};
	snprintf(group->name, sizeof(group->name), "%s", name);
}

uint32_t graph_task(struct graph *g)
{
	void *p;

	if (g->err == SC_OK && g->n_tasks >= TASKS_MAX)
		failed(g, SC_LIMIT);
	if (g->err != SC_OK)
		return 0;
	p = mem_grow(g->counts, &g->cap_tasks, g->n_tasks + 1, sizeof(*g->counts));
	if (p == NULL) {
		failed(g, SC_NOMEM);
		return 0;
	}
	g->counts = p;
	g->counts[g->n_tasks] = 0;
	g->groups[g->n_groups - 1].n_tasks++;
	return (uint32_t)g->n_tasks++;
}

void graph_input(struct graph *g, uint32_t input)
{
	void *p;

	if (g->err != SC_OK)
		return;
	p = mem_grow(g->inputs, &g->cap_edges, g->n_edges + 1, sizeof(*g->inputs));
	if (p == NULL) {
		failed(g, SC_NOMEM);
		return;
	}
	g->inputs = p;
	g->inputs[g->n_edges++] = input;
	g->counts[g->n_tasks - 1]++;
}

uint32_t graph_task_on(struct graph *g, uint32_t input)
{
	uint32_t task = graph_task(g);

	graph_input(g, input);
	return task;
}

uint32_t *graph_numbers(struct graph *g, size_t n)
{
	uint32_t *v = mem_calloc(n, sizeof(*v));

	if (v == NULL)
		failed(g, SC_NOMEM);
	return v;
}

/* One level: n values of one row become the number returned, in place. */
static size_t reduce_row(struct graph *g, uint32_t *v, size_t n, uint32_t k, enum graph_single single)
{
	size_t to = 0;

	for (size_t from = 0; from < n; from += k, to++) {
		size_t end = from + k < n ? from + k : n;

		if (end - from == 1 && single == GRAPH_SINGLE_FUSED) {
			v[to] = v[from];
			continue;
		}
		(void)graph_task(g);
		for (size_t i = from; i < end; i++)
			graph_input(g, v[i]);
		v[to] = (uint32_t)g->n_tasks - 1;
	}
	return to;
}

void graph_reduce(struct graph *g, const char *name, uint32_t *v, size_t rows, size_t n, uint32_t k,
		  enum graph_single single)
{
	size_t width = n;

	for (unsigned level = 0; n > 1 && g->err == SC_OK; level++) {
		char full[GRAPH_NAME_MAX];
		size_t left = n;

		snprintf(full, sizeof(full), "%.20s%u", name, level);
		graph_group(g, full);
		for (size_t r = 0; r < rows && g->err == SC_OK; r++)
			left = reduce_row(g, v + r * width, n, k, single);
		n = left;
	}
	for (size_t r = 1; r < rows; r++)
		v[r] = v[r * width];
}

/* ---- the small shapes ------------------------------------------------------------------------------------------- */

static void independent(struct graph *g, const char *name, uint64_t n)
{
	graph_group(g, name);
	for (uint64_t i = 0; i < n && g->err == SC_OK; i++)
		(void)graph_task(g);
}

static void merge(struct graph *g, uint64_t n, uint64_t sleep_us)
{
	independent(g, "source", n);
	if (g->err == SC_OK)
		g->groups[0].sleep_us = sleep_us;
	graph_group(g, "sink");
	(void)graph_task(g);
	for (uint64_t i = 0; i < n && g->err == SC_OK; i++)
		graph_input(g, (uint32_t)i);
}

/* 2^n numbers are added in pairs; those at the leaves are part of their tasks. */
static void tree(struct graph *g, unsigned n)
{
	size_t leaves = (size_t)1 << (n - 1);
	uint32_t *v = graph_numbers(g, leaves);

	independent(g, "leaf", leaves);
	for (size_t i = 0; i < leaves && v != NULL; i++)
		v[i] = (uint32_t)i;
	if (v != NULL)
		graph_reduce(g, "sum", v, 1, leaves, 2, GRAPH_SINGLE_FUSED);
	mem_free(v);
}

/* p times: a source, two tasks on it, one on each of these. */
static void wordbag(struct graph *g, uint32_t p)
{
	static const char *const names[] = {"text", "words", "count", "stem", "vector"};
	static const uint32_t from[] = {0, 0, 0, 1, 2};

	for (uint32_t k = 0; k < 5; k++) {
		graph_group(g, names[k]);
		for (uint32_t i = 0; i < p && g->err == SC_OK; i++) {
			(void)graph_task(g);
			if (k > 0)
				graph_input(g, from[k] * p + i);
		}
	}
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* SHAPE-FIELD-FIELD ...; 0 when a field is too long or there are too many. */
static size_t split(const char *name, char fields[FIELDS_MAX][FIELD_BYTES])
{
	size_t n = 0;

	for (const char *at = name;; at++) {
		size_t len = strcspn(at, "-");

		if (n == FIELDS_MAX || len == 0 || len >= FIELD_BYTES)
			return 0;
		memcpy(fields[n], at, len);
		fields[n++][len] = '\0';
		at += len;
		if (*at == '\0')
			return n;
	}
}

/* "100k", "1m", "8h" with unit 'h'; 0 is no number of anything. */
static uint64_t number(const char *text, char unit)
{
	char digits[FIELD_BYTES];
	size_t n = strlen(text);
	uint64_t scale = 1, v;

	snprintf(digits, sizeof(digits), "%s", text);
	if (n > 1 && unit != '\0') {
		if (digits[n - 1] != unit)
			return 0;
		digits[n - 1] = '\0';
	} else if (n > 1 && (digits[n - 1] == 'k' || digits[n - 1] == 'm')) {
		scale = digits[n - 1] == 'k' ? 1000 : 1000 * 1000;
		digits[n - 1] = '\0';
	}
	return text_u64(digits, &v) == SC_OK && v <= TASKS_MAX / scale ? v * scale : 0;
}

/* Build the graph of these fields; 0: there is none. */
static int build(struct graph *g, char f[FIELDS_MAX][FIELD_BYTES], size_t n)
{
	const char *shape = f[0];
	uint64_t a = n > 1 ? number(f[1], '\0') : 0, b = n > 2 ? number(f[2], '\0') : 0;
	uint64_t hours = n > 3 ? number(f[3], 'h') : 0, partitions = hours > 0 ? a * 24 / hours : 0, sleep_us;

	if (n == 2 && strcmp(shape, "independent") == 0 && a > 0)
		independent(g, "task", a);
	else if (n == 2 && strcmp(shape, "merge") == 0 && a > 0)
		merge(g, a, 0);
	else if (n == 3 && strcmp(shape, "merge_slow") == 0 && a > 0 && text_duration_us(f[2], &sleep_us) == SC_OK)
		merge(g, a, sleep_us);
	else if (n == 2 && strcmp(shape, "tree") == 0 && a > 0 && a < 25)
		tree(g, (unsigned)a);
	else if (n == 3 && strcmp(shape, "bag") == 0 && a > 0 && b > 0 && b <= 2000)
		graph_bag(g, (uint32_t)b);
	else if (n == 3 && strcmp(shape, "numpy") == 0 && a > 0 && b > 0 && b <= 3000 && b % 2 == 0)
		graph_numpy(g, (uint32_t)b);
	else if (n == 4 && strcmp(shape, "groupby") == 0 && partitions > 1 && partitions < TASKS_MAX)
		graph_groupby(g, (uint32_t)partitions);
	else if (n == 4 && strcmp(shape, "join") == 0 && strcmp(f[3], "1h") == 0)
		graph_join(g);
	else if (n == 4 && strcmp(shape, "join") == 0 && strcmp(f[3], "1t") == 0)
		graph_join_shuffled(g);
	else if (n == 2 && strcmp(shape, "xarray") == 0 && a > 0 && a <= TASKS_MAX)
		graph_xarray(g, (uint32_t)a);
	else if (n == 3 && strcmp(shape, "vectorizer") == 0 && b > 0)
		independent(g, "chunk", b + 1);
	else if (n == 3 && strcmp(shape, "wordbag") == 0 && b > 0)
		wordbag(g, (uint32_t)b);
	else
		return 0;
	return 1;
}

static sc_err check_printed(const char *name, const struct graph *g)
{
	for (const struct graph_printed *p = graphs_printed; p->name != NULL; p++)
		if (strcmp(p->name, name) == 0 && (p->n_tasks != g->n_tasks || p->n_edges != g->n_edges))
			return SC_BAD_STATE;
	return SC_OK;
}

sc_err graph_make(const char *name, struct graph *out)
{
	char fields[FIELDS_MAX][FIELD_BYTES];
	size_t n = split(name, fields);

	*out = (struct graph){0};
	if (n == 0 || !build(out, fields, n))
		return SC_INVALID;
	return out->err != SC_OK ? out->err : check_printed(name, out);
}
