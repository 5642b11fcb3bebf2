/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store_apply.c - what an event does to VMs and trees
 *
 * The VM's row is read, changed here as the event says, and written back: all
 * rules are in C and stand once.  Replaying an event that was applied before
 * changes nothing that matters: nodes go by the snapshot's id.
 *
 * A VM moves between hosts, and a host's events may come a day late.  So what
 * concerns the VM as a whole (host, name, state, head) is taken from another
 * host than the present one only when it is told of a later time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/db.h"
#include "base/str.h"
#include "collector/store_impl.h"
#include "proto/codec.h"

struct vm {
	int64_t id; /* row; 0: not there yet */
	struct id uuid;
	char name[DOMAIN_NAME];
	int64_t host;
	int64_t told_ms;
	int64_t state;
	bool gone;
	bool frozen;
	struct id head;
	int64_t last_n;
	int64_t nodes;
	int64_t latest_ms;
};

static int load_vm(struct store *store, const struct id *uuid, struct vm *ret,
		   struct err *err)
{
	struct db_stmt *q = db_query(
		store->db,
		"SELECT id, name, host, told_ms, state, gone, frozen, head,"
		" last_n, nodes, latest_ms FROM vm WHERE uuid=?",
		err);
	int r;

	db_bind_id(q, 1, uuid);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	ret->id = db_int(q, 0);
	ret->uuid = *uuid;
	str_copy(ret->name, sizeof(ret->name), db_text(q, 1));
	ret->host = db_int(q, 2);
	ret->told_ms = db_int(q, 3);
	ret->state = db_int(q, 4);
	ret->gone = db_int(q, 5);
	ret->frozen = db_int(q, 6);
	ret->head = db_id(q, 7);
	ret->last_n = db_int(q, 8);
	ret->nodes = db_int(q, 9);
	ret->latest_ms = db_int(q, 10);
	db_reset(q);
	return 1;
}

static int insert_vm(struct store *store, struct vm *vm, struct err *err)
{
	struct db_stmt *q =
		db_query(store->db,
			 "INSERT INTO vm (uuid, name, host, told_ms)"
			 " VALUES (?, ?, ?, ?)",
			 err);
	int r;

	db_bind_id(q, 1, &vm->uuid);
	db_bind_text(q, 2, vm->name);
	db_bind_int(q, 3, vm->host);
	db_bind_int(q, 4, vm->told_ms);
	r = db_run(q, err);
	if (r == 0)
		vm->id = db_last_rowid(store->db);
	return r;
}

/* The name has an index, so it is not among the columns below. */
static int save_name(struct store *store, const struct vm *vm, struct err *err)
{
	struct db_stmt *q = db_query(store->db,
				     "UPDATE vm SET name=? WHERE id=?", err);

	db_bind_text(q, 1, vm->name);
	db_bind_int(q, 2, vm->id);
	return db_run(q, err);
}

static int save_vm(struct store *store, const struct vm *vm, struct err *err)
{
	struct db_stmt *q = db_query(
		store->db,
		"UPDATE vm SET host=?, told_ms=?, state=?, gone=?, frozen=?,"
		" head=?, last_n=?, nodes=?, latest_ms=? WHERE id=?",
		err);

	db_bind_int(q, 1, vm->host);
	db_bind_int(q, 2, vm->told_ms);
	db_bind_int(q, 3, vm->state);
	db_bind_int(q, 4, vm->gone);
	db_bind_int(q, 5, vm->frozen);
	db_bind_id(q, 6, &vm->head);
	db_bind_int(q, 7, vm->last_n);
	db_bind_int(q, 8, vm->nodes);
	db_bind_int(q, 9, vm->latest_ms);
	db_bind_int(q, 10, vm->id);
	return db_run(q, err);
}

/* Narrow enough for the node: what a walk of a tree may want to skip by. */
static int64_t node_flags(const struct snapshot *snap)
{
	return (int64_t)snap->consistency | (int64_t)snap->origin << 4 |
	       (int64_t)snap->state << 8 | (int64_t)snap->pinned << 12;
}

struct place {
	int64_t record; /* row; 0: this snapshot is not known */
	int64_t vm;
	int64_t n;
};

static int find_snapshot(struct store *store, const struct id *id,
			 struct place *ret, struct err *err)
{
	struct db_stmt *q = db_query(
		store->db, "SELECT id, vm, n FROM record WHERE uuid=?", err);
	int r;

	memset(ret, 0, sizeof(*ret));
	db_bind_id(q, 1, id);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	ret->record = db_int(q, 0);
	ret->vm = db_int(q, 1);
	ret->n = db_int(q, 2);
	db_reset(q);
	return 0;
}

/* Children that came before their parent find it now. */
static int adopt_orphans(struct store *store, int64_t vm, const struct id *id,
			 int64_t n, struct err *err)
{
	struct db_stmt *q =
		db_query(store->db,
			 "UPDATE node SET parent=?3 WHERE vm=?1 AND n IN"
			 " (SELECT n FROM orphan WHERE vm=?1 AND parent=?2)",
			 err);
	int r;

	db_bind_int(q, 1, vm);
	db_bind_id(q, 2, id);
	db_bind_int(q, 3, n);
	r = db_run(q, err);
	if (r < 0 || db_changes(store->db) == 0)
		return r;
	q = db_query(store->db, "DELETE FROM orphan WHERE vm=? AND parent=?",
		     err);
	db_bind_int(q, 1, vm);
	db_bind_id(q, 2, id);
	return db_run(q, err);
}

static int put_orphan(struct store *store, int64_t vm, const struct id *parent,
		      int64_t n, struct err *err)
{
	struct db_stmt *q = db_query(store->db,
				     "INSERT INTO orphan (vm, parent, n)"
				     " VALUES (?, ?, ?)",
				     err);

	db_bind_int(q, 1, vm);
	db_bind_id(q, 2, parent);
	db_bind_int(q, 3, n);
	return db_run(q, err);
}

static int put_node(struct store *store, const struct place *place,
		    int64_t parent, const struct snapshot *snap,
		    struct err *err)
{
	struct db_stmt *q = db_query(
		store->db,
		"INSERT INTO node (vm, n, parent, created_ms, record, flags)"
		" VALUES (?, ?, ?, ?, ?, ?)",
		err);

	db_bind_int(q, 1, place->vm);
	db_bind_int(q, 2, place->n);
	db_bind_int(q, 3, parent);
	db_bind_int(q, 4, snap->taken_ms);
	db_bind_int(q, 5, place->record);
	db_bind_int(q, 6, node_flags(snap));
	return db_run(q, err);
}

static int put_record(struct store *store, struct place *place,
		      const struct id *id, const void *body, size_t size,
		      struct err *err)
{
	struct db_stmt *q = db_query(store->db,
				     "INSERT INTO record (uuid, vm, n, body)"
				     " VALUES (?, ?, ?, ?)",
				     err);
	int r;

	db_bind_id(q, 1, id);
	db_bind_int(q, 2, place->vm);
	db_bind_int(q, 3, place->n);
	db_bind_blob(q, 4, body, size);
	r = db_run(q, err);
	if (r == 0)
		place->record = db_last_rowid(store->db);
	return r;
}

static int insert_snapshot(struct store *store, struct vm *vm,
			   const struct snapshot *snap, const void *body,
			   size_t size, struct err *err)
{
	struct place place = { .vm = vm->id, .n = vm->last_n + 1 };
	struct place parent = { 0 };
	int r = 0;

	if (!id_is_null(&snap->parent))
		r = find_snapshot(store, &snap->parent, &parent, err);
	if (r == 0 && parent.vm != vm->id) {
		parent.n = 0;
		if (!id_is_null(&snap->parent))
			r = put_orphan(store, vm->id, &snap->parent, place.n,
				       err);
	}
	if (r == 0)
		r = put_record(store, &place, &snap->id, body, size, err);
	if (r == 0)
		r = put_node(store, &place, parent.n, snap, err);
	if (r == 0)
		r = adopt_orphans(store, vm->id, &snap->id, place.n, err);
	if (r < 0)
		return r;
	vm->last_n++;
	vm->nodes++;
	return 0;
}

static int update_snapshot(struct store *store, const struct place *place,
			   const struct snapshot *snap, const void *body,
			   size_t size, struct err *err)
{
	struct db_stmt *q =
		db_query(store->db, "UPDATE record SET body=? WHERE id=?", err);
	int r;

	db_bind_blob(q, 1, body, size);
	db_bind_int(q, 2, place->record);
	r = db_run(q, err);
	if (r < 0)
		return r;
	q = db_query(store->db,
		     "UPDATE node SET created_ms=?, flags=? WHERE vm=? AND n=?",
		     err);
	db_bind_int(q, 1, snap->taken_ms);
	db_bind_int(q, 2, node_flags(snap));
	db_bind_int(q, 3, place->vm);
	db_bind_int(q, 4, place->n);
	return db_run(q, err);
}

/* *ret_new: it was not known. */
static int put_snapshot(struct store *store, struct vm *vm,
			const struct snapshot *snap, bool *ret_new,
			struct err *err)
{
	struct place place;
	void *body = NULL;
	size_t size;
	int r = find_snapshot(store, &snap->id, &place, err);

	if (r < 0)
		return r;
	if (place.record && place.vm != vm->id)
		return err_set(err, ERR_INVALID, 0,
			       "snapshot is known of another VM");
	r = codec_pack_snapshot(snap, &body, &size, err);
	if (r < 0)
		return r;
	r = place.record ? update_snapshot(store, &place, snap, body, size, err)
			 : insert_snapshot(store, vm, snap, body, size, err);
	free(body);
	if (r == 0 && snap->taken_ms > vm->latest_ms)
		vm->latest_ms = snap->taken_ms;
	*ret_new = !place.record;
	return r;
}

/* What the host that has the VM says of it. */
static void take_over(struct vm *vm, int64_t host, int64_t time_ms,
		      const struct event *event)
{
	vm->host = host;
	if (time_ms > vm->told_ms)
		vm->told_ms = time_ms;
	vm->gone = event->kind == EVENT_DOMAIN_GONE;
	if (event->domain_name[0])
		str_copy(vm->name, sizeof(vm->name), event->domain_name);
	if (event->domain_state)
		vm->state = event->domain_state;
	if (!id_is_null(&event->snapshot))
		vm->head = event->snapshot;
	if (vm->gone)
		vm->state = 0;
}

static void change_vm(struct vm *vm, int64_t host, const struct event *event)
{
	int64_t now = clock_wall_ms();
	int64_t time_ms = event->time_ms < now ? event->time_ms : now;
	bool is_its_host = vm->host == host;
	bool may_take = is_its_host || time_ms >= vm->told_ms;

	switch (event->kind) {
	case EVENT_DOMAIN_SEEN:
	case EVENT_TAKEN:
	case EVENT_RESTORED:
		if (may_take)
			take_over(vm, host, time_ms, event);
		break;
	case EVENT_DOMAIN_GONE:
		/* After a migration the old host undefines it. */
		if (is_its_host)
			take_over(vm, host, time_ms, event);
		break;
	case EVENT_THAW_OWED:
		vm->frozen = true;
		break;
	case EVENT_GUEST_THAWED:
		vm->frozen = false;
		break;
	default:
		break;
	}
	/* What is off or gone cannot be frozen. */
	if (vm->gone || vm->state == DOMAIN_OFF)
		vm->frozen = false;
}

static bool is_of_record(enum event_kind kind)
{
	return kind == EVENT_TAKEN || kind == EVENT_CHANGED ||
	       kind == EVENT_RESTORED;
}

/* It must be whole, and about one VM. */
static int check_record(struct event *event, struct err *err)
{
	struct snapshot *snap = event->record;

	if (!snap || id_is_null(&snap->id))
		return err_set(err, ERR_INVALID, 0, "has no snapshot");
	if (id_is_null(&event->domain))
		event->domain = snap->domain;
	if (id_is_null(&snap->domain))
		snap->domain = event->domain;
	if (id_is_null(&event->domain) ||
	    !id_equal(&event->domain, &snap->domain))
		return err_set(err, ERR_INVALID, 0,
			       "event and snapshot are of different VMs");
	if (id_equal(&snap->id, &snap->parent))
		return err_set(err, ERR_INVALID, 0,
			       "snapshot is its own parent");
	event->snapshot = snap->id;
	if (!event->domain_name[0])
		str_copy(event->domain_name, sizeof(event->domain_name),
			 snap->domain_name);
	return 0;
}

static int find_or_make_vm(struct store *store, int64_t host,
			   const struct event *event, struct vm *vm,
			   struct err *err)
{
	int r;

	memset(vm, 0, sizeof(*vm));
	r = load_vm(store, &event->domain, vm, err);
	if (r != 0)
		return r < 0 ? r : 0;
	vm->uuid = event->domain;
	vm->host = host;
	str_copy(vm->name, sizeof(vm->name), event->domain_name);
	return insert_vm(store, vm, err);
}

/* A change of what is not known comes when the TAKEN could not be read, or was
 * trimmed by the agent before this collector was set up.  The record is whole,
 * so the node is made of it: what was missing is there again. */
static int put_record_of(struct store *store, struct vm *vm,
			 const struct event *event, struct err *err)
{
	char id[ID_TEXT];
	bool is_new = false;
	int r = put_snapshot(store, vm, event->record, &is_new, err);

	if (r < 0 || !is_new || event->kind == EVENT_TAKEN)
		return r;
	err_set(err, ERR_ABSENT, 0, "snapshot '%s' was not known before '%s'",
		id_format(&event->record->id, id),
		event_kind_word(event->kind));
	return 1;
}

int store_apply(struct store *store, int64_t host, struct event *event,
		int64_t *ret_vm, struct err *err)
{
	struct vm vm, old;
	int r = 0, strange = 0;

	if (is_of_record(event->kind))
		r = check_record(event, err);
	*ret_vm = 0;
	if (r < 0 || id_is_null(&event->domain))
		return r;
	r = find_or_make_vm(store, host, event, &vm, err);
	if (r < 0)
		return r;
	old = vm;
	if (is_of_record(event->kind))
		strange = put_record_of(store, &vm, event, err);
	if (strange < 0)
		return strange;
	change_vm(&vm, host, event);
	if (strcmp(vm.name, old.name) != 0)
		r = save_name(store, &vm, err);
	if (r == 0 && memcmp(&vm, &old, sizeof(vm)) != 0)
		r = save_vm(store, &vm, err);
	*ret_vm = vm.id;
	return r < 0 ? r : strange;
}
