/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run.c - the states of one operation: what follows what
 *
 * Normal course of a create: plan, commit PLANNED, prepare, commit CUTTING,
 * freeze and cut and thaw, commit VERIFYING, settle and inspect, commit DONE
 * with the snapshot and the new head.  Each commit writes its event with it.
 *
 * What can fail: a job - then UNDOING is committed with the cause and what was
 * made is removed, again after a pause when storage or libvirt are away, up to
 * UNDO_TRIES; then STUCK.  The journal - then the move waits and is tried again
 * every second, and nothing is done meanwhile that a restart, which sees the
 * state before, would not undo.  A move that would only begin work becomes the
 * way back instead, and who waits for it is told at once.
 *
 * A restart calls run_begin() for every unfinished operation: see restart().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_private.h"
#include "agent/engine/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#define UNDO_TRIES 8
#define UNDO_PAUSE_MS 500
#define UNDO_PAUSE_MAX_MS 15000
#define JOURNAL_RETRY_MS 1000

static void move(struct run *run, enum op_state to);

static void on_task(struct task *task)
{
	struct run *run = engine_find(task->engine, &task->op);

	/* Another task: the run was planned again meanwhile. */
	if (run && run->task == task)
		run_done(run, task);
	task_free(task);
}

static void submit(struct run *run, enum task_kind kind)
{
	struct task *task = task_for(run, kind);

	if (!task) {
		err_set(&run->op.err, ERR_NOMEM, 0, "out of memory");
		loop_timer_set(run->engine->loop, &run->retry,
			       clock_ms() + JOURNAL_RETRY_MS);
		return;
	}
	run->task = task;
	task_submit(task, on_task);
}

/* The work that a state names, begun after its commit. */
static void work(struct run *run)
{
	switch (run->op.state) {
	case OP_ADMITTED:
		submit(run, TASK_PLAN);
		break;
	case OP_PLANNED:
		submit(run, TASK_PREPARE);
		break;
	case OP_CUTTING:
		submit(run, TASK_CUT);
		break;
	case OP_VERIFYING:
		submit(run, TASK_VERIFY);
		break;
	case OP_UNDOING:
		submit(run, TASK_UNDO);
		break;
	case OP_DONE:
	case OP_FAILED:
	case OP_STUCK:
		engine_finish(run);
		break;
	}
}

static void fill_event(struct run *run, struct event *event)
{
	struct op *op = &run->op;

	event->time_ms = clock_wall_ms();
	event->domain = op->snap.domain;
	event->op = op->id;
	str_copy(event->domain_name, sizeof(event->domain_name),
		 op->snap.domain_name);
	if (op->state == OP_DONE) {
		event->kind = EVENT_TAKEN;
		event->snapshot = op->snap.id;
		event->record = &op->snap; /* lent */
		str_copy_cut(event->text, sizeof(event->text), op->snap.note);
	} else {
		event->kind = op->state == OP_STUCK ? EVENT_STUCK
						    : EVENT_FAILED;
		event->code = op->err.code;
		str_copy_cut(event->text, sizeof(event->text), op->err.text);
	}
}

static int put(struct run *run, struct err *err)
{
	struct journal *j = run->engine->journal;
	const struct op *op = &run->op;
	struct event event = { 0 };
	int r = journal_put_op(j, op, err);

	if (r == 0 && op->state == OP_DONE)
		r = journal_put_snapshot(j, &op->snap, err);
	if (r == 0 && op->state == OP_DONE)
		r = journal_set_head(j, &op->snap.domain, &op->snap.id, err);
	if (r == 0 && op_is_final(op->state)) {
		fill_event(run, &event);
		r = journal_put_event(j, &event, err);
	}
	return r;
}

static int commit(struct run *run, struct err *err)
{
	struct journal *j = run->engine->journal;
	int r = journal_begin(j, err);

	if (r < 0)
		return r;
	r = put(run, err);
	if (r < 0) {
		journal_rollback(j);
		return r;
	}
	r = journal_commit(j, err);
	if (r == 0)
		run->engine->ops->committed(run->engine->owner);
	return r;
}

static void tell_waiters(struct run *run)
{
	while (run->waits) {
		struct engine_wait *wait = run->waits;

		run->waits = wait->next;
		wait->next = NULL;
		wait->done(wait, &run->op);
	}
}

static void log_state(const struct run *run)
{
	const struct op *op = &run->op;
	const struct log_about about = {
		.op = &op->id,
		.domain = &op->snap.domain,
		.state = op_state_word(op->state),
		.error = op->err.code ? err_name(op->err.code) : NULL,
	};
	char id[ID_TEXT];

	if (op->state == OP_FAILED || op->state == OP_STUCK)
		log_line(LOG_LEVEL_WARNING, &about, "%s %s of '%s' %s: %s",
			 op_kind_word(op->kind), id_format(&op->id, id),
			 op->snap.domain_name, op_state_word(op->state),
			 op->err.text);
	else
		log_line(LOG_LEVEL_INFO, &about, "%s %s of '%s' %s",
			 op_kind_word(op->kind), id_format(&op->id, id),
			 op->snap.domain_name, op_state_word(op->state));
}

/* The journal refuses: a move that only begins work is turned into the way
 * back, all others wait until it takes them. */
static void journal_failed(struct run *run, enum op_state from,
			   enum op_state to, const struct err *err)
{
	run->op.state = from;
	log_error("cannot write the journal, trying again: %s", err->text);
	if (to == OP_PLANNED || to == OP_CUTTING) {
		run->op.owes_thaw = false;
		run->op.err = *err;
		to = to == OP_PLANNED ? OP_FAILED : OP_UNDOING;
	}
	run->want = to;
	if (to == OP_FAILED || to == OP_UNDOING)
		tell_waiters(run);
	loop_timer_set(run->engine->loop, &run->retry,
		       clock_ms() + JOURNAL_RETRY_MS);
}

static void move(struct run *run, enum op_state to)
{
	const enum op_state from = run->op.state;
	struct err err = { 0 };

	if (!op_may_move(from, to)) {
		log_error("bug: %s may not become %s", op_state_word(from),
			  op_state_word(to));
		abort();
	}
	run->op.state = to;
	if (to == OP_DONE)
		memset(&run->op.err, 0, sizeof(run->op.err));
	if (commit(run, &err) < 0) {
		journal_failed(run, from, to, &err);
		return;
	}
	run->want = 0;
	log_state(run);
	work(run);
}

static void on_retry(struct loop_timer *timer)
{
	struct run *run = CONTAINER_OF(timer, struct run, retry);

	if (run->want)
		move(run, run->want);
	else
		work(run);
}

/* What a state found in the journal at a restart means; see op.h. */
static void restart(struct run *run)
{
	struct op *op = &run->op;

	switch (op->state) {
	case OP_PLANNED:
		err_set(&op->err, ERR_TIMEOUT, 0,
			"the agent was stopped before the snapshot was taken");
		move(run, OP_UNDOING);
		break;
	case OP_CUTTING:
		/* Off-line disks may be complete, and a guest may have been
		 * started on them since: look before anything is undone. */
		if (op->snap.consistency == CONSISTENCY_OFFLINE) {
			submit(run, TASK_VERIFY);
			break;
		}
		err_set(&op->err, ERR_TIMEOUT, 0,
			"the agent died while it took the snapshot");
		move(run, OP_UNDOING);
		break;
	case OP_STUCK:
		move(run, OP_UNDOING);
		break;
	default:
		work(run);
	}
}

void run_begin(struct run *run)
{
	run->active = true;
	run->retry.expired = on_retry;
	if (run->want)
		move(run, run->want);
	else
		restart(run);
}

void run_replan(struct run *run, const struct domain *given)
{
	struct err err = { 0 };

	if (run->op.state != OP_ADMITTED || run->has_given)
		return;
	domain_done(&run->given);
	run->has_fallback = false;
	if (domain_copy(&run->given, given, &err) < 0)
		return;
	run->has_given = true;
	/* The job that waits for libvirt is left to end by itself. */
	run->task = NULL;
	if (run->active)
		work(run);
}

/* The plan and what was measured are the session's; its disks are taken. */
static void take_snap(struct run *run)
{
	struct snapshot *from = &run->session->snap;
	struct snapshot copy;

	if (snapshot_copy(&copy, from, NULL) < 0)
		return;
	snapshot_done(&run->op.snap);
	run->op.snap = copy;
}

static void undo(struct run *run, const struct err *why)
{
	run->op.err = *why;
	move(run, run->op.state == OP_ADMITTED ? OP_FAILED : OP_UNDOING);
}

static void verified(struct run *run, struct task *task)
{
	struct err why = { 0 };

	if (task->r < 0) {
		undo(run, &task->err);
		return;
	}
	if (task->presence != LEG_PRESENT) {
		err_set(&why, ERR_STORAGE, 0,
			run->op.state == OP_CUTTING
				? "the agent died while it took the snapshot"
				: "the storage does not have the snapshot");
		undo(run, &why);
		return;
	}
	if (task->settle_note[0])
		log_warning("after a snapshot of '%s': %s",
			    run->op.snap.domain_name, task->settle_note);
	if (run->op.state == OP_CUTTING)
		run->op.state = OP_VERIFYING; /* found complete at a restart */
	move(run, OP_DONE);
}

static void undone(struct run *run, struct task *task)
{
	int64_t pause = UNDO_PAUSE_MS;

	if (task->r == 0) {
		move(run, OP_FAILED);
		return;
	}
	session_free(run->session);
	run->session = NULL;
	log_warning("cannot undo a snapshot of '%s' yet: %s",
		    run->op.snap.domain_name, task->err.text);
	if (++run->attempts >= UNDO_TRIES) {
		run->attempts = 0;
		err_wrap(&run->op.err, 0, "cannot be undone (%s)",
			 task->err.text);
		move(run, OP_STUCK);
		return;
	}
	for (unsigned i = 1; i < run->attempts; i++)
		pause = pause * 2 > UNDO_PAUSE_MAX_MS ? UNDO_PAUSE_MAX_MS
						      : pause * 2;
	loop_timer_set(run->engine->loop, &run->retry, clock_ms() + pause);
}

static void cut_done(struct run *run, struct task *task)
{
	run->op.owes_thaw = task->owes_thaw;
	run->thaw_tried = task->owes_thaw;
	take_snap(run);
	if (task->r < 0)
		undo(run, &task->err);
	else
		move(run, OP_VERIFYING);
}

static void prepared(struct run *run)
{
	take_snap(run);
	run->op.owes_thaw = run->op.snap.consistency == CONSISTENCY_FROZEN;
	/* Roughly, for a restart that finds an off-line cut complete. */
	run->op.snap.taken_ms = clock_wall_ms();
	move(run, OP_CUTTING);
}

void run_done(struct run *run, struct task *task)
{
	session_free(run->session);
	run->session = task->session;
	task->session = NULL;
	run->task = NULL;

	switch (task->kind) {
	case TASK_VERIFY:
		verified(run, task);
		break;
	case TASK_UNDO:
		run->op.owes_thaw = task->owes_thaw;
		undone(run, task);
		break;
	case TASK_CUT:
		cut_done(run, task);
		break;
	default:
		if (task->r < 0) {
			undo(run, &task->err);
		} else if (task->kind == TASK_PLAN) {
			take_snap(run);
			move(run, OP_PLANNED);
		} else {
			prepared(run);
		}
	}
}
