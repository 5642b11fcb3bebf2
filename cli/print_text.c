/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print_text.c - the writer for people: tables, records and lines */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/format.h"
#include "cli/sheet.h"
#include "cli/text.h"
#include "proto/message.h"

static void text_table(struct print *print, const struct kind *kind,
		       const void *rows, size_t n)
{
	struct sheet sheet = { .kind = kind, .rows = rows, .n_rows = n };

	if (n == 0) {
		/* A remark, not data: a pipe gets an empty list. */
		fprintf(stderr, "%s\n", kind->none);
		return;
	}
	if (!sheet_open(print, &sheet, n))
		return;
	for (size_t i = 0; i < n; i++)
		sheet_fill(print, &sheet, i, i);
	sheet_close(print, &sheet);
}

static void put_name(const char *name, size_t width)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		putchar(name[i] == '_' ? ' ' : name[i]);
	printf(":%*s", (int)(width > n ? width - n + 1 : 1), "");
}

static void put_field(struct print *print, const struct field *field,
		      const void *row, size_t width)
{
	char *text = format_field(print, field, row, ID_TEXT);

	if (!text)
		print_fail(print);
	else if (text[0] && strcmp(text, "-") != 0) {
		put_name(field->name, width);
		puts(text);
	}
	free(text);
}

static void text_record(struct print *print, const struct kind *kind,
			const void *row)
{
	const struct field *fields[PRINT_FIELDS];
	size_t n = print_choose(print, kind, NULL, fields), width = 0;

	for (size_t i = 0; i < n; i++)
		if (strlen(fields[i]->name) > width)
			width = strlen(fields[i]->name);
	for (size_t i = 0; i < n; i++)
		if (fields[i]->type != FIELD_ROWS)
			put_field(print, fields[i], row, width);
	for (size_t i = 0; i < n; i++) {
		struct value v = { 0 };

		if (fields[i]->type != FIELD_ROWS)
			continue;
		fields[i]->get(row, &v);
		putchar('\n');
		text_table(print, v.kind, v.rows, v.n_rows);
	}
}

static void text_facts(struct print *print, const struct fact *facts, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		if (strlen(facts[i].key) > width)
			width = strlen(facts[i].key);
	for (size_t i = 0; i < n; i++) {
		char *key = text_clean(facts[i].key, print->utf8);
		char *value = text_clean(facts[i].value, print->utf8);

		if (!key || !value) {
			print_fail(print);
		} else {
			put_name(key, width);
			puts(value);
		}
		free(key);
		free(value);
	}
}

static void text_member(struct print *print, const char *key, const char *text,
			uint64_t number)
{
	(void)print;
	(void)key;
	(void)text;
	(void)number;
}

static void text_line(struct print *print, const char *text)
{
	char *clean = text_clean(text, print->utf8);

	if (clean)
		puts(clean);
	else
		print_fail(print);
	free(clean);
}

static int text_start(struct print *print, struct err *err)
{
	(void)print;
	(void)err;
	return 0;
}

static void text_stop(struct print *print)
{
	(void)print;
}

static int text_end(struct print *print, struct err *err)
{
	(void)print;
	(void)err;
	return 0;
}

const struct writer writer_text = {
	.start = text_start,
	.stop = text_stop,
	.table = text_table,
	.record = text_record,
	.tree = print_text_tree,
	.facts = text_facts,
	.member = text_member,
	.line = text_line,
	.end = text_end,
};
