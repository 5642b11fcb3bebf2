/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-id.c - making, reading, comparing and abbreviating UUIDs */
#include "tests/lib/test.h"

#include <pthread.h>

#include "base/id.h"

#define TEXT "0198c0de-1234-7abc-8def-0123456789ab"
#define PER_THREAD 5000

static void test_text(void **state)
{
	char buf[ID_TEXT];
	struct id id;

	(void)state;
	assert_true(id_parse(TEXT, &id));
	assert_int_equal(id.b[0], 0x01);
	assert_int_equal(id.b[15], 0xab);
	assert_string_equal(id_format(&id, buf), TEXT);
	assert_true(id_parse("0198C0DE-1234-7ABC-8DEF-0123456789AB", &id));
	assert_string_equal(id_format(&id, buf), TEXT);
}

static void test_bad_text(void **state)
{
	static const char *const bad[] = {
		"",
		"0198c0de",
		"0198c0de12347abc8def0123456789ab",
		"0198c0de-1234-7abc-8def-0123456789a",
		"0198c0de-1234-7abc-8def-0123456789abc",
		"0198c0de-1234-7abc-8def-0123456789ag",
		"0198c0de1-234-7abc-8def-0123456789ab",
		"0198c0de-1234-7abc-8def+0123456789ab",
		"0198c0de-1234-7abc-8def--123456789ab",
		" 198c0de-1234-7abc-8def-0123456789ab",
		"{198c0de-1234-7abc-8def-0123456789a}",
		"000000000000000000000000000000000000",
	};
	struct id id = { { 42 } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(id_parse(bad[i], &id));
	assert_int_equal(id.b[0], 42);
}

static void test_versions(void **state)
{
	struct id a = id_new_v4(), b = id_new_v4();
	struct id c = id_new_v7(0x0123456789ab);

	(void)state;
	assert_int_equal(a.b[6] >> 4, 4);
	assert_int_equal(a.b[8] >> 6, 2);
	assert_false(id_equal(&a, &b));
	assert_int_equal(c.b[6] >> 4, 7);
	assert_int_equal(c.b[8] >> 6, 2);
	assert_memory_equal(c.b, "\x01\x23\x45\x67\x89\xab", 6);
}

/* More than fit into one millisecond's counter, then the clock set back. */
static void test_v7_grows(void **state)
{
	struct id last = id_new_v7(0x0123456789ac), id;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		id = id_new_v7(i < 10000 ? 0x0123456789ac : 1000);
		assert_true(id_compare(&last, &id) < 0);
		last = id;
	}
}

static void *make_many(void *arg)
{
	struct id *ids = arg;

	for (int i = 0; i < PER_THREAD; i++)
		ids[i] = id_new_v7(0x0123456789b0);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return id_compare(a, b);
}

/* The first 8 bytes alone, time and counter, differ in all threads. */
static void test_v7_threads(void **state)
{
	static struct id ids[4][PER_THREAD];
	struct id *all = ids[0];
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, make_many, ids[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i++) {
		for (int j = 1; j < PER_THREAD; j++)
			assert_true(compare(&ids[i][j - 1], &ids[i][j]) < 0);
	}
	qsort(all, (size_t)4 * PER_THREAD, sizeof(*all), compare);
	for (int i = 1; i < 4 * PER_THREAD; i++)
		assert_memory_not_equal(all[i - 1].b, all[i].b, 8);
}

static void test_compare(void **state)
{
	struct id nil = { { 0 } }, a = { { 0, 1 } }, b = { { 0, 0x80 } };

	(void)state;
	assert_true(id_is_null(&nil));
	assert_false(id_is_null(&a));
	assert_true(id_compare(&a, &b) < 0);
	assert_true(id_compare(&b, &a) > 0);
	assert_true(id_equal(&a, &a));
}

static void test_prefix(void **state)
{
	static const char *const good[] = {
		"0198",
		"0198C0",
		"0198c0de",
		"0198c0de-",
		"0198c0de-1",
		"0198c0de12",
		"0198c0de12347abc8def0123456789ab",
		TEXT,
	};
	static const char *const other[] = { "0199", "0198c0de-1235",
					     "0198c0de13" };
	static const char *const bad[] = {
		"",
		"019",
		"-0198",
		"0198-c0de",
		"0198c0dx",
		"0198c0de-1234567",
		"0198c0de1234-7abc",
		TEXT "0",
		"0198c0de12347abc8def0123456789ab0",
	};
	struct id id;

	(void)state;
	assert_true(id_parse(TEXT, &id));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(id_is_prefix_text(good[i]));
		assert_true(id_has_prefix(&id, good[i]));
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		assert_true(id_is_prefix_text(other[i]));
		assert_false(id_has_prefix(&id, other[i]));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(id_is_prefix_text(bad[i]));
		assert_false(id_has_prefix(&id, bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_v7_grows),
		cmocka_unit_test(test_v7_threads),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
