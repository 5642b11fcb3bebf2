/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * id.h - 128-bit identifiers (RFC 9562 UUIDs)
 *
 * Snapshots and operations have version 7 (time-ordered: a database index on
 * them grows at its end), hosts version 4.  The nil UUID stands for "none".
 * All functions are pure but the makers; any thread.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define ID_TEXT 37 /* 36 characters and the terminator */

struct id {
	uint8_t b[16];
};

/* Cannot fail: getrandom() of 16 bytes does not once the pool is ready. */
struct id id_new_v4(void);
/* Later ones of one process compare greater, also within one millisecond. */
struct id id_new_v7(int64_t wall_ms);

/* Lower-case text into `buf` (ID_TEXT bytes); returns `buf`. */
const char *id_format(const struct id *id, char *buf);

/* Exactly 36 characters, any case: true and *ret; else false. */
bool id_parse(const char *text, struct id *ret);

bool id_is_null(const struct id *id);
bool id_equal(const struct id *a, const struct id *b);
int id_compare(const struct id *a, const struct id *b);

/* Is `text` a prefix of the UUID's text?  At least 4 hexadecimal digits, dashes
 * where the UUID has them or left out altogether, any case. */
bool id_has_prefix(const struct id *id, const char *text);
/* Could `text` be such a prefix of some UUID? */
bool id_is_prefix_text(const char *text);

#endif
