/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * grid.h - cells in columns, fitted to the terminal
 *
 * What a narrow terminal cannot hold is left out by column, then cut or
 * wrapped where the column allows it; without a terminal all is shown whole.
 * The only file that knows libsmartcols.
 */
#ifndef CLI_GRID_H
#define CLI_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "cli/print.h"

struct grid;

struct grid_cell {
	char *text;       /* malloc'd, clean, with 4 bytes to spare; or NULL */
	const char *tint; /* NULL: none */
};

/* `columns` must outlive the grid; `spare` as in struct kind, or NULL. */
int grid_new(struct grid **ret, const struct field *const *columns,
	     size_t n_columns, size_t n_rows, const char *spare,
	     struct err *err);
void grid_free(struct grid *grid); /* and the text of its cells */

struct grid_cell *grid_at(struct grid *grid, size_t row, size_t column);

struct grid_style {
	size_t width; /* 0: unlimited */
	bool utf8;    /* marks may be */
	bool color;
	bool no_headings;
};

/* To standard output, once: cells are changed to fit. */
int grid_print(struct grid *grid, const struct grid_style *style,
	       struct err *err);

#endif
