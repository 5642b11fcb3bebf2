/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print.c - the choice of writer, columns and colours */
#include "cli/print.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/text.h"
#include "cli/writer.h"

void print_fail(struct print *print)
{
	print->failed = true;
}

static bool is_same_name(const char *name, const char *given, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		int c = tolower((unsigned char)given[i]);

		if (!name[i] || name[i] != (c == '-' ? '_' : c))
			return false;
	}
	return name[length] == '\0';
}

const struct field *print_find(const struct kind *kind, const char *name,
			       size_t length)
{
	for (const struct field *f = kind->fields; f->name; f++)
		if (is_same_name(f->name, name, length))
			return f;
	return NULL;
}

static size_t choose(const struct kind *kind, const char *list,
		     const struct field **ret)
{
	size_t n = 0;

	while (*list && n < PRINT_FIELDS) {
		size_t length = strcspn(list, ",");

		ret[n] = print_find(kind, list, length);
		if (ret[n])
			n++;
		list += length + (list[length] == ',');
	}
	return n;
}

size_t print_choose(const struct print *print, const struct kind *kind,
		    const char *list, const struct field **ret)
{
	size_t n = 0;

	if (print->n_chosen > 0 && kind == print->chosen_kind) {
		memcpy(ret, print->chosen,
		       print->n_chosen * sizeof(print->chosen[0]));
		return print->n_chosen;
	}
	if (list)
		return choose(kind, list, ret);
	for (const struct field *f = kind->fields; f->name; f++)
		ret[n++] = f;
	return n;
}

static int refuse_column(const struct kind *kind, const char *name,
			 size_t length, struct err *err)
{
	char given[32], shown[32], all[160] = "";

	for (const struct field *f = kind->fields; f->name; f++) {
		size_t n = strlen(all);

		snprintf(all + n, sizeof(all) - n, "%s%s", n ? "," : "",
			 f->name);
	}
	snprintf(given, sizeof(given), "%.*s", (int)length, name);
	str_show(shown, sizeof(shown), given);
	return err_set(err, ERR_INVALID, 0, "no column '%s' (there are: %s)",
		       shown, all);
}

static int choose_columns(struct print *print, const struct kind *kind,
			  struct err *err)
{
	const char *list = print->config.columns;

	if (!list)
		return 0;
	if (!kind)
		return err_set(err, ERR_INVALID, 0,
			       "this command has no columns for --output");
	for (const char *s = list;; s++) {
		size_t length = strcspn(s, ",");

		if (!print_find(kind, s, length))
			return refuse_column(kind, s, length, err);
		if (print->n_chosen++ >= PRINT_FIELDS)
			return err_set(err, ERR_INVALID, 0,
				       "more than %d columns", PRINT_FIELDS);
		s += length;
		if (!*s)
			break;
	}
	print->n_chosen = choose(kind, list, print->chosen);
	print->chosen_kind = kind;
	return 0;
}

static void look_at_terminal(struct print *print)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool plain = (no_color && no_color[0]) || !term || !term[0] ||
		     strcmp(term, "dumb") == 0;
	struct winsize size;

	print->color = print->config.color == COLOR_ALWAYS;
	print->utf8 = text_is_utf8();
	if (!isatty(STDOUT_FILENO))
		return;
	if (print->config.color == COLOR_AUTO)
		print->color = !plain;
	print->width = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		print->width = size.ws_col;
}

int print_new(struct print **ret, const struct print_config *config,
	      const struct kind *kind, struct err *err)
{
	struct print *print = calloc(1, sizeof(*print));
	int r;

	if (!print)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	print->config = *config;
	print->writer = config->json ? &writer_json : &writer_text;
	print->now_ms = clock_wall_ms();
	look_at_terminal(print);
	r = choose_columns(print, kind, err);
	if (r == 0)
		r = print->writer->start(print, err);
	if (r < 0) {
		free(print);
		return r;
	}
	*ret = print;
	return 0;
}

void print_free(struct print *print)
{
	if (!print)
		return;
	print->writer->stop(print);
	free(print);
}

void print_table(struct print *print, const struct kind *kind, const void *rows,
		 size_t n)
{
	print->writer->table(print, kind, rows, n);
}

void print_record(struct print *print, const struct kind *kind, const void *row)
{
	print->writer->record(print, kind, row);
}

void print_tree(struct print *print, const struct vm_row *vm,
		const struct snapshot *snaps, size_t n)
{
	print->writer->tree(print, vm, snaps, n);
}

void print_facts(struct print *print, const struct fact *facts, size_t n)
{
	print->writer->facts(print, facts, n);
}

void print_number(struct print *print, const char *key, uint64_t number)
{
	print->writer->member(print, key, NULL, number);
}

void print_word(struct print *print, const char *key, const char *text)
{
	print->writer->member(print, key, text, 0);
}

void print_line(struct print *print, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text)
		print->writer->line(print, text);
	else
		print_fail(print);
	free(text);
}

int print_end(struct print *print, struct err *err)
{
	int r = print->writer->end(print, err);

	if (r == 0 && print->failed)
		return err_set(err, ERR_NOMEM, 0,
			       "cannot print it all: out of memory");
	return r;
}
