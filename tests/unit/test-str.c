/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-str.c - bounded copies and what counts as clean text */
#include "tests/lib/test.h"

#include "base/cleanup.h"
#include "base/str.h"

static void test_copy(void **state)
{
	char buf[4];

	(void)state;
	assert_true(str_copy(buf, sizeof(buf), "abc"));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, sizeof(buf), "abcd"));
	assert_string_equal(buf, "");
	assert_true(str_copy(buf, sizeof(buf), NULL));
	assert_string_equal(buf, "");
	assert_false(str_copy(buf, 0, ""));
}

static void test_copy_cut(void **state)
{
	char buf[4];

	(void)state;
	str_copy_cut(buf, sizeof(buf), "abcdef");
	assert_string_equal(buf, "abc");
	str_copy_cut(buf, sizeof(buf), "ab\xc3\xa4");
	assert_string_equal(buf, "ab");
	str_copy_cut(buf, sizeof(buf), "\xf0\x9f\x98\x80");
	assert_string_equal(buf, "");
	str_copy_cut(buf, sizeof(buf), "a\xc3\xa4");
	assert_string_equal(buf, "a\xc3\xa4");
	str_copy_cut(buf, 1, "a");
	assert_string_equal(buf, "");
	str_copy_cut(buf, sizeof(buf), NULL);
	assert_string_equal(buf, "");
}

static void test_clean(void **state)
{
	(void)state;
	assert_true(str_is_clean(""));
	assert_true(str_is_clean("web-1 ~"));
	assert_true(str_is_clean("\xc2\xa0\xc3\xa4"));
	assert_true(str_is_clean("\xe2\x82\xac\xef\xbf\xbd"));
	assert_true(str_is_clean("\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"));
}

static void test_unclean(void **state)
{
	static const char *const bad[] = {
		"a\nb",
		"\t",
		"\x1b[0m",
		"\x7f",
		"\xc2\x9b", /* C1 */
		"\x80",     /* continuation alone */
		"\xc3",     /* cut */
		"\xe2\x82",
		"\xf0\x9f\x98",
		"\xc3(",
		"\xc0\xaf", /* overlong */
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xf0\x80\x80\xaf",
		"\xed\xa0\x80",     /* surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf8\x88\x80\x80\x80",
		"\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (str_is_clean(bad[i]))
			fail_msg("bad[%zu] counts as clean", i);
	}
}

static void test_show(void **state)
{
	char buf[8];

	(void)state;
	assert_string_equal(str_show(buf, sizeof(buf), "a\nb\xff"), "a?b?");
	assert_string_equal(str_show(buf, sizeof(buf), "\xe2\x82"), "??");
	assert_string_equal(str_show(buf, sizeof(buf), "123456\xc3\xa4"),
			    "123456");
	assert_string_equal(str_show(buf, sizeof(buf), "12345678"), "1234567");
	assert_string_equal(str_show(buf, sizeof(buf), NULL), "");
}

static void test_printf(void **state)
{
	CLEANUP(str_freep) char *s = str_printf("%s-%d", "a", 7);
	CLEANUP(str_freep) char *none = NULL;

	(void)state;
	assert_null(none);
	assert_string_equal(s, "a-7");
}

static void test_matches(void **state)
{
	(void)state;
	assert_true(str_matches("*", "a/b"));
	assert_true(str_matches("web-?", "web-1"));
	assert_true(str_matches("web-[0-9]", "web-1"));
	assert_false(str_matches("web-?", "web-10"));
	assert_false(str_matches("web", "web-1"));
	assert_true(str_matches("", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),    cmocka_unit_test(test_copy_cut),
		cmocka_unit_test(test_clean),   cmocka_unit_test(test_unclean),
		cmocka_unit_test(test_show),    cmocka_unit_test(test_printf),
		cmocka_unit_test(test_matches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
