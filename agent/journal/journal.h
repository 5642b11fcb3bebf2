/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal.h - the agent's memory: one SQLite file
 *
 * Loop thread only.  What belongs together is written between journal_begin()
 * and journal_commit(); when any write in between fails, call
 * journal_rollback() and nothing has happened.  Event and state are always
 * written in one transaction.  Never called while a guest is frozen by the
 * thread that would thaw it.
 *
 * All functions return 0 or -ERR_JOURNAL (disk full, I/O error, torn file)
 * unless they say more.
 */
#ifndef AGENT_JOURNAL_JOURNAL_H
#define AGENT_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "model/domain.h"
#include "model/event.h"
#include "model/op.h"
#include "model/snapshot.h"

struct journal;

/* Opens or makes the file; a new one gets a random host id and epoch.  Checks
 * the file (quick_check) and takes a lock against a second agent (ERR_BUSY). */
int journal_open(struct journal **ret, const char *path, struct err *err);
/* For --thaw-owed and tests, beside a dead agent; writes are refused. */
int journal_open_read_only(struct journal **ret, const char *path,
			   struct err *err);
void journal_close(struct journal *j);

const struct id *journal_host(const struct journal *j);
uint64_t journal_epoch(const struct journal *j);

int journal_begin(struct journal *j, struct err *err);
int journal_commit(struct journal *j, struct err *err);
void journal_rollback(struct journal *j);

/* --- journal_op.c: operations ---------------------------------------- */

/* Insert or update the whole row, disks of op->snap included. */
int journal_put_op(struct journal *j, const struct op *op, struct err *err);
/* ERR_ABSENT when there is none.  *ret is the caller's (op_done). */
int journal_get_op(struct journal *j, const struct id *id, struct op *ret,
		   struct err *err);
/* Oldest first: those whose state is not final, the stuck ones, and those that
 * still owe a thaw.  *ret is malloc'd; op_done() each, then free(). */
int journal_open_ops(struct journal *j, struct op **ret, size_t *ret_n,
		     struct err *err);
int journal_count_ops(struct journal *j, enum op_state state, int64_t *ret,
		      struct err *err);
/* Forget final operations older than this (not those that owe a thaw). */
int journal_prune_ops(struct journal *j, int64_t before_wall_ms,
		      struct err *err);

/* --- journal_snap.c: domains and their trees ------------------------- */

/* What is remembered of a domain. */
struct journal_domain {
	struct id uuid;
	char name[DOMAIN_NAME];
	enum domain_state state;
	bool gone;      /* undefined since */
	struct id head; /* nil: none */
	uint32_t n_snapshots;
	int64_t latest_ms;
};

/* Remember it; true in *ret_changed when name, state or gone differ from what
 * was known (then the caller writes an event in the same transaction). */
int journal_put_domain(struct journal *j, const struct id *uuid,
		       const char *name, enum domain_state state, bool gone,
		       bool *ret_changed, struct err *err);
/* `uuid` nil: all, by name.  *ret malloc'd. */
int journal_get_domains(struct journal *j, const struct id *uuid,
			struct journal_domain **ret, size_t *ret_n,
			struct err *err);
int journal_put_snapshot(struct journal *j, const struct snapshot *snap,
			 struct err *err);
int journal_set_head(struct journal *j, const struct id *domain,
		     const struct id *head, struct err *err);

/* Every snapshot of a domain (nil: of all), oldest first; the callback may take
 * the record's disks.  It returns 0, or a negative code that ends the walk. */
int journal_each_snapshot(struct journal *j, const struct id *domain,
			  int (*each)(void *arg, struct snapshot *snap,
				      struct err *err),
			  void *arg, struct err *err);
/* ERR_ABSENT when there is none. */
int journal_get_snapshot(struct journal *j, const struct id *id,
			 struct snapshot *ret, struct err *err);

/* --- journal_outbox.c: events ---------------------------------------- */

/* Give it the next seq (set in event->seq) and store it. */
int journal_put_event(struct journal *j, struct event *event, struct err *err);
uint64_t journal_last_seq(const struct journal *j); /* committed ones */
uint64_t journal_acked_seq(const struct journal *j);
/* All up to seq are with the collector.  Acknowledged events stay readable for
 * `snaptree events` up to `keep` of them.  A seq that was never given is
 * ERR_PROTO. */
int journal_ack(struct journal *j, uint64_t seq, unsigned keep,
		struct err *err);
/* Packed events after `after`, in order: calls `each` until it returns false. */
int journal_each_event(struct journal *j, uint64_t after,
		       bool (*each)(void *arg, uint64_t seq, const void *body,
				    size_t size),
		       void *arg, struct err *err);

#endif
