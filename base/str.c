/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* str.c - text from outside: bounded copies and validation */
#include "base/str.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t len = src ? strlen(src) : 0;

	if (!size)
		return false;
	dst[0] = '\0';
	if (len >= size)
		return false;
	if (len)
		memcpy(dst, src, len + 1);
	return true;
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

void str_copy_cut(char *dst, size_t size, const char *src)
{
	size_t len = src ? strlen(src) : 0;

	if (!size)
		return;
	if (len >= size) {
		len = size - 1;
		while (len && continues(src[len]))
			len--;
	}
	if (len)
		memcpy(dst, src, len);
	dst[len] = '\0';
}

/* Bytes of a sequence by its first byte, 0 when it cannot be one. */
static size_t sequence_size(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if ((first & 0xf0) == 0xe0)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

static bool is_printable(uint32_t c, size_t size)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (c < least[size] || c > 0x10ffff)
		return false;
	if (c >= 0xd800 && c <= 0xdfff)
		return false;
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0);
}

/* Size of the clean character at s, which is not the end; 0 for none. */
static size_t clean_size(const char *s)
{
	size_t size = sequence_size((unsigned char)s[0]);
	uint32_t c;

	if (!size)
		return 0;
	c = (unsigned char)s[0] & (size == 1 ? 0x7fU : 0xffU >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if (!continues(s[i]))
			return 0;
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	}
	return is_printable(c, size) ? size : 0;
}

bool str_is_clean(const char *s)
{
	size_t n;

	while (*s) {
		n = clean_size(s);
		if (!n)
			return false;
		s += n;
	}
	return true;
}

const char *str_show(char *dst, size_t size, const char *src)
{
	size_t at = 0, n;

	if (!src)
		src = "";
	while (*src) {
		n = clean_size(src);
		if (at + (n ? n : 1) >= size)
			break;
		if (n)
			memcpy(dst + at, src, n);
		else
			dst[at] = '?';
		at += n ? n : 1;
		src += n ? n : 1;
	}
	if (size)
		dst[at] = '\0';
	return dst;
}

char *str_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}

bool str_matches(const char *pattern, const char *s)
{
	return fnmatch(pattern, s, 0) == 0;
}

void str_freep(char **s)
{
	free(*s);
}
