/*
 * table.h - aligned columns for people.
 *
 * Cells are copied.  Widths are counted in characters, not bytes.  A failed allocation loses cells, never crashes.
 */
#ifndef CLIENT_CTL_TABLE_H
#define CLIENT_CTL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 16

struct table {
	size_t n_columns;
	/*
	 * Borrowed.  A head that begins with '>' is of numbers: aligned right; one that begins with '?' is left out
	 * with its column when no cell of it says more than "-".
	 */
	const char *heads[TABLE_COLUMNS_MAX];
	char **cells;	     /* row after row; owned */
	const char **colors; /* escape sequence of each cell, or NULL */
	size_t n_cells, cap_cells, cap_colors;
};

/* heads: ends with NULL, borrowed. */
void table_init(struct table *t, const char *const *heads);
void table_fini(struct table *t);

/* The next cell, left to right, row after row. */
void table_add(struct table *t, const char *text);
void table_add_color(struct table *t, const char *color,
		     const char *text); /* color: borrowed escape sequence or NULL */
void table_addf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All rows under their heads; with_color: use the colours. */
void table_write(const struct table *t, int with_color, struct buf *out);

/* Write it to standard output. */
void table_print(const struct table *t, int with_color);

/* Escape sequence of a state's colour, or NULL. */
const char *color_of_job(uint64_t state);
const char *color_of_task(uint64_t state);
const char *color_of_worker(uint64_t status);
#define COLOR_BOLD  "\033[1m"
#define COLOR_DIM   "\033[2m"
#define COLOR_PLAIN "\033[0m"

/* Text from elsewhere, made harmless for a terminal: control characters but newline and tab become '?'. */
void text_harmless(struct buf *out, const void *p, size_t n);

#endif
