/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate.c - starts that wait for us
 *
 * Normal course: the prepare hook says that a domain is about to start.  When
 * an operation works on it, the start waits for its end; when a snapshot before
 * the start is wanted, it is admitted with the domain as the hook told of it
 * and the start waits for that.  Then the gate opens and the domain is "let
 * start": nothing is begun on it until it tells that it started or stopped.
 *
 * What can fail: the work takes longer than the bound - the gate opens anyway
 * and the event tells; the hook goes away (killed, its own bound) - the gate is
 * forgotten, and the work goes on if it has begun; a hook after us refuses the
 * start - libvirt calls stopped and release, or START_MS pass.
 *
 * While the gate is closed libvirtd answers no call about this domain.  A plan
 * that waits for such an answer would wait for us: it is made again from the
 * hook's XML (run_replan()).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#define START_MS 60000

static struct start **find_start(struct engine *engine, const struct id *domain)
{
	struct start **p = &engine->starts;

	while (*p && !id_equal(&(*p)->domain, domain))
		p = &(*p)->next;
	return p;
}

static void forget_start(struct engine *engine, const struct id *domain)
{
	struct start **p = find_start(engine, domain), *start = *p;

	if (!start)
		return;
	*p = start->next;
	free(start);
}

static struct start *let_start(struct engine *engine, const struct id *domain)
{
	struct start *start = *find_start(engine, domain);

	if (!start) {
		start = calloc(1, sizeof(*start));
		if (!start)
			return NULL;
		start->domain = *domain;
		start->next = engine->starts;
		engine->starts = start;
	}
	start->until_ms = clock_ms() + START_MS;
	return start;
}

bool gate_holds(struct engine *engine, const struct run *run)
{
	const struct id *domain = &run->op.snap.domain;
	const struct start *start = *find_start(engine, domain);

	for (const struct engine_gate *g = engine->gates; g; g = g->next)
		if (id_equal(&g->domain, domain))
			return true;
	return start && clock_ms() < start->until_ms;
}

static void unlink_gate(struct engine_gate *gate)
{
	for (struct engine_gate **p = &gate->engine->gates; *p; p = &(*p)->next)
		if (*p == gate) {
			*p = gate->next;
			return;
		}
}

static void open_gate(struct engine_gate *gate, const char *block)
{
	struct engine *engine = gate->engine;

	unlink_gate(gate);
	if (gate->is_waiting)
		engine_forget(engine, &gate->wait);
	gate->is_waiting = false;
	if (!block)
		let_start(engine, &gate->domain);
	gate->open(gate, block);
}

static void on_timer(struct loop_timer *timer);

static void set_timer(struct engine *engine)
{
	int64_t at = 0;

	for (const struct engine_gate *g = engine->gates; g; g = g->next)
		if (at == 0 || g->until_ms < at)
			at = g->until_ms;
	for (const struct start *s = engine->starts; s; s = s->next)
		if (at == 0 || s->until_ms < at)
			at = s->until_ms;
	engine->gate_timer.expired = on_timer;
	if (at)
		loop_timer_set(engine->loop, &engine->gate_timer, at);
	else
		loop_timer_del(&engine->gate_timer);
}

static void late(struct engine_gate *gate)
{
	struct engine *engine = gate->engine;
	struct run *run = engine_active(engine, &gate->domain);

	engine_report(
		engine, EVENT_GATE_PASSED, &gate->domain,
		run ? run->op.snap.domain_name : "",
		"the start was held for %lld ms and then let go, work was not done",
		(long long)engine->config.gate_ms);
	open_gate(gate, engine->config.gate_blocks
				? "the snapshot before the start took too long"
				: NULL);
}

static void on_timer(struct loop_timer *timer)
{
	struct engine *engine = CONTAINER_OF(timer, struct engine, gate_timer);
	struct engine_gate *gate = engine->gates;

	while (gate) {
		struct engine_gate *next = gate->next;

		if (clock_ms() >= gate->until_ms)
			late(gate);
		gate = next;
	}
	for (struct start **p = &engine->starts; *p;) {
		struct start *start = *p;

		if (clock_ms() < start->until_ms) {
			p = &start->next;
			continue;
		}
		*p = start->next;
		free(start);
	}
	set_timer(engine);
	engine_pump(engine);
}

/* The snapshot before the start has ended, well or not. */
static void on_op(struct engine_wait *wait, const struct op *op)
{
	struct engine_gate *gate = CONTAINER_OF(wait, struct engine_gate, wait);

	gate->is_waiting = false;
	if (op->err.code != ERR_OK && gate->engine->config.gate_blocks)
		open_gate(gate, op->err.text);
}

static void admit(struct engine_gate *gate, const struct domain *domain,
		  const char *label)
{
	struct create_request request = {
		.domain = domain->uuid,
		.domain_name = domain->name,
		.origin = ORIGIN_HOOK,
		.label = "",
		.description = label,
		.tags = "",
		.disks = "",
	};
	struct err err = { 0 };

	gate->wait.done = on_op;
	gate->is_waiting = true;
	if (engine_admit(gate->engine, &request, domain, false, &gate->wait,
			 &gate->op, &err) == 0)
		return;
	gate->is_waiting = false;
	engine_report(gate->engine, EVENT_MOMENT_MISSED, &domain->uuid,
		      domain->name, "%s: %s", label, err.text);
}

static bool is_incoming(struct engine *engine, const struct id *domain)
{
	const struct start *start = *find_start(engine, domain);

	return start && start->is_incoming;
}

/* What a hook asked for after the stop is still owed its moment: now. */
static void replan(struct engine *engine, const struct domain *domain)
{
	for (struct run *run = engine->runs; run; run = run->next)
		if (id_equal(&run->op.snap.domain, &domain->uuid) &&
		    (run->active || run->op.snap.origin == ORIGIN_HOOK))
			run_replan(run, domain);
}

void engine_gate_enter(struct engine *engine, struct engine_gate *gate,
		       const struct domain *domain, const char *label)
{
	gate->engine = engine;
	gate->domain = domain->uuid;
	gate->until_ms = clock_ms() + engine->config.gate_ms;
	gate->next = engine->gates;
	engine->gates = gate;

	if (!is_incoming(engine, &gate->domain)) {
		replan(engine, domain);
		if (label && !engine_active(engine, &gate->domain))
			admit(gate, domain, label);
	}
	set_timer(engine);
	engine_pump(engine);
	gate_op_ended(engine, &domain->uuid);
}

void engine_gate_leave(struct engine *engine, struct engine_gate *gate)
{
	if (!gate->engine)
		return;
	unlink_gate(gate);
	if (gate->is_waiting)
		engine_forget(engine, &gate->wait);
	let_start(engine, &gate->domain);
	set_timer(engine);
}

/* Nothing works on the domain any more: let it start. */
void gate_op_ended(struct engine *engine, const struct id *domain)
{
	struct engine_gate *gate = engine->gates, *next;

	if (engine_active(engine, domain))
		return;
	for (; gate; gate = next) {
		next = gate->next;
		if (id_equal(&gate->domain, domain) && !gate->is_waiting)
			open_gate(gate, NULL);
	}
	set_timer(engine);
}

void engine_incoming(struct engine *engine, const struct id *domain)
{
	struct start *start = let_start(engine, domain);

	if (start)
		start->is_incoming = true;
	set_timer(engine);
}

void engine_started(struct engine *engine, const struct id *domain)
{
	forget_start(engine, domain);
	set_timer(engine);
	engine_pump(engine);
}

void engine_stopped(struct engine *engine, const struct id *domain)
{
	engine_started(engine, domain);
}
