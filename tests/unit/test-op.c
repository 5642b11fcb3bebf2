/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-op.c - states and arrows of operations */
#include "model/op.h"

#include "tests/lib/test.h"

static const enum op_state states[] = {
#define X(name, wire, word) OP_##name,
	OP_STATES(X)
#undef X
};
#define N_STATES (sizeof(states) / sizeof(states[0]))

/* As drawn in op.h, once more by hand. */
static const struct {
	enum op_state from, to;
} drawn[] = {
	{ OP_ADMITTED, OP_PLANNED },  { OP_ADMITTED, OP_FAILED },
	{ OP_PLANNED, OP_CUTTING },   { OP_PLANNED, OP_UNDOING },
	{ OP_CUTTING, OP_VERIFYING }, { OP_CUTTING, OP_UNDOING },
	{ OP_VERIFYING, OP_DONE },    { OP_VERIFYING, OP_UNDOING },
	{ OP_UNDOING, OP_FAILED },    { OP_UNDOING, OP_STUCK },
	{ OP_STUCK, OP_UNDOING },
};

static bool is_drawn(enum op_state from, enum op_state to)
{
	for (size_t i = 0; i < sizeof(drawn) / sizeof(drawn[0]); i++)
		if (drawn[i].from == from && drawn[i].to == to)
			return true;
	return false;
}

static void test_arrows(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_STATES; i++)
		for (size_t k = 0; k < N_STATES; k++)
			if (op_may_move(states[i], states[k]) !=
			    is_drawn(states[i], states[k]))
				fail_msg("%s -> %s", op_state_word(states[i]),
					 op_state_word(states[k]));
}

static void test_final(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_STATES; i++) {
		const enum op_state s = states[i];
		unsigned out = 0;

		for (size_t k = 0; k < N_STATES; k++)
			out += op_may_move(s, states[k]);
		assert_int_equal(op_is_final(s), s == OP_DONE ||
							 s == OP_FAILED ||
							 s == OP_STUCK);
		/* an operator or a restart may take up what got stuck */
		assert_int_equal(out == 0, op_is_final(s) && s != OP_STUCK);
	}
}

static unsigned reachable(enum op_state from, unsigned seen)
{
	seen |= 1u << from;
	for (size_t k = 0; k < N_STATES; k++)
		if (op_may_move(from, states[k]) && !(seen & 1u << states[k]))
			seen |= reachable(states[k], seen);
	return seen;
}

static void test_every_state_is_reached_and_ends(void **state)
{
	const unsigned ends = 1u << OP_DONE | 1u << OP_FAILED;

	(void)state;
	for (size_t i = 0; i < N_STATES; i++) {
		assert_true(reachable(OP_ADMITTED, 0) & 1u << states[i]);
		assert_true(reachable(states[i], 0) & ends);
	}
	/* once the work began, failing goes through undoing */
	assert_false(op_may_move(OP_CUTTING, OP_FAILED));
	assert_false(op_may_move(OP_VERIFYING, OP_FAILED));
}

static void test_nonsense(void **state)
{
	(void)state;
	assert_false(op_may_move((enum op_state)0, OP_PLANNED));
	assert_false(op_may_move((enum op_state)99, OP_PLANNED));
	assert_false(op_may_move(OP_ADMITTED, (enum op_state)0));
	assert_false(op_is_final((enum op_state)0));
	assert_int_equal(op_state_from_wire(0), 0);
	assert_int_equal(op_state_from_wire(99), 0);
	assert_int_equal(op_state_from_word("melting"), 0);
	assert_string_equal(op_state_word((enum op_state)99), "unknown");
}

/* Stored in journals that outlive us: the numbers are for ever. */
static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(OP_ADMITTED, 1);
	assert_int_equal(OP_PLANNED, 2);
	assert_int_equal(OP_CUTTING, 3);
	assert_int_equal(OP_VERIFYING, 4);
	assert_int_equal(OP_UNDOING, 5);
	assert_int_equal(OP_DONE, 6);
	assert_int_equal(OP_FAILED, 7);
	assert_int_equal(OP_STUCK, 8);
	assert_int_equal(OP_CREATE, 1);
	for (size_t i = 0; i < N_STATES; i++) {
		assert_int_equal(op_state_from_wire(states[i]), states[i]);
		assert_int_equal(op_state_from_word(op_state_word(states[i])),
				 states[i]);
	}
}

static void test_done(void **state)
{
	struct op op = { .state = OP_PLANNED };
	struct snapshot_disk *disk;
	struct err err = { 0 };

	(void)state;
	snapshot_init(&op.snap);
	assert_ok(snapshot_add_disk(&op.snap, &disk, &err), err);
	op_done(&op);
	assert_null(op.snap.disks);
	op_done(&op);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arrows),
		cmocka_unit_test(test_final),
		cmocka_unit_test(test_every_state_is_reached_and_ends),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
