/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* id.c - 128-bit identifiers (RFC 9562 UUIDs) */
#include "base/id.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#define ID_DIGITS 32
#define PREFIX_MIN 4

static const char digits[] = "0123456789abcdef";

static void fill_random(struct id *id)
{
	size_t have = 0;
	ssize_t n;

	while (have < sizeof(id->b)) {
		n = getrandom(id->b + have, sizeof(id->b) - have, 0);
		if (n > 0)
			have += (size_t)n;
	}
}

static void set_version(struct id *id, unsigned version)
{
	id->b[6] = (uint8_t)((id->b[6] & 0x0f) | version << 4);
	id->b[8] = (uint8_t)((id->b[8] & 0x3f) | 0x80);
}

struct id id_new_v4(void)
{
	struct id id;

	fill_random(&id);
	set_version(&id, 4);
	return id;
}

/*
 * 48 bits of time and 12 bits of counter, as they stand in the UUID.  The
 * counter starts at random below its half in each millisecond; should it run
 * over, or the wall clock be set back, the time part runs ahead a little.
 */
static uint64_t next_stamp(int64_t wall_ms, unsigned random)
{
	static _Atomic uint64_t last;
	uint64_t fresh = (uint64_t)wall_ms << 12 | (random & 0x7ff);
	uint64_t seen = atomic_load(&last);
	uint64_t stamp;

	do {
		stamp = fresh > seen ? fresh : seen + 1;
	} while (!atomic_compare_exchange_weak(&last, &seen, stamp));
	return stamp;
}

struct id id_new_v7(int64_t wall_ms)
{
	uint64_t stamp, ms;
	struct id id;

	fill_random(&id);
	stamp = next_stamp(wall_ms, (unsigned)id.b[6] << 8 | id.b[7]);
	ms = stamp >> 12;
	for (int i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	id.b[6] = (uint8_t)(stamp >> 8 & 0x0f);
	id.b[7] = (uint8_t)stamp;
	set_version(&id, 7);
	return id;
}

static bool dash_before_byte(int i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

static bool dash_at(size_t pos)
{
	return pos == 8 || pos == 13 || pos == 18 || pos == 23;
}

const char *id_format(const struct id *id, char *buf)
{
	char *p = buf;

	for (int i = 0; i < 16; i++) {
		if (dash_before_byte(i))
			*p++ = '-';
		*p++ = digits[id->b[i] >> 4];
		*p++ = digits[id->b[i] & 0x0f];
	}
	*p = '\0';
	return buf;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The digits of a UUID's text or of the start of one, as values.  Returns how
 * many, or -1 when the text is not of that form. */
static int take_digits(const char *text, uint8_t *value)
{
	bool dashed = strchr(text, '-') != NULL;
	int n = 0, v;

	for (size_t pos = 0; text[pos]; pos++) {
		if (dashed && dash_at(pos)) {
			if (text[pos] != '-')
				return -1;
			continue;
		}
		v = digit_value(text[pos]);
		if (v < 0 || n == ID_DIGITS)
			return -1;
		value[n++] = (uint8_t)v;
	}
	return n;
}

bool id_parse(const char *text, struct id *ret)
{
	uint8_t value[ID_DIGITS];
	struct id id;

	if (strnlen(text, ID_TEXT) != ID_TEXT - 1)
		return false;
	if (take_digits(text, value) != ID_DIGITS)
		return false;
	for (int i = 0; i < 16; i++)
		id.b[i] = (uint8_t)(value[2 * i] << 4 | value[2 * i + 1]);
	*ret = id;
	return true;
}

bool id_is_null(const struct id *id)
{
	static const struct id nil;

	return id_equal(id, &nil);
}

bool id_equal(const struct id *a, const struct id *b)
{
	return id_compare(a, b) == 0;
}

int id_compare(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool id_is_prefix_text(const char *text)
{
	uint8_t value[ID_DIGITS];

	return take_digits(text, value) >= PREFIX_MIN;
}

bool id_has_prefix(const struct id *id, const char *text)
{
	uint8_t value[ID_DIGITS];
	int n = take_digits(text, value);

	for (int i = 0; i < n; i++) {
		if (value[i] != (id->b[i / 2] >> (i % 2 ? 0 : 4) & 0x0f))
			return false;
	}
	return n >= PREFIX_MIN;
}
