/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print_tree.c - the writer for people: the picture of a tree */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/format.h"
#include "cli/graph.h"
#include "cli/kinds.h"
#include "cli/sheet.h"
#include "cli/text.h"
#include "proto/message.h"

/* What stands left of the id: see graph.h. */
static char *picture(const struct print *print, const struct graph_row *row)
{
	bool utf8 = format_draws_utf8(print);
	const char *bar = utf8 ? "\xe2\x94\x82 " : "| ";
	const char *fork = utf8 ? "\xe2\x94\x9c\xe2\x94\x80" : "|-";
	const char *dot = utf8 ? "\xe2\x97\x8f" : "*";
	char *text = malloc((row->lane + 2) * 8), *at = text;

	if (!text)
		return NULL;
	for (unsigned i = 0; i < row->lane; i++)
		at = stpcpy(at, row->branch && i + 1 == row->lane ? fork : bar);
	stpcpy(at, row->node == GRAPH_GHOST ? "?" : dot);
	return text;
}

static void join(struct print *print, struct grid_cell *cell,
		 const char *before, const char *after)
{
	const char *middle = cell->text ? cell->text : "";
	char *text = str_printf("%s%s%s%s%s", before, before[0] ? " " : "",
				middle, middle[0] && after[0] ? " " : "",
				after);

	free(cell->text);
	cell->text = text ? format_text(print, text) : NULL;
	if (!cell->text)
		print_fail(print);
	free(text);
}

static void mark_head(struct print *print, struct sheet *sheet, size_t line)
{
	const char *mark = format_draws_utf8(print) ? "\xe2\x86\x90 head"
						    : "<- head";
	size_t at = 0;

	/* Where labels are not shown, behind the id or whatever is first. */
	for (size_t c = 0; c < sheet->n_fields; c++)
		if (sheet->fields[c]->flags & FIELD_MARK)
			at = c;
	join(print, grid_at(sheet->grid, line, at), "", mark);
	grid_at(sheet->grid, line, at)->tint = "green";
}

static const char *id_text(const struct id *id, size_t length, char *buf)
{
	id_format(id, buf);
	if (length < strlen(buf))
		buf[length] = '\0';
	return buf;
}

static void draw_line(struct print *print, struct sheet *sheet, size_t line,
		      const struct graph_row *row, const struct id *head)
{
	char *left = picture(print, row), id[ID_TEXT];

	if (row->node != GRAPH_GHOST)
		sheet_fill(print, sheet, line, row->node);
	for (size_t c = 0; c < sheet->n_fields; c++) {
		struct grid_cell *cell = grid_at(sheet->grid, line, c);
		size_t length = sheet->id_lengths[c];
		bool is_id = strcmp(sheet->fields[c]->name, "id") == 0;

		if (row->node == GRAPH_GHOST && is_id)
			join(print, cell, "", id_text(&row->id, length, id));
		else if (row->node == GRAPH_GHOST &&
			 sheet->fields[c]->flags & FIELD_MARK)
			join(print, cell, "", "(not here)");
		if (is_id)
			join(print, cell, left ? left : "", "");
	}
	if (!left)
		print_fail(print);
	free(left);
	if (id_equal(&row->id, head) && !id_is_null(head))
		mark_head(print, sheet, line);
}

static void draw(struct print *print, const struct vm_row *vm,
		 const struct graph *graph, struct sheet *sheet)
{
	size_t line = 0, n_lines = graph->n_rows;

	for (size_t i = 1; i < graph->n_rows; i++)
		n_lines += graph->rows[i].root;
	if (!sheet_open(print, sheet, n_lines))
		return;
	for (size_t i = 0; i < graph->n_rows; i++) {
		/* An empty line keeps a root from looking like a child. */
		if (i > 0 && graph->rows[i].root)
			line++;
		draw_line(print, sheet, line++, &graph->rows[i], &vm->head);
	}
	sheet_close(print, sheet);
}

static void put_vm(struct print *print, const struct vm_row *vm)
{
	char *name = text_clean(vm->name, print->utf8);
	char *host = text_clean(vm->host_name, print->utf8);
	const char *bold = print->color ? "\033[1m" : "";
	const char *red = print->color ? "\033[31m" : "";
	const char *plain = print->color ? "\033[0m" : "";
	char uuid[ID_TEXT];

	if (!name || !host)
		print_fail(print);
	else
		printf("%s%s%s  %s%s%s%s%s\n", bold, name, plain,
		       id_format(&vm->domain, uuid), host[0] ? "  on " : "",
		       host, vm->state ? ", " : "",
		       vm->state ? domain_state_word(vm->state) : "");
	if (vm->frozen)
		printf("%sthe guest may be frozen: see 'snaptree thaw'%s\n",
		       red, plain);
	free(name);
	free(host);
}

void print_text_tree(struct print *print, const struct vm_row *vm,
		     const struct snapshot *snaps, size_t n)
{
	struct sheet sheet = { .kind = &kind_tree,
			       .rows = (const char *)snaps,
			       .n_rows = n };
	struct graph graph;

	if (print->state) /* not the first tree */
		putchar('\n');
	print->state = print;
	if (!vm) {
		fprintf(stderr, "%s\n", kind_vms.none);
		return;
	}
	put_vm(print, vm);
	if (n == 0) {
		printf("%s\n", kind_tree.none);
		return;
	}
	if (graph_draw(&graph, snaps, n, &vm->head, NULL) < 0) {
		print_fail(print);
		return;
	}
	draw(print, vm, &graph, &sheet);
	graph_done(&graph);
}
