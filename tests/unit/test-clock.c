/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-clock.c - the two clocks and what is left of a deadline */
#include "tests/lib/test.h"

#include <limits.h>
#include <time.h>

#include "base/clock.h"

static void test_units(void **state)
{
	int64_t us = clock_us(), ms = clock_ms(), wall = clock_wall_ms();

	(void)state;
	assert_in_range(ms - us / 1000, 0, 1000);
	assert_in_range(wall / 1000 - (int64_t)time(NULL) + 2, 0, 3);
}

static void test_goes_on(void **state)
{
	int64_t before = clock_ms(), before_us = clock_us();

	(void)state;
	usleep(3000);
	assert_true(clock_ms() - before >= 2);
	assert_true(clock_us() - before_us >= 3000);
}

static void test_left(void **state)
{
	int64_t now = clock_ms();

	(void)state;
	assert_int_equal(clock_left_ms(now - 1), 0);
	assert_int_equal(clock_left_ms(INT64_MIN), 0);
	assert_in_range(clock_left_ms(now + 5000), 1, 5000);
	assert_int_equal(clock_left_ms(INT64_MAX), INT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
