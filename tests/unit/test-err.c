/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-err.c - codes, texts and contexts of errors */
#include "tests/lib/test.h"

#include <errno.h>

static void test_set(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_BUSY, 0, "disk '%s'", "vda"),
			 -ERR_BUSY);
	assert_int_equal(err.code, ERR_BUSY);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.text, "disk 'vda'");
}

static void test_errno_is_told(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_STORAGE, EROFS, "cannot write");
	assert_int_equal(err.sys, EROFS);
	assert_string_equal(err.text, "cannot write: Read-only file system");
}

static void test_without_err(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_NOMEM, 0, "x"), -ERR_NOMEM);
	assert_int_equal(err_wrap(NULL, -5, "x"), -5);
}

static void test_wrap(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_VIRT, 0, "inner");
	assert_int_equal(err_wrap(&err, -ERR_VIRT, "outer %d", 1), -ERR_VIRT);
	assert_string_equal(err.text, "outer 1: inner");
	assert_int_equal(err.code, ERR_VIRT);
}

static void test_long_text_is_cut(void **state)
{
	char text[400];
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_PROTO, ENOENT, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_wrap(&err, -ERR_PROTO, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(err_name(ERR_OK), "OK");
	assert_string_equal(err_name(ERR_STORAGE), "STORAGE");
	assert_string_equal(err_name((enum err_code)999), "UNKNOWN");
	assert_true(err_retryable(ERR_TIMEOUT));
	assert_false(err_retryable(ERR_INVALID));
	assert_false(err_retryable((enum err_code)999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_errno_is_told),
		cmocka_unit_test(test_without_err),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_long_text_is_cut),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
