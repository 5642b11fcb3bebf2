/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * task.c - the jobs of an operation's states, on worker threads
 *
 * A task has copies of all it needs: the run it works for may be planned again
 * or forgotten meanwhile.  Only the session is lent, and comes back with the
 * task.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/cut.h"
#include "agent/engine/engine_private.h"
#include "agent/engine/plan.h"
#include "agent/engine/session.h"
#include "agent/virt/dom.h"
#include "agent/virt/guest.h"
#include "base/clock.h"
#include "base/str.h"

struct task *task_new(struct engine *engine, enum task_kind kind)
{
	struct task *task = calloc(1, sizeof(*task));

	if (!task)
		return NULL;
	task->engine = engine;
	task->kind = kind;
	snapshot_init(&task->copy.snap);
	return task;
}

static int copy_head(struct task *task, const struct run *run)
{
	struct journal *journal = run->engine->journal;
	struct journal_domain *domain = NULL;
	size_t n = 0;
	int r;

	r = journal_get_domains(journal, &run->op.snap.domain, &domain, &n,
				&task->err);
	if (r == 0 && n == 1 && !id_is_null(&domain->head)) {
		r = journal_get_snapshot(journal, &domain->head, &task->head,
					 &task->err);
		task->has_head = r == 0;
	}
	free(domain);
	return r;
}

struct task *task_for(struct run *run, enum task_kind kind)
{
	struct task *task = task_new(run->engine, kind);
	int r = 0;

	if (!task)
		return NULL;
	task->op = run->op.id;
	task->copy = run->op;
	task->owes_thaw = run->op.owes_thaw;
	task->thaw_tried = run->thaw_tried;
	r = snapshot_copy(&task->copy.snap, &run->op.snap, NULL);
	if (r == 0 && (run->has_given || run->has_fallback)) {
		r = domain_copy(&task->given, &run->given, NULL);
		task->has_given = run->has_given;
		task->has_fallback = run->has_fallback;
	}
	if (r == 0 && kind == TASK_PLAN)
		r = copy_head(task, run);
	if (r < 0) {
		task_free(task);
		return NULL;
	}
	task->session = run->session;
	run->session = NULL;
	return task;
}

void task_free(struct task *task)
{
	if (!task)
		return;
	session_free(task->session);
	op_done(&task->copy);
	domain_done(&task->given);
	snapshot_done(&task->head);
	for (size_t i = 0; i < task->n_domains; i++)
		domain_done(&task->domains[i]);
	free(task->domains);
	free(task);
}

static int64_t step_deadline(const struct task *task)
{
	return clock_ms() + task->engine->config.step_ms;
}

static int need_session(struct task *task, bool may_be_gone, struct err *err)
{
	int r;

	if (task->session)
		return 0;
	r = session_new(&task->session, task->engine->virt, &task->copy.snap,
			task->has_given ? &task->given : NULL, may_be_gone,
			err);
	if (r < 0)
		return r;
	return session_make_legs(task->session, &task->engine->config.storage,
				 err);
}

static int run_plan(struct task *task, struct err *err)
{
	struct plan_request request = {
		.disks = task->copy.disks,
		.freeze = task->copy.freeze,
		.head = task->has_head ? &task->head : NULL,
		.storage = &task->engine->config.storage,
		.deadline_ms = step_deadline(task),
	};
	int r;

	r = session_new(&task->session, task->engine->virt, &task->copy.snap,
			task->has_given ? &task->given : NULL, false, err);
	if (r == -ERR_ABSENT && task->has_fallback)
		r = session_new(&task->session, NULL, &task->copy.snap,
				&task->given, false, err);
	if (r < 0)
		return r;
	r = plan_make(task->session, &request, err);
	if (r == 0)
		session_let_go(task->session);
	return r;
}

/* Is the guest agent there, and has it little left to write?  What is found out
 * here costs no frozen time. */
static int warm_up(struct task *task, struct err *err)
{
	const struct engine_config *config = &task->engine->config;
	struct session *session = task->session;
	struct snapshot *snap = &session->snap;
	struct err why = { 0 };
	int64_t start;
	int r;

	r = guest_ping(session->dom, clock_ms() + config->ping_ms, &why);
	if (r < 0 && task->copy.freeze == FREEZE_REQUIRE) {
		if (err)
			*err = why;
		return err_wrap(err, r, "cannot freeze '%s'",
				session->domain.name);
	}
	if (r < 0) {
		char text[SNAPSHOT_DESCRIPTION + 32];

		snap->consistency = CONSISTENCY_CRASH;
		snprintf(text, sizeof(text), "not frozen: %s", why.text);
		str_copy_cut(snap->note, sizeof(snap->note), text);
		return 0;
	}
	start = clock_ms();
	if (config->sync_ms > 0 &&
	    guest_sync(session->dom, start + config->sync_ms, &why) == 0)
		snap->sync_ms = clock_ms() - start;
	return 0;
}

static int run_prepare(struct task *task, struct err *err)
{
	struct session *session = task->session;
	struct domain now = { 0 };
	int r = 0;

	if (session->dom) {
		r = dom_describe(session->dom, &now, err);
		if (r == 0)
			r = plan_check(session, &now, err);
		domain_done(&now);
	}
	if (r == 0)
		r = session_prepare(session, step_deadline(task), err);
	if (r == 0 && session->snap.consistency == CONSISTENCY_FROZEN)
		r = warm_up(task, err);
	return r;
}

static int run_cut(struct task *task, struct err *err)
{
	struct cut cut = {
		.session = task->session,
		.guard = task->engine->guard,
		.freeze = task->copy.freeze,
		.max_frozen_ms = task->copy.max_frozen_ms,
		.max_cut_ms = task->engine->config.step_ms,
	};
	int r = cut_run(&cut, err);

	task->owes_thaw = cut.owes_thaw;
	return r;
}

static int run_verify(struct task *task, struct err *err)
{
	struct err why = { 0 };
	int r = need_session(task, true, err);

	if (r < 0)
		return r;
	if (session_settle(task->session, step_deadline(task), &why) < 0)
		str_copy_cut(task->settle_note, sizeof(task->settle_note),
			     why.text);
	return session_inspect(task->session, &task->presence,
			       step_deadline(task), err);
}

/* Thaw first: nothing that storage does may keep a guest frozen. */
static int thaw_owed(struct task *task, struct err *err)
{
	int r;

	if (!task->session->dom) {
		task->owes_thaw = false; /* gone, and its freeze with it */
		return 0;
	}
	r = guest_thaw(task->session->dom, clock_ms() + 5000, &task->n_thawed,
		       err);
	if (r == 0) {
		task->owes_thaw = false;
		guard_paid(task->engine->guard, &task->copy.snap.domain);
	}
	return r;
}

static int run_undo(struct task *task, struct err *err)
{
	struct err why = { 0 };
	int r;

	/* The session of the failed work describes the domain as it was; one
	 * that let go of libvirt is as good for the first try. */
	if (task->session && task->session->dom) {
		session_free(task->session);
		task->session = NULL;
	}
	r = need_session(task, true, err);
	if (r < 0)
		return r;
	/* A guest agent that does not answer is kept after by debt.c; what was
	 * made can be removed all the same. */
	if (task->owes_thaw && !task->thaw_tried)
		(void)thaw_owed(task, &why);
	return session_remove(task->session, step_deadline(task), err);
}

static int run_thaw(struct task *task, struct err *err)
{
	struct virt_dom *dom = NULL;
	int r;

	r = dom_open(task->engine->virt, &task->copy.snap.domain, &dom, err);
	if (r == -ERR_ABSENT && task->owes_thaw)
		r = 0; /* the domain is gone, and its freeze with it */
	else if (r == 0)
		r = guest_thaw(dom, clock_ms() + 5000, &task->n_thawed, err);
	dom_close(dom);
	if (r == 0)
		guard_paid(task->engine->guard, &task->copy.snap.domain);
	return r;
}

static void run_task(struct worker_job *job)
{
	struct task *task = CONTAINER_OF(job, struct task, job);
	struct err *err = &task->err;

	switch (task->kind) {
	case TASK_PLAN:
		task->r = run_plan(task, err);
		break;
	case TASK_PREPARE:
		task->r = run_prepare(task, err);
		break;
	case TASK_CUT:
		task->r = run_cut(task, err);
		break;
	case TASK_VERIFY:
		task->r = run_verify(task, err);
		break;
	case TASK_UNDO:
		task->r = run_undo(task, err);
		break;
	case TASK_THAW:
		task->r = run_thaw(task, err);
		break;
	case TASK_LIST:
		task->r = dom_list(task->engine->virt, &task->domains,
				   &task->n_domains, err);
		break;
	}
}

static void task_done(struct worker_job *job)
{
	struct task *task = CONTAINER_OF(job, struct task, job);

	for (struct task **p = &task->engine->tasks; *p; p = &(*p)->next)
		if (*p == task) {
			*p = task->next;
			break;
		}
	task->done(task);
}

void task_submit(struct task *task, void (*done)(struct task *task))
{
	struct engine *engine = task->engine;

	task->done = done;
	task->job.run = run_task;
	task->job.done = task_done;
	task->next = engine->tasks;
	engine->tasks = task;
	worker_submit(engine->pool, &task->job);
}
