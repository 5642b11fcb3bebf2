/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * op.h - the life of one operation, as data
 *
 * create:
 *
 *   ADMITTED --> PLANNED --> CUTTING --> VERIFYING --> DONE
 *       |           |           |            |
 *       |           |           v            v
 *       |           +------> UNDOING <-------+
 *       v                     |   |
 *     FAILED <----------------+   +--> STUCK
 *
 * A state is committed to the journal before the work it names begins.  After
 * a crash the state therefore says what may have happened, and the drivers'
 * inspect() says what did.  Other kinds bring arrows of their own.
 */
#ifndef MODEL_OP_H
#define MODEL_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "model/snapshot.h"
#include "model/word.h"

#define OP_KINDS(X) X(CREATE, 1, "create")

enum op_kind {
#define X(name, wire, word) OP_##name = (wire),
	OP_KINDS(X)
#undef X
};
WORD_DECLARE(op_kind);

/*	 name    number  word       on restart */
#define OP_STATES(X)                                                           \
	X(ADMITTED, 1, "admitted")   /* plan it; fail what a hook asked for */ \
	X(PLANNED, 2, "planned")     /* undo it: its moment has passed */      \
	X(CUTTING, 3, "cutting")     /* thaw if owed, then undo */             \
	X(VERIFYING, 4, "verifying") /* inspect again */                       \
	X(UNDOING, 5, "undoing")     /* thaw if owed, undo again */            \
	X(DONE, 6, "done")           /* nothing */                             \
	X(FAILED, 7, "failed")       /* nothing */                             \
	X(STUCK, 8, "stuck") /* undo again: what stopped it may be gone */

enum op_state {
#define X(name, wire, word) OP_##name = (wire),
	OP_STATES(X)
#undef X
};
WORD_DECLARE(op_state);

struct op {
	struct id id;
	enum op_kind kind;
	enum op_state state;
	int64_t created_ms; /* Unix time */
	enum freeze freeze;
	int64_t max_frozen_ms;
	char disks[256];      /* asked for: targets, single spaces; "": all */
	struct snapshot snap; /* what is made: its disks are the plan */
	/* A freeze was asked for and the guest was not seen thawed since. */
	bool owes_thaw;
	struct err err; /* why it is being undone or failed */
};

void op_done(struct op *op);       /* releases what it owns */
bool op_is_final(enum op_state s); /* no work left that a restart would do */

/* The only place that knows the arrows drawn above. */
bool op_may_move(enum op_state from, enum op_state to);

#endif
