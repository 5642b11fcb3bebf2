/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* op.c - states and arrows of operations */
#include "model/op.h"

WORD_DEFINE(op_kind, OP_KINDS)
WORD_DEFINE(op_state, OP_STATES)

#define TO(s) (1u << OP_##s)

static const unsigned arrows[] = {
	[OP_ADMITTED] = TO(PLANNED) | TO(FAILED),
	[OP_PLANNED] = TO(CUTTING) | TO(UNDOING),
	[OP_CUTTING] = TO(VERIFYING) | TO(UNDOING),
	[OP_VERIFYING] = TO(DONE) | TO(UNDOING),
	[OP_UNDOING] = TO(FAILED) | TO(STUCK),
	[OP_DONE] = 0,
	[OP_FAILED] = 0,
	[OP_STUCK] = TO(UNDOING),
};

bool op_may_move(enum op_state from, enum op_state to)
{
	return (size_t)from < sizeof(arrows) / sizeof(arrows[0]) &&
	       (arrows[from] & (1u << to)) != 0;
}

bool op_is_final(enum op_state s)
{
	return s == OP_DONE || s == OP_FAILED || s == OP_STUCK;
}

void op_done(struct op *op)
{
	snapshot_done(&op->snap);
}
