/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * visitor.c - who is connected to the control socket and waits for something
 *
 * A visitor is one thing that a peer waits for: a gate to open, a snapshot to
 * be taken, a thaw.  The peer may go away at any time: a gate is then left, a
 * snapshot goes on without being waited for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/engine/edit.h"
#include "agent/engine/engine.h"
#include "agent/journal/journal.h"
#include "agent/query.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/codec.h"
#include "proto/control.h"
#include "proto/message.h"

#define ROWS 200 /* of one reply */

struct visitor {
	struct agent *agent;
	struct control_peer *peer; /* NULL: gone */
	struct visitor *next;
	uint64_t request;
	struct engine_gate gate;
	struct engine_wait wait;
	struct engine_thaw thaw;
	bool is_gate, is_wait;
};

static struct visitor *visitor_new(struct agent *agent,
				   struct control_peer *peer)
{
	struct visitor *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->agent = agent;
	v->peer = peer;
	v->next = agent->visitors;
	agent->visitors = v;
	return v;
}

static void visitor_free(struct visitor *v)
{
	for (struct visitor **p = &v->agent->visitors; *p; p = &(*p)->next)
		if (*p == v) {
			*p = v->next;
			break;
		}
	free(v);
}

static void send_reply(struct control_peer *peer, struct reply *reply)
{
	struct message message = { .kind = MESSAGE_REPLY, .reply = *reply };
	struct err err = { 0 };
	void *data = NULL;
	size_t size;

	if (!peer)
		return;
	if (codec_pack(&message, &data, &size, &err) < 0 ||
	    control_send(peer, CONTROL_MESSAGE, data, size, &err) < 0)
		log_warning("cannot answer on the control socket: %s",
			    err.text);
	free(data);
}

/* Long lists go out in parts, the last one marked. */
static void send_rows(struct control_peer *peer, struct reply *all)
{
	struct reply part = *all;
	size_t snap = 0, vm = 0, event = 0;

	do {
		part.snapshots = all->snapshots + snap;
		part.n_snapshots = all->n_snapshots - snap;
		part.vms = all->vms + vm;
		part.n_vms = all->n_vms - vm;
		part.events = all->events + event;
		part.n_events = all->n_events - event;
		if (part.n_snapshots > ROWS)
			part.n_snapshots = ROWS;
		if (part.n_vms > ROWS)
			part.n_vms = ROWS;
		if (part.n_events > ROWS)
			part.n_events = ROWS;
		snap += part.n_snapshots;
		vm += part.n_vms;
		event += part.n_events;
		part.last = snap == all->n_snapshots && vm == all->n_vms &&
			    event == all->n_events;
		send_reply(peer, &part);
	} while (!part.last);
}

static void send_error(struct control_peer *peer, uint64_t id,
		       const struct err *err)
{
	struct reply reply = { .id = id, .last = true, .err = *err };

	send_reply(peer, &reply);
}

/* --- create ------------------------------------------------------------- */

static void on_created(struct engine_wait *wait, const struct op *op)
{
	struct visitor *v = CONTAINER_OF(wait, struct visitor, wait);
	struct reply reply = { .id = v->request, .last = true, .op = op->id };
	struct snapshot *row;

	v->is_wait = false;
	if (op->state != OP_DONE) {
		reply.err = op->err;
	} else {
		row = reply_add_snapshot(&reply);
		if (row)
			(void)snapshot_copy(row, &op->snap, NULL);
		str_copy_cut(reply.text, sizeof(reply.text), op->snap.note);
	}
	send_reply(v->peer, &reply);
	reply_done(&reply);
	visitor_free(v);
}

static int create(struct agent *agent, struct control_peer *peer,
		  const struct request *request, struct err *err)
{
	struct journal_domain vm;
	struct create_request create = {
		.op = request->op,
		.origin = ORIGIN_MANUAL,
		.label = request->label,
		.description = request->description,
		.tags = request->tags,
		.disks = request->disks,
		.freeze = request->freeze,
		.max_frozen_ms = request->max_frozen_ms,
	};
	struct reply reply = { .id = request->id };
	struct visitor *v;
	struct id op;
	int r = query_find_vm(agent->journal, request->vm, &vm, err);

	if (r < 0)
		return r;
	if (vm.gone)
		return err_set(err, ERR_ABSENT, 0,
			       "VM '%s' is not defined any more", vm.name);
	/* VM@label must mean one snapshot. */
	r = engine_check_label(agent->engine, &vm.uuid, request->label, NULL,
			       &request->op, err);
	if (r < 0)
		return r;
	v = visitor_new(agent, peer);
	if (!v)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	create.domain = vm.uuid;
	create.domain_name = vm.name;
	v->request = request->id;
	v->wait.done = on_created;
	v->is_wait = true;
	/* An id that is known may be answered, and v gone, at once. */
	if (id_is_null(&create.op))
		create.op = id_new_v7(clock_wall_ms());
	reply.op = create.op;
	str_copy(reply.text, sizeof(reply.text), "admitted");
	send_reply(peer, &reply);
	r = engine_create(agent->engine, &create, &v->wait, &op, err);
	if (r < 0)
		visitor_free(v);
	return r;
}

/* --- edit --------------------------------------------------------------- */

static int read_edit(const struct request *request, struct edit *ret,
		     struct err *err)
{
	const uint32_t bits = request->edit;
	const uint32_t known = EDIT_PIN | EDIT_UNPIN | EDIT_LABEL |
			       EDIT_DESCRIPTION | EDIT_TAGS_ADD |
			       EDIT_TAGS_REMOVE;

	if (bits & ~known)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"this agent does not know that change of a snapshot");
	/* There is one list of tags in a request. */
	if (!bits || (bits & EDIT_TAGS_ADD && bits & EDIT_TAGS_REMOVE))
		return err_set(err, ERR_INVALID, 0,
			       "the request does not say what to change");
	*ret = (struct edit){
		.pin = bits & EDIT_PIN,
		.unpin = bits & EDIT_UNPIN,
		.label = bits & EDIT_LABEL ? request->label : NULL,
		.description = bits & EDIT_DESCRIPTION ? request->description
						       : NULL,
		.tags_add = bits & EDIT_TAGS_ADD ? request->tags : NULL,
		.tags_remove = bits & EDIT_TAGS_REMOVE ? request->tags : NULL,
	};
	return 0;
}

static int edit(struct agent *agent, struct control_peer *peer,
		const struct request *request, struct err *err)
{
	struct reply reply = { .id = request->id, .last = true };
	struct snapshot *row = reply_add_snapshot(&reply);
	struct edit edit;
	bool changed;
	int r = read_edit(request, &edit, err);

	if (r == 0 && !row)
		r = err_set(err, ERR_NOMEM, 0, "out of memory");
	if (r == 0)
		r = query_find_snapshot(agent->journal, request->snapshot, row,
					err);
	if (r == 0)
		r = engine_edit(agent->engine, row, &edit, &changed, err);
	if (r == 0) {
		str_copy(reply.text, sizeof(reply.text),
			 changed ? "" : "nothing to change");
		send_reply(peer, &reply);
	}
	reply_done(&reply);
	return r;
}

/* --- thaw --------------------------------------------------------------- */

static void on_thawed(struct engine_thaw *thaw, int n, const struct err *err)
{
	struct visitor *v = CONTAINER_OF(thaw, struct visitor, thaw);
	struct reply reply = { .id = v->request, .last = true };

	if (err)
		reply.err = *err;
	else if (n > 0)
		snprintf(reply.text, sizeof(reply.text),
			 "thawed %d file system%s", n, n == 1 ? "" : "s");
	else
		str_copy(reply.text, sizeof(reply.text),
			 "the guest was not frozen");
	send_reply(v->peer, &reply);
	visitor_free(v);
}

static int thaw(struct agent *agent, struct control_peer *peer,
		const struct request *request, struct err *err)
{
	struct journal_domain vm;
	struct visitor *v;
	int r = query_find_vm(agent->journal, request->vm, &vm, err);

	if (r < 0)
		return r;
	v = visitor_new(agent, peer);
	if (!v)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	v->request = request->id;
	v->thaw.done = on_thawed;
	v->thaw.domain = vm.uuid;
	r = engine_thaw(agent->engine, &v->thaw, err);
	if (r < 0)
		visitor_free(v);
	return r;
}

/* --- all else ------------------------------------------------------------ */

static int answer(struct agent *agent, struct control_peer *peer,
		  const struct request *request, struct err *err)
{
	struct reply reply = { .id = request->id };
	int r = query_answer(agent, request, &reply, err);

	if (r == 0)
		send_rows(peer, &reply);
	reply_done(&reply);
	return r;
}

static void message_received(struct agent *agent, struct control_peer *peer,
			     const void *data, size_t size)
{
	struct message message = { 0 };
	struct err err = { 0 };
	int r = codec_unpack(data, size, &message, &err);

	if (r == 0 && message.kind != MESSAGE_REQUEST)
		r = err_set(&err, ERR_PROTO, 0, "only requests are answered");
	else if (r == 0 && message.request.kind == REQUEST_CREATE)
		r = create(agent, peer, &message.request, &err);
	else if (r == 0 && message.request.kind == REQUEST_THAW)
		r = thaw(agent, peer, &message.request, &err);
	else if (r == 0 && message.request.kind == REQUEST_EDIT)
		r = edit(agent, peer, &message.request, &err);
	else if (r == 0)
		r = answer(agent, peer, &message.request, &err);
	if (r < 0)
		send_error(peer,
			   message.kind == MESSAGE_REQUEST ? message.request.id
							   : 0,
			   &err);
	message_done(&message);
}

static void received(void *owner, struct control_peer *peer,
		     enum control_kind kind, const void *data, size_t size)
{
	struct agent *agent = owner;

	if (kind == CONTROL_HOOK)
		moment_received(agent, peer, data, size);
	else if (kind == CONTROL_MESSAGE)
		message_received(agent, peer, data, size);
	else
		control_close(peer);
}

/* --- gates ---------------------------------------------------------------- */

static void on_open(struct engine_gate *gate, const char *block)
{
	struct visitor *v = CONTAINER_OF(gate, struct visitor, gate);

	if (v->peer) {
		(void)control_send(v->peer,
				   block ? CONTROL_BLOCK : CONTROL_PASS, block,
				   block ? strlen(block) : 0, NULL);
		control_close(v->peer);
	}
	visitor_free(v);
}

struct engine_gate *visitor_gate(struct agent *agent, struct control_peer *peer)
{
	struct visitor *v = visitor_new(agent, peer);

	if (!v)
		return NULL;
	v->is_gate = true;
	v->gate.open = on_open;
	return &v->gate;
}

static void closed(void *owner, struct control_peer *peer)
{
	struct agent *agent = owner;
	struct visitor *v = agent->visitors, *next;

	for (; v; v = next) {
		next = v->next;
		if (v->peer != peer)
			continue;
		v->peer = NULL;
		if (v->is_gate)
			engine_gate_leave(agent->engine, &v->gate);
		else if (v->is_wait)
			engine_forget(agent->engine, &v->wait);
		else
			continue; /* a thaw will come back for it */
		visitor_free(v);
	}
}

void visitor_forget_all(struct agent *agent)
{
	while (agent->visitors)
		visitor_free(agent->visitors);
}

const struct control_ops visitor_ops = { received, closed };
