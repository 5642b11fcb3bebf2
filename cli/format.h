/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * format.h - values as text for people
 *
 * Texts are malloc'd, clean for the terminal, and have FORMAT_SPARE bytes of
 * room behind them; NULL: out of memory.
 */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include "cli/writer.h"

#define FORMAT_SPARE 4 /* struct grid_cell wants them */

/* May lines, dots and arrows be other than ASCII? */
bool format_draws_utf8(const struct print *print);

/* The field of a row.  Ids are cut to `id_length`; with ID_TEXT they are whole
 * and times have all their digits. */
char *format_field(const struct print *print, const struct field *field,
		   const void *row, size_t id_length);

/* Any text so. */
char *format_text(const struct print *print, const char *text);

#endif
