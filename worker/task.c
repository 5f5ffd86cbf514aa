/* task.c - see task.h. */
#include "worker/task.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

void outcome_init(struct outcome *o)
{
	o->cause = 0;
	o->status = 0;
	o->text[0] = '\0';
	o->result = NULL;
	o->elapsed_us = o->cpu_us = o->rss_bytes = 0;
	o->tail_bytes = 0;
}

void outcome_fail(struct outcome *o, unsigned cause, uint64_t status, const char *fmt, ...)
{
	va_list ap;

	o->cause = cause;
	o->status = status;
	va_start(ap, fmt);
	vsnprintf(o->text, sizeof(o->text), fmt, ap);
	va_end(ap);
}

void holders_unref(struct holders *h)
{
	if (h == NULL || --h->refs > 0)
		return;
	for (size_t i = 0; i < h->n; i++)
		mem_free(h->v[i]);
	mem_free(h);
}
