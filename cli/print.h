/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * print.h - what is shown: commands describe rows, writers print them
 *
 * A kind is a table of fields of one struct.  From it the text writer makes
 * columns for people, and the JSON writer keys for programs.  Rows are read
 * during the call only.  Nothing is written before the first call, so that a
 * command that asks first and prints afterwards leaves no half output.
 *
 * JSON is one object; a field NAME of a kind becomes, by its type,
 *	TIME   "NAME": ISO 8601 in UTC or null, and "NAME_ms": Unix time
 *	SPAN   "NAME_ms": milliseconds, null when it was not measured
 *	SIZE   "NAME_bytes", null when not known
 *	ID     "NAME": the whole UUID, null for none
 *	WORDS  "NAME": array of strings       ROWS  "NAME": array of objects
 *	AGE    left out, as programs have the time
 * Keys are stable: they are added, never renamed or dropped.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

struct kind;
struct print;

enum field_type {
	FIELD_TEXT,
	FIELD_ID,
	FIELD_TIME, /* Unix ms, 0: none */
	FIELD_AGE,  /* the same, as time passed since */
	FIELD_SPAN, /* ms, -1: not measured */
	FIELD_SIZE, /* bytes, -1: not known */
	FIELD_COUNT,
	FIELD_BOOL,
	FIELD_WORDS, /* text, words separated by spaces */
	FIELD_ROWS,  /* other rows, with a kind of their own */
};

enum field_flags {
	FIELD_CUT = 1 << 0,  /* may be cut to fit the terminal */
	FIELD_WRAP = 1 << 1, /* may go on in the next line */
	FIELD_MARK = 1 << 2, /* where the head of a tree is marked */
	FIELD_RARE = 1 << 3, /* of BOOL: for people, only "yes" is shown */
};

struct value {
	const char *text;
	int64_t number; /* also of BOOL */
	struct id id;
	const struct kind *kind; /* ROWS */
	const void *rows;
	size_t n_rows;
};

struct field {
	const char *name; /* lower_snake; headings and -o come from it */
	enum field_type type;
	unsigned flags;
	/* Fills what the type needs of a zeroed *ret; pointers into the row. */
	void (*get)(const void *row, struct value *ret);
	/* Colour that warns of the value, "red", ...; NULL: none.  May be NULL
	 * itself. */
	const char *(*tint)(const void *row);
};

struct kind {
	const char *name; /* key of the list in JSON: "snapshots" */
	const char *none; /* what people see instead of an empty table */
	size_t row_size;
	const struct field *fields; /* up to one without a name */
	const char *shown; /* columns when -o does not say, by commas */
	const char *spare; /* of these, what a narrow terminal can do without;
			    * first to go first, also when all are empty */
};

enum print_color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct print_config {
	bool json;
	bool ascii;
	bool no_headings;
	enum print_color color;
	const char *columns; /* -o; NULL: as the kind has it */
};

#define PRINT_FIELDS 32 /* most fields a kind may have */

/* ERR_INVALID when config->columns has what `kind` has not, or kind is NULL
 * and columns were asked for. */
int print_new(struct print **ret, const struct print_config *config,
	      const struct kind *kind, struct err *err);
void print_free(struct print *print);

/* A list of n rows of `kind`, one after the other in memory. */
void print_table(struct print *print, const struct kind *kind, const void *rows,
		 size_t n);

/* One row as name and value lines, or as members of the JSON object. */
void print_record(struct print *print, const struct kind *kind,
		  const void *row);

struct snapshot;
struct vm_row;
/* The tree of one VM.  JSON: another element of the array "trees".  vm NULL:
 * there is none, which makes that array all the same. */
void print_tree(struct print *print, const struct vm_row *vm,
		const struct snapshot *snaps, size_t n);

struct fact;
/* Keys and values.  JSON: object "status". */
void print_facts(struct print *print, const struct fact *facts, size_t n);

/* A member only programs want, and a line only people want. */
void print_number(struct print *print, const char *key, uint64_t number);
void print_word(struct print *print, const char *key, const char *text);
void print_line(struct print *print, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Write what is kept back.  The first error of all calls. */
int print_end(struct print *print, struct err *err);

#endif
