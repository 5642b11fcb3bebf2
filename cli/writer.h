/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * writer.h - inside of print.h: what a writer has to do
 *
 * The functions are those of print.h.  A writer that fails notes it with
 * print_fail() and goes on; print_end() tells.
 */
#ifndef CLI_WRITER_H
#define CLI_WRITER_H

#include "cli/print.h"

struct writer {
	int (*start)(struct print *print, struct err *err);
	void (*stop)(struct print *print);
	void (*table)(struct print *print, const struct kind *kind,
		      const void *rows, size_t n);
	void (*record)(struct print *print, const struct kind *kind,
		       const void *row);
	void (*tree)(struct print *print, const struct vm_row *vm,
		     const struct snapshot *snaps, size_t n);
	void (*facts)(struct print *print, const struct fact *facts, size_t n);
	void (*member)(struct print *print, const char *key, const char *text,
		       uint64_t number); /* text NULL: the number */
	void (*line)(struct print *print, const char *text);
	int (*end)(struct print *print, struct err *err);
};

extern const struct writer writer_text;
extern const struct writer writer_json;

/* Part of writer_text, in a file of its own. */
void print_text_tree(struct print *print, const struct vm_row *vm,
		     const struct snapshot *snaps, size_t n);

struct print {
	const struct writer *writer;
	struct print_config config;
	/* What -o chose of the verb's kind; NULL: what is usual. */
	const struct kind *chosen_kind;
	const struct field *chosen[PRINT_FIELDS];
	size_t n_chosen;
	bool utf8; /* of the locale */
	bool color;
	size_t width; /* of the terminal; 0: unlimited */
	int64_t now_ms;
	bool failed; /* memory ran out, or a row cannot be printed */
	void *state; /* the writer's */
};

void print_fail(struct print *print);

/* The field of that name, any case and '-' for '_'; NULL: there is none. */
const struct field *print_find(const struct kind *kind, const char *name,
			       size_t length);

/* Fields to show of `kind` in order: those of -o, or `list` (NULL: all).
 * `ret` has PRINT_FIELDS places; returns how many. */
size_t print_choose(const struct print *print, const struct kind *kind,
		    const char *list, const struct field **ret);

#endif
