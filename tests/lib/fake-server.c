/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fake-server.c - an agent or collector with canned answers, for test-cli.py
 *
 *	fake-server PATH | tcp://ADDRESS:PORT
 *
 * Prints where it listens and answers until it is killed.  What it does with a
 * request follows from the VM's name in it, see tree() and misbehave().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/str.h"
#include "proto/codec.h"
#include "proto/control.h"
#include "proto/link.h"
#include "proto/message.h"

#define T0 INT64_C(1767322980000) /* 2026-01-02 03:03 UTC */
#define MANY 1000

/* What VMS tells of; their ids have the seeds 1, 2, 3. */
static const char *const vms[] = { "web-1", "empty", "frozen" };

static struct control *control;
static struct link *the_link;

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "fake-server: %s: %s\n", what, err->text);
	exit(99);
}

/* Snapshot k of the tree `seed`: made k minutes after T0. */
static struct id make_id(unsigned seed, unsigned k)
{
	uint64_t ms = (uint64_t)T0 + k * 60000u;
	struct id id = { { 0 } };

	for (int i = 0; i < 6; i++)
		id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
	id.b[6] = 0x70;
	id.b[8] = 0x80;
	id.b[12] = (uint8_t)seed;
	id.b[14] = (uint8_t)(k >> 8);
	id.b[15] = (uint8_t)k;
	return id;
}

static struct id make_vm_id(unsigned seed)
{
	struct id id = { { 0x8d, 0x3e, 0, 0, 0, 0, 0x40, 0, 0x80 } };

	id.b[2] = (uint8_t)seed;
	return id;
}

static void add_disk(struct snapshot *snap, const char *target, unsigned k)
{
	struct snapshot_disk *disk;

	if (snapshot_add_disk(snap, &disk, NULL) < 0)
		abort();
	str_copy(disk->target, sizeof(disk->target), target);
	disk->role = target[2] == 'a' ? ROLE_SYSTEM : ROLE_DATA;
	str_copy(disk->driver, sizeof(disk->driver), "qcow2-external");
	snprintf(disk->source, sizeof(disk->source),
		 "/var/lib/libvirt/images/web-1-%s.qcow2", target);
	snprintf(disk->object, sizeof(disk->object),
		 "/var/lib/libvirt/images/web-1-%s.018f3c5e7a2b%04u.qcow2",
		 target, k);
	disk->size_bytes = INT64_C(21474836480);
	disk->cut_ms = 3;
}

static struct snapshot *add(struct reply *reply, const char *vm, unsigned seed,
			    unsigned k, int parent, const char *label)
{
	struct snapshot *snap = reply_add_snapshot(reply);

	if (!snap)
		abort();
	snapshot_init(snap);
	snap->id = make_id(seed, k);
	snap->domain = make_vm_id(seed);
	snap->host = make_vm_id(200);
	if (parent >= 0)
		snap->parent = make_id(seed, (unsigned)parent);
	str_copy(snap->domain_name, sizeof(snap->domain_name), vm);
	str_copy(snap->label, sizeof(snap->label), label);
	snap->origin = k % 2 ? ORIGIN_MANUAL : ORIGIN_HOOK;
	snap->consistency = CONSISTENCY_FROZEN;
	snap->state = SNAPSHOT_PRESENT;
	snap->taken_ms = T0 + k * 60000;
	snap->frozen_ms = 34;
	snap->cut_ms = 5;
	add_disk(snap, "vda", k);
	return snap;
}

static void web(struct reply *reply, const char *vm)
{
	struct snapshot *snap;

	add(reply, vm, 1, 0, -1, "base");
	snap = add(reply, vm, 1, 1, 0, "before-upgrade");
	add_disk(snap, "vdb", 1);
	str_copy(snap->tags, sizeof(snap->tags), "release v1.2");
	str_copy(snap->description, sizeof(snap->description),
		 "before the upgrade to 12");
	snap->pinned = strcmp(vm, "pinned") == 0;
	snap = add(reply, vm, 1, 2, 1, "experiment");
	snap->consistency = CONSISTENCY_CRASH;
	str_copy(snap->note, sizeof(snap->note),
		 "not frozen: the guest agent "
		 "did not answer within 5 s, so this is as after a power cut");
	snap->frozen_ms = -1;
	add(reply, vm, 1, 3, 2, "");
	add(reply, vm, 1, 4, 1, "daily-1");
	add(reply, vm, 1, 5, 4, "daily-2");
}

static void shaped(struct reply *reply, const char *vm)
{
	char label[32];

	for (int i = 0; i < MANY; i++) {
		int parent = i - 1;

		if (strcmp(vm, "wide") == 0)
			parent = i ? 0 : -1;
		else if (strcmp(vm, "comb") == 0)
			parent = i < 2 ? i - 1 : i % 2 ? i - 1 : i - 2;
		else if (strcmp(vm, "roots") == 0)
			parent = -1;
		else if (strcmp(vm, "loop") == 0 && i == 0)
			parent = MANY - 1;
		snprintf(label, sizeof(label), "s%d", i);
		add(reply, vm, 2, (unsigned)i, parent, label);
	}
}

static void put_vm(struct reply *reply, const char *vm, unsigned seed)
{
	struct vm_row *row = reply_add_vm(reply);

	if (!row)
		abort();
	row->domain = make_vm_id(seed);
	str_copy(row->name, sizeof(row->name), vm);
	row->host = make_vm_id(200);
	str_copy(row->host_name, sizeof(row->host_name), "kvm-3");
	row->state = DOMAIN_RUNNING;
	row->n_snapshots = (uint32_t)reply->n_snapshots;
	row->frozen = strcmp(vm, "frozen") == 0;
	if (reply->n_snapshots > 0) {
		row->head = reply->snapshots[reply->n_snapshots - 1].id;
		row->latest_ms = T0;
	}
}

static void tree(struct reply *reply, const char *vm)
{
	char uuid[ID_TEXT];

	for (unsigned i = 0; i < 3; i++) {
		struct id id = make_vm_id(i + 1);

		if (strcmp(vm, id_format(&id, uuid)) == 0)
			vm = vms[i];
	}
	if (strcmp(vm, "web-1") == 0 || strcmp(vm, "pinned") == 0) {
		web(reply, vm);
		put_vm(reply, vm, 1);
		return;
	}
	if (strcmp(vm, "orphan") == 0) {
		add(reply, vm, 3, 1, 0, "a");
		add(reply, vm, 3, 2, 0, "b");
		add(reply, vm, 3, 3, -1, "other-root");
	} else if (strcmp(vm, "wörld-名前") == 0) {
		add(reply, vm, 4, 0, -1, "größe-名前");
	} else if (strcmp(vm, "bidi") == 0) {
		add(reply, vm, 4, 0, -1, "a\xe2\x80\xaegnp.exe");
	} else if (strcmp(vm, "evil") == 0) {
		add(reply, vm, 4, 0, -1, "spoil-me");
	} else if (strcmp(vm, "empty") != 0 && strcmp(vm, "frozen") != 0) {
		shaped(reply, vm);
	}
	put_vm(reply, vm, 2);
}

static void add_event(struct reply *reply, unsigned n, enum event_kind kind,
		      const char *text)
{
	struct event *event = reply_add_event(reply);

	if (!event)
		abort();
	event->seq = n;
	event->time_ms = T0 + n * 1000;
	event->kind = kind;
	event->host = make_vm_id(200);
	str_copy(event->host_name, sizeof(event->host_name), "kvm-3");
	event->domain = make_vm_id(1);
	str_copy(event->domain_name, sizeof(event->domain_name), "web-1");
	event->op = make_id(9, n);
	if (kind == EVENT_TAKEN)
		event->snapshot = make_id(1, n);
	if (kind == EVENT_FAILED)
		event->code = ERR_GUEST;
	str_copy(event->text, sizeof(event->text), text);
}

static void events(struct reply *reply)
{
	add_event(reply, 1, EVENT_REQUESTED, "");
	add_event(reply, 2, EVENT_TAKEN, "frozen for 34 ms");
	add_event(
		reply, 3, EVENT_FAILED,
		"cannot freeze 'web-1': the guest agent did not answer within "
		"5 s, and the request wants a frozen snapshot or none");
	reply->after = 1042;
}

static void hosts(struct reply *reply)
{
	for (unsigned i = 0; i < 2; i++) {
		struct host_row *row = reply_add_host(reply);

		if (!row)
			abort();
		row->host = make_vm_id(200 + i);
		snprintf(row->name, sizeof(row->name), "kvm-%u", 3 + i);
		strcpy(row->version, "0.1.0");
		row->connected = i == 0;
		row->seen_ms = T0;
		row->seq = 40;
		row->last_seq = 40 + 2 * i;
		row->n_vms = 3;
		row->n_snapshots = 17;
	}
}

/* Says back what the request asked for, so that a test sees each option. */
static void echo(struct reply *reply, const struct request *q)
{
	reply_add_fact(reply, "version", "0.1.0");
	reply_add_fact(reply, "events_waiting", "%d", 14);
	reply_add_fact(reply, "request", "%s", request_kind_word(q->kind));
}

static void echo_filters(struct reply *reply, const struct request *q)
{
	snprintf(reply->text, sizeof(reply->text),
		 "vm=%.40s host=%.40s label=%s tag=%.60s consistency=%d "
		 "origin=%d since=%lld until=%lld after=%llu limit=%u",
		 q->vm, q->host, q->label_like, q->tag, (int)q->consistency,
		 (int)q->origin, (long long)q->since_ms, (long long)q->until_ms,
		 (unsigned long long)q->after, q->limit);
}

static void create(struct reply *reply, const struct request *q)
{
	struct snapshot *snap = add(reply, q->vm, 1, 9, 5, q->label);

	str_copy(snap->tags, sizeof(snap->tags), q->tags);
	snprintf(snap->description, sizeof(snap->description),
		 "%.100s disks=%.80s freeze=%d max=%lld", q->description,
		 q->disks, (int)q->freeze, (long long)q->max_frozen_ms);
	if (strcmp(q->vm, "noagent") == 0) {
		snap->consistency = CONSISTENCY_CRASH;
		snap->frozen_ms = -1;
		strcpy(snap->note, "not frozen: no guest agent");
	}
	reply->op = q->op;
}

static void fail(struct reply *reply, const char *vm)
{
	/* "fail-5": an error with that code */
	err_set(&reply->err, (enum err_code)atoi(vm + 5), 0,
		"'%s' fails as the test wants it", vm);
}

static void show(struct reply *reply, const char *selector)
{
	web(reply, "web-1");
	for (size_t i = 0; i < reply->n_snapshots; i++)
		if (i != 1)
			snapshot_done(&reply->snapshots[i]);
	reply->snapshots[0] = reply->snapshots[1];
	reply->n_snapshots = 1;
	if (strcmp(selector, "web-1@nothing") == 0)
		err_set(&reply->err, ERR_ABSENT, 0, "no snapshot '%s'",
			selector);
}

/* Says back what was to be changed; "same" in a selector: nothing was. */
static void edit(struct reply *reply, const struct request *q)
{
	struct snapshot *snap;

	if (strncmp(q->snapshot, "fail-", 5) == 0) {
		fail(reply, q->snapshot);
		return;
	}
	show(reply, q->snapshot);
	snap = &reply->snapshots[0];
	snap->pinned = q->edit == EDIT_PIN;
	str_copy(snap->label, sizeof(snap->label), q->label);
	str_copy(snap->tags, sizeof(snap->tags), q->tags);
	snprintf(snap->description, sizeof(snap->description),
		 "%.60s edit=%u at %.100s", q->description, q->edit,
		 q->snapshot);
	if (strstr(q->snapshot, "same"))
		strcpy(reply->text, "nothing to change");
}

static void answer(const struct request *q, struct reply *reply)
{
	if (strncmp(q->vm, "fail-", 5) == 0) {
		fail(reply, q->vm);
		return;
	}
	switch (q->kind) {
	case REQUEST_VMS:
		for (unsigned i = 0; i < 3; i++) {
			put_vm(reply, vms[i], i + 1);
		}
		break;
	case REQUEST_TREE:
		tree(reply, q->vm);
		break;
	case REQUEST_LIST:
		echo_filters(reply, q);
		if (strcmp(q->vm, "nothing") != 0)
			tree(reply, q->vm[0] ? q->vm : "web-1");
		break;
	case REQUEST_SHOW:
		show(reply, q->snapshot);
		break;
	case REQUEST_EVENTS:
		echo_filters(reply, q);
		events(reply);
		break;
	case REQUEST_HOSTS:
		hosts(reply);
		break;
	case REQUEST_STATUS:
		echo(reply, q);
		break;
	case REQUEST_CREATE:
		create(reply, q);
		break;
	case REQUEST_THAW:
		strcpy(reply->text, "was frozen, is thawed");
		break;
	case REQUEST_EDIT:
		edit(reply, q);
		break;
	}
}

/* True when nothing is to be sent, or `send` was told what to. */
static bool misbehave(const struct request *q, struct control_peer *peer)
{
	if (strcmp(q->vm, "slow") == 0)
		return true;
	if (!peer)
		return false;
	if (strcmp(q->vm, "hangup") == 0) {
		control_close(peer);
		return true;
	}
	if (strcmp(q->vm, "garbage") == 0) {
		control_send(peer, CONTROL_MESSAGE, "\xff\xff\xff", 3, NULL);
		return true;
	}
	return false;
}

/* The bytes of a label the codec would refuse to pack are put in here. */
static void spoil(void *data, size_t size)
{
	unsigned char *at = memmem(data, size, "spoil-me", 8);

	if (at)
		memcpy(at, "\033[31mX\n\r", 8);
}

static void send_one(struct control_peer *peer, const struct link_peer *far,
		     struct reply *reply)
{
	struct message message = { .kind = MESSAGE_REPLY };
	struct err err = { 0 };
	void *data;
	size_t size;

	message.reply = *reply;
	if (codec_pack(&message, &data, &size, &err) < 0)
		die("cannot pack", &err);
	spoil(data, size);
	if (peer)
		control_send(peer, CONTROL_MESSAGE, data, size, NULL);
	else
		link_send(the_link, far, data, size, NULL);
	free(data);
}

static void serve(struct control_peer *peer, const struct link_peer *far,
		  const void *data, size_t size)
{
	struct reply reply = { 0 }, progress = { 0 };
	struct message message;
	struct err err = { 0 };

	if (codec_unpack(data, size, &message, &err) < 0)
		die("cannot unpack", &err);
	if (message.kind == MESSAGE_REQUEST &&
	    !misbehave(&message.request, peer)) {
		progress.id = reply.id = message.request.id;
		strcpy(progress.text, "freezing the guest");
		if (message.request.kind == REQUEST_CREATE)
			send_one(peer, far, &progress);
		answer(&message.request, &reply);
		reply.last = true;
		send_one(peer, far, &reply);
		reply_done(&reply);
	}
	message_done(&message);
}

static void from_control(void *owner, struct control_peer *peer,
			 enum control_kind kind, const void *data, size_t size)
{
	(void)owner;
	if (kind == CONTROL_MESSAGE)
		serve(peer, NULL, data, size);
}

static void peer_closed(void *owner, struct control_peer *peer)
{
	(void)owner;
	(void)peer;
}

static void from_link(void *owner, const struct link_peer *peer,
		      const void *data, size_t size)
{
	(void)owner;
	serve(NULL, peer, data, size);
}

int main(int argc, char **argv)
{
	static const struct control_ops control_ops = { from_control,
							peer_closed };
	static const struct link_ops link_ops = { .received = from_link };
	struct link_config config = { .listen = true, .queue = 1000 };
	struct err err = { 0 };
	struct loop *loop;
	int r;

	if (argc != 2 || loop_new(&loop, &err) < 0)
		return 99;
	if (argv[1][0] == '/') {
		r = control_new(&control, loop, argv[1], -1, &control_ops, NULL,
				&err);
	} else {
		config.endpoint = argv[1];
		r = link_new(&the_link, loop, &config, &link_ops, NULL, &err);
	}
	if (r < 0)
		die("cannot listen", &err);
	printf("%s\n", control ? argv[1] : link_endpoint(the_link));
	fflush(stdout);
	r = loop_run(loop, &err);
	control_free(control);
	link_free(the_link);
	loop_free(loop);
	return r < 0;
}
