/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conf.h - ini files (read with inih) into a struct, by a table of keys
 *
 * Every key is in the table with its default, so a missing file's values, the
 * shipped example and the documentation can all be checked against it.
 * Unknown sections and keys, bad values and keys given twice are errors that
 * name file and line: "agent.conf:12: unknown key 'max-freze' in [freeze]".
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum conf_type {
	CONF_TEXT,     /* char[size]; clean text that fits */
	CONF_PATH,     /* char[size]; absolute path; "" only if preset to "" */
	CONF_BOOL,     /* bool; yes, no, true, false, on, off */
	CONF_COUNT,    /* int64_t between min and max; no unit */
	CONF_DURATION, /* int64_t ms; a unit is required: 500ms 30s 5min 2h 1d */
	CONF_SIZE,   /* int64_t bytes; a unit is required: B KiB MiB GiB TiB */
	CONF_CHOICE, /* int; index of the word in `choices` */
};

struct conf_key {
	const char *section;
	const char *key;
	enum conf_type type;
	size_t offset;      /* in the target struct */
	size_t size;        /* of a char array */
	const char *preset; /* default, as it would be written in the file */
	int64_t min, max;   /* COUNT, DURATION (ms), SIZE (bytes) */
	const char *const *choices; /* CHOICE: NULL-terminated */
};

/* Fill *target with all presets.  A bad preset is a programmer's error and
 * aborts. */
void conf_presets(const struct conf_key *keys, size_t n_keys, void *target);

/* Read `path` over what *target has.  On error *target is undefined. */
int conf_read(const char *path, const struct conf_key *keys, size_t n_keys,
	      void *target, struct err *err);

/* Parse one value as the file would have it; err has no file:line. */
int conf_parse(const struct conf_key *key, const char *value, void *target,
	       struct err *err);

#endif
