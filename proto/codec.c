/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * codec.c - model and messages <-> protobuf bytes: the tables
 *
 * To send a new member: add it to snaptree.proto with a new number and to the
 * table of its row.
 */
#include "proto/codec.h"

#include <assert.h>
#include <string.h>

#include "proto/codec_row.h"
#include "proto/message.h"
#include "proto/snaptree.pb-c.h"

/* The numbers of snaptree.proto are those of the model, and a reader for each
 * that does not let an unknown one through. */
#define READER(prefix)                                  \
	static unsigned prefix##_read(int64_t n)        \
	{                                               \
		return (unsigned)prefix##_from_wire(n); \
	}                                               \
	static_assert(sizeof(enum prefix) == sizeof(unsigned), #prefix)
#define SAME(wire_name, number) \
	static_assert((unsigned)SNAPTREE__##wire_name == (number), #wire_name);

#define X(name, wire, word) SAME(DOMAIN_STATE__DOMAIN_##name, wire)
DOMAIN_STATES(X)
#undef X
READER(domain_state);
#define X(name, wire, word) SAME(DISK_ROLE__ROLE_##name, wire)
DISK_ROLES(X)
#undef X
READER(disk_role);
#define X(name, wire, word) SAME(ORIGIN__ORIGIN_##name, wire)
ORIGINS(X)
#undef X
READER(origin);
#define X(name, wire, word) SAME(CONSISTENCY__CONSISTENCY_##name, wire)
CONSISTENCIES(X)
#undef X
READER(consistency);
#define X(name, wire, word) SAME(FREEZE__FREEZE_##name, wire)
FREEZES(X)
#undef X
READER(freeze);
#define X(name, wire, word) SAME(SNAPSHOT_STATE__SNAPSHOT_##name, wire)
SNAPSHOT_STATES(X)
#undef X
READER(snapshot_state);
#define X(name, wire, word) SAME(EVENT_KIND__EVENT_##name, wire)
EVENT_KINDS(X)
#undef X
READER(event_kind);
#define X(name, wire, word) SAME(REQUEST_KIND__REQUEST_##name, wire)
REQUEST_KINDS(X)
#undef X
READER(request_kind);

#define X(name, wire, retry, text) SAME(ERROR_CODE__ERR_##name, wire)
ERR_LIST(X)
#undef X

/* An error of a later version must not read as success. */
static unsigned err_read(int64_t n)
{
	switch (n) {
	case ERR_OK:
#define X(name, wire, retry, text) case (wire):
		ERR_LIST(X)
#undef X
		return (unsigned)n;
	default:
		return ERR_UNSUPPORTED;
	}
}

/* Fields of a table; MODEL and WIRE are the two structs. */
#define FIELD(t, m)                                        \
	.name = #m, .type = (t), .at = offsetof(MODEL, m), \
	.size = sizeof(((MODEL *)0)->m), .wire_at = offsetof(WIRE, m)
#define TEXT(m)                      \
	{                            \
		FIELD(CODEC_TEXT, m) \
	}
#define ID(m)                      \
	{                          \
		FIELD(CODEC_ID, m) \
	}
#define BOOL(m)                      \
	{                            \
		FIELD(CODEC_BOOL, m) \
	}
#define NUMBER(m)                      \
	{                              \
		FIELD(CODEC_NUMBER, m) \
	}
#define TIME(m)                      \
	{                            \
		FIELD(CODEC_TIME, m) \
	}
#define SPAN(m)                      \
	{                            \
		FIELD(CODEC_SPAN, m) \
	}
#define WORD(m, prefix)                                     \
	{                                                   \
		FIELD(CODEC_WORD, m), .word = prefix##_read \
	}
#define BODY(m, s)                                               \
	{                                                        \
		FIELD(CODEC_BODY, m), .n_at = offsetof(MODEL, s) \
	}
#define PART(m, r)                                \
	{                                         \
		FIELD(CODEC_PART, m), .row = &(r) \
	}
#define OWNED(m, r)                                \
	{                                          \
		FIELD(CODEC_OWNED, m), .row = &(r) \
	}
#define LIST(m, r)                                                        \
	{                                                                 \
		FIELD(CODEC_LIST, m), .n_at = offsetof(MODEL, n_##m),     \
				      .wire_n_at = offsetof(WIRE, n_##m), \
				      .row = &(r)                         \
	}
#define END                  \
	{                    \
		.name = NULL \
	}
#define ROW(name, descriptor, fields)                                        \
	static const struct codec_row name = { &(descriptor), sizeof(MODEL), \
					       fields }

#define MODEL struct snapshot_disk
#define WIRE Snaptree__Disk
static const struct codec_field disk_fields[] = {
	TEXT(target), WORD(role, disk_role), TEXT(driver),
	TEXT(source), TEXT(object),          TEXT(name),
	TEXT(active), SPAN(size_bytes),      SPAN(cut_ms),
	END
};
ROW(disk_row, snaptree__disk__descriptor, disk_fields);
#undef MODEL
#undef WIRE

#define MODEL struct snapshot
#define WIRE Snaptree__Snapshot
static const struct codec_field snapshot_fields[] = {
	ID(id),
	ID(domain),
	ID(parent),
	ID(host),
	TEXT(domain_name),
	TEXT(label),
	TEXT(description),
	TEXT(tags),
	TEXT(note),
	WORD(origin, origin),
	WORD(consistency, consistency),
	WORD(state, snapshot_state),
	BOOL(pinned),
	TIME(taken_ms),
	SPAN(sync_ms),
	SPAN(freeze_ms),
	SPAN(cut_ms),
	SPAN(thaw_ms),
	SPAN(frozen_ms),
	LIST(disks, disk_row),
	END
};
ROW(snapshot_row, snaptree__snapshot__descriptor, snapshot_fields);
#undef MODEL
#undef WIRE

#define MODEL struct event
#define WIRE Snaptree__Event
static const struct codec_field event_fields[] = {
	NUMBER(seq),
	ID(host),
	TEXT(host_name),
	TIME(time_ms),
	WORD(kind, event_kind),
	ID(domain),
	TEXT(domain_name),
	WORD(domain_state, domain_state),
	ID(op),
	ID(snapshot),
	WORD(code, err),
	TEXT(text),
	OWNED(record, snapshot_row),
	END,
};
ROW(event_row, snaptree__event__descriptor, event_fields);
#undef MODEL
#undef WIRE

#define MODEL struct hello
#define WIRE Snaptree__Hello
static const struct codec_field hello_fields[] = {
	ID(host),      TEXT(host_name),  TEXT(version),
	NUMBER(epoch), NUMBER(last_seq), END
};
ROW(hello_row, snaptree__hello__descriptor, hello_fields);
#undef MODEL
#undef WIRE

#define MODEL struct welcome
#define WIRE Snaptree__Welcome
static const struct codec_field welcome_fields[] = {
	NUMBER(epoch),
	NUMBER(seq),
	END,
};
ROW(welcome_row, snaptree__welcome__descriptor, welcome_fields);
#undef MODEL
#undef WIRE

#define MODEL struct event_item
#define WIRE Snaptree__EventItem
static const struct codec_field item_fields[] = {
	NUMBER(seq),
	BODY(body, size),
	END,
};
ROW(item_row, snaptree__event_item__descriptor, item_fields);
#undef MODEL
#undef WIRE

#define MODEL struct events
#define WIRE Snaptree__Events
static const struct codec_field events_fields[] = {
	ID(host),
	NUMBER(epoch),
	LIST(items, item_row),
	END,
};
ROW(events_row, snaptree__events__descriptor, events_fields);
#undef MODEL
#undef WIRE

#define MODEL struct ack
#define WIRE Snaptree__Ack
static const struct codec_field ack_fields[] = {
	NUMBER(epoch),
	NUMBER(seq),
	END,
};
ROW(ack_row, snaptree__ack__descriptor, ack_fields);
#undef MODEL
#undef WIRE

#define MODEL struct request
#define WIRE Snaptree__Request
static const struct codec_field request_fields[] = {
	NUMBER(id),
	WORD(kind, request_kind),
	TEXT(vm),
	TEXT(snapshot),
	TEXT(label),
	TEXT(description),
	TEXT(tags),
	TEXT(disks),
	WORD(freeze, freeze),
	TIME(max_frozen_ms),
	ID(op),
	TEXT(host),
	TEXT(label_like),
	TEXT(tag),
	WORD(consistency, consistency),
	WORD(origin, origin),
	TIME(since_ms),
	TIME(until_ms),
	NUMBER(after),
	NUMBER(limit),
	NUMBER(edit),
	END,
};
ROW(request_row, snaptree__request__descriptor, request_fields);
#undef MODEL
#undef WIRE

#define MODEL struct err
#define WIRE Snaptree__Error
static const struct codec_field err_fields[] = {
	WORD(code, err),
	NUMBER(sys),
	TEXT(text),
	END,
};
ROW(err_row, snaptree__error__descriptor, err_fields);
#undef MODEL
#undef WIRE

#define MODEL struct vm_row
#define WIRE Snaptree__Vm
static const struct codec_field vm_fields[] = {
	ID(domain),
	TEXT(name),
	ID(host),
	TEXT(host_name),
	WORD(state, domain_state),
	ID(head),
	NUMBER(n_snapshots),
	TIME(latest_ms),
	BOOL(frozen),
	END,
};
ROW(vm_row, snaptree__vm__descriptor, vm_fields);
#undef MODEL
#undef WIRE

#define MODEL struct host_row
#define WIRE Snaptree__Host
static const struct codec_field host_fields[] = {
	ID(host),      TEXT(name),          TEXT(version), BOOL(connected),
	TIME(seen_ms), NUMBER(epoch),       NUMBER(seq),   NUMBER(last_seq),
	NUMBER(n_vms), NUMBER(n_snapshots), END,
};
ROW(host_row, snaptree__host__descriptor, host_fields);
#undef MODEL
#undef WIRE

#define MODEL struct fact
#define WIRE Snaptree__Fact
static const struct codec_field fact_fields[] = {
	TEXT(key),
	TEXT(value),
	END,
};
ROW(fact_row, snaptree__fact__descriptor, fact_fields);
#undef MODEL
#undef WIRE

#define MODEL struct reply
#define WIRE Snaptree__Reply
static const struct codec_field reply_fields[] = {
	NUMBER(id),
	BOOL(last),
	PART(err, err_row),
	TEXT(text),
	ID(op),
	NUMBER(after),
	LIST(snapshots, snapshot_row),
	LIST(vms, vm_row),
	LIST(events, event_row),
	LIST(hosts, host_row),
	LIST(facts, fact_row),
	END,
};
ROW(reply_row, snaptree__reply__descriptor, reply_fields);
#undef MODEL
#undef WIRE

static const struct codec_field no_fields[] = {
	END,
};
static const struct codec_row ping_row = { &snaptree__ping__descriptor, 0,
					   no_fields };

/* clang-format off: it would never come to rest */
#define BODIES(X)               \
	X(HELLO, hello_row)     \
	X(WELCOME, welcome_row) \
	X(EVENTS, events_row)   \
	X(ACK, ack_row)         \
	X(PING, ping_row)       \
	X(REQUEST, request_row) \
	X(REPLY, reply_row)
/* clang-format on */

#define X(name, row) SAME(ENVELOPE__BODY_##name, MESSAGE_##name)
BODIES(X)
#undef X

static const struct codec_row *const bodies[] = {
#define X(name, row) [MESSAGE_##name] = &(row),
	BODIES(X)
#undef X
};
#define N_BODIES (sizeof(bodies) / sizeof(bodies[0]))

/* Whichever it is, the body of either union is at the same place. */
#define BODY_AT offsetof(Snaptree__Envelope, hello)
#define PLAIN_AT offsetof(struct message, hello)

int codec_pack(const struct message *message, void **ret, size_t *ret_size,
	       struct err *err)
{
	Snaptree__Envelope envelope = SNAPTREE__ENVELOPE__INIT;
	struct codec_arena arena = { 0 };
	ProtobufCMessage *body;
	int r;

	assert(message->kind > MESSAGE_NONE && message->kind < N_BODIES);
	r = codec_row_pack(&arena, bodies[message->kind],
			   (const char *)message + PLAIN_AT, &body, err);
	envelope.body_case = (Snaptree__Envelope__BodyCase)message->kind;
	memcpy((char *)&envelope + BODY_AT, &body, sizeof(body));
	if (r == 0)
		r = codec_row_write(&envelope.base, ret, ret_size, err);
	codec_arena_done(&arena);
	return r;
}

static int unpack_envelope(struct codec_budget *budget,
			   Snaptree__Envelope *envelope,
			   struct message *message, struct err *err)
{
	ProtobufCMessage *body;

	if (envelope->body_case == SNAPTREE__ENVELOPE__BODY__NOT_SET)
		return 0;
	message->kind = (enum message_kind)envelope->body_case;
	memcpy(&body, (char *)envelope + BODY_AT, sizeof(body));
	return codec_row_unpack(budget, bodies[message->kind], body,
				(char *)message + PLAIN_AT, err);
}

int codec_unpack(const void *data, size_t size, struct message *ret,
		 struct err *err)
{
	struct message message = { 0 };
	struct codec_budget budget;
	ProtobufCMessage *wire;
	int r;

	if (size > MESSAGE_MAX)
		return err_set(err, ERR_PROTO, 0,
			       "message of %zu bytes is too long", size);
	codec_budget_init(&budget, size);
	r = codec_row_read(&budget, &snaptree__envelope__descriptor, data, size,
			   &wire, err);
	if (r < 0)
		return r;
	r = unpack_envelope(&budget, (Snaptree__Envelope *)wire, &message, err);
	protobuf_c_message_free_unpacked(wire, &budget.allocator);
	if (r < 0)
		message_done(&message);
	else
		*ret = message;
	return r;
}

static int pack_row(const struct codec_row *row, const void *model, void **ret,
		    size_t *ret_size, struct err *err)
{
	struct codec_arena arena = { 0 };
	ProtobufCMessage *wire;
	int r;

	r = codec_row_pack(&arena, row, model, &wire, err);
	if (r == 0)
		r = codec_row_write(wire, ret, ret_size, err);
	codec_arena_done(&arena);
	return r;
}

static int unpack_row(const struct codec_row *row, const void *data,
		      size_t size, void *model, struct err *err)
{
	struct codec_budget budget;
	ProtobufCMessage *wire;
	int r;

	if (size > MESSAGE_MAX)
		return err_set(err, ERR_PROTO, 0, "%s of %zu bytes is too long",
			       row->wire->short_name, size);
	codec_budget_init(&budget, size);
	r = codec_row_read(&budget, row->wire, data, size, &wire, err);
	if (r < 0)
		return r;
	r = codec_row_unpack(&budget, row, wire, model, err);
	protobuf_c_message_free_unpacked(wire, &budget.allocator);
	return r;
}

/* Who reads an event's body must not believe it about these. */
static void forget_source(struct event *event)
{
	event->seq = 0;
	event->host = (struct id){ 0 };
	event->host_name[0] = '\0';
}

int codec_pack_event(const struct event *event, void **ret, size_t *ret_size,
		     struct err *err)
{
	struct event packed = *event;

	forget_source(&packed);
	return pack_row(&event_row, &packed, ret, ret_size, err);
}

int codec_unpack_event(const void *data, size_t size, struct event *ret,
		       struct err *err)
{
	struct event event = { 0 };
	int r = unpack_row(&event_row, data, size, &event, err);

	if (r < 0) {
		event_done(&event);
		return r;
	}
	forget_source(&event);
	*ret = event;
	return 0;
}

int codec_pack_snapshot(const struct snapshot *snap, void **ret,
			size_t *ret_size, struct err *err)
{
	return pack_row(&snapshot_row, snap, ret, ret_size, err);
}

int codec_unpack_snapshot(const void *data, size_t size, struct snapshot *ret,
			  struct err *err)
{
	struct snapshot snap = { 0 };
	int r = unpack_row(&snapshot_row, data, size, &snap, err);

	if (r < 0)
		snapshot_done(&snap);
	else
		*ret = snap;
	return r;
}
