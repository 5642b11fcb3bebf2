/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * debt.c - thaws that are still owed when their operation has ended
 *
 * A guest agent that hangs may carry out a freeze long after we gave up on it.
 * So the thaw is tried again, until the guest says that it is thawed or its
 * domain does not run; the journal remembers it over a restart of ours.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

/* A guest that freezes late stands still for about this long. */
#define PAUSE_MS 250
#define PAUSE_MAX_MS 1000

static void on_timer(struct loop_timer *timer);

static void again(struct debt *debt)
{
	loop_timer_set(debt->engine->loop, &debt->timer,
		       clock_ms() + debt->pause_ms);
	if (debt->pause_ms * 2 <= PAUSE_MAX_MS)
		debt->pause_ms *= 2;
}

int debt_add(struct engine *engine, const struct op *op)
{
	struct debt *debt;

	for (debt = engine->debts; debt; debt = debt->next)
		if (id_equal(&debt->op, &op->id))
			return 0;
	debt = calloc(1, sizeof(*debt));
	if (!debt)
		return -ERR_NOMEM;
	debt->engine = engine;
	debt->op = op->id;
	debt->domain = op->snap.domain;
	str_copy(debt->domain_name, sizeof(debt->domain_name),
		 op->snap.domain_name);
	debt->pause_ms = PAUSE_MS;
	debt->timer.expired = on_timer;
	debt->next = engine->debts;
	engine->debts = debt;
	engine_report(
		engine, EVENT_THAW_OWED, &debt->domain, debt->domain_name,
		"the guest was asked to freeze and may be frozen: asking it to thaw until it answers");
	again(debt);
	return 0;
}

static int pay(struct debt *debt, struct err *err)
{
	struct journal *j = debt->engine->journal;
	struct op op;
	int r = journal_get_op(j, &debt->op, &op, err);

	if (r == -ERR_ABSENT)
		return 0;
	if (r < 0)
		return r;
	op.owes_thaw = false;
	r = journal_begin(j, err);
	if (r == 0) {
		r = journal_put_op(j, &op, err);
		if (r == 0)
			r = journal_commit(j, err);
		else
			journal_rollback(j);
	}
	op_done(&op);
	return r;
}

static void unlink_debt(struct debt *debt)
{
	for (struct debt **p = &debt->engine->debts; *p; p = &(*p)->next)
		if (*p == debt) {
			*p = debt->next;
			break;
		}
	loop_timer_del(&debt->timer);
}

static void on_thaw(struct task *task)
{
	struct debt *debt = task->arg;
	struct engine *engine = task->engine;
	struct err err = { 0 };

	debt->is_busy = false;
	if (task->r < 0 || pay(debt, &err) < 0) {
		again(debt);
	} else {
		engine_report(
			engine, EVENT_GUEST_THAWED, &debt->domain,
			debt->domain_name,
			task->n_thawed > 0
				? "the guest had frozen late and was thawed"
				: "the guest is thawed, or does not run");
		unlink_debt(debt);
		free(debt);
	}
	task_free(task);
	engine_pump(engine);
}

static void on_timer(struct loop_timer *timer)
{
	struct debt *debt = CONTAINER_OF(timer, struct debt, timer);
	struct engine *engine = debt->engine;
	struct task *task;

	/* A thaw of ours inside another's window would spoil it; that one
	 * thaws, too. */
	if (engine_active(engine, &debt->domain) ||
	    !(task = task_new(engine, TASK_THAW))) {
		again(debt);
		return;
	}
	task->copy.snap.domain = debt->domain;
	task->owes_thaw = true;
	task->arg = debt;
	debt->is_busy = true;
	task_submit(task, on_thaw);
}

void debt_hurry(struct engine *engine, const struct id *domain)
{
	for (struct debt *d = engine->debts; d; d = d->next)
		if (!d->is_busy && id_equal(&d->domain, domain)) {
			d->pause_ms = PAUSE_MS;
			loop_timer_set(engine->loop, &d->timer, clock_ms());
		}
}

bool engine_owes_thaw(const struct engine *engine, const struct id *domain)
{
	for (const struct debt *d = engine->debts; d; d = d->next)
		if (id_equal(&d->domain, domain))
			return true;
	return false;
}

static void on_request(struct task *task)
{
	struct engine_thaw *thaw = task->arg;
	struct engine *engine = task->engine;

	if (task->r == 0)
		debt_hurry(engine, &thaw->domain);
	thaw->done(thaw, task->n_thawed, task->r < 0 ? &task->err : NULL);
	task_free(task);
	engine_pump(engine);
}

int engine_thaw(struct engine *engine, struct engine_thaw *thaw,
		struct err *err)
{
	struct task *task = task_new(engine, TASK_THAW);

	if (!task)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	task->copy.snap.domain = thaw->domain;
	task->arg = thaw;
	task_submit(task, on_request);
	return 0;
}
