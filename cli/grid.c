/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* grid.c - which columns fit, and libsmartcols to set them */
#include "cli/grid.h"

#include <ctype.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

#define GAP 2        /* between columns */
#define CUT_WANTS 18 /* below this a column is dropped before it is cut */
#define CUT_LEAST 8
#define WRAP_WANTS 24

struct column {
	const struct field *field;
	char heading[24];
	size_t width; /* of the widest cell or the heading */
	bool empty;   /* all cells are */
	bool dropped;
};

struct grid {
	struct column columns[PRINT_FIELDS];
	size_t n_columns, n_rows;
	const char *spare;
	struct grid_cell *cells;
};

static void make_heading(struct column *column, const char *name)
{
	size_t i;

	for (i = 0; name[i] && i + 1 < sizeof(column->heading); i++)
		column->heading[i] =
			(char)(name[i] == '_'
				       ? '-'
				       : toupper((unsigned char)name[i]));
	column->heading[i] = '\0';
}

int grid_new(struct grid **ret, const struct field *const *columns,
	     size_t n_columns, size_t n_rows, const char *spare,
	     struct err *err)
{
	struct grid *grid = calloc(1, sizeof(*grid));

	if (grid)
		grid->cells = calloc(n_rows * n_columns + 1,
				     sizeof(*grid->cells));
	if (!grid || !grid->cells) {
		free(grid);
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	}
	grid->n_columns = n_columns;
	grid->n_rows = n_rows;
	grid->spare = spare ? spare : "";
	for (size_t i = 0; i < n_columns; i++) {
		grid->columns[i].field = columns[i];
		make_heading(&grid->columns[i], columns[i]->name);
	}
	*ret = grid;
	return 0;
}

void grid_free(struct grid *grid)
{
	if (!grid)
		return;
	for (size_t i = 0; i < grid->n_rows * grid->n_columns; i++)
		free(grid->cells[i].text);
	free(grid->cells);
	free(grid);
}

struct grid_cell *grid_at(struct grid *grid, size_t row, size_t column)
{
	return &grid->cells[row * grid->n_columns + column];
}

static void measure(struct grid *grid, bool headings)
{
	for (size_t c = 0; c < grid->n_columns; c++) {
		struct column *column = &grid->columns[c];

		column->width = headings ? strlen(column->heading) : 1;
		column->empty = true;
		for (size_t r = 0; r < grid->n_rows; r++) {
			const char *text = grid_at(grid, r, c)->text;
			size_t w = text ? text_width(text) : 0;

			if (w > 0 && strcmp(text, "-") != 0)
				column->empty = false;
			if (w > column->width)
				column->width = w;
		}
	}
}

static size_t wanted(const struct column *column)
{
	size_t most = column->width;

	if (column->field->flags & FIELD_CUT)
		most = CUT_WANTS;
	if (column->field->flags & FIELD_WRAP)
		most = WRAP_WANTS;
	return column->width < most ? column->width : most;
}

static size_t total(const struct grid *grid, bool all)
{
	size_t sum = 0;

	for (size_t c = 0; c < grid->n_columns; c++)
		if (!grid->columns[c].dropped)
			sum += GAP + (all ? grid->columns[c].width
					  : wanted(&grid->columns[c]));
	return sum > GAP ? sum - GAP : 0;
}

static struct column *column_by_name(struct grid *grid, const char *name,
				     size_t length)
{
	for (size_t c = 0; c < grid->n_columns; c++)
		if (strlen(grid->columns[c].field->name) == length &&
		    strncmp(grid->columns[c].field->name, name, length) == 0)
			return &grid->columns[c];
	return NULL;
}

static void drop_spare(struct grid *grid, size_t width)
{
	size_t length;

	/* Empty ones go first, whatever their place in the list. */
	for (int pass = 0; pass < 2; pass++)
		for (const char *s = grid->spare; *s;
		     s += length + (s[length] == ',')) {
			struct column *column;

			length = strcspn(s, ",");
			column = column_by_name(grid, s, length);
			if (column && (pass == 0 ? column->empty
						 : total(grid, false) > width))
				column->dropped = true;
		}
}

/* Take the missing columns from the widest that may be cut. */
static void shrink(struct grid *grid, size_t width)
{
	while (total(grid, true) > width) {
		struct column *widest = NULL;

		for (size_t c = 0; c < grid->n_columns; c++) {
			struct column *column = &grid->columns[c];

			if (!column->dropped &&
			    column->field->flags & (FIELD_CUT | FIELD_WRAP) &&
			    column->width > CUT_LEAST &&
			    (!widest || column->width > widest->width))
				widest = column;
		}
		if (!widest)
			break;
		widest->width--;
	}
}

static int fit_cell(const struct column *column, struct grid_cell *cell,
		    const char *mark)
{
	char *wrapped;

	if (!cell->text)
		return 0;
	if (column->field->flags & FIELD_CUT)
		text_cut(cell->text, column->width, mark);
	if (!(column->field->flags & FIELD_WRAP))
		return 0;
	wrapped = text_wrap(cell->text, column->width);
	if (!wrapped)
		return -1;
	free(cell->text);
	cell->text = wrapped;
	return 0;
}

static int fit_cells(struct grid *grid, const char *mark)
{
	int r = 0;

	for (size_t row = 0; row < grid->n_rows; row++)
		for (size_t c = 0; c < grid->n_columns; c++)
			r |= fit_cell(&grid->columns[c], grid_at(grid, row, c),
				      mark);
	return r;
}

static int fit(struct grid *grid, const struct grid_style *style)
{
	measure(grid, !style->no_headings);
	if (style->width == 0)
		return 0;
	drop_spare(grid, style->width);
	shrink(grid, style->width);
	return fit_cells(grid, style->utf8 ? "\xe2\x80\xa6" : "~");
}

static bool is_right(const struct column *column)
{
	switch (column->field->type) {
	case FIELD_AGE:
	case FIELD_SPAN:
	case FIELD_SIZE:
	case FIELD_COUNT:
		return true;
	default:
		return false;
	}
}

static int add_columns(const struct grid *grid, struct libscols_table *table)
{
	for (size_t c = 0; c < grid->n_columns; c++) {
		const struct column *column = &grid->columns[c];
		int flags = is_right(column) ? SCOLS_FL_RIGHT : 0;
		struct libscols_column *made;

		if (column->dropped)
			continue;
		if (column->field->flags & FIELD_WRAP)
			flags |= SCOLS_FL_WRAP;
		made = scols_table_new_column(table, column->heading, 0, flags);
		if (!made)
			return -1;
		/* Lines end where fit_cell() says, not where a word is cut. */
		if (flags & SCOLS_FL_WRAP &&
		    scols_column_set_wrapfunc(made, scols_wrapnl_chunksize,
					      scols_wrapnl_nextchunk, NULL))
			return -1;
	}
	return 0;
}

static int add_row(struct grid *grid, struct libscols_table *table, size_t r)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	size_t at = 0;

	if (!line)
		return -1;
	for (size_t c = 0; c < grid->n_columns; c++) {
		struct grid_cell *cell = grid_at(grid, r, c);

		if (grid->columns[c].dropped)
			continue;
		if (scols_line_set_data(line, at, cell->text ? cell->text : ""))
			return -1;
		if (cell->tint &&
		    scols_cell_set_color(scols_line_get_cell(line, at),
					 cell->tint))
			return -1;
		at++;
	}
	return 0;
}

static int set_up(struct libscols_table *table, const struct grid_style *style)
{
	int r = 0;

	/* The cells are clean already, also by stricter rules. */
	r |= scols_table_enable_noencoding(table, 1);
	r |= scols_table_enable_noheadings(table, style->no_headings);
	r |= scols_table_enable_colors(table, style->color);
	r |= scols_table_set_column_separator(table, "  ");
	r |= scols_table_set_termforce(table, style->width
						      ? SCOLS_TERMFORCE_ALWAYS
						      : SCOLS_TERMFORCE_NEVER);
	if (style->width)
		r |= scols_table_set_termwidth(table, style->width);
	return r;
}

/* The library fills up cells before empty ones. */
static void put_stripped(const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n"), n = length;

		while (n > 0 && text[n - 1] == ' ')
			n--;
		fwrite(text, 1, n, stdout);
		putchar('\n');
		text += length + (text[length] == '\n');
	}
}

int grid_print(struct grid *grid, const struct grid_style *style,
	       struct err *err)
{
	struct libscols_table *table = scols_new_table();
	char *text = NULL;
	int r = -1;

	if (table && fit(grid, style) == 0 && set_up(table, style) == 0 &&
	    add_columns(grid, table) == 0)
		r = 0;
	for (size_t i = 0; r == 0 && i < grid->n_rows; i++)
		r = add_row(grid, table, i);
	if (r == 0)
		r = scols_print_table_to_string(table, &text);
	if (r == 0 && text)
		put_stripped(text);
	free(text);
	scols_unref_table(table);
	if (r != 0)
		return err_set(err, ERR_NOMEM, 0, "cannot set the table");
	return 0;
}
