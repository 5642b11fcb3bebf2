/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * edit.h - what a person may change of a snapshot: pin, label, tags, description
 *
 * Loop thread.  Nothing here touches storage, so an edit is no operation: it is
 * one transaction, and done when the call returns.
 */
#ifndef AGENT_ENGINE_EDIT_H
#define AGENT_ENGINE_EDIT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/id.h"
#include "model/snapshot.h"

struct engine;

/* What is NULL or false stays as it is. */
struct edit {
	bool pin, unpin;
	const char *label;       /* "": none */
	const char *description; /* "": none */
	const char *tags_add;    /* words, single spaces */
	const char *tags_remove;
};

/*
 * *snap, as the journal has it, becomes what the edit makes of it, here and in
 * the journal, together with the event `changed`.  When that is what it was
 * already, nothing is written and *ret_changed is false.  On failure *snap is
 * as it was: ERR_INVALID; ERR_EXISTS: the label is another one's; ERR_BUSY: it
 * is being removed.
 */
int engine_edit(struct engine *engine, struct snapshot *snap,
		const struct edit *edit, bool *ret_changed, struct err *err);

/*
 * May a snapshot of the domain get this label?  ERR_EXISTS, with the other one's
 * id, when one has it or is just being made with it.  "" always may.  `snapshot`
 * (NULL: none) is the one that may have it.  An operation `op` (nil: none) that
 * is known already is a repeat and is not refused for what it made itself.
 */
int engine_check_label(struct engine *engine, const struct id *domain,
		       const char *label, const struct id *snapshot,
		       const struct id *op, struct err *err);

#endif
