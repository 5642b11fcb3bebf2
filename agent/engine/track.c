/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * track.c - which domains there are and how they are
 *
 * libvirt's events tell of changes; after each (re)connection a worker lists
 * all, since events were missed meanwhile.  What changed is journaled with an
 * event to the collector.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

static int put(struct engine *engine, const struct virt_event *seen, bool gone,
	       struct err *err)
{
	struct journal *j = engine->journal;
	struct event event = {
		.time_ms = clock_wall_ms(),
		.kind = gone ? EVENT_DOMAIN_GONE : EVENT_DOMAIN_SEEN,
		.domain = seen->domain,
		.domain_state = seen->state,
	};
	bool changed = false;
	int r;

	str_copy(event.domain_name, sizeof(event.domain_name), seen->name);
	str_copy(event.text, sizeof(event.text),
		 gone ? "undefined" : domain_state_word(seen->state));
	r = journal_put_domain(j, &seen->domain, seen->name, seen->state, gone,
			       &changed, err);
	if (r == 0 && changed)
		r = journal_put_event(j, &event, err);
	return r;
}

static void put_one(struct engine *engine, const struct virt_event *seen,
		    bool gone)
{
	struct err err = { 0 };
	int r = journal_begin(engine->journal, &err);

	if (r == 0) {
		r = put(engine, seen, gone, &err);
		if (r == 0)
			r = journal_commit(engine->journal, &err);
		else
			journal_rollback(engine->journal);
	}
	if (r < 0)
		log_error("cannot journal domain '%s': %s", seen->name,
			  err.text);
	else
		engine->ops->committed(engine->owner);
}

static bool is_listed(const struct task *task, const struct id *uuid)
{
	for (size_t i = 0; i < task->n_domains; i++)
		if (id_equal(&task->domains[i].uuid, uuid))
			return true;
	return false;
}

/* What we knew and libvirt does not have any more was undefined meanwhile. */
static int put_gone(struct task *task, struct err *err)
{
	struct engine *engine = task->engine;
	struct journal_domain *known = NULL;
	size_t n = 0;
	int r = journal_get_domains(engine->journal, NULL, &known, &n, err);

	for (size_t i = 0; i < n && r == 0; i++) {
		struct virt_event seen = { .domain = known[i].uuid,
					   .state = DOMAIN_OFF };

		if (known[i].gone || is_listed(task, &known[i].uuid))
			continue;
		str_copy(seen.name, sizeof(seen.name), known[i].name);
		r = put(engine, &seen, true, err);
	}
	free(known);
	return r;
}

static int put_all(struct task *task, struct err *err)
{
	struct journal *j = task->engine->journal;
	int r = journal_begin(j, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < task->n_domains && r == 0; i++) {
		struct virt_event seen = { .domain = task->domains[i].uuid,
					   .state = task->domains[i].state };

		str_copy(seen.name, sizeof(seen.name), task->domains[i].name);
		r = put(task->engine, &seen, false, err);
	}
	if (r == 0)
		r = put_gone(task, err);
	if (r < 0) {
		journal_rollback(j);
		return r;
	}
	return journal_commit(j, err);
}

static void on_list(struct task *task)
{
	struct engine *engine = task->engine;
	struct err err = { 0 };

	if (task->r < 0)
		log_warning("cannot list the domains: %s", task->err.text);
	else if (put_all(task, &err) < 0)
		log_error("cannot journal the domains: %s", err.text);
	else
		engine->ops->committed(engine->owner);
	task_free(task);
	engine_pump(engine);
}

static void up(void *owner)
{
	struct engine *engine = owner;
	struct task *task = task_new(engine, TASK_LIST);
	struct err err = { 0 };

	log_info("connected to libvirt at '%s'", engine->config.uri);
	if (task)
		task_submit(task, on_list);
	/* What was stuck for want of libvirt may go on now. */
	if (engine_recover(engine, &err) < 0)
		log_error("cannot read the journal: %s", err.text);
}

static void down(void *owner, const char *why)
{
	struct engine *engine = owner;

	log_warning("no connection to libvirt at '%s': %s", engine->config.uri,
		    why);
}

/* Definitions say nothing of the state: what was known still holds, and what
 * is new is off. */
static enum domain_state known_state(struct engine *engine,
				     const struct id *uuid)
{
	enum domain_state state = DOMAIN_OFF;
	struct journal_domain *known = NULL;
	size_t n = 0;

	if (journal_get_domains(engine->journal, uuid, &known, &n, NULL) == 0 &&
	    n == 1)
		state = known->state;
	free(known);
	return state;
}

static void event(void *owner, const struct virt_event *event)
{
	struct engine *engine = owner;
	struct virt_event seen = *event;

	if (event->kind == VIRT_EVENT_DEFINED ||
	    event->kind == VIRT_EVENT_UNDEFINED)
		seen.state = known_state(engine, &event->domain);
	switch (event->kind) {
	case VIRT_EVENT_STATE:
	case VIRT_EVENT_DEFINED:
		put_one(engine, &seen, false);
		break;
	case VIRT_EVENT_UNDEFINED:
		/* One that runs goes on as a transient domain. */
		put_one(engine, &seen, seen.state == DOMAIN_OFF);
		break;
	case VIRT_EVENT_AGENT:
	case VIRT_EVENT_REBOOT:
		debt_hurry(engine, &event->domain);
		break;
	}
}

const struct virt_ops track_ops = { up, down, event };
