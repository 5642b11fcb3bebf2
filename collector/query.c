/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* query.c - requests -> replies: VMs, trees, hosts, status */
#include "collector/query.h"

#include <config.h> /* not "": that would be collector/config.h */

#include "base/clock.h"
#include "collector/answer.h"
#include "collector/ingest.h"
#include "collector/select.h"
#include "collector/store.h"
#include "proto/codec.h"

/* More than the packed size of a VM or host row ever is. */
#define ROW_BYTES 1024

static bool put_vm(struct answer *a, const struct vm_row *row)
{
	struct vm_row *to;

	if (!answer_room(a, ROW_BYTES))
		return false;
	to = reply_add_vm(&a->reply);
	if (to)
		*to = *row;
	return answer_put(a, to, ROW_BYTES);
}

/* --- VMS ------------------------------------------------------------------ */

struct vm_search {
	struct answer *answer;
	int64_t host; /* row; 0: any */
};

static bool each_vm(void *arg, const struct store_vm *vm)
{
	struct vm_search *s = arg;

	if (s->host && vm->host != s->host)
		return true;
	return put_vm(s->answer, &vm->row);
}

static int answer_vms(struct answer *a, struct err *err)
{
	struct vm_search s = { .answer = a };
	struct store_host host;
	struct store_vm vm;
	int r = answer_find_host(a, &host, err);

	if (r < 0)
		return r;
	s.host = host.host;
	if (!a->request->vm[0])
		return store_all_vms(a->query->store, each_vm, &s, err);
	r = select_vm(a->query->store, a->request->vm, &vm, err);
	if (r == 0)
		each_vm(&s, &vm);
	return r;
}

/* --- TREE, SHOW ------------------------------------------------------------ */

static bool each_node(void *arg, const struct store_record *record)
{
	struct answer *a = arg;
	struct snapshot snap = { 0 };

	if (codec_unpack_snapshot(record->body, record->size, &snap, NULL) <
	    0) {
		answer_note(a, "a snapshot cannot be read and is left out");
		return true;
	}
	return answer_snapshot(a, &snap, record->size);
}

static int answer_tree(struct answer *a, struct err *err)
{
	struct store_vm vm;
	int r = select_vm(a->query->store, a->request->vm, &vm, err);

	if (r == 0 && put_vm(a, &vm.row))
		r = store_tree(a->query->store, vm.vm, each_node, a, err);
	return r;
}

static int answer_show(struct answer *a, struct err *err)
{
	struct snapshot snap = { 0 };
	struct store_vm vm;
	int r = select_snapshot(a->query->store, a->request->snapshot, &snap,
				&vm, err);

	if (r < 0)
		return r;
	if (put_vm(a, &vm.row))
		answer_snapshot(a, &snap, 0);
	else
		snapshot_done(&snap);
	return 0;
}

/* --- HOSTS ------------------------------------------------------------------ */

static bool each_host(void *arg, const struct store_host *host)
{
	struct answer *a = arg;
	struct host_row *to;

	if (!answer_room(a, ROW_BYTES))
		return false;
	to = reply_add_host(&a->reply);
	if (to) {
		*to = host->row;
		to->connected = ingest_is_connected(a->query->ingest, &to->host,
						    &to->seen_ms);
	}
	return answer_put(a, to, ROW_BYTES);
}

static int answer_hosts(struct answer *a, struct err *err)
{
	return store_all_hosts(a->query->store, each_host, a, err);
}

/* --- STATUS ----------------------------------------------------------------- */

static int add_number(struct reply *reply, const char *key, int64_t value)
{
	return reply_add_fact(reply, key, "%lld", (long long)value);
}

static int answer_status(struct answer *a, struct err *err)
{
	const struct query *q = a->query;
	const struct ingest_counts *in = ingest_counts(q->ingest);
	struct store_counts n;
	int r = store_count(q->store, &n, err);

	if (r < 0)
		return r;
	const struct {
		const char *key;
		int64_t value;
	} facts[] = {
		{ "uptime-seconds", (clock_ms() - q->started_ms) / 1000 },
		{ "hosts", n.hosts },
		{ "hosts-connected", ingest_connected(q->ingest) },
		{ "vms", n.vms },
		{ "snapshots", n.snapshots },
		{ "events", n.events },
		{ "database-bytes", n.bytes },
		{ "events-committed", (int64_t)in->committed },
		{ "events-duplicate", (int64_t)in->duplicates },
		{ "events-rejected", (int64_t)in->unreadable },
		{ "event-gaps", (int64_t)in->gaps },
		{ "commits", (int64_t)in->commits },
		{ "commits-failed", (int64_t)in->failures },
		{ "messages-of-strangers", (int64_t)in->strangers },
		{ "messages-malformed", (int64_t)q->n_malformed },
	};

	reply_add_fact(&a->reply, "program", "snaptree-collectord");
	r = reply_add_fact(&a->reply, "version", "%s", PACKAGE_VERSION);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]) && r == 0; i++)
		r = add_number(&a->reply, facts[i].key, facts[i].value);
	return r < 0 ? err_set(err, ERR_NOMEM, 0, "out of memory") : 0;
}

/* --- all --------------------------------------------------------------------- */

static int no_orders(struct answer *a, struct err *err)
{
	(void)a;
	return err_set(
		err, ERR_UNSUPPORTED, 0,
		"the collector does not take orders yet; run this on the host of the VM");
}

static int dispatch(struct answer *a, struct err *err)
{
	switch (a->request->kind) {
	case REQUEST_VMS:
		return answer_vms(a, err);
	case REQUEST_TREE:
		return answer_tree(a, err);
	case REQUEST_LIST:
		return query_list(a, err);
	case REQUEST_SHOW:
		return answer_show(a, err);
	case REQUEST_EVENTS:
		return query_events(a, err);
	case REQUEST_HOSTS:
		return answer_hosts(a, err);
	case REQUEST_STATUS:
		return answer_status(a, err);
	case REQUEST_CREATE:
	case REQUEST_THAW:
	case REQUEST_EDIT:
		return no_orders(a, err);
	default:
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"the collector does not know this kind of request:"
			" is it older than the program that asks?");
	}
}

void query_answer(const struct query *query, const struct request *request,
		  query_send *send, void *arg)
{
	struct answer a = {
		.query = query,
		.request = request,
		.send = send,
		.arg = arg,
		.deadline_ms = clock_ms() + QUERY_MS,
	};
	struct err err = { 0 };

	if (dispatch(&a, &err) < 0)
		a.err = err;
	answer_end(&a);
}
