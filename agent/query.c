/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* query.c - what this agent knows, as replies */
#include <config.h>

#include "agent/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/engine/engine.h"
#include "agent/uplink/uplink.h"
#include "base/clock.h"
#include "base/str.h"
#include "model/tags.h"
#include "proto/codec.h"

#define MAX_CANDIDATES 8

/* "a, b, c" of what fits a prefix. */
static void add_candidate(char *list, size_t size, unsigned n, const char *name,
			  const struct id *id)
{
	const size_t used = strlen(list);
	char text[ID_TEXT], shown[64];

	if (n >= MAX_CANDIDATES)
		return;
	snprintf(list + used, size - used, "%s%s%s%s", used ? ", " : "",
		 id_format(id, text), name[0] ? " " : "",
		 str_show(shown, sizeof(shown), name));
}

static bool fits(const struct journal_domain *d, const char *vm, bool exact)
{
	struct id id;

	if (exact)
		return strcmp(d->name, vm) == 0 ||
		       (id_parse(vm, &id) && id_equal(&id, &d->uuid));
	return id_has_prefix(&d->uuid, vm);
}

/* How many fit; the last of them in *ret.  Names of undefined domains count only
 * when no domain that is there has it. */
static unsigned search(const struct journal_domain *all, size_t n,
		       const char *vm, bool exact, bool gone,
		       const struct journal_domain **ret, char *list,
		       size_t size)
{
	unsigned found = 0;

	for (size_t i = 0; i < n; i++) {
		if (all[i].gone != gone || !fits(&all[i], vm, exact))
			continue;
		*ret = &all[i];
		add_candidate(list, size, found++, all[i].name, &all[i].uuid);
	}
	return found;
}

int query_find_vm(struct journal *journal, const char *vm,
		  struct journal_domain *ret, struct err *err)
{
	const struct journal_domain *found = NULL;
	struct journal_domain *all = NULL;
	char list[160] = "", shown[64];
	unsigned n_found = 0;
	size_t n = 0;
	int r = journal_get_domains(journal, NULL, &all, &n, err);

	if (r < 0)
		return r;
	for (int pass = 0; pass < 4 && n_found == 0; pass++)
		n_found = search(all, n, vm, pass < 2, pass % 2, &found, list,
				 sizeof(list));
	str_show(shown, sizeof(shown), vm);
	if (n_found == 1)
		*ret = *found;
	else if (n_found > 1)
		r = err_set(err, ERR_INVALID, 0, "'%s' may be %s", shown, list);
	else
		r = err_set(err, ERR_ABSENT, 0,
			    "there is no VM '%s' on this host", shown);
	free(all);
	return r;
}

static int add_vm(struct agent *agent, const struct journal_domain *d,
		  struct reply *reply, struct err *err)
{
	struct vm_row *row = reply_add_vm(reply);

	if (!row)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	row->domain = d->uuid;
	str_copy(row->name, sizeof(row->name), d->name);
	row->host = *journal_host(agent->journal);
	str_copy(row->host_name, sizeof(row->host_name),
		 agent->config.host_name);
	row->state = d->gone ? 0 : d->state;
	row->head = d->head;
	row->n_snapshots = d->n_snapshots;
	row->latest_ms = d->latest_ms;
	row->frozen = engine_owes_thaw(agent->engine, &d->uuid);
	return 0;
}

static int answer_vms(struct agent *agent, struct reply *reply, struct err *err)
{
	struct journal_domain *all = NULL;
	size_t n = 0;
	int r = journal_get_domains(agent->journal, NULL, &all, &n, err);

	/* What is undefined is shown as long as it has snapshots. */
	for (size_t i = 0; i < n && r == 0; i++)
		if (!all[i].gone || all[i].n_snapshots > 0)
			r = add_vm(agent, &all[i], reply, err);
	free(all);
	return r;
}

struct filter {
	const struct request *request;
	struct reply *reply;
};

static bool passes(const struct request *q, const struct snapshot *s)
{
	return (!q->label_like[0] || str_matches(q->label_like, s->label)) &&
	       (!q->tag[0] || tags_have(s->tags, q->tag)) &&
	       (!q->consistency || q->consistency == s->consistency) &&
	       (!q->origin || q->origin == s->origin) &&
	       (!q->since_ms || s->taken_ms >= q->since_ms) &&
	       (!q->until_ms || s->taken_ms <= q->until_ms);
}

static int take(void *arg, struct snapshot *snap, struct err *err)
{
	struct filter *filter = arg;
	struct snapshot *row;

	if (!passes(filter->request, snap))
		return 0;
	row = reply_add_snapshot(filter->reply);
	if (!row)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	*row = *snap;
	snap->disks = NULL;
	snap->n_disks = 0;
	return 0;
}

static int answer_snapshots(struct agent *agent, const struct request *request,
			    struct reply *reply, struct err *err)
{
	struct filter filter = { request, reply };
	struct journal_domain vm = { 0 };
	size_t drop;
	int r = 0;

	if (request->vm[0])
		r = query_find_vm(agent->journal, request->vm, &vm, err);
	else if (request->kind == REQUEST_TREE)
		r = err_set(err, ERR_INVALID, 0, "which VM?");
	if (r == 0 && request->host[0] &&
	    strcmp(request->host, agent->config.host_name) != 0)
		return 0;
	if (r == 0)
		r = journal_each_snapshot(agent->journal,
					  request->vm[0] ? &vm.uuid : NULL,
					  take, &filter, err);
	if (r == 0 && request->kind == REQUEST_TREE)
		r = add_vm(agent, &vm, reply, err);
	if (r < 0 || request->limit == 0 ||
	    reply->n_snapshots <= request->limit)
		return r;

	/* The newest so many: they are in order of time. */
	drop = reply->n_snapshots - request->limit;
	for (size_t i = 0; i < drop; i++)
		snapshot_done(&reply->snapshots[i]);
	memmove(reply->snapshots, reply->snapshots + drop,
		request->limit * sizeof(*reply->snapshots));
	reply->n_snapshots = request->limit;
	return 0;
}

struct pick {
	const char *want; /* label or prefix */
	bool by_label;
	bool is_head;
	struct id head;
	unsigned n;
	struct snapshot found;
	char list[200];
};

static int pick_one(void *arg, struct snapshot *snap, struct err *err)
{
	struct pick *pick = arg;
	bool is;

	(void)err;
	if (pick->is_head)
		is = id_equal(&snap->id, &pick->head);
	else if (pick->by_label)
		is = strcmp(snap->label, pick->want) == 0;
	else
		is = id_has_prefix(&snap->id, pick->want);
	if (!is)
		return 0;
	add_candidate(pick->list, sizeof(pick->list), pick->n++, snap->label,
		      &snap->id);
	snapshot_done(&pick->found);
	pick->found = *snap;
	snap->disks = NULL;
	snap->n_disks = 0;
	return 0;
}

int query_find_snapshot(struct journal *journal, const char *selector,
			struct snapshot *ret, struct err *err)
{
	struct journal_domain vm = { 0 };
	char name[MESSAGE_SELECTOR], shown[64];
	struct pick pick = { .want = selector };
	const char *at = strrchr(selector, '@');
	int r = 0;

	str_show(shown, sizeof(shown), selector);
	if (at && at[1]) {
		snprintf(name, sizeof(name), "%.*s", (int)(at - selector),
			 selector);
		r = query_find_vm(journal, name, &vm, err);
		pick.want = at + 1;
		pick.by_label = true;
		pick.is_head = strcmp(at + 1, "head") == 0;
		pick.head = vm.head;
	} else if (!id_is_prefix_text(selector)) {
		return err_set(
			err, ERR_INVALID, 0,
			"'%s' is not a snapshot: give VM@label, VM@head, or 4 or more digits of its id",
			shown);
	}
	if (r == 0)
		r = journal_each_snapshot(journal, at ? &vm.uuid : NULL,
					  pick_one, &pick, err);
	if (r == 0 && pick.n == 0)
		r = err_set(err, ERR_ABSENT, 0, "there is no snapshot '%s'",
			    shown);
	else if (r == 0 && pick.n > 1)
		r = err_set(err, ERR_INVALID, 0, "'%s' may be %s", shown,
			    pick.list);
	if (r == 0)
		*ret = pick.found;
	else
		snapshot_done(&pick.found);
	return r;
}

static int answer_show(struct agent *agent, const struct request *request,
		       struct reply *reply, struct err *err)
{
	struct snapshot *row = reply_add_snapshot(reply);

	if (!row)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	return query_find_snapshot(agent->journal, request->snapshot, row, err);
}

struct event_walk {
	struct agent *agent;
	const struct request *request;
	struct reply *reply;
	struct id vm;
	struct err err;
};

static bool take_event(void *arg, uint64_t seq, const void *body, size_t size)
{
	struct event_walk *walk = arg;
	const struct request *q = walk->request;
	struct event event = { 0 }, *row;

	walk->reply->after = seq;
	if (codec_unpack_event(body, size, &event, &walk->err) < 0)
		return false;
	if ((!id_is_null(&walk->vm) && !id_equal(&walk->vm, &event.domain)) ||
	    (q->since_ms && event.time_ms < q->since_ms) ||
	    (q->until_ms && event.time_ms > q->until_ms)) {
		event_done(&event);
		return true;
	}
	event.seq = seq;
	event.host = *journal_host(walk->agent->journal);
	str_copy(event.host_name, sizeof(event.host_name),
		 walk->agent->config.host_name);
	row = reply_add_event(walk->reply);
	if (row)
		*row = event;
	else
		event_done(&event);
	return row &&
	       (!q->after || !q->limit || walk->reply->n_events < q->limit);
}

static int answer_events(struct agent *agent, const struct request *request,
			 struct reply *reply, struct err *err)
{
	struct event_walk walk = { agent, request, reply, { { 0 } }, { 0 } };
	struct journal_domain vm;
	size_t drop;
	int r = 0;

	reply->after = request->after;
	if (request->vm[0]) {
		r = query_find_vm(agent->journal, request->vm, &vm, err);
		if (r < 0)
			return r;
		walk.vm = vm.uuid;
	}
	r = journal_each_event(agent->journal, request->after, take_event,
			       &walk, err);
	if (r < 0)
		return r;
	if (walk.err.code)
		return err_set(err, walk.err.code, 0, "%s", walk.err.text);
	if (request->after || !request->limit ||
	    reply->n_events <= request->limit)
		return 0;
	drop = reply->n_events - request->limit;
	for (size_t i = 0; i < drop; i++)
		event_done(&reply->events[i]);
	memmove(reply->events, reply->events + drop,
		request->limit * sizeof(*reply->events));
	reply->n_events = request->limit;
	return 0;
}

static void count(struct agent *agent, uint32_t *ret_vms, uint32_t *ret_snaps)
{
	struct journal_domain *all = NULL;
	size_t n = 0;

	*ret_vms = *ret_snaps = 0;
	if (journal_get_domains(agent->journal, NULL, &all, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		*ret_vms += !all[i].gone;
		*ret_snaps += all[i].n_snapshots;
	}
	free(all);
}

static int answer_hosts(struct agent *agent, struct reply *reply,
			struct err *err)
{
	struct host_row *row = reply_add_host(reply);

	if (!row)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	row->host = *journal_host(agent->journal);
	str_copy(row->name, sizeof(row->name), agent->config.host_name);
	str_copy(row->version, sizeof(row->version), PACKAGE_VERSION);
	row->connected = true;
	row->seen_ms = clock_wall_ms();
	row->epoch = journal_epoch(agent->journal);
	row->seq = journal_acked_seq(agent->journal);
	row->last_seq = journal_last_seq(agent->journal);
	count(agent, &row->n_vms, &row->n_snapshots);
	return 0;
}

static int answer_status(struct agent *agent, struct reply *reply,
			 struct err *err)
{
	struct engine_counts counts;
	uint32_t vms, snaps;
	int64_t stuck = 0;
	char id[ID_TEXT];
	int r = journal_count_ops(agent->journal, OP_STUCK, &stuck, err);

	if (r < 0)
		return r;
	engine_count(agent->engine, &counts);
	count(agent, &vms, &snaps);
	r |= reply_add_fact(reply, "service", "snaptree-agentd");
	r |= reply_add_fact(reply, "version", "%s", PACKAGE_VERSION);
	r |= reply_add_fact(reply, "host", "%s", agent->config.host_name);
	r |= reply_add_fact(reply, "host-id", "%s",
			    id_format(journal_host(agent->journal), id));
	r |= reply_add_fact(reply, "libvirt", "%s",
			    counts.libvirt_up ? "connected" : "not connected");
	r |= reply_add_fact(reply, "collector", "%s",
			    !agent->uplink ? "none configured"
			    : uplink_is_connected(agent->uplink)
				    ? "connected"
				    : "not connected");
	r |= reply_add_fact(
		reply, "events-waiting", "%llu",
		(unsigned long long)(journal_last_seq(agent->journal) -
				     journal_acked_seq(agent->journal)));
	r |= reply_add_fact(reply, "operations-running", "%u", counts.running);
	r |= reply_add_fact(reply, "operations-waiting", "%u", counts.waiting);
	r |= reply_add_fact(reply, "operations-stuck", "%lld",
			    (long long)stuck);
	r |= reply_add_fact(reply, "thaws-owed", "%u", counts.owed);
	r |= reply_add_fact(reply, "vms", "%u", vms);
	r |= reply_add_fact(reply, "snapshots", "%u", snaps);
	return r < 0 ? err_set(err, ERR_NOMEM, 0, "out of memory") : 0;
}

int query_answer(struct agent *agent, const struct request *request,
		 struct reply *reply, struct err *err)
{
	switch (request->kind) {
	case REQUEST_VMS:
		return answer_vms(agent, reply, err);
	case REQUEST_TREE:
	case REQUEST_LIST:
		return answer_snapshots(agent, request, reply, err);
	case REQUEST_SHOW:
		return answer_show(agent, request, reply, err);
	case REQUEST_EVENTS:
		return answer_events(agent, request, reply, err);
	case REQUEST_HOSTS:
		return answer_hosts(agent, reply, err);
	case REQUEST_STATUS:
		return answer_status(agent, reply, err);
	default:
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "this agent does not know that request");
	}
}
