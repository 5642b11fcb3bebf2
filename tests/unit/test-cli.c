/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-cli.c - the pure parts of the command line: picture, ids, times, text */
#include "tests/lib/test.h"

#include <locale.h>

#include "base/err.h"
#include "cli/exitcode.h"
#include "cli/graph.h"
#include "cli/text.h"
#include "cli/when.h"
#include "model/snapshot.h"

#define NODES 300

static struct id id_of(unsigned n)
{
	struct id id = { { 0x01, 0x9b } };

	id.b[6] = 0x70;
	id.b[14] = (uint8_t)(n >> 8);
	id.b[15] = (uint8_t)n;
	return id;
}

/* Each snapshot once; never more lanes than log2(n) + 2. */
static void check_graph(const struct snapshot *snaps, size_t n,
			const struct id *head)
{
	bool seen[NODES] = { false };
	struct graph graph;
	struct err err;
	size_t n_seen = 0;
	unsigned lanes = 2;

	for (size_t i = 2 * n; i > 1; i /= 2)
		lanes++;
	assert_ok(graph_draw(&graph, snaps, n, head, &err), err);
	for (size_t i = 0; i < graph.n_rows; i++) {
		const struct graph_row *row = &graph.rows[i];

		assert_true(row->lane < lanes);
		assert_true(!row->root || row->lane == 0);
		assert_true(!row->branch || row->lane > 0);
		if (row->node == GRAPH_GHOST)
			continue;
		assert_true(row->node < n && !seen[row->node]);
		seen[row->node] = true;
		n_seen++;
	}
	assert_int_equal(n_seen, n);
	graph_done(&graph);
}

static void test_graph_any(void **state)
{
	static struct snapshot snaps[NODES];
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		size_t n = (size_t)(round % NODES) + 1;

		/* Parents at random: also loops, itself, and unknown ones. */
		for (size_t i = 0; i < n; i++) {
			unsigned parent = (unsigned)rand_r(&seed) %
					  (unsigned)(n + 5);

			snapshot_init(&snaps[i]);
			snaps[i].id = id_of((unsigned)i + 1);
			snaps[i].taken_ms = rand_r(&seed) % 1000;
			if (round % 2 == 0 && i > 0)
				parent = (unsigned)rand_r(&seed) % (unsigned)i;
			snaps[i].parent = id_of(parent + 1);
			if (round % 2 == 0 && i == 0)
				snaps[i].parent = (struct id){ { 0 } };
		}
		check_graph(snaps, n, &snaps[n / 2].id);
	}
}

static void test_graph_order(void **state)
{
	/* 1 - 2 - 4(head), 1 - 3: the head's line is straight */
	static const unsigned parents[] = { 0, 1, 1, 2 };
	static const size_t want[] = { 0, 2, 1, 3 };
	struct snapshot snaps[4];
	struct graph graph;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		snapshot_init(&snaps[i]);
		snaps[i].id = id_of(i + 1);
		snaps[i].taken_ms = i;
		if (parents[i])
			snaps[i].parent = id_of(parents[i]);
	}
	assert_ok(graph_draw(&graph, snaps, 4, &snaps[3].id, &err), err);
	assert_int_equal(graph.n_rows, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(graph.rows[i].node, want[i]);
		assert_int_equal(graph.rows[i].lane, want[i] == 2);
		assert_int_equal(graph.rows[i].branch, want[i] == 2);
		assert_int_equal(graph.rows[i].root, i == 0);
	}
	graph_done(&graph);
	assert_ok(graph_draw(&graph, NULL, 0, &snaps[0].id, &err), err);
	assert_int_equal(graph.n_rows, 0);
	graph_done(&graph);
}

static void test_id_length(void **state)
{
	struct id v4[2] = { { { 0x11, 0, 0, 0, 0, 0, 0x40 } },
			    { { 0x12, 0, 0, 0, 0, 0, 0x40 } } };
	struct id ids[3] = { id_of(1), id_of(2), { { 0 } } };
	struct id late[2] = { id_of(0), id_of(0) };

	(void)state;
	assert_int_equal(text_id_length(v4, 2), 8);
	assert_int_equal(text_id_length(ids, 1), 13);
	assert_int_equal(text_id_length(ids, 3), 36);
	late[1].b[6] = 0x71; /* differs in the 16th character */
	assert_int_equal(text_id_length(late, 2), 16);
	late[1].b[6] = 0x70;
	late[1].b[8] = 0x80; /* in the first of its group */
	assert_int_equal(text_id_length(late, 2), 20);
	assert_int_equal(text_id_length(late, 0), 8);
}

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(text_distance("tree", "tree"), 0);
	assert_int_equal(text_distance("craete", "create"), 1);
	assert_int_equal(text_distance("lst", "list"), 1);
	assert_int_equal(text_distance("", "list"), 4);
	assert_true(text_distance("kitten", "sitting") == 3);
	assert_true(text_distance("a very long word that nobody would type",
				  "list") > TEXT_NEAR);
}

static void check_wrap(const char *text, size_t width, const char *want)
{
	char *got = text_wrap(text, width);

	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

static void test_wrap(void **state)
{
	(void)state;
	check_wrap("", 5, "");
	check_wrap("short", 5, "short");
	check_wrap("two words", 5, "two\nwords");
	check_wrap("a b  c d", 3, "a b\nc d");
	check_wrap("abcdefghij", 4, "abcd\nefgh\nij");
	check_wrap("/var/lib/x", 6, "/var/\nlib/x");
	check_wrap("\xc3\xa4\xc3\xb6\xc3\xbc", 2, "\xc3\xa4\xc3\xb6\n\xc3\xbc");
	check_wrap("\xe5\x90\x8d", 1, "\xe5\x90\x8d"); /* cannot be */
}

static void test_cut(void **state)
{
	char buf[16];

	(void)state;
	text_cut(strcpy(buf, "abcdef"), 4, "~");
	assert_string_equal(buf, "abc~");
	text_cut(strcpy(buf, "abc"), 3, "~");
	assert_string_equal(buf, "abc");
	text_cut(strcpy(buf, "\xe5\x90\x8d\xe5\x89\x8d"), 3, "~");
	assert_string_equal(buf, "\xe5\x90\x8d~");
}

static void test_times(void **state)
{
	int64_t now = INT64_C(1767322980123), t = 0;
	char buf[WHEN_TEXT];
	struct err err;

	(void)state;
	assert_ok(when_parse("2026-01-02 03:03:00", now, &t, &err), err);
	assert_int_equal(t, 1767322980000);
	assert_ok(when_parse("90s", now, &t, &err), err);
	assert_int_equal(t, now - 90000);
	assert_fails(when_parse("2026-02-30", now, &t, &err), ERR_INVALID, err);
	assert_fails(when_parse("2026-01-02x", now, &t, &err), ERR_INVALID,
		     err);
	assert_string_equal(when_iso(now, buf), "2026-01-02T03:03:00.123Z");
	assert_string_equal(when_short(now, buf), "2026-01-02 03:03");
	assert_string_equal(when_full(now, buf),
			    "2026-01-02 03:03:00.123 +0000");
	assert_string_equal(when_short(0, buf), "-");
	assert_string_equal(when_short(INT64_MAX, buf), "-");
	assert_string_equal(when_age(now - 3000, now, buf), "3s");
	assert_string_equal(when_age(now - 150000, now, buf), "2min");
	assert_string_equal(when_age(now + 9000, now, buf), "0s");
	assert_string_equal(when_span(34, buf), "34 ms");
	assert_string_equal(when_span(1234, buf), "1.2 s");
	assert_string_equal(when_span(-1, buf), "-");
}

static void test_exit_codes(void **state)
{
	struct err err = { .code = ERR_ABSENT };

	(void)state;
	assert_int_equal(exitcode_of(&err, false), 3);
	assert_int_equal(exitcode_of(&err, true), 4);
	err.code = ERR_TIMEOUT;
	assert_int_equal(exitcode_of(&err, true), 5);
	err.code = ERR_INVALID; /* a wrong address; not a refused connection */
	assert_int_equal(exitcode_of(&err, true), 2);
	err.sys = 13;
	assert_int_equal(exitcode_of(&err, true), 4);
	err.code = ERR_STORAGE;
	assert_int_equal(exitcode_of(&err, false), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_graph_any),
		cmocka_unit_test(test_graph_order),
		cmocka_unit_test(test_id_length),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_exit_codes),
	};

	setenv("TZ", "UTC", 1);
	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
