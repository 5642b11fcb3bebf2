/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent.h - the daemon: owns every part, wires them, knows their order
 *
 * Start: configuration, journal, loop, workers, engine (with guard and libvirt),
 * what was left unfinished, control socket, uplink, READY.  Stop: no new work,
 * what runs ends or is undone, then the parts in the opposite order.  One
 * thread but for the workers.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stddef.h>

#include "agent/config.h"
#include "base/err.h"
#include "base/loop.h"

struct control;
struct control_peer;
struct engine;
struct journal;
struct uplink;
struct visitor;
struct worker_pool;

struct agent {
	struct config config;
	struct loop *loop;
	struct worker_pool *pool;
	struct journal *journal;
	struct engine *engine;
	struct uplink *uplink; /* NULL: no collector is configured */
	struct control *control;
	struct visitor *visitors;
	struct loop_signal term, interrupt, hangup;
	struct loop_timer tick;   /* watchdog and missed moments */
	struct loop_timer giveup; /* a stop that takes too long */
};

int agent_new(struct agent **ret, const struct config *config, struct err *err);
/* Until a signal to stop. */
int agent_run(struct agent *agent, struct err *err);
/* Ends the process when a worker hangs: its thread cannot be ended. */
void agent_free(struct agent *agent);

/* --thaw-owed: ask every guest to thaw that the journal says is owed one, when
 * the daemon is not there to do so.  Returns the number that still are. */
int agent_thaw_owed(const struct config *config, struct err *err);

/* visitor.c: requests and moments that wait for the engine */
extern const struct control_ops visitor_ops;
void visitor_forget_all(struct agent *agent);

/* moment.c: what hooks say */
void moment_received(struct agent *agent, struct control_peer *peer,
		     const void *data, size_t size);
/* Hooks that did not reach us left a line each; journal them. */
void moment_read_missed(struct agent *agent);

/* A visitor's gate, made by moment.c. */
struct engine_gate *visitor_gate(struct agent *agent,
				 struct control_peer *peer);

#endif
