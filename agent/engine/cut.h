/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cut.h - the freeze window of one operation; see cut_run() */
#ifndef AGENT_ENGINE_CUT_H
#define AGENT_ENGINE_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/snapshot.h"

struct guard;
struct session;

struct cut {
	struct session *session; /* prepared; snap.consistency FROZEN: freeze */
	struct guard *guard;
	enum freeze freeze;
	int64_t max_frozen_ms; /* from the asking for the freeze */
	int64_t max_cut_ms;    /* without a freeze */
	bool owes_thaw;        /* out: asked to freeze, not seen thawed */
};

/*
 * Freeze the guest, cut every leg, thaw the guest; fills the times, the
 * consistency and the note of session->snap.
 *
 * Runs on a worker thread, with the operation journaled as CUTTING.  When it
 * returns the guest has been thawed, or owes_thaw is true and the guard goes on
 * trying.  On failure some legs may exist: the caller undoes them all.
 *
 * The guard thaws at max_frozen_ms whatever this thread does.  A guest that was
 * thawed before our own thaw (by the guard, by itself, by a reboot) was not
 * frozen at the cut for all we know: `crash`, or a failure under `require`.
 */
int cut_run(struct cut *cut, struct err *err);

#endif
