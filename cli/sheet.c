/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sheet.c - a table being made: from rows of a kind to a grid */
#include "cli/sheet.h"

#include <stdlib.h>

#include "cli/format.h"
#include "cli/text.h"

static void measure_ids(struct print *print, struct sheet *sheet)
{
	struct id *ids = calloc(sheet->n_rows + 1, sizeof(*ids));

	if (!ids)
		print_fail(print);
	for (size_t c = 0; ids && c < sheet->n_fields; c++) {
		const struct field *field = sheet->fields[c];

		if (field->type != FIELD_ID)
			continue;
		for (size_t i = 0; i < sheet->n_rows; i++) {
			struct value v = { 0 };

			field->get(sheet->rows + i * sheet->kind->row_size, &v);
			ids[i] = v.id;
		}
		sheet->id_lengths[c] = text_id_length(ids, sheet->n_rows);
	}
	free(ids);
}

bool sheet_open(struct print *print, struct sheet *sheet, size_t n_lines)
{
	bool is_chosen = print->n_chosen && sheet->kind == print->chosen_kind;
	const char *spare = is_chosen ? NULL : sheet->kind->spare;

	sheet->n_fields = print_choose(print, sheet->kind, sheet->kind->shown,
				       sheet->fields);
	measure_ids(print, sheet);
	if (grid_new(&sheet->grid, sheet->fields, sheet->n_fields, n_lines,
		     spare, NULL) == 0)
		return true;
	print_fail(print);
	return false;
}

void sheet_fill(struct print *print, struct sheet *sheet, size_t line,
		size_t row)
{
	const void *data = sheet->rows + row * sheet->kind->row_size;

	for (size_t c = 0; c < sheet->n_fields; c++) {
		const struct field *field = sheet->fields[c];
		struct grid_cell *cell = grid_at(sheet->grid, line, c);

		cell->text = format_field(print, field, data,
					  sheet->id_lengths[c]);
		if (!cell->text)
			print_fail(print);
		if (field->tint)
			cell->tint = field->tint(data);
	}
}

void sheet_close(struct print *print, struct sheet *sheet)
{
	struct grid_style style = {
		.width = print->width,
		.utf8 = format_draws_utf8(print),
		.color = print->color,
		.no_headings = print->config.no_headings,
	};

	if (grid_print(sheet->grid, &style, NULL) < 0)
		print_fail(print);
	grid_free(sheet->grid);
}
