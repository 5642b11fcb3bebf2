/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kinds.c - tables of fields: model structs as columns and JSON keys */
#include "cli/kinds.h"

#include "proto/message.h"

/* A getter for a member, one line each: GET(struct, member, type of value). */
#define GET(type, member, what, expr)                                         \
	static void get_##type##_##member(const void *row, struct value *ret) \
	{                                                                     \
		const struct type *x = row;                                   \
		ret->what = expr;                                             \
	}
#define GET_TEXT(type, member) GET(type, member, text, x->member)
#define GET_ID(type, member) GET(type, member, id, x->member)
#define GET_NUMBER(type, member) GET(type, member, number, (int64_t)x->member)
#define GET_ENUM(type, member, word) \
	GET(type, member, text, x->member ? word(x->member) : "")

GET_TEXT(snapshot_disk, target)
GET_ENUM(snapshot_disk, role, disk_role_word)
GET_TEXT(snapshot_disk, driver)
GET_TEXT(snapshot_disk, source)
GET_TEXT(snapshot_disk, object)
GET_TEXT(snapshot_disk, name)
GET_TEXT(snapshot_disk, active)
GET_NUMBER(snapshot_disk, size_bytes)
GET_NUMBER(snapshot_disk, cut_ms)

static const struct field disk_fields[] = {
	{ "target", FIELD_TEXT, 0, get_snapshot_disk_target, NULL },
	{ "role", FIELD_TEXT, 0, get_snapshot_disk_role, NULL },
	{ "driver", FIELD_TEXT, 0, get_snapshot_disk_driver, NULL },
	{ "size", FIELD_SIZE, 0, get_snapshot_disk_size_bytes, NULL },
	{ "cut", FIELD_SPAN, 0, get_snapshot_disk_cut_ms, NULL },
	{ "source", FIELD_TEXT, FIELD_WRAP, get_snapshot_disk_source, NULL },
	{ "object", FIELD_TEXT, FIELD_WRAP, get_snapshot_disk_object, NULL },
	{ "name", FIELD_TEXT, 0, get_snapshot_disk_name, NULL },
	{ "active", FIELD_TEXT, FIELD_WRAP, get_snapshot_disk_active, NULL },
	{ 0 },
};

const struct kind kind_disks = {
	.name = "disks",
	.none = "no disks are recorded",
	.row_size = sizeof(struct snapshot_disk),
	.fields = disk_fields,
	.shown = "target,role,driver,size,cut,object,name",
	.spare = "name,cut,role",
};

GET_ID(snapshot, id)
GET_ID(snapshot, domain)
GET_ID(snapshot, parent)
GET_ID(snapshot, host)
GET_TEXT(snapshot, domain_name)
GET_TEXT(snapshot, label)
GET_TEXT(snapshot, description)
GET_TEXT(snapshot, tags)
GET_TEXT(snapshot, note)
GET_ENUM(snapshot, origin, origin_word)
GET_ENUM(snapshot, consistency, consistency_word)
GET_ENUM(snapshot, state, snapshot_state_word)
GET_NUMBER(snapshot, pinned)
GET_NUMBER(snapshot, taken_ms)
GET_NUMBER(snapshot, sync_ms)
GET_NUMBER(snapshot, freeze_ms)
GET_NUMBER(snapshot, cut_ms)
GET_NUMBER(snapshot, thaw_ms)
GET_NUMBER(snapshot, frozen_ms)

static void get_snapshot_disks(const void *row, struct value *ret)
{
	const struct snapshot *x = row;

	ret->kind = &kind_disks;
	ret->rows = x->disks;
	ret->n_rows = x->n_disks;
}

static const char *tint_consistency(const void *row)
{
	const struct snapshot *x = row;

	return x->consistency == CONSISTENCY_CRASH ? "yellow" : NULL;
}

static const struct field snapshot_fields[] = {
	{ "id", FIELD_ID, 0, get_snapshot_id, NULL },
	{ "vm", FIELD_TEXT, FIELD_CUT, get_snapshot_domain_name, NULL },
	{ "vm_id", FIELD_ID, 0, get_snapshot_domain, NULL },
	{ "label", FIELD_TEXT, FIELD_CUT | FIELD_MARK, get_snapshot_label,
	  NULL },
	{ "description", FIELD_TEXT, FIELD_WRAP, get_snapshot_description,
	  NULL },
	{ "tags", FIELD_WORDS, FIELD_CUT, get_snapshot_tags, NULL },
	{ "parent", FIELD_ID, 0, get_snapshot_parent, NULL },
	{ "host_id", FIELD_ID, 0, get_snapshot_host, NULL },
	{ "origin", FIELD_TEXT, 0, get_snapshot_origin, NULL },
	{ "consistency", FIELD_TEXT, 0, get_snapshot_consistency,
	  tint_consistency },
	{ "state", FIELD_TEXT, 0, get_snapshot_state, NULL },
	{ "pinned", FIELD_BOOL, FIELD_RARE, get_snapshot_pinned, NULL },
	{ "taken", FIELD_TIME, 0, get_snapshot_taken_ms, NULL },
	{ "age", FIELD_AGE, 0, get_snapshot_taken_ms, NULL },
	{ "sync", FIELD_SPAN, 0, get_snapshot_sync_ms, NULL },
	{ "freeze", FIELD_SPAN, 0, get_snapshot_freeze_ms, NULL },
	{ "cut", FIELD_SPAN, 0, get_snapshot_cut_ms, NULL },
	{ "thaw", FIELD_SPAN, 0, get_snapshot_thaw_ms, NULL },
	{ "frozen", FIELD_SPAN, 0, get_snapshot_frozen_ms, NULL },
	{ "note", FIELD_TEXT, FIELD_CUT, get_snapshot_note, NULL },
	{ "disks", FIELD_ROWS, 0, get_snapshot_disks, NULL },
	{ 0 },
};

const struct kind kind_snapshots = {
	.name = "snapshots",
	.none = "no snapshots",
	.row_size = sizeof(struct snapshot),
	.fields = snapshot_fields,
	.shown =
		"id,vm,label,consistency,pinned,origin,taken,age,frozen,disks,note",
	.spare = "note,disks,age,frozen,origin,taken,pinned",
};

const struct kind kind_tree = {
	.name = "snapshots",
	.none = "no snapshots yet",
	.row_size = sizeof(struct snapshot),
	.fields = snapshot_fields,
	.shown =
		"id,label,consistency,pinned,origin,taken,age,frozen,disks,note",
	.spare = "note,disks,age,frozen,origin,taken,pinned",
};

GET_ID(vm_row, domain)
GET_ID(vm_row, host)
GET_ID(vm_row, head)
GET_TEXT(vm_row, name)
GET_TEXT(vm_row, host_name)
GET_ENUM(vm_row, state, domain_state_word)
GET_NUMBER(vm_row, n_snapshots)
GET_NUMBER(vm_row, latest_ms)
GET_NUMBER(vm_row, frozen)

static const struct field vm_fields[] = {
	{ "vm", FIELD_TEXT, FIELD_CUT, get_vm_row_name, NULL },
	{ "vm_id", FIELD_ID, 0, get_vm_row_domain, NULL },
	{ "host", FIELD_TEXT, FIELD_CUT, get_vm_row_host_name, NULL },
	{ "host_id", FIELD_ID, 0, get_vm_row_host, NULL },
	{ "state", FIELD_TEXT, 0, get_vm_row_state, NULL },
	{ "head", FIELD_ID, 0, get_vm_row_head, NULL },
	{ "n_snapshots", FIELD_COUNT, 0, get_vm_row_n_snapshots, NULL },
	{ "latest", FIELD_TIME, 0, get_vm_row_latest_ms, NULL },
	{ "thaw_owed", FIELD_BOOL, 0, get_vm_row_frozen, NULL },
	{ 0 },
};

const struct kind kind_vms = {
	.name = "vms",
	.none = "no VMs",
	.row_size = sizeof(struct vm_row),
	.fields = vm_fields,
	.shown = "vm,vm_id,host,state,n_snapshots,latest",
	.spare = "vm_id,host",
};

GET_ID(host_row, host)
GET_TEXT(host_row, name)
GET_TEXT(host_row, version)
GET_NUMBER(host_row, connected)
GET_NUMBER(host_row, seen_ms)
GET_NUMBER(host_row, seq)
GET_NUMBER(host_row, last_seq)
GET_NUMBER(host_row, n_vms)
GET_NUMBER(host_row, n_snapshots)

static void get_host_behind(const void *row, struct value *ret)
{
	const struct host_row *x = row;

	if (x->last_seq > x->seq)
		ret->number = (int64_t)(x->last_seq - x->seq);
}

static const char *tint_connected(const void *row)
{
	return ((const struct host_row *)row)->connected ? NULL : "red";
}

static const struct field host_fields[] = {
	{ "host", FIELD_TEXT, FIELD_CUT, get_host_row_name, NULL },
	{ "id", FIELD_ID, 0, get_host_row_host, NULL },
	{ "connected", FIELD_BOOL, 0, get_host_row_connected, tint_connected },
	{ "seen", FIELD_TIME, 0, get_host_row_seen_ms, NULL },
	{ "vms", FIELD_COUNT, 0, get_host_row_n_vms, NULL },
	{ "snapshots", FIELD_COUNT, 0, get_host_row_n_snapshots, NULL },
	{ "events", FIELD_COUNT, 0, get_host_row_seq, NULL },
	{ "announced", FIELD_COUNT, 0, get_host_row_last_seq, NULL },
	{ "behind", FIELD_COUNT, 0, get_host_behind, NULL },
	{ "version", FIELD_TEXT, 0, get_host_row_version, NULL },
	{ 0 },
};

const struct kind kind_hosts = {
	.name = "hosts",
	.none = "no hosts have reported yet",
	.row_size = sizeof(struct host_row),
	.fields = host_fields,
	.shown = "host,id,connected,seen,vms,snapshots,behind,version",
	.spare = "version,behind,id",
};

GET_NUMBER(event, seq)
GET_NUMBER(event, time_ms)
GET_ID(event, host)
GET_TEXT(event, host_name)
GET_ENUM(event, kind, event_kind_word)
GET_ID(event, domain)
GET_TEXT(event, domain_name)
GET_ENUM(event, domain_state, domain_state_word)
GET_ID(event, op)
GET_ID(event, snapshot)
GET_ENUM(event, code, err_name)
GET_TEXT(event, text)

static const char *tint_kind(const void *row)
{
	switch (((const struct event *)row)->kind) {
	case EVENT_FAILED:
	case EVENT_STUCK:
	case EVENT_THAW_OWED:
		return "red";
	case EVENT_GUEST_THAWED:
	case EVENT_MOMENT_MISSED:
	case EVENT_GATE_PASSED:
	case EVENT_GUARD_LOST:
		return "yellow";
	default:
		return NULL;
	}
}

static const struct field event_fields[] = {
	{ "time", FIELD_TIME, 0, get_event_time_ms, NULL },
	{ "age", FIELD_AGE, 0, get_event_time_ms, NULL },
	{ "event", FIELD_TEXT, 0, get_event_kind, tint_kind },
	{ "vm", FIELD_TEXT, FIELD_CUT, get_event_domain_name, NULL },
	{ "vm_id", FIELD_ID, 0, get_event_domain, NULL },
	{ "state", FIELD_TEXT, 0, get_event_domain_state, NULL },
	{ "host", FIELD_TEXT, FIELD_CUT, get_event_host_name, NULL },
	{ "host_id", FIELD_ID, 0, get_event_host, NULL },
	{ "seq", FIELD_COUNT, 0, get_event_seq, NULL },
	{ "operation", FIELD_ID, 0, get_event_op, NULL },
	{ "snapshot", FIELD_ID, 0, get_event_snapshot, NULL },
	{ "code", FIELD_TEXT, 0, get_event_code, NULL },
	{ "text", FIELD_TEXT, FIELD_WRAP, get_event_text, NULL },
	{ 0 },
};

const struct kind kind_events = {
	.name = "events",
	.none = "no events",
	.row_size = sizeof(struct event),
	.fields = event_fields,
	.shown = "time,event,vm,host,snapshot,text",
	.spare = "host,snapshot",
};
