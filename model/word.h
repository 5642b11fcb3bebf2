/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * word.h - enumerations with a name and a wire number each
 *
 * A list is an X-macro of lines X(NAME, number, "word").  The number is what is
 * stored and sent and is never reused; 0 is kept for "unknown", which is what
 * a reader sees for a number from a later version.  WORD_DECLARE() in the
 * header and WORD_DEFINE() in the .c give
 *
 *	const char *PREFIX_word(enum PREFIX v);    "unknown" for what has none
 *	enum PREFIX PREFIX_from_word(const char *); 0 when there is none
 *	enum PREFIX PREFIX_from_wire(int64_t);      0 when there is none
 */
#ifndef MODEL_WORD_H
#define MODEL_WORD_H

#include <stdint.h>
#include <string.h>

#define WORD_DECLARE(prefix)                           \
	const char *prefix##_word(enum prefix v);      \
	enum prefix prefix##_from_word(const char *s); \
	enum prefix prefix##_from_wire(int64_t n)

#define WORD_CASE_(name, wire, word) \
	case (wire):                 \
		return word;
#define WORD_WORD_(name, wire, word) \
	if (strcmp(s, word) == 0)    \
		n = (wire);
#define WORD_WIRE_(name, wire, word) case (wire):

#define WORD_DEFINE(prefix, LIST)                     \
	const char *prefix##_word(enum prefix v)      \
	{                                             \
		switch ((int)v) {                     \
			LIST(WORD_CASE_)              \
		default:                              \
			return "unknown";             \
		}                                     \
	}                                             \
	enum prefix prefix##_from_word(const char *s) \
	{                                             \
		int n = 0;                            \
		LIST(WORD_WORD_)                      \
		return (enum prefix)n;                \
	}                                             \
	enum prefix prefix##_from_wire(int64_t n)     \
	{                                             \
		switch (n) {                          \
			LIST(WORD_WIRE_)              \
			return (enum prefix)n;        \
		default:                              \
			return (enum prefix)0;        \
		}                                     \
	}

#endif
