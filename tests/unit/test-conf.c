/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-conf.c - every type, every error with its file and line */
#include "tests/lib/test.h"

#include <errno.h>

#include "base/conf.h"

struct target {
	char name[8];
	char path[32];
	char key_file[32];
	bool enabled;
	int64_t limit, wait_ms, room;
	int level;
};

static const char *const levels[] = { "low", "middle", "high", NULL };

#define AT(member) offsetof(struct target, member)

static const struct conf_key keys[] = {
	{ "main", "name", CONF_TEXT, AT(name), 8, "none", 0, 0, NULL },
	{ "main", "path", CONF_PATH, AT(path), 32, "/var/x", 0, 0, NULL },
	{ "main", "key-file", CONF_PATH, AT(key_file), 32, "", 0, 0, NULL },
	{ "main", "enabled", CONF_BOOL, AT(enabled), 0, "yes", 0, 0, NULL },
	{ "main", "limit", CONF_COUNT, AT(limit), 0, "3", -1, 10, NULL },
	{ "freeze", "wait", CONF_DURATION, AT(wait_ms), 0, "5s", 100, 60000,
	  NULL },
	{ "freeze", "room", CONF_SIZE, AT(room), 0, "1GiB", 0, INT64_MAX,
	  NULL },
	{ "freeze", "level", CONF_CHOICE, AT(level), 0, "middle", 0, 0,
	  levels },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static struct target target;
static struct err err;

static int read_text(const char *text)
{
	const char *path = test_write("t.conf", text, strlen(text));

	conf_presets(keys, N_KEYS, &target);
	return conf_read(path, keys, N_KEYS, &target, &err);
}

static void test_presets(void **state)
{
	(void)state;
	assert_ok(read_text(""), err);
	assert_string_equal(target.name, "none");
	assert_string_equal(target.path, "/var/x");
	assert_string_equal(target.key_file, "");
	assert_true(target.enabled);
	assert_int_equal(target.limit, 3);
	assert_int_equal(target.wait_ms, 5000);
	assert_int_equal(target.room, 1 << 30);
	assert_int_equal(target.level, 1);
}

static void test_file(void **state)
{
	(void)state;
	assert_ok(read_text("# comment\n"
			    "; another\n"
			    "\n"
			    "[main]\r\n"
			    "name = w\xc3\xa4"
			    "b 1\r\n"
			    "  path=/a b/c ; remark\n"
			    "\tenabled = off\n"
			    "limit = -1\n"
			    "[freeze]\n"
			    "wait = 1min\n"
			    "room = 3MiB\n"
			    "[main]\n"
			    "key-file = /k\n"
			    "[freeze]\n"
			    "level = high"),
		  err);
	assert_string_equal(target.name, "w\xc3\xa4"
					 "b 1");
	assert_string_equal(target.path, "/a b/c");
	assert_string_equal(target.key_file, "/k");
	assert_false(target.enabled);
	assert_int_equal(target.limit, -1);
	assert_int_equal(target.wait_ms, 60000);
	assert_int_equal(target.room, 3 << 20);
	assert_int_equal(target.level, 2);
}

/* The text of the error is "PATH:" and what is wanted. */
static void assert_error(const char *text, const char *want)
{
	char full[300];

	assert_fails(read_text(text), ERR_INVALID, err);
	snprintf(full, sizeof(full), "%s:%s", test_path("t.conf"), want);
	assert_string_equal(err.text, full);
}

static void test_structure_errors(void **state)
{
	(void)state;
	assert_error("[main]\nnmae = x\n", "2: unknown key 'nmae' in [main]");
	assert_error("[main]\nwait = 5s\n", "2: unknown key 'wait' in [main]");
	assert_error("\n[mian]\n", "2: unknown section '[mian]'");
	assert_error("\n[mian]\nname = x\n", "2: unknown section '[mian]'");
	assert_error("[main\nname = x\n", "1: no ']' in '[main'");
	assert_error("name = x\n", "1: key 'name' before any [section]");
	assert_error("[main]\nname = x\n\nname = y\n",
		     "4: key 'name' in [main] is given twice");
	assert_error("[main]\nname\nlimit = 99\n",
		     "2: neither a [section], 'key = value' nor a comment");
	assert_error("[main]\nname = x\n  more\n",
		     "3: neither a [section], 'key = value' nor a comment");
	assert_error("[main]\nname = x\nlimit = 99\njunk\n",
		     "3: 'limit' in [main]: '99' is not between -1 and 10");
	assert_error("[main]\nname = x\nn\x1b[m = 1\n",
		     "3: unknown key 'n?[m' in [main]");
}

static void test_value_errors(void **state)
{
	(void)state;
	assert_error("[main]\nname = 12345678\n",
		     "2: 'name' in [main]: '12345678' is not short enough");
	assert_error("[main]\nname = a\xff\n",
		     "2: 'name' in [main]: 'a?' is not clean UTF-8 text");
	assert_error("[main]\npath = a/b\n",
		     "2: 'path' in [main]: 'a/b' is not an absolute path");
	assert_error("[main]\npath =\n",
		     "2: 'path' in [main]: '' is not an absolute path");
	assert_error("[main]\nenabled = maybe\n",
		     "2: 'enabled' in [main]: 'maybe' is not yes or no");
	assert_error("[main]\nlimit = 5s\n",
		     "2: 'limit' in [main]: '5s' is not a number");
	assert_error("[main]\nlimit =\n",
		     "2: 'limit' in [main]: '' is not a number");
	assert_error("[main]\nlimit = 0x5\n",
		     "2: 'limit' in [main]: '0x5' is not a number");
	assert_error(
		"[freeze]\nwait = 5\n",
		"2: 'wait' in [freeze]: '5' is not a number of ms, s, min, "
		"h or d");
	assert_error("[freeze]\nwait = 99ms\n",
		     "2: 'wait' in [freeze]: '99ms' is not between 100ms and "
		     "60000ms");
	assert_error("[freeze]\nroom = 5MB\n",
		     "2: 'room' in [freeze]: '5MB' is not a number of B, KiB, "
		     "MiB, GiB or TiB");
	assert_error(
		"[freeze]\nlevel = lowest\n",
		"2: 'level' in [freeze]: 'lowest' is not one of: low middle "
		"high");
}

static void test_overflow(void **state)
{
	(void)state;
	assert_fails(read_text("[freeze]\nroom = 9999999999TiB\n"), ERR_INVALID,
		     err);
	assert_contains(err.text, "is not between 0B and");
	assert_fails(read_text("[freeze]\nroom = 99999999999999999999B\n"),
		     ERR_INVALID, err);
	assert_fails(read_text("[freeze]\nroom = -1B\n"), ERR_INVALID, err);
	assert_fails(read_text("[freeze]\nroom = --1B\n"), ERR_INVALID, err);
	assert_contains(err.text, "is not a number of");
}

static void test_units(void **state)
{
	static const char *const text[] = { "100ms", "2s", "1min" };
	static const int64_t ms[] = { 100, 2000, 60000 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_ok(conf_parse(&keys[5], text[i], &target, &err), err);
		assert_int_equal(target.wait_ms, ms[i]);
	}
	assert_ok(conf_parse(&keys[6], "2TiB", &target, &err), err);
	assert_true(target.room == 2LL << 40);
	assert_fails(conf_parse(&keys[5], "1d", &target, &err), ERR_INVALID,
		     err);
	assert_contains(err.text, "'wait' in [freeze]: '1d' is not between");
}

static void test_long_line(void **state)
{
	char text[2000] = "[main]\n# ";

	(void)state;
	memset(text + strlen(text), 'x', 1500);
	assert_fails(read_text(text), ERR_INVALID, err);
	assert_contains(err.text, "t.conf:2: line is longer than ");
}

static void test_zero_byte(void **state)
{
	static const char text[] = "[main]\nname = a\0b\n";
	static const char last[] = "[main]\nname = a\0\r\n";
	const char *path = test_write("t.conf", last, sizeof(last) - 1);

	(void)state;
	assert_fails(conf_read(path, keys, N_KEYS, &target, &err), ERR_INVALID,
		     err);
	test_write("t.conf", text, sizeof(text) - 1);
	assert_fails(conf_read(path, keys, N_KEYS, &target, &err), ERR_INVALID,
		     err);
	assert_contains(err.text, "t.conf:2: line has a zero byte");
}

static void test_files(void **state)
{
	(void)state;
	assert_fails(conf_read(test_path("none"), keys, N_KEYS, &target, &err),
		     ERR_ABSENT, err);
	assert_int_equal(err.sys, ENOENT);
	assert_contains(err.text, "none': No such file or directory");
	assert_fails(conf_read(test_dir_path, keys, N_KEYS, &target, &err),
		     ERR_INVALID, err);
	assert_int_equal(err.sys, EISDIR);
	assert_int_equal(conf_read(test_path("none"), keys, N_KEYS, &target,
				   NULL),
			 -ERR_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_structure_errors),
		cmocka_unit_test(test_value_errors),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_zero_byte),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
