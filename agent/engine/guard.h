/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guard.h - a process that thaws what the agent can't
 *
 * The guard is our own program, started again with --guard, with its own
 * connection to libvirt and no other state than the list of thaws that are
 * owed.  Before a freeze is asked for, the worker tells the guard the domain
 * and a deadline and waits until the guard has answered; after a thaw that was
 * made sure of it tells the guard to forget.
 *
 *	agent dies or is killed    the socket closes: thaw all that is owed
 *	agent hangs or overruns    the deadline passes: thaw that domain
 *	libvirtd is gone or hangs  thaw through the guest agent channel's socket
 *	guard dies                 the agent starts another; no freeze without
 *
 * Each attempt is a child process with an alarm, so that a hung libvirtd
 * cannot hold up the guard; attempts are repeated until the guest is thawed or
 * its domain does not run.
 */
#ifndef AGENT_ENGINE_GUARD_H
#define AGENT_ENGINE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

struct guard;
struct loop;

struct guard_ops {
	/* The guard thawed a guest by itself, its deadline having passed. */
	void (*thawed)(void *owner, const struct id *domain);
	void (*lost)(void *owner); /* it died; the next one was started */
};

/* Starts the process.  Loop thread. */
int guard_new(struct guard **ret, struct loop *loop, const char *uri,
	      const struct guard_ops *ops, void *owner, struct err *err);
/* The guard ends by itself when it owes nothing. */
void guard_free(struct guard *guard);

/* Any thread.  0: the guard has it; `channel` may be "".  ERR_GUEST: there is no
 * guard that answers, so the guest must not be frozen. */
int guard_owe(struct guard *guard, const struct id *domain, const char *channel,
	      int64_t deadline_ms, struct err *err);
/* Any thread; what the guard does not hear, its own look at the guest tells. */
void guard_paid(struct guard *guard, const struct id *domain);

/* The guard process: `fd` is its end of the socket.  Returns an exit code. */
int guard_main(int fd, const char *uri);

#endif
