/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine_private.h - what the files of the engine share
 *
 *	engine.c  the queue: admit, begin, forget, drain
 *	run.c     one operation's states: what follows what
 *	task.c    the jobs of the states, on worker threads
 *	gate.c    starts that wait for us
 *	debt.c    thaws that are still owed
 *	track.c   which domains there are
 */
#ifndef AGENT_ENGINE_ENGINE_PRIVATE_H
#define AGENT_ENGINE_ENGINE_PRIVATE_H

#include "agent/engine/engine.h"
#include "agent/engine/guard.h"
#include "agent/journal/journal.h"
#include "agent/virt/conn.h"
#include "base/loop.h"
#include "base/worker.h"

struct session;
struct task;

/* One operation on its way. */
struct run {
	struct op op;
	struct engine *engine;
	struct run *next;
	struct engine_wait *waits;
	/* A hook told of the domain.  At a gate libvirt holds it and is not
	 * asked; after a stop it counts if libvirt knows it no more. */
	bool has_given, has_fallback;
	struct domain given;
	bool active;             /* begun, and not waiting in the queue */
	struct task *task;       /* what works on it now; NULL: nothing */
	struct session *session; /* between the jobs */
	enum op_state want;      /* a move the journal did not take yet */
	bool thaw_tried;         /* just now, in vain: left to debt.c */
	unsigned attempts;       /* of the undo */
	struct loop_timer retry;
};

/* A domain that was let start and has not told yet that it did. */
struct start {
	struct id domain;
	int64_t until_ms;
	bool is_incoming; /* by migration: its disks are in use elsewhere */
	struct start *next;
};

struct debt {
	struct engine *engine;
	struct id op;
	struct id domain;
	char domain_name[DOMAIN_NAME];
	struct loop_timer timer;
	int64_t pause_ms;
	bool is_busy; /* a task is at it */
	struct debt *next;
};

struct engine {
	struct loop *loop;
	struct worker_pool *pool;
	struct journal *journal;
	struct engine_config config;
	const struct engine_ops *ops;
	void *owner;
	struct virt *virt;
	struct guard *guard;
	struct run *runs; /* in order of admission */
	struct engine_gate *gates;
	struct loop_timer gate_timer;
	struct start *starts;
	struct debt *debts;
	struct task *tasks; /* all that are with the workers */
	bool is_draining;
	void (*idle)(void *arg);
	void *idle_arg;
};

/* engine.c */
struct run *engine_find(struct engine *engine, const struct id *op);
struct run *engine_active(struct engine *engine, const struct id *domain);
void engine_pump(struct engine *engine); /* begin what may begin */
/* Off the list, waiters told, freed; pumps. */
void engine_finish(struct run *run);
int engine_admit(struct engine *engine, const struct create_request *request,
		 const struct domain *given, bool is_fallback,
		 struct engine_wait *wait, struct id *ret_op, struct err *err);
int engine_commit_event(struct engine *engine, struct event *event,
			struct err *err);

/* run.c */
void run_begin(struct run *run); /* whatever its state wants */
void run_replan(struct run *run, const struct domain *given);
/* A job of this run is done; takes the session. */
void run_done(struct run *run, struct task *task);

/* task.c: the result of a job, read by run_done() */
enum task_kind {
	TASK_PLAN,
	TASK_PREPARE,
	TASK_CUT,
	TASK_VERIFY,
	TASK_UNDO,
	TASK_THAW,
	TASK_LIST,
};

struct task {
	struct worker_job job;
	struct engine *engine;
	struct task *next;
	enum task_kind kind;
	struct id op;   /* whose; found again by this when it is done */
	struct op copy; /* as it was when the job was made; owned */
	bool has_given, has_fallback;
	struct domain given;
	bool has_head;
	struct snapshot head;
	struct session *session;
	/* results */
	int r;
	struct err err;
	enum leg_presence presence;
	bool owes_thaw;
	bool thaw_tried; /* UNDO: do not try again now */
	int n_thawed;
	char settle_note[128];
	struct domain *domains; /* LIST */
	size_t n_domains;
	void *arg; /* THAW: struct debt or struct engine_thaw */
	void (*done)(struct task *task);
};

struct task *task_new(struct engine *engine, enum task_kind kind);
/* For a state of a run: copies what the job needs, lends it the session. */
struct task *task_for(struct run *run, enum task_kind kind);
void task_submit(struct task *task, void (*done)(struct task *task));
void task_free(struct task *task);

/* gate.c */
bool gate_holds(struct engine *engine, const struct run *run);
void gate_op_ended(struct engine *engine, const struct id *domain);

/* debt.c */
int debt_add(struct engine *engine, const struct op *op);
void debt_hurry(struct engine *engine, const struct id *domain);

/* track.c */
extern const struct virt_ops track_ops;

#endif
