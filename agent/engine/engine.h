/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine.h - decides what is done, when, and what a restart does about it
 *
 * Loop thread.  Owns all operations: admits them to the journal, runs one per
 * domain at a time and several domains side by side up to a limit, moves their
 * states, undoes what failed, and keeps after thaws that are owed.  Work that
 * can block is done by jobs on worker threads.
 */
#ifndef AGENT_ENGINE_ENGINE_H
#define AGENT_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/storage/driver.h"
#include "base/err.h"
#include "base/id.h"
#include "model/domain.h"
#include "model/event.h"
#include "model/op.h"

struct engine;
struct journal;
struct loop;
struct worker_pool;

struct engine_config {
	const char *uri; /* libvirt's */
	struct storage_config storage;
	int64_t max_running; /* operations at once, gates apart */
	enum freeze freeze;  /* presets of a request */
	int64_t max_frozen_ms;
	int64_t ping_ms;     /* is the guest agent there, before a freeze */
	int64_t sync_ms;     /* longest wait for the guest's sync; 0: none */
	int64_t step_ms;     /* deadline of plan, prepare, verify, undo */
	int64_t gate_ms;     /* longest time a start is held */
	bool gate_blocks;    /* a failed before-start snapshot refuses it */
	int64_t keep_ops_ms; /* how long final operations are remembered */
};

struct engine_ops {
	void (*committed)(void *owner); /* there may be new events */
};

int engine_new(struct engine **ret, struct loop *loop, struct worker_pool *pool,
	       struct journal *journal, const struct engine_config *config,
	       const struct engine_ops *ops, void *owner, struct err *err);
/* Queue what the journal has unfinished.  Once, before any request. */
int engine_recover(struct engine *engine, struct err *err);
/* After the workers have stopped. */
void engine_free(struct engine *engine);

/* No new work is begun; `idle` is called (perhaps at once) when nothing runs.
 * What waits in the queue is left to the next start. */
void engine_drain(struct engine *engine, void (*idle)(void *arg), void *arg);

/* --- create ------------------------------------------------------------ */

struct create_request {
	struct id op; /* nil: a new one */
	struct id domain;
	const char *domain_name;
	enum origin origin;
	const char *label, *description, *tags;
	const char *disks;     /* targets, single spaces; "": all */
	enum freeze freeze;    /* 0: the preset */
	int64_t max_frozen_ms; /* 0: the preset */
	/* After a stop: the domain as the hook told of it, for a transient one
	 * that libvirt then knows no more; else NULL. */
	const struct domain *stopped;
};

/* Told once, when the operation is final or could not be journaled; then it is
 * no longer known to the engine.  `op` is good until the return. */
struct engine_wait {
	void (*done)(struct engine_wait *wait, const struct op *op);
	struct engine_wait *next;
};

/* Validates, journals and queues it.  An id that is known already joins that
 * operation.  `wait` may be NULL. */
int engine_create(struct engine *engine, const struct create_request *request,
		  struct engine_wait *wait, struct id *ret_op, struct err *err);
void engine_forget(struct engine *engine, struct engine_wait *wait);

/* --- thaw -------------------------------------------------------------- */

struct engine_thaw {
	void (*done)(struct engine_thaw *thaw, int n, const struct err *err);
	struct id domain;
};

/* Thaw the guest now, whoever froze it. */
int engine_thaw(struct engine *engine, struct engine_thaw *thaw,
		struct err *err);
bool engine_owes_thaw(const struct engine *engine, const struct id *domain);

/* --- gates (gate.c) ----------------------------------------------------- */

/*
 * A domain is about to start and libvirtd waits for us.  `open` is called once,
 * perhaps at once: `block` NULL lets it start.  Until the domain has started
 * or stopped (or a minute has passed) no operation on it is begun.
 */
struct engine_gate {
	void (*open)(struct engine_gate *gate, const char *block);
	struct id domain;
	/* the engine's own: */
	struct engine *engine;
	struct engine_gate *next;
	struct engine_wait wait;
	struct id op;
	bool is_waiting; /* for an operation of `op` */
	int64_t until_ms;
};

/* `domain` as its XML says; `label` not NULL: take a snapshot before it starts. */
void engine_gate_enter(struct engine *engine, struct engine_gate *gate,
		       const struct domain *domain, const char *label);
/* The hook has gone; `open` will not be called. */
void engine_gate_leave(struct engine *engine, struct engine_gate *gate);
/* A migration of it to this host begins: nothing touches its disks, gates or
 * not, until it has started. */
void engine_incoming(struct engine *engine, const struct id *domain);
void engine_started(struct engine *engine, const struct id *domain);
void engine_stopped(struct engine *engine, const struct id *domain);

/* --- what is told -------------------------------------------------------- */

/* Journal an event that belongs to no state. */
void engine_report(struct engine *engine, enum event_kind kind,
		   const struct id *domain, const char *domain_name,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

struct engine_counts {
	unsigned running, waiting, owed;
	bool libvirt_up;
};
void engine_count(const struct engine *engine, struct engine_counts *ret);
struct virt *engine_virt(struct engine *engine);

#endif
