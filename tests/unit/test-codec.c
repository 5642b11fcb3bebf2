/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-codec.c - round trips, and bytes that are not what they should be */
#include "proto/codec.h"

#include <limits.h>

#include "proto/message.h"
#include "tests/lib/test.h"

static void fill_text(char *text, size_t size)
{
	memset(text, 'x', size - 1);
	memcpy(text, "\xc3\xa9", 2);
	text[size - 1] = '\0';
}
#define FILL(text) fill_text(text, sizeof(text))

static struct id filled_id(uint8_t first)
{
	struct id id;

	for (uint8_t i = 0; i < 16; i++)
		id.b[i] = (uint8_t)(first + i);
	return id;
}

static void fill_disk(struct snapshot_disk *disk)
{
	FILL(disk->target);
	disk->role = ROLE_DATA;
	FILL(disk->driver);
	FILL(disk->source);
	FILL(disk->object);
	FILL(disk->name);
	FILL(disk->active);
	disk->size_bytes = INT64_MAX;
	disk->cut_ms = -1;
}

static void fill_snapshot(struct snapshot *snap)
{
	struct snapshot_disk *disk;

	snapshot_init(snap);
	snap->id = filled_id(1);
	snap->domain = filled_id(2);
	snap->parent = filled_id(3);
	snap->host = filled_id(4);
	FILL(snap->domain_name);
	FILL(snap->label);
	FILL(snap->description);
	FILL(snap->tags);
	FILL(snap->note);
	snap->origin = ORIGIN_CENTRAL;
	snap->consistency = CONSISTENCY_OFFLINE;
	snap->state = SNAPSHOT_RETIRING;
	snap->pinned = true;
	snap->taken_ms = snap->cut_ms = INT64_MAX;
	snap->sync_ms = 0;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(snapshot_add_disk(snap, &disk, NULL), 0);
		fill_disk(disk);
	}
}

static void fill_event(struct event *event)
{
	event->seq = UINT64_MAX;
	event->host = filled_id(5);
	FILL(event->host_name);
	event->time_ms = INT64_MAX;
	event->kind = EVENT_GATE_PASSED;
	event->domain = filled_id(6);
	FILL(event->domain_name);
	event->domain_state = DOMAIN_PAUSED;
	event->op = filled_id(7);
	event->snapshot = filled_id(8);
	event->code = ERR_UNSUPPORTED;
	FILL(event->text);
	event->record = calloc(1, sizeof(*event->record));
	fill_snapshot(event->record);
}

static void fill_request(struct request *request)
{
	request->id = UINT64_MAX;
	request->kind = REQUEST_VMS;
	FILL(request->vm);
	FILL(request->snapshot);
	FILL(request->label);
	FILL(request->description);
	FILL(request->tags);
	FILL(request->disks);
	request->freeze = FREEZE_NEVER;
	request->max_frozen_ms = INT64_MAX;
	request->op = filled_id(9);
	FILL(request->host);
	FILL(request->label_like);
	FILL(request->tag);
	request->consistency = CONSISTENCY_FROZEN;
	request->origin = ORIGIN_SAFETY;
	request->since_ms = request->until_ms = INT64_MAX;
	request->after = UINT64_MAX;
	request->limit = UINT32_MAX;
}

static void fill_vm(struct vm_row *vm)
{
	vm->domain = filled_id(10);
	FILL(vm->name);
	vm->host = filled_id(11);
	FILL(vm->host_name);
	vm->state = DOMAIN_RUNNING;
	vm->head = filled_id(12);
	vm->n_snapshots = UINT32_MAX;
	vm->latest_ms = INT64_MAX;
	vm->frozen = true;
}

static void fill_host(struct host_row *host)
{
	host->host = filled_id(13);
	FILL(host->name);
	FILL(host->version);
	host->connected = true;
	host->seen_ms = INT64_MAX;
	host->epoch = host->seq = host->last_seq = UINT64_MAX;
	host->n_vms = host->n_snapshots = UINT32_MAX;
}

static void fill_reply(struct reply *reply)
{
	reply->id = reply->after = UINT64_MAX;
	reply->last = true;
	reply->err.code = ERR_PROTO;
	reply->err.sys = INT_MIN;
	FILL(reply->err.text);
	FILL(reply->text);
	reply->op = filled_id(14);
	for (int i = 0; i < 2; i++) {
		fill_snapshot(reply_add_snapshot(reply));
		fill_vm(reply_add_vm(reply));
		fill_event(reply_add_event(reply));
		fill_host(reply_add_host(reply));
		assert_int_equal(reply_add_fact(reply, "k", "v%d", i), 0);
		FILL(reply->facts[i].key);
		FILL(reply->facts[i].value);
	}
}

static void fill_events(struct events *events)
{
	events->host = filled_id(15);
	events->epoch = UINT64_MAX;
	events->n_items = 3;
	events->items = calloc(3, sizeof(*events->items));
	for (size_t i = 0; i < 3; i++) {
		events->items[i].seq = UINT64_MAX - 2 + i;
		events->items[i].size = i * 100;
		events->items[i].body = i ? calloc(i, 100) : NULL;
	}
}

static void fill_message(struct message *message, enum message_kind kind)
{
	memset(message, 0, sizeof(*message));
	message->kind = kind;
	if (kind == MESSAGE_HELLO) {
		message->hello.host = filled_id(16);
		FILL(message->hello.host_name);
		FILL(message->hello.version);
		message->hello.epoch = message->hello.last_seq = UINT64_MAX;
	} else if (kind == MESSAGE_WELCOME) {
		message->welcome.epoch = message->welcome.seq = UINT64_MAX;
	} else if (kind == MESSAGE_ACK) {
		message->ack.epoch = message->ack.seq = UINT64_MAX;
	} else if (kind == MESSAGE_EVENTS) {
		fill_events(&message->events);
	} else if (kind == MESSAGE_REQUEST) {
		fill_request(&message->request);
	} else if (kind == MESSAGE_REPLY) {
		fill_reply(&message->reply);
	}
}

static void check_snapshot(const struct snapshot *a, const struct snapshot *b)
{
	struct snapshot x = *a, y = *b;

	assert_int_equal(x.n_disks, y.n_disks);
	if (x.n_disks > 0)
		assert_memory_equal(x.disks, y.disks,
				    x.n_disks * sizeof(*x.disks));
	x.disks = y.disks = NULL;
	assert_memory_equal(&x, &y, sizeof(x));
}

static void check_event(const struct event *a, const struct event *b)
{
	assert_int_equal(a->record != NULL, b->record != NULL);
	if (a->record)
		check_snapshot(a->record, b->record);
	assert_memory_equal(a, b, offsetof(struct event, record));
}

static void check_reply(const struct reply *a, const struct reply *b)
{
	assert_int_equal(a->n_snapshots, b->n_snapshots);
	for (size_t i = 0; i < a->n_snapshots; i++)
		check_snapshot(&a->snapshots[i], &b->snapshots[i]);
	assert_int_equal(a->n_events, b->n_events);
	for (size_t i = 0; i < a->n_events; i++)
		check_event(&a->events[i], &b->events[i]);
	assert_int_equal(a->n_vms, b->n_vms);
	assert_memory_equal(a->vms, b->vms, a->n_vms * sizeof(*a->vms));
	assert_int_equal(a->n_hosts, b->n_hosts);
	assert_memory_equal(a->hosts, b->hosts, a->n_hosts * sizeof(*a->hosts));
	assert_int_equal(a->n_facts, b->n_facts);
	assert_memory_equal(a->facts, b->facts, a->n_facts * sizeof(*a->facts));
	assert_memory_equal(a, b, offsetof(struct reply, snapshots));
}

static void check_events(const struct events *a, const struct events *b)
{
	assert_true(id_equal(&a->host, &b->host));
	assert_int_equal(a->epoch, b->epoch);
	assert_int_equal(a->n_items, b->n_items);
	for (size_t i = 0; i < a->n_items; i++) {
		assert_int_equal(a->items[i].seq, b->items[i].seq);
		assert_int_equal(a->items[i].size, b->items[i].size);
		if (a->items[i].size > 0)
			assert_memory_equal(a->items[i].body, b->items[i].body,
					    a->items[i].size);
	}
}

static void test_round_trips(void **state)
{
	struct message in, out;
	struct err err = { 0 };
	size_t size;
	void *data;

	(void)state;
	for (int kind = MESSAGE_HELLO; kind <= MESSAGE_REPLY; kind++) {
		fill_message(&in, (enum message_kind)kind);
		assert_ok(codec_pack(&in, &data, &size, &err), err);
		assert_ok(codec_unpack(data, size, &out, &err), err);
		assert_int_equal(out.kind, kind);
		if (kind == MESSAGE_REPLY)
			check_reply(&in.reply, &out.reply);
		else if (kind == MESSAGE_EVENTS)
			check_events(&in.events, &out.events);
		else
			assert_memory_equal(&in, &out, sizeof(in));
		free(data);
		message_done(&in);
		message_done(&out);
	}
}

static void test_empty_ones(void **state)
{
	struct message in, out;
	struct err err = { 0 };
	size_t size;
	void *data;

	(void)state;
	for (int kind = MESSAGE_HELLO; kind <= MESSAGE_REPLY; kind++) {
		in = (struct message){ .kind = (enum message_kind)kind };
		assert_ok(codec_pack(&in, &data, &size, &err), err);
		assert_in_range(size, 2, 4);
		assert_ok(codec_unpack(data, size, &out, &err), err);
		assert_memory_equal(&in, &out, sizeof(in));
		free(data);
		message_done(&out);
	}
	assert_ok(codec_unpack(NULL, 0, &out, &err), err);
	assert_int_equal(out.kind, MESSAGE_NONE);
}

static void test_event_without_source(void **state)
{
	struct event in = { 0 }, out;
	struct err err = { 0 };
	size_t size;
	void *data;

	(void)state;
	fill_event(&in);
	assert_ok(codec_pack_event(&in, &data, &size, &err), err);
	assert_ok(codec_unpack_event(data, size, &out, &err), err);
	assert_int_equal(out.seq, 0);
	assert_true(id_is_null(&out.host));
	assert_string_equal(out.host_name, "");
	in.seq = 0;
	in.host = (struct id){ 0 };
	memset(in.host_name, 0, sizeof(in.host_name));
	check_event(&in, &out);
	free(data);
	event_done(&in);
	event_done(&out);
}

/* What an agent says about seq and host in the body is not believed. */
static void test_event_with_source(void **state)
{
	static const uint8_t body[] = { 0x08, 7, 0x1a, 2, 'h', 'i', 0x20, 9 };
	struct event out;
	struct err err = { 0 };

	(void)state;
	assert_ok(codec_unpack_event(body, sizeof(body), &out, &err), err);
	assert_int_equal(out.seq, 0);
	assert_string_equal(out.host_name, "");
	assert_int_equal(out.time_ms, 9);
}

static void test_snapshot_alone(void **state)
{
	struct snapshot in, out;
	struct err err = { 0 };
	size_t size;
	void *data;

	(void)state;
	fill_snapshot(&in);
	assert_ok(codec_pack_snapshot(&in, &data, &size, &err), err);
	assert_ok(codec_unpack_snapshot(data, size, &out, &err), err);
	check_snapshot(&in, &out);
	free(data);
	snapshot_done(&in);
	snapshot_done(&out);
}

/* Like the length of a field by hand, for the messages below. */
#define BYTES(...)                        \
	(const uint8_t[]){ __VA_ARGS__ }, \
		sizeof((const uint8_t[]){ __VA_ARGS__ })

static void refused(const void *data, size_t size, const char *why)
{
	struct message out;
	struct err err = { 0 };

	assert_fails(codec_unpack(data, size, &out, &err), ERR_PROTO, err);
	assert_contains(err.text, why);
}

static void test_refused(void **state)
{
	(void)state;
	refused(BYTES(0xff), "not a protobuf");
	refused(BYTES(0x0a, 5), "not a protobuf");
	/* Hello.host of 3 bytes */
	refused(BYTES(0x0a, 5, 0x0a, 3, 1, 2, 3), "16 bytes");
	/* Hello.version: newline; C1; not UTF-8; 32 bytes */
	refused(BYTES(0x0a, 4, 0x1a, 2, 'a', '\n'), "'version'");
	refused(BYTES(0x0a, 4, 0x1a, 2, 0xc2, 0x85), "'version'");
	refused(BYTES(0x0a, 4, 0x1a, 2, 0xc3, 'a'), "'version'");
	refused(BYTES(0x0a, 34, 0x1a, 32, 'a', 'a', 'a', 'a', 'a', 'a', 'a',
		      'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a',
		      'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a',
		      'a', 'a', 'a'),
		"too long");
	/* Request.max_frozen_ms of -1 */
	refused(BYTES(0x32, 11, 0x50, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		      0xff, 0xff, 1),
		"out of range");
	/* Reply.snapshots[0].sync_ms of -2 */
	refused(BYTES(0x3a, 4, 0x3a, 2, 0x78, 3), "'sync_ms'");
	/* Reply.err.text with an escape */
	refused(BYTES(0x3a, 6, 0x1a, 4, 0x1a, 2, 0x1b, 'c'), "'text'");
	refused(BYTES(0x3a, 6, 0x5a, 4, 0x0a, 2, 'k', 0x7f), "'key'");
}

static void test_unknown_is_skipped(void **state)
{
	static const uint8_t other_body[] = { 0xa2, 0x06, 3, 1, 2, 3 };
	/* Welcome.seq = 5, and fields 50 and 51 */
	static const uint8_t more[] = { 0x12, 9,    0x10, 5, 0x90, 0x03,
					1,    0x9a, 0x03, 1, 'x' };
	/* Request.kind of 99 */
	static const uint8_t kind[] = { 0x32, 2, 0x10, 99 };
	/* Reply.err.code of 99: not success */
	static const uint8_t error[] = { 0x3a, 4, 0x1a, 2, 0x08, 99 };
	struct message out;
	struct err err = { 0 };

	(void)state;
	assert_ok(codec_unpack(other_body, sizeof(other_body), &out, &err),
		  err);
	assert_int_equal(out.kind, MESSAGE_NONE);
	assert_ok(codec_unpack(more, sizeof(more), &out, &err), err);
	assert_int_equal(out.kind, MESSAGE_WELCOME);
	assert_int_equal(out.welcome.seq, 5);
	assert_ok(codec_unpack(kind, sizeof(kind), &out, &err), err);
	assert_int_equal(out.kind, MESSAGE_REQUEST);
	assert_int_equal(out.request.kind, 0);
	assert_ok(codec_unpack(error, sizeof(error), &out, &err), err);
	assert_int_equal(out.reply.err.code, ERR_UNSUPPORTED);
	message_done(&out);
}

static void test_unclean_text_is_shown(void **state)
{
	struct message in = { .kind = MESSAGE_REPLY }, out;
	struct err err = { 0 };
	size_t size;
	void *data;

	(void)state;
	in.reply.err.code = ERR_VIRT;
	strcpy(in.reply.err.text, "two\nlines \xc3");
	assert_ok(codec_pack(&in, &data, &size, &err), err);
	assert_ok(codec_unpack(data, size, &out, &err), err);
	assert_string_equal(out.reply.err.text, "two?lines ?");
	free(data);
	message_done(&out);
}

static void test_longest(void **state)
{
	struct message in = { .kind = MESSAGE_EVENTS }, out;
	struct event_item item = { .seq = 1, .size = MESSAGE_MAX };
	struct err err = { 0 };
	size_t size;
	void *data;

	(void)state;
	item.body = calloc(1, MESSAGE_MAX);
	in.events.items = &item;
	in.events.n_items = 1;
	assert_fails(codec_pack(&in, &data, &size, &err), ERR_INVALID, err);
	item.size -= 100;
	assert_ok(codec_pack(&in, &data, &size, &err), err);
	assert_ok(codec_unpack(data, size, &out, &err), err);
	assert_int_equal(out.events.items[0].size, item.size);
	message_done(&out);
	free(data);
	free(item.body);

	data = calloc(1, MESSAGE_MAX + 1);
	refused(data, MESSAGE_MAX + 1, "too long");
	free(data);
}

/* Envelope.reply of `size` bytes with the two bytes of an empty row again and
 * again; the caller frees it. */
static uint8_t *many_rows(size_t size, uint8_t tag, size_t *ret_size)
{
	uint8_t *data = malloc(size + 5);

	data[0] = 0x3a;
	for (size_t i = 0; i < 3; i++)
		data[1 + i] = (uint8_t)(0x80 | ((size >> (7 * i)) & 0x7f));
	data[4] = (uint8_t)(size >> 21);
	for (size_t i = 0; i < size; i += 2) {
		data[5 + i] = tag;
		data[6 + i] = 0;
	}
	*ret_size = size + 5;
	return data;
}

/* Millions of empty rows are few bytes on the wire, not so in memory. */
static void test_few_bytes_stay_few(void **state)
{
	static const uint8_t tags[] = { 0x1a, 0x3a, 0x42, 0x4a, 0x52, 0x5a };
	struct message out;
	struct err err = { 0 };
	size_t size;
	uint8_t *data;

	(void)state;
	for (size_t i = 0; i < sizeof(tags); i++) {
		data = many_rows(8 << 20, tags[i], &size);
		if (codec_unpack(data, size, &out, &err) == 0) {
			assert_int_equal(tags[i], 0x1a); /* merged into one */
			message_done(&out);
		} else {
			assert_int_equal(err.code, ERR_PROTO);
		}
		free(data);
	}
}

/* Tens of thousands of honest rows are not taken for an attack. */
static void test_many_small_rows(void **state)
{
	struct message in = { .kind = MESSAGE_REPLY }, out;
	struct err err = { 0 };
	size_t size;
	void *data;

	(void)state;
	in.reply.vms = calloc(50000, sizeof(*in.reply.vms));
	in.reply.n_vms = 50000;
	for (size_t i = 0; i < in.reply.n_vms; i++) {
		in.reply.vms[i].domain = filled_id((uint8_t)i);
		in.reply.vms[i].host = filled_id(1);
		strcpy(in.reply.vms[i].name, "web");
	}
	in.reply.snapshots = calloc(5000, sizeof(*in.reply.snapshots));
	in.reply.n_snapshots = 5000;
	for (size_t i = 0; i < in.reply.n_snapshots; i++) {
		struct snapshot *snap = &in.reply.snapshots[i];
		struct snapshot_disk *disk;

		snapshot_init(snap);
		snap->id = snap->domain = snap->host = filled_id((uint8_t)i);
		assert_ok(snapshot_add_disk(snap, &disk, &err), err);
		strcpy(disk->target, "vda");
		strcpy(disk->driver, "rbd");
		strcpy(disk->source, "vms/web-1");
		strcpy(disk->object,
		       "vms/web-1@s-0190b5a0-0000-7000-8000-0123456789ab");
	}
	assert_ok(codec_pack(&in, &data, &size, &err), err);
	assert_ok(codec_unpack(data, size, &out, &err), err);
	assert_int_equal(out.reply.n_vms, 50000);
	assert_int_equal(out.reply.n_snapshots, 5000);
	free(data);
	message_done(&in);
	message_done(&out);
}

static void test_truncated(void **state)
{
	struct message in, out;
	size_t size;
	void *data;

	(void)state;
	for (int kind = MESSAGE_HELLO; kind <= MESSAGE_REPLY; kind++) {
		fill_message(&in, (enum message_kind)kind);
		assert_int_equal(codec_pack(&in, &data, &size, NULL), 0);
		message_done(&in);
		for (size_t n = 0; n < size; n++) {
			/* A block of that very size: nothing is read behind. */
			void *part = malloc(n + (n == 0));
			int r;

			memcpy(part, data, n);
			r = codec_unpack(part, n, &out, NULL);
			assert_int_equal(r, n == 0 ? 0 : -ERR_PROTO);
			free(part);
		}
		free(data);
	}
}

static uint32_t random_next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void test_flipped(void **state)
{
	struct message in, out;
	uint32_t seed = 20260101;
	size_t size;
	void *data;

	(void)state;
	for (int kind = MESSAGE_HELLO; kind <= MESSAGE_REPLY; kind++) {
		fill_message(&in, (enum message_kind)kind);
		assert_int_equal(codec_pack(&in, &data, &size, NULL), 0);
		message_done(&in);
		for (int i = 0; i < 20000 / MESSAGE_REPLY; i++) {
			uint8_t *bad = malloc(size);
			unsigned flips = 1 + random_next(&seed) % 8;

			memcpy(bad, data, size);
			while (flips--) {
				uint32_t bit = random_next(&seed) %
					       (uint32_t)(size * 8);

				bad[bit / 8] ^= (uint8_t)(1U << (bit % 8));
			}
			if (codec_unpack(bad, size, &out, NULL) == 0)
				message_done(&out);
			free(bad);
		}
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_empty_ones),
		cmocka_unit_test(test_event_without_source),
		cmocka_unit_test(test_event_with_source),
		cmocka_unit_test(test_snapshot_alone),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unknown_is_skipped),
		cmocka_unit_test(test_unclean_text_is_shown),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_few_bytes_stay_few),
		cmocka_unit_test(test_many_small_rows),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
