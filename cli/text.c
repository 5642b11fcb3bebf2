/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* text.c - cleaning, measuring, comparing and shortening text */
#include "cli/text.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/str.h"

#define WORD_MAX 32 /* longer words are not compared */
#define ID_SHORTEST 8
#define ID_SHORTEST_V7 13

bool text_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* U+200E/F, U+202A-E, U+2066-9: reading direction; U+2028/9: line ends; all
 * are three bytes e2 80 xx or e2 81 xx. */
static bool is_direction(const unsigned char *s)
{
	if (s[0] != 0xe2)
		return false;
	if (s[1] == 0x80)
		return s[2] == 0x8e || s[2] == 0x8f ||
		       (s[2] >= 0xa8 && s[2] <= 0xae);
	return s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9;
}

char *text_clean(const char *src, bool utf8)
{
	size_t size = strlen(src) + 1;
	char *dst = malloc(size);
	unsigned char *from, *to;

	if (!dst)
		return NULL;
	str_show(dst, size, src);

	from = to = (unsigned char *)dst;
	while (*from) {
		unsigned char c = *from;
		bool drop = (c >= 0x80 && !utf8) || is_direction(from);

		if (!drop) {
			*to++ = *from++;
			continue;
		}
		*to++ = '?';
		for (from++; (*from & 0xc0) == 0x80; from++)
			; /* the rest of that character */
	}
	*to = '\0';
	return dst;
}

size_t text_width(const char *s)
{
	mbstate_t state = { 0 };
	size_t width = 0;

	while (*s) {
		wchar_t wc;
		size_t n = mbrtowc(&wc, s, MB_CUR_MAX, &state);
		int w;

		if (n == 0 || n > MB_CUR_MAX)
			return width + strlen(s);
		w = wcwidth(wc);
		width += w > 0 ? (size_t)w : 0;
		s += n;
	}
	return width;
}

/* Bytes of the first characters that take at most `width` columns. */
static size_t bytes_in(const char *s, size_t width)
{
	mbstate_t state = { 0 };
	size_t at = 0;

	while (s[at]) {
		wchar_t wc;
		size_t n = mbrtowc(&wc, s + at, MB_CUR_MAX, &state);
		int w;

		if (n == 0 || n > MB_CUR_MAX)
			break;
		w = wcwidth(wc);
		if (w > 0 && (size_t)w > width)
			break;
		width -= w > 0 ? (size_t)w : 0;
		at += n;
	}
	return at;
}

void text_cut(char *s, size_t width, const char *mark)
{
	if (width == 0 || text_width(s) <= width)
		return;
	strcpy(s + bytes_in(s, width - 1), mark);
}

/* Of the `n` bytes that fit into a line, how many to put there. */
static size_t line_bytes(const char *s, size_t n)
{
	for (size_t i = n; i > n / 2; i--)
		if (s[i] == ' ')
			return i;
	for (size_t i = n; i > n / 2; i--)
		if (s[i - 1] == ' ' || s[i - 1] == '/')
			return i;
	return n;
}

char *text_wrap(const char *s, size_t width)
{
	/* At worst each character is a line. */
	char *wrapped = malloc(2 * strlen(s) + 1), *at = wrapped;

	while (wrapped && text_width(s) > width) {
		size_t n = bytes_in(s, width);

		if (n == 0)
			break; /* one character is wider than the line */
		n = line_bytes(s, n);
		at = mempcpy(at, s, n);
		*at++ = '\n';
		s += n;
		while (*s == ' ')
			s++;
	}
	if (wrapped)
		strcpy(at, s);
	return wrapped;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment: Levenshtein, and a swap of neighbours is one. */
unsigned text_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return WORD_MAX;
	for (unsigned j = 0; j <= nb; j++)
		last[j] = j;
	for (unsigned i = 1; i <= na; i++) {
		unsigned *spare = before;

		now[0] = i;
		for (unsigned j = 1; j <= nb; j++) {
			now[j] = least(last[j] + 1, now[j - 1] + 1,
				       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1,
					       now[j]);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[nb];
}

static int compare_ids(const void *a, const void *b)
{
	return id_compare(a, b);
}

static size_t common_length(const struct id *a, const struct id *b)
{
	char x[ID_TEXT], y[ID_TEXT];
	size_t n = 0;

	id_format(a, x);
	id_format(b, y);
	while (x[n] && x[n] == y[n])
		n++;
	return n;
}

size_t text_id_length(struct id *ids, size_t n)
{
	size_t length = ID_SHORTEST;

	qsort(ids, n, sizeof(*ids), compare_ids);
	for (size_t i = 0; i < n; i++) {
		size_t common;

		if (id_is_null(&ids[i]))
			continue;
		if (ids[i].b[6] >> 4 == 7 && length < ID_SHORTEST_V7)
			length = ID_SHORTEST_V7;
		if (i == 0 || id_is_null(&ids[i - 1]) ||
		    id_equal(&ids[i - 1], &ids[i]))
			continue;
		common = common_length(&ids[i - 1], &ids[i]);
		if (length <= common)
			length = common + 1;
	}
	if (length == 9 || length == 14 || length == 19 || length == 24)
		length++; /* not at a dash */
	return length;
}
