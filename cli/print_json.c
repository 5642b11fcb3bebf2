/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* print_json.c - the writer for programs: one JSON object (see print.h) */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/kinds.h"
#include "cli/text.h"
#include "cli/when.h"
#include "cli/writer.h"
#include "proto/message.h"

/* Takes `value`; NULL counts as out of memory. */
static void set(struct print *print, json_t *object, const char *key,
		json_t *value)
{
	if (json_object_set_new(object, key, value) < 0)
		print_fail(print);
}

static void set_suffixed(struct print *print, json_t *object, const char *name,
			 const char *suffix, json_t *value)
{
	char key[64];

	snprintf(key, sizeof(key), "%s%s", name, suffix);
	set(print, object, key, value);
}

/* jansson refuses what is not UTF-8, and '?' is better than no answer. */
static json_t *make_text(const char *text)
{
	json_t *made = json_string(text);
	char *clean;

	if (made)
		return made;
	clean = text_clean(text, true);
	made = clean ? json_string(clean) : NULL;
	free(clean);
	return made;
}

static json_t *make_id(const struct id *id)
{
	char text[ID_TEXT];

	return id_is_null(id) ? json_null() : json_string(id_format(id, text));
}

static json_t *make_measured(int64_t number)
{
	return number < 0 ? json_null() : json_integer(number);
}

static json_t *make_words(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t length = strcspn(text, " ");

		if (length > 0)
			json_array_append_new(list, json_stringn(text, length));
		text += length + (text[length] == ' ');
	}
	return list;
}

static void set_time(struct print *print, json_t *object, const char *name,
		     int64_t ms)
{
	bool is_time = ms > 0 && ms < WHEN_END;
	char text[WHEN_TEXT];

	set(print, object, name,
	    is_time ? json_string(when_iso(ms, text)) : json_null());
	set_suffixed(print, object, name, "_ms",
		     is_time ? json_integer(ms) : json_null());
}

static json_t *make_rows(struct print *print, const struct kind *kind,
			 const void *rows, size_t n);

static void set_field(struct print *print, json_t *object,
		      const struct field *field, const void *row)
{
	struct value v = { 0 };

	field->get(row, &v);
	switch (field->type) {
	case FIELD_TEXT:
		set(print, object, field->name, make_text(v.text));
		break;
	case FIELD_ID:
		set(print, object, field->name, make_id(&v.id));
		break;
	case FIELD_TIME:
		set_time(print, object, field->name, v.number);
		break;
	case FIELD_AGE:
		break;
	case FIELD_SPAN:
		set_suffixed(print, object, field->name, "_ms",
			     make_measured(v.number));
		break;
	case FIELD_SIZE:
		set_suffixed(print, object, field->name, "_bytes",
			     make_measured(v.number));
		break;
	case FIELD_COUNT:
		set(print, object, field->name, json_integer(v.number));
		break;
	case FIELD_BOOL:
		set(print, object, field->name, json_boolean(v.number));
		break;
	case FIELD_WORDS:
		set(print, object, field->name, make_words(v.text));
		break;
	case FIELD_ROWS:
		set(print, object, field->name,
		    make_rows(print, v.kind, v.rows, v.n_rows));
		break;
	}
}

static void set_fields(struct print *print, json_t *object,
		       const struct kind *kind, const void *row)
{
	const struct field *fields[PRINT_FIELDS];
	size_t n = print_choose(print, kind, NULL, fields);

	for (size_t i = 0; i < n; i++)
		set_field(print, object, fields[i], row);
}

static json_t *make_rows(struct print *print, const struct kind *kind,
			 const void *rows, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *object = json_object();

		set_fields(print, object, kind,
			   (const char *)rows + i * kind->row_size);
		if (json_array_append_new(list, object) < 0)
			print_fail(print);
	}
	return list;
}

static void json_writer_table(struct print *print, const struct kind *kind,
			      const void *rows, size_t n)
{
	set(print, print->state, kind->name, make_rows(print, kind, rows, n));
}

static void json_writer_record(struct print *print, const struct kind *kind,
			       const void *row)
{
	set_fields(print, print->state, kind, row);
}

static void json_writer_tree(struct print *print, const struct vm_row *vm,
			     const struct snapshot *snaps, size_t n)
{
	json_t *list = json_object_get(print->state, "trees");
	json_t *tree;

	if (!list) {
		list = json_array();
		set(print, print->state, "trees", list);
	}
	if (!vm)
		return;
	tree = json_object();
	set_fields(print, tree, &kind_vms, vm);
	set(print, tree, kind_tree.name,
	    make_rows(print, &kind_tree, snaps, n));
	if (json_array_append_new(list, tree) < 0)
		print_fail(print);
}

static void json_writer_facts(struct print *print, const struct fact *facts,
			      size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++) {
		char *key = text_clean(facts[i].key, true);

		if (key)
			set(print, object, key, make_text(facts[i].value));
		else
			print_fail(print);
		free(key);
	}
	set(print, print->state, "status", object);
}

static void json_writer_member(struct print *print, const char *key,
			       const char *text, uint64_t number)
{
	set(print, print->state, key,
	    text ? make_text(text) : json_integer((json_int_t)number));
}

static void json_writer_line(struct print *print, const char *text)
{
	(void)print;
	(void)text;
}

static int json_writer_start(struct print *print, struct err *err)
{
	print->state = json_object();
	if (!print->state)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	return 0;
}

static void json_writer_stop(struct print *print)
{
	json_decref(print->state);
}

/* An error of standard output itself is told by who flushes it. */
static int json_writer_end(struct print *print, struct err *err)
{
	size_t flags = JSON_INDENT(2);

	(void)err;
	if (print->failed)
		return 0;
	if (print->config.ascii)
		flags |= JSON_ENSURE_ASCII;
	if (json_dumpf(print->state, stdout, flags) == 0)
		putchar('\n');
	else if (!ferror(stdout))
		print_fail(print);
	return 0;
}

const struct writer writer_json = {
	.start = json_writer_start,
	.stop = json_writer_stop,
	.table = json_writer_table,
	.record = json_writer_record,
	.tree = json_writer_tree,
	.facts = json_writer_facts,
	.member = json_writer_member,
	.line = json_writer_line,
	.end = json_writer_end,
};
