/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * query.h - what this agent knows, as replies
 *
 * Loop thread; reads the journal and the engine, changes nothing.
 */
#ifndef AGENT_QUERY_H
#define AGENT_QUERY_H

#include "agent/journal/journal.h"
#include "base/err.h"
#include "proto/message.h"

struct agent;

/* Fill the rows of *reply.  The caller sends it in parts if it is long. */
int query_answer(struct agent *agent, const struct request *request,
		 struct reply *reply, struct err *err);

/* A VM by exact name, UUID, or unique prefix of that.  ERR_ABSENT, or
 * ERR_INVALID with the candidates. */
int query_find_vm(struct journal *journal, const char *vm,
		  struct journal_domain *ret, struct err *err);

/* A snapshot by VM@label, VM@head, UUID, or unique prefix of that; errors as
 * above.  *ret is the caller's: snapshot_done(). */
int query_find_snapshot(struct journal *journal, const char *selector,
			struct snapshot *ret, struct err *err);

#endif
