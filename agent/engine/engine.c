/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine.c - the queue of operations: admit, begin, finish, drain */
#include "agent/engine/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_private.h"
#include "agent/engine/session.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

struct run *engine_find(struct engine *engine, const struct id *op)
{
	struct run *run;

	for (run = engine->runs; run; run = run->next)
		if (id_equal(&run->op.id, op))
			break;
	return run;
}

struct run *engine_active(struct engine *engine, const struct id *domain)
{
	struct run *run;

	for (run = engine->runs; run; run = run->next)
		if (run->active && id_equal(&run->op.snap.domain, domain))
			break;
	return run;
}

static unsigned count_active(const struct engine *engine)
{
	unsigned n = 0;

	for (const struct run *run = engine->runs; run; run = run->next)
		n += run->active && !run->has_given;
	return n;
}

static bool is_thawing(const struct engine *engine, const struct id *domain)
{
	for (const struct debt *d = engine->debts; d; d = d->next)
		if (d->is_busy && id_equal(&d->domain, domain))
			return true;
	return false;
}

static bool may_begin(struct engine *engine, const struct run *run)
{
	if (run->active || engine->is_draining)
		return false;
	if (engine_active(engine, &run->op.snap.domain) ||
	    is_thawing(engine, &run->op.snap.domain))
		return false;
	/* A gate's operation is what libvirtd waits for: no limit for it. */
	if (run->has_given)
		return true;
	return count_active(engine) < (unsigned)engine->config.max_running &&
	       !gate_holds(engine, run);
}

void engine_pump(struct engine *engine)
{
	struct run *run;
	bool again = true;

	/* run_begin() may finish a run and so change the list. */
	while (again) {
		again = false;
		for (run = engine->runs; run; run = run->next)
			if (may_begin(engine, run))
				break;
		if (run) {
			run_begin(run);
			again = true;
		}
	}
	if (engine->is_draining && engine->idle && !engine->tasks) {
		void (*idle)(void *arg) = engine->idle;

		engine->idle = NULL;
		idle(engine->idle_arg);
	}
}

static void free_run(struct run *run)
{
	loop_timer_del(&run->retry);
	session_free(run->session);
	op_done(&run->op);
	domain_done(&run->given);
	free(run);
}

static void unlink_run(struct run *run)
{
	for (struct run **p = &run->engine->runs; *p; p = &(*p)->next)
		if (*p == run) {
			*p = run->next;
			return;
		}
}

void engine_finish(struct run *run)
{
	struct engine *engine = run->engine;
	const struct id domain = run->op.snap.domain;

	unlink_run(run);
	if (run->op.owes_thaw)
		(void)debt_add(engine, &run->op);
	while (run->waits) {
		struct engine_wait *wait = run->waits;

		run->waits = wait->next;
		wait->next = NULL;
		wait->done(wait, &run->op);
	}
	free_run(run);
	gate_op_ended(engine, &domain);
	engine_pump(engine);
}

static struct run *add_run(struct engine *engine)
{
	struct run *run = calloc(1, sizeof(*run)), **p;

	if (!run)
		return NULL;
	run->engine = engine;
	for (p = &engine->runs; *p; p = &(*p)->next)
		;
	*p = run;
	return run;
}

static int check_disk_list(const char *disks, struct err *err)
{
	char shown[64];

	for (const char *p = disks; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789", *p) &&
		    (*p != ' ' || p == disks || p[1] == ' ' || !p[1]))
			return err_set(
				err, ERR_INVALID, 0,
				"disk list '%s' is not made of targets like 'vda'",
				str_show(shown, sizeof(shown), disks));
	return 0;
}

static int check(const struct engine *engine,
		 const struct create_request *request, struct err *err)
{
	int r = 0;

	if (request->label[0])
		r = snapshot_check_label(request->label, err);
	if (r == 0)
		r = snapshot_check_tags(request->tags, err);
	if (r == 0)
		r = snapshot_check_description(request->description, err);
	if (r == 0)
		r = check_disk_list(request->disks, err);
	if (r == 0 &&
	    (request->max_frozen_ms < 0 || request->max_frozen_ms > 60000))
		return err_set(err, ERR_INVALID, 0,
			       "a guest may be frozen for at most 60 s");
	if (r == 0 && engine->is_draining)
		return err_set(err, ERR_BUSY, 0, "the agent is stopping");
	return r;
}

static void fill_op(struct op *op, const struct engine *engine,
		    const struct create_request *request)
{
	const struct engine_config *config = &engine->config;
	struct snapshot *snap = &op->snap;

	snapshot_init(snap);
	op->created_ms = clock_wall_ms();
	op->id = id_is_null(&request->op) ? id_new_v7(op->created_ms)
					  : request->op;
	op->kind = OP_CREATE;
	op->state = OP_ADMITTED;
	op->freeze = request->freeze ? request->freeze : config->freeze;
	op->max_frozen_ms = request->max_frozen_ms ? request->max_frozen_ms
						   : config->max_frozen_ms;
	snap->id = id_new_v7(op->created_ms);
	snap->domain = request->domain;
	snap->host = *journal_host(engine->journal);
	snap->origin = request->origin;
	snap->state = SNAPSHOT_PRESENT;
	str_copy(snap->domain_name, sizeof(snap->domain_name),
		 request->domain_name);
	str_copy(op->disks, sizeof(op->disks), request->disks);
	str_copy(snap->label, sizeof(snap->label), request->label);
	str_copy(snap->description, sizeof(snap->description),
		 request->description);
	str_copy(snap->tags, sizeof(snap->tags), request->tags);
}

static int journal_admit(struct engine *engine, const struct op *op,
			 struct err *err)
{
	struct event event = {
		.kind = EVENT_REQUESTED,
		.time_ms = op->created_ms,
		.domain = op->snap.domain,
		.op = op->id,
	};
	int r;

	str_copy(event.domain_name, sizeof(event.domain_name),
		 op->snap.domain_name);
	snprintf(event.text, sizeof(event.text), "%s%s%s",
		 origin_word(op->snap.origin), op->snap.label[0] ? " " : "",
		 op->snap.label);
	r = journal_begin(engine->journal, err);
	if (r < 0)
		return r;
	r = journal_put_op(engine->journal, op, err);
	if (r == 0)
		r = journal_put_event(engine->journal, &event, err);
	if (r < 0) {
		journal_rollback(engine->journal);
		return r;
	}
	return journal_commit(engine->journal, err);
}

/* A repeat of a request whose answer was lost. */
static int join(struct engine *engine, const struct id *id,
		struct engine_wait *wait, bool *ret_known, struct err *err)
{
	struct run *run = engine_find(engine, id);
	struct op op;

	*ret_known = true;
	if (run) {
		if (wait) {
			wait->next = run->waits;
			run->waits = wait;
		}
		return 0;
	}
	if (journal_get_op(engine->journal, id, &op, err) == 0) {
		if (wait)
			wait->done(wait, &op);
		op_done(&op);
		return 0;
	}
	*ret_known = false;
	return 0;
}

int engine_admit(struct engine *engine, const struct create_request *request,
		 const struct domain *given, bool is_fallback,
		 struct engine_wait *wait, struct id *ret_op, struct err *err)
{
	struct run *run;
	bool known = false;
	int r = check(engine, request, err);

	if (r == 0 && !id_is_null(&request->op))
		r = join(engine, &request->op, wait, &known, err);
	if (r < 0 || known) {
		*ret_op = request->op;
		return r;
	}
	run = add_run(engine);
	if (!run)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	fill_op(&run->op, engine, request);
	if (given) {
		r = domain_copy(&run->given, given, err);
		run->has_given = !is_fallback;
		run->has_fallback = is_fallback;
	}
	if (r == 0)
		r = journal_admit(engine, &run->op, err);
	if (r < 0) {
		unlink_run(run);
		free_run(run);
		return r;
	}
	run->waits = wait;
	*ret_op = run->op.id;
	engine->ops->committed(engine->owner);
	return 0;
}

int engine_create(struct engine *engine, const struct create_request *request,
		  struct engine_wait *wait, struct id *ret_op, struct err *err)
{
	int r = engine_admit(engine, request, request->stopped, true, wait,
			     ret_op, err);

	if (r == 0)
		engine_pump(engine);
	return r;
}

void engine_forget(struct engine *engine, struct engine_wait *wait)
{
	for (struct run *run = engine->runs; run; run = run->next)
		for (struct engine_wait **p = &run->waits; *p; p = &(*p)->next)
			if (*p == wait) {
				*p = wait->next;
				return;
			}
}

/* A hook's moment is over when the agent comes back: the guest may have been
 * started since. */
static bool is_too_late(const struct op *op)
{
	return op->state == OP_ADMITTED && op->snap.origin == ORIGIN_HOOK;
}

static int readmit(struct engine *engine, struct op *op, struct err *err)
{
	struct run *run;

	if (op_is_final(op->state) && op->state != OP_STUCK)
		return op->owes_thaw ? debt_add(engine, op) : 0;
	if (engine_find(engine, &op->id))
		return 0;
	run = add_run(engine);
	if (!run)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	run->op = *op;
	memset(op, 0, sizeof(*op));
	if (is_too_late(&run->op)) {
		err_set(&run->op.err, ERR_TIMEOUT, 0,
			"the agent was stopped and the moment has passed");
		run->want = OP_FAILED;
	}
	return 0;
}

int engine_recover(struct engine *engine, struct err *err)
{
	struct op *ops = NULL;
	size_t n = 0;
	int r = journal_open_ops(engine->journal, &ops, &n, err);

	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			r = readmit(engine, &ops[i], err);
		op_done(&ops[i]);
	}
	free(ops);
	if (r == 0)
		r = journal_prune_ops(
			engine->journal,
			clock_wall_ms() - engine->config.keep_ops_ms, err);
	if (r == 0)
		engine_pump(engine);
	return r;
}

static void guard_thawed(void *owner, const struct id *domain)
{
	struct engine *engine = owner;
	struct journal_domain *known = NULL;
	size_t n = 0;

	(void)journal_get_domains(engine->journal, domain, &known, &n, NULL);
	engine_report(engine, EVENT_GUEST_THAWED, domain,
		      n == 1 ? known->name : "",
		      "the guard thawed the guest: the agent was late");
	free(known);
}

static void guard_lost(void *owner)
{
	engine_report(owner, EVENT_GUARD_LOST, NULL, "",
		      "the guard process died and was started again");
}

static const struct guard_ops guard_ops = { guard_thawed, guard_lost };

int engine_new(struct engine **ret, struct loop *loop, struct worker_pool *pool,
	       struct journal *journal, const struct engine_config *config,
	       const struct engine_ops *ops, void *owner, struct err *err)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	engine->loop = loop;
	engine->pool = pool;
	engine->journal = journal;
	engine->config = *config;
	engine->ops = ops;
	engine->owner = owner;
	r = guard_new(&engine->guard, loop, config->uri, &guard_ops, engine,
		      err);
	if (r == 0)
		r = virt_new(&engine->virt, loop, pool, config->uri, &track_ops,
			     engine, err);
	if (r < 0) {
		engine_free(engine);
		return r;
	}
	*ret = engine;
	return 0;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	/* Those that ended after the loop did. */
	while (engine->tasks) {
		struct task *task = engine->tasks;

		engine->tasks = task->next;
		task_free(task);
	}
	while (engine->runs) {
		struct run *run = engine->runs;

		engine->runs = run->next;
		free_run(run);
	}
	while (engine->debts) {
		struct debt *debt = engine->debts;

		engine->debts = debt->next;
		loop_timer_del(&debt->timer);
		free(debt);
	}
	while (engine->starts) {
		struct start *start = engine->starts;

		engine->starts = start->next;
		free(start);
	}
	loop_timer_del(&engine->gate_timer);
	virt_free(engine->virt);
	guard_free(engine->guard);
	free(engine);
}

void engine_drain(struct engine *engine, void (*idle)(void *arg), void *arg)
{
	engine->is_draining = true;
	engine->idle = idle;
	engine->idle_arg = arg;
	engine_pump(engine);
}

int engine_commit_event(struct engine *engine, struct event *event,
			struct err *err)
{
	int r;

	event->time_ms = clock_wall_ms();
	r = journal_begin(engine->journal, err);
	if (r < 0)
		return r;
	r = journal_put_event(engine->journal, event, err);
	if (r < 0) {
		journal_rollback(engine->journal);
		return r;
	}
	r = journal_commit(engine->journal, err);
	if (r == 0)
		engine->ops->committed(engine->owner);
	return r;
}

void engine_report(struct engine *engine, enum event_kind kind,
		   const struct id *domain, const char *domain_name,
		   const char *fmt, ...)
{
	struct event event = { .kind = kind };
	struct err err = { 0 };
	va_list ap;

	if (domain)
		event.domain = *domain;
	str_copy(event.domain_name, sizeof(event.domain_name), domain_name);
	va_start(ap, fmt);
	vsnprintf(event.text, sizeof(event.text), fmt, ap);
	va_end(ap);
	log_line(kind == EVENT_AGENT_STARTED ? LOG_LEVEL_INFO
					     : LOG_LEVEL_WARNING,
		 &(struct log_about){ .domain = domain }, "%s%s%s%s: %s",
		 event_kind_word(kind), domain_name[0] ? " '" : "", domain_name,
		 domain_name[0] ? "'" : "", event.text);
	if (engine_commit_event(engine, &event, &err) < 0)
		log_error("cannot journal that: %s", err.text);
}

void engine_count(const struct engine *engine, struct engine_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (const struct run *run = engine->runs; run; run = run->next)
		run->active ? ret->running++ : ret->waiting++;
	for (const struct debt *d = engine->debts; d; d = d->next)
		ret->owed++;
	ret->libvirt_up = virt_is_up(engine->virt);
}

struct virt *engine_virt(struct engine *engine)
{
	return engine->virt;
}
