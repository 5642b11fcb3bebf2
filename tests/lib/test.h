/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test.h - cmocka with what it needs, and a few helpers
 *
 * Include it instead of <cmocka.h>.  Everything is static: a test is one file.
 */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"

#define TEST_UNUSED __attribute__((unused))

/* `r` must be 0; else fail with the text of the error. */
#define assert_ok(r, err)                                             \
	do {                                                          \
		int r_ = (r);                                         \
		if (r_ != 0)                                          \
			fail_msg("%s is %d: %s", #r, r_, (err).text); \
	} while (0)

/* `r` must be -code and err say so. */
#define assert_fails(r, want, err)                                  \
	do {                                                        \
		int r_ = (r);                                       \
		if (r_ != -(int)(want) || (err).code != (want))     \
			fail_msg("%s is %d, %s: %s", #r, r_,        \
				 err_name((err).code), (err).text); \
	} while (0)

#define assert_contains(text, part)                                      \
	do {                                                             \
		if (!strstr((text), (part)))                             \
			fail_msg("'%s' is not in '%s'", (part), (text)); \
	} while (0)

/* A directory of its own, removed with all that is in it at the end. */
static char test_dir_path[64] TEST_UNUSED;

TEST_UNUSED static int test_dir_make(void **state)
{
	(void)state;
	strcpy(test_dir_path, "/tmp/snaptree-test-XXXXXX");
	return mkdtemp(test_dir_path) ? 0 : -1;
}

TEST_UNUSED static int test_dir_remove(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", test_dir_path);
	return system(command);
}

/* The path of a file there, valid until the eighth call after. */
TEST_UNUSED static const char *test_path(const char *name)
{
	static char paths[8][128];
	static unsigned at;
	char *path = paths[at++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", test_dir_path, name);
	return path;
}

TEST_UNUSED static const char *test_write(const char *name, const void *data,
					  size_t size)
{
	const char *path = test_path(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return path;
}

#endif
