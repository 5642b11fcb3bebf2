/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * events.h - hosts, VMs, snapshots and events to feed a collector with
 *
 * Everything is static: a test is one file.  Ids are made of a kind and a
 * number, so that a test can name them again.
 */
#ifndef TESTS_LIB_EVENTS_H
#define TESTS_LIB_EVENTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/event.h"
#include "proto/codec.h"
#include "proto/message.h"
#include "tests/lib/test.h"

enum { TEST_HOST = 0xa0, TEST_VM = 0xb0, TEST_SNAP = 0xc0 };

/* "cc000000-0000-7000-8000-00000000NNNN" for TEST_SNAP + 0xc and so on. */
TEST_UNUSED static struct id test_id(unsigned kind, unsigned n)
{
	struct id id = { { (uint8_t)kind, 0, 0, 0, 0, 0, 0x70, 0, 0x80 } };

	for (int i = 0; i < 4; i++)
		id.b[12 + i] = (uint8_t)(n >> (24 - 8 * i));
	return id;
}

TEST_UNUSED static struct hello test_hello(unsigned host, uint64_t epoch,
					   uint64_t last_seq)
{
	struct hello hello = { .host = test_id(TEST_HOST, host),
			       .epoch = epoch,
			       .last_seq = last_seq };

	snprintf(hello.host_name, sizeof(hello.host_name), "host-%u", host);
	str_copy(hello.version, sizeof(hello.version), "0.1");
	return hello;
}

TEST_UNUSED static struct event test_event(enum event_kind kind, unsigned vm,
					   int64_t time_ms)
{
	struct event event = { .kind = kind, .time_ms = time_ms };

	if (vm) {
		event.domain = test_id(TEST_VM, vm);
		snprintf(event.domain_name, sizeof(event.domain_name), "vm-%u",
			 vm);
	}
	return event;
}

/* A TAKEN; `parent` 0 makes a root.  Its record is the caller's: event_done(). */
TEST_UNUSED static struct event test_taken(unsigned vm, unsigned n,
					   unsigned parent, int64_t time_ms)
{
	struct event event = test_event(EVENT_TAKEN, vm, time_ms);
	struct snapshot *snap = malloc(sizeof(*snap));
	struct snapshot_disk *disk;

	assert_non_null(snap);
	snapshot_init(snap);
	snap->id = test_id(TEST_SNAP, n);
	snap->domain = event.domain;
	if (parent)
		snap->parent = test_id(TEST_SNAP, parent);
	snprintf(snap->label, sizeof(snap->label), "snap-%u", n);
	str_copy(snap->domain_name, sizeof(snap->domain_name),
		 event.domain_name);
	snap->origin = ORIGIN_MANUAL;
	snap->consistency = CONSISTENCY_FROZEN;
	snap->state = SNAPSHOT_PRESENT;
	snap->taken_ms = time_ms;
	assert_int_equal(snapshot_add_disk(snap, &disk, NULL), 0);
	str_copy(disk->target, sizeof(disk->target), "vda");
	str_copy(disk->driver, sizeof(disk->driver), "qcow2-external");
	str_copy(disk->source, sizeof(disk->source), "/srv/vm/disk.qcow2");
	str_copy(disk->active, sizeof(disk->active), "/srv/vm/disk.1.qcow2");
	event.snapshot = snap->id;
	event.record = snap;
	return event;
}

/* Packs and releases the event. */
TEST_UNUSED static struct event_item test_item(uint64_t seq, struct event event)
{
	struct event_item item = { .seq = seq };
	struct err err = { 0 };

	assert_ok(codec_pack_event(&event, &item.body, &item.size, &err), err);
	event_done(&event);
	return item;
}

#endif
