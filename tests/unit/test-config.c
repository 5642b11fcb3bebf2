/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-config.c - the shipped agent.conf parses and names every key */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"

/* Made by the build, in whose folder tests run. */
static const char *shipped(void)
{
	return "conf/agent.conf";
}

static void it_parses(void **state)
{
	struct config config;
	struct err err = { 0 };

	(void)state;
	if (config_load(&config, shipped(), &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(config.max_frozen_ms, 5000);
}

/* "#key = preset" below "[section]". */
static bool has_line(const struct conf_key *key)
{
	char line[512], section[64] = "", want[600];
	FILE *f = fopen(shipped(), "r");
	bool found = false;

	assert_non_null(f);
	snprintf(want, sizeof(want), "#%s =%s%s\n", key->key,
		 key->preset[0] ? " " : "", key->preset);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "[%63[^]]]", section) == 1)
			continue;
		found |= strcmp(section, key->section) == 0 &&
			 strcmp(line, want) == 0;
	}
	fclose(f);
	return found;
}

static void every_key_is_in_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_n_keys; i++)
		if (!has_line(&config_keys[i]))
			fail_msg("conf/agent.conf lacks '#%s = %s' in [%s]",
				 config_keys[i].key, config_keys[i].preset,
				 config_keys[i].section);
}

/* Every commented key, uncommented, is good: none is left over. */
static void every_line_is_a_key(void **state)
{
	char line[512], path[] = "/tmp/test-config.XXXXXX";
	struct config config;
	struct err err = { 0 };
	FILE *in = fopen(shipped(), "r"), *out;
	int fd = mkstemp(path);

	(void)state;
	assert_non_null(in);
	assert_true(fd >= 0);
	out = fdopen(fd, "w");
	while (fgets(line, sizeof(line), in)) {
		char *eq = strstr(line, " =");
		bool is_key = line[0] == '#' && line[1] != ' ' && eq;

		fputs(is_key ? line + 1 : line, out);
	}
	fclose(in);
	fclose(out);
	if (config_load(&config, path, &err) < 0)
		fail_msg("%s", err.text);
	remove(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_parses),
		cmocka_unit_test(every_key_is_in_it),
		cmocka_unit_test(every_line_is_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
