/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sheet.h - a table being made: from rows of a kind to a grid
 *
 *	struct sheet sheet = { .kind = kind, .rows = rows, .n_rows = n };
 *	if (sheet_open(print, &sheet, n_lines)) {
 *		sheet_fill(print, &sheet, line, row);   (for each)
 *		sheet_close(print, &sheet);             (prints it)
 *	}
 *
 * A line that is not filled stays empty.  Failures go to print_fail().
 */
#ifndef CLI_SHEET_H
#define CLI_SHEET_H

#include "cli/grid.h"
#include "cli/writer.h"

struct sheet {
	const struct kind *kind;
	const char *rows;
	size_t n_rows;
	const struct field *fields[PRINT_FIELDS];
	size_t id_lengths[PRINT_FIELDS];
	size_t n_fields;
	struct grid *grid;
};

bool sheet_open(struct print *print, struct sheet *sheet, size_t n_lines);
void sheet_fill(struct print *print, struct sheet *sheet, size_t line,
		size_t row);
void sheet_close(struct print *print, struct sheet *sheet);

#endif
