/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * text.h - text as a terminal may see it
 *
 * Pure functions but text_is_utf8(), which reads the locale.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

/* Is the locale's encoding UTF-8?  After setlocale(). */
bool text_is_utf8(void);

/* A malloc'd copy in which whatever a terminal could take for a command, or
 * that turns the reading direction, is '?'; all beyond ASCII too unless
 * `utf8`.  NULL when out of memory. */
char *text_clean(const char *src, bool utf8);

/* Terminal columns of clean text, in the encoding of the locale. */
size_t text_width(const char *s);

/* Cut clean text in place to `width` columns; its last is `mark`, of one column
 * and at most three bytes, when something was cut.  Room for three bytes
 * more than the text must be there. */
void text_cut(char *s, size_t width, const char *mark);

/* A malloc'd copy in lines of at most `width` columns: broken at spaces, in
 * paths after a slash, else anywhere.  NULL when out of memory. */
char *text_wrap(const char *s, size_t width);

/* Letters to add, drop, change or swap to make b of a. */
unsigned text_distance(const char *a, const char *b);
#define TEXT_NEAR 2 /* up to this a word was probably meant */

/*
 * How many characters of their text tell all ids apart: at least 8, and at
 * least 13 when one is of version 7, where the first 12 digits are the
 * millisecond of its making.  Such a prefix never ends with a dash, and is
 * what the agent and the collector take in place of the whole.  Nil and equal
 * ids do not count.  Sorts `ids`.
 */
size_t text_id_length(struct id *ids, size_t n);

#endif
