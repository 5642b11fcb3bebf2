/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * str.h - text from outside: bounded copies and validation
 *
 * Pure functions, any thread.  Lengths are in bytes.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

/* Copy with terminator.  False, and an empty string in `dst`, when `src` does
 * not fit: a name is never silently cut.  NULL `src` counts as "". */
bool str_copy(char *dst, size_t size, const char *src);

/* As above but truncates at a UTF-8 boundary: for texts shown to people. */
void str_copy_cut(char *dst, size_t size, const char *src);

/* Valid UTF-8 without control characters (C0, DEL, C1); "" is clean. */
bool str_is_clean(const char *s);

/* A copy for messages: whatever is not clean becomes '?'.  Returns dst. */
const char *str_show(char *dst, size_t size, const char *src);

/* malloc'd printf; NULL when out of memory. */
char *str_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Shell-style pattern as fnmatch(3), '*' also matches '/'.  */
bool str_matches(const char *pattern, const char *s);

/* For CLEANUP(): frees what the char pointer points to. */
void str_freep(char **s);

#endif
