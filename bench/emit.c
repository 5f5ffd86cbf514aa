/* emit.c - results as lines of JSON, and the little statistics they need. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"

static void emit_param(const struct param *p, const char *separator)
{
	if (p->kind == PARAM_TEXT)
		printf("%s\"%s\":\"%s\"", separator, p->name, p->text);
	else
		printf("%s\"%s%s\":%llu", separator, p->name, p->kind == PARAM_DURATION ? "_ms" : "",
		       (unsigned long long)p->value);
}

void emit(const struct scenario *s, const char *metric, double value, const char *unit)
{
	printf("{\"bench\":\"%s\",\"metric\":\"%s\",\"value\":%.10g,\"unit\":\"%s\",\"params\":{", s->name, metric,
	       value, unit);
	for (const struct param *p = s->params; p->name != NULL; p++)
		emit_param(p, p == s->params ? "" : ",");
	printf("}}\n");
	fflush(stdout);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void sort_u64(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
}

double quantile(const uint64_t *sorted, size_t n, double q)
{
	return n == 0 ? 0.0 : (double)sorted[(size_t)(q * (double)(n - 1) + 0.5)];
}
