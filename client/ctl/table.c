/* table.c - see table.h. */
#include "client/ctl/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client/sched_client.h"

void table_init(struct table *t, const char *const *heads)
{
	memset(t, 0, sizeof(*t));
	while (heads[t->n_columns] != NULL && t->n_columns < TABLE_COLUMNS_MAX) {
		t->heads[t->n_columns] = heads[t->n_columns];
		t->n_columns++;
	}
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		mem_free(t->cells[i]);
	mem_free(t->cells);
	mem_free(t->colors);
	memset(t, 0, sizeof(*t));
}

void table_add_color(struct table *t, const char *color, const char *text)
{
	struct buf clean;
	void *cells = mem_grow(t->cells, &t->cap_cells, t->n_cells + 1, sizeof(*t->cells)), *colors;

	if (cells == NULL)
		return;
	t->cells = cells;
	colors = mem_grow(t->colors, &t->cap_colors, t->n_cells + 1, sizeof(*t->colors));
	if (colors == NULL)
		return;
	t->colors = colors;
	buf_init(&clean, 0);
	text_harmless(&clean, text, strlen(text));
	t->colors[t->n_cells] = color;
	t->cells[t->n_cells] = mem_strdup(buf_str(&clean));
	buf_fini(&clean);
	t->n_cells++;
}

void table_add(struct table *t, const char *text)
{
	table_add_color(t, NULL, text);
}

void table_addf(struct table *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_add(t, text);
}

/* Characters, as most are one column wide. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static const char *cell_at(const struct table *t, size_t i)
{
	return t->cells[i] != NULL ? t->cells[i] : "?";
}

static int is_number(const struct table *t, size_t column)
{
	return t->heads[column][0] == '>';
}

static const char *head_of(const struct table *t, size_t column)
{
	return t->heads[column] + (t->heads[column][0] == '>' || t->heads[column][0] == '?');
}

static int is_left_out(const struct table *t, size_t column)
{
	if (t->heads[column][0] != '?')
		return 0;
	for (size_t i = column; i < t->n_cells; i += t->n_columns)
		if (strcmp(cell_at(t, i), "-") != 0)
			return 0;
	return 1;
}

static void write_cell(struct buf *out, const char *text, const char *color, size_t width, int right, int last)
{
	size_t len = width_of(text), pad = width > len ? width - len : 0;

	if (right)
		for (size_t i = 0; i < pad; i++)
			buf_append_byte(out, ' ');
	if (color != NULL)
		buf_append_str(out, color);
	buf_append_str(out, text);
	if (color != NULL)
		buf_append_str(out, COLOR_PLAIN);
	if (last)
		return;
	if (!right)
		for (size_t i = 0; i < pad; i++)
			buf_append_byte(out, ' ');
	buf_append_str(out, "  ");
}

void table_write(const struct table *t, int with_color, struct buf *out)
{
	size_t widths[TABLE_COLUMNS_MAX];
	int left_out[TABLE_COLUMNS_MAX];

	assert(t->n_columns > 0 && "a table without columns");
	for (size_t k = 0; k < t->n_columns; k++) {
		widths[k] = width_of(head_of(t, k));
		left_out[k] = is_left_out(t, k);
	}
	assert(!left_out[t->n_columns - 1] && "the last column ends the line");
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t width = width_of(cell_at(t, i));

		if (width > widths[i % t->n_columns])
			widths[i % t->n_columns] = width;
	}
	for (size_t k = 0; k < t->n_columns; k++)
		if (!left_out[k])
			write_cell(out, head_of(t, k), with_color ? COLOR_BOLD : NULL, widths[k], is_number(t, k),
				   k + 1 == t->n_columns);
	buf_append_byte(out, '\n');
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t k = i % t->n_columns;

		if (left_out[k])
			continue;
		write_cell(out, cell_at(t, i), with_color ? t->colors[i] : NULL, widths[k], is_number(t, k),
			   k + 1 == t->n_columns);
		if (k + 1 == t->n_columns)
			buf_append_byte(out, '\n');
	}
}

void table_print(const struct table *t, int with_color)
{
	struct buf out;

	buf_init(&out, 0);
	table_write(t, with_color, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
}

#define RED	"\033[31m"
#define GREEN	"\033[32m"
#define YELLOW	"\033[33m"
#define MAGENTA "\033[35m"
#define CYAN	"\033[36m"

const char *color_of_job(uint64_t state)
{
	static const char *const colors[] = {
		[SC_JOB_HELD] = YELLOW, [SC_JOB_RUNNING] = CYAN,      [SC_JOB_DONE] = GREEN,
		[SC_JOB_FAILED] = RED,	[SC_JOB_CANCELLED] = MAGENTA,
	};

	return state < sizeof(colors) / sizeof(colors[0]) ? colors[state] : NULL;
}

const char *color_of_task(uint64_t state)
{
	static const char *const colors[] = {
		[SC_TASK_WAITING] = YELLOW,    [SC_TASK_RUNNING] = CYAN,   [SC_TASK_DONE] = GREEN,
		[SC_TASK_FAILED] = RED,	       [SC_TASK_RELEASED] = GREEN, [SC_TASK_ASSIGNED] = CYAN,
		[SC_TASK_CANCELLED] = MAGENTA,
	};

	return state < sizeof(colors) / sizeof(colors[0]) ? colors[state] : NULL;
}

const char *color_of_worker(uint64_t status)
{
	return status == SC_WORKER_ACTIVE ? GREEN : status == SC_WORKER_DRAINING ? YELLOW : MAGENTA;
}

void text_harmless(struct buf *out, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		int control = (p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f;

		/* The C1 controls, as two bytes of UTF-8. */
		if (p[i] == 0xc2 && i + 1 < n && p[i + 1] >= 0x80 && p[i + 1] < 0xa0) {
			i++;
			control = 1;
		}
		buf_append_byte(out, control ? '?' : p[i]);
	}
}
