/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conf_value.c - the types of conf.h: from text to a member of a struct */
#include "base/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SHOW_SIZE 64

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit durations[] = {
	{ "ms", 1 },      { "s", 1000 },     { "min", 60000 },
	{ "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

static const struct unit sizes[] = {
	{ "B", 1 },           { "KiB", 1LL << 10 }, { "MiB", 1LL << 20 },
	{ "GiB", 1LL << 30 }, { "TiB", 1LL << 40 }, { NULL, 0 },
};

static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

static int bad_value(const struct conf_key *key, const char *value,
		     const char *wanted, struct err *err)
{
	char show[SHOW_SIZE];

	return err_set(err, ERR_INVALID, 0, "'%s' in [%s]: '%s' is not %s",
		       key->key, key->section,
		       str_show(show, sizeof(show), value), wanted);
}

static int out_of_range(const struct conf_key *key, const char *value,
			const struct unit *units, struct err *err)
{
	char show[SHOW_SIZE];
	const struct unit *unit = units;

	/* The largest unit that shows both limits without a fraction. */
	for (const struct unit *u = units; u->name; u++) {
		if (key->min % u->factor == 0 && key->max % u->factor == 0)
			unit = u;
	}
	return err_set(err, ERR_INVALID, 0,
		       "'%s' in [%s]: '%s' is not between %lld%s and %lld%s",
		       key->key, key->section,
		       str_show(show, sizeof(show), value),
		       (long long)(key->min / unit->factor), unit->name,
		       (long long)(key->max / unit->factor), unit->name);
}

static int parse_number(const struct conf_key *key, const char *value,
			const struct unit *units, const char *wanted,
			int64_t *ret, struct err *err)
{
	const struct unit *unit = units;
	long long n;
	char *end;

	if (strspn(value, "-0123456789") == 0)
		return bad_value(key, value, wanted, err);
	errno = 0;
	n = strtoll(value, &end, 10);
	while (unit->name && strcmp(unit->name, end) != 0)
		unit++;
	if (end == value || !unit->name)
		return bad_value(key, value, wanted, err);
	if (errno || __builtin_mul_overflow(n, unit->factor, &n) ||
	    n < key->min || n > key->max)
		return out_of_range(key, value, units, err);
	*ret = n;
	return 0;
}

static int parse_text(const struct conf_key *key, const char *value, char *dst,
		      struct err *err)
{
	if (!str_is_clean(value))
		return bad_value(key, value, "clean UTF-8 text", err);
	if (strlen(value) >= key->size)
		return bad_value(key, value, "short enough", err);
	str_copy(dst, key->size, value);
	return 0;
}

static int parse_path(const struct conf_key *key, const char *value, char *dst,
		      struct err *err)
{
	bool unset = !*value && !*key->preset;

	if (value[0] != '/' && !unset)
		return bad_value(key, value, "an absolute path", err);
	return parse_text(key, value, dst, err);
}

static int parse_bool(const struct conf_key *key, const char *value, bool *ret,
		      struct err *err)
{
	static const char *const words[] = { "no",   "yes", "false",
					     "true", "off", "on" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], value) == 0) {
			*ret = i % 2;
			return 0;
		}
	}
	return bad_value(key, value, "yes or no", err);
}

static int parse_choice(const struct conf_key *key, const char *value, int *ret,
			struct err *err)
{
	char wanted[128] = "one of:";
	size_t len;

	for (int i = 0; key->choices[i]; i++) {
		if (strcmp(key->choices[i], value) == 0) {
			*ret = i;
			return 0;
		}
		len = strlen(wanted);
		snprintf(wanted + len, sizeof(wanted) - len, " %s",
			 key->choices[i]);
	}
	return bad_value(key, value, wanted, err);
}

int conf_parse(const struct conf_key *key, const char *value, void *target,
	       struct err *err)
{
	void *dst = (char *)target + key->offset;

	switch (key->type) {
	case CONF_TEXT:
		return parse_text(key, value, dst, err);
	case CONF_PATH:
		return parse_path(key, value, dst, err);
	case CONF_BOOL:
		return parse_bool(key, value, dst, err);
	case CONF_COUNT:
		return parse_number(key, value, plain, "a number", dst, err);
	case CONF_DURATION:
		return parse_number(key, value, durations,
				    "a number of ms, s, min, h or d", dst, err);
	case CONF_SIZE:
		return parse_number(key, value, sizes,
				    "a number of B, KiB, MiB, GiB or TiB", dst,
				    err);
	case CONF_CHOICE:
		return parse_choice(key, value, dst, err);
	}
	abort();
}

void conf_presets(const struct conf_key *keys, size_t n_keys, void *target)
{
	struct err err;

	for (size_t i = 0; i < n_keys; i++) {
		if (conf_parse(&keys[i], keys[i].preset, target, &err) < 0) {
			fprintf(stderr, "bad preset: %s\n", err.text);
			abort();
		}
	}
}
