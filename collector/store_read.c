/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store_read.c - walks over hosts, VMs, snapshots and the event log
 *
 * Each walk has a statement of its own, so that one may be done inside another.
 * A walk that is ended early resets its statement: an open one would keep the
 * WAL from being written back.
 */
#include <string.h>

#include "base/db.h"
#include "base/str.h"
#include "collector/store_impl.h"
#include "proto/codec.h"

#define VM_COLUMNS                                                     \
	"SELECT v.id, v.host, v.gone, v.uuid, v.name, h.uuid, h.name," \
	" v.state, v.head, v.nodes, v.latest_ms, v.frozen"             \
	" FROM vm v JOIN host h ON h.id=v.host"

static void read_vm(struct db_stmt *q, struct store_vm *ret)
{
	struct vm_row *row = &ret->row;

	memset(ret, 0, sizeof(*ret));
	ret->vm = db_int(q, 0);
	ret->host = db_int(q, 1);
	ret->gone = db_int(q, 2);
	row->domain = db_id(q, 3);
	str_copy(row->name, sizeof(row->name), db_text(q, 4));
	row->host = db_id(q, 5);
	str_copy(row->host_name, sizeof(row->host_name), db_text(q, 6));
	row->state = domain_state_from_wire(db_int(q, 7));
	row->head = db_id(q, 8);
	row->n_snapshots = (uint32_t)db_int(q, 9);
	row->latest_ms = db_int(q, 10);
	row->frozen = db_int(q, 11);
}

static int walk_vms(struct db_stmt *q, store_each_vm *each, void *arg,
		    struct err *err)
{
	struct store_vm vm;
	int r;

	while ((r = db_step(q, err)) > 0) {
		read_vm(q, &vm);
		if (!each(arg, &vm))
			break;
	}
	db_reset(q);
	return r < 0 ? r : 0;
}

/* A VM that is gone and left no snapshot is nothing to show. */
int store_all_vms(struct store *store, store_each_vm *each, void *arg,
		  struct err *err)
{
	struct db_stmt *q = db_query(store->db,
				     VM_COLUMNS " WHERE v.nodes>0 OR NOT v.gone"
						" ORDER BY v.name, v.id",
				     err);

	return walk_vms(q, each, arg, err);
}

int store_vms_named(struct store *store, const char *name, store_each_vm *each,
		    void *arg, struct err *err)
{
	struct db_stmt *q = db_query(
		store->db, VM_COLUMNS " WHERE v.name=? ORDER BY v.id", err);

	db_bind_text(q, 1, name);
	return walk_vms(q, each, arg, err);
}

int store_vms_between(struct store *store, const struct id *low,
		      const struct id *high, store_each_vm *each, void *arg,
		      struct err *err)
{
	struct db_stmt *q = db_query(
		store->db,
		VM_COLUMNS " WHERE v.uuid BETWEEN ? AND ? ORDER BY v.uuid",
		err);

	db_bind_blob(q, 1, low->b, sizeof(low->b));
	db_bind_blob(q, 2, high->b, sizeof(high->b));
	return walk_vms(q, each, arg, err);
}

int store_get_vm(struct store *store, int64_t vm, struct store_vm *ret,
		 struct err *err)
{
	struct db_stmt *q = db_query(store->db, VM_COLUMNS " WHERE v.id=?",
				     err);
	int r;

	db_bind_int(q, 1, vm);
	r = db_step(q, err);
	if (r == 0)
		return err_set(err, ERR_ABSENT, 0, "there is no such VM");
	if (r < 0)
		return r;
	read_vm(q, ret);
	db_reset(q);
	return 0;
}

static void read_host(struct db_stmt *q, struct store_host *ret)
{
	struct host_row *row = &ret->row;

	memset(ret, 0, sizeof(*ret));
	ret->host = db_int(q, 0);
	row->host = db_id(q, 1);
	str_copy(row->name, sizeof(row->name), db_text(q, 2));
	str_copy(row->version, sizeof(row->version), db_text(q, 3));
	row->epoch = (uint64_t)db_int(q, 4);
	row->seq = (uint64_t)db_int(q, 5);
	row->last_seq = (uint64_t)db_int(q, 6);
	row->seen_ms = db_int(q, 7);
	row->n_vms = (uint32_t)db_int(q, 8);
	row->n_snapshots = (uint32_t)db_int(q, 9);
}

int store_all_hosts(struct store *store, store_each_host *each, void *arg,
		    struct err *err)
{
	struct db_stmt *q = db_query(
		store->db,
		"SELECT h.id, h.uuid, h.name, h.version, s.epoch, s.seq,"
		" s.last_seq, s.seen_ms, c.vms, c.nodes FROM host h"
		" LEFT JOIN source s ON s.id=h.source"
		" LEFT JOIN (SELECT host, sum(NOT gone) AS vms,"
		"   sum(nodes) AS nodes FROM vm GROUP BY host) c"
		" ON c.host=h.id ORDER BY h.name, h.id",
		err);
	struct store_host host;
	int r;

	while ((r = db_step(q, err)) > 0) {
		read_host(q, &host);
		if (!each(arg, &host))
			break;
	}
	db_reset(q);
	return r < 0 ? r : 0;
}

static int walk_records(struct db_stmt *q, store_each_record *each, void *arg,
			struct err *err)
{
	struct store_record record;
	int r;

	while ((r = db_step(q, err)) > 0) {
		record.record = db_int(q, 0);
		record.vm = db_int(q, 1);
		record.body = db_blob(q, 2, &record.size);
		if (!each(arg, &record))
			break;
	}
	db_reset(q);
	return r < 0 ? r : 0;
}

int store_tree(struct store *store, int64_t vm, store_each_record *each,
	       void *arg, struct err *err)
{
	struct db_stmt *q = db_query(store->db,
				     "SELECT r.id, r.vm, r.body FROM node n"
				     " JOIN record r ON r.id=n.record"
				     " WHERE n.vm=? ORDER BY n.n",
				     err);

	db_bind_int(q, 1, vm);
	return walk_records(q, each, arg, err);
}

/* Two statements: one walks the index of times, the other sorts one VM. */
int store_newest(struct store *store, int64_t vm, int64_t since_ms,
		 int64_t until_ms, store_each_record *each, void *arg,
		 struct err *err)
{
	struct db_stmt *q;

	if (vm)
		q = db_query(
			store->db,
			"SELECT r.id, r.vm, r.body FROM node n"
			" JOIN record r ON r.id=n.record"
			" WHERE n.vm=?3 AND +n.created_ms BETWEEN ?1 AND ?2"
			" ORDER BY n.created_ms DESC, n.n DESC",
			err);
	else
		q = db_query(store->db,
			     "SELECT r.id, r.vm, r.body FROM node n"
			     " CROSS JOIN record r ON r.id=n.record"
			     " WHERE n.created_ms BETWEEN ?1 AND ?2"
			     " ORDER BY n.created_ms DESC, n.vm DESC, n.n DESC",
			     err);
	db_bind_int(q, 1, since_ms);
	db_bind_int(q, 2, until_ms);
	if (vm)
		db_bind_int(q, 3, vm);
	return walk_records(q, each, arg, err);
}

int store_records_between(struct store *store, const struct id *low,
			  const struct id *high, store_each_record *each,
			  void *arg, struct err *err)
{
	struct db_stmt *q =
		db_query(store->db,
			 "SELECT id, vm, body FROM record"
			 " WHERE uuid BETWEEN ? AND ? ORDER BY uuid",
			 err);

	db_bind_blob(q, 1, low->b, sizeof(low->b));
	db_bind_blob(q, 2, high->b, sizeof(high->b));
	return walk_records(q, each, arg, err);
}

int store_get_snapshot(struct store *store, int64_t record,
		       struct snapshot *ret, size_t *ret_size, struct err *err)
{
	struct db_stmt *q = db_query(store->db,
				     "SELECT body FROM record WHERE id=?", err);
	const void *body;
	size_t size;
	int r;

	db_bind_int(q, 1, record);
	r = db_step(q, err);
	if (r == 0)
		return err_set(err, ERR_ABSENT, 0, "there is no such snapshot");
	if (r < 0)
		return r;
	body = db_blob(q, 0, &size);
	r = codec_unpack_snapshot(body, size, ret, err);
	db_reset(q);
	if (r == 0 && ret_size)
		*ret_size = size;
	return r;
}

#define EVENT_COLUMNS                                                   \
	"SELECT e.pos, e.vm, s.host, e.time_ms, e.seq, h.uuid, h.name," \
	" e.body FROM event e CROSS JOIN source s ON s.id=e.source"     \
	" CROSS JOIN host h ON h.id=s.host"

static int walk_events(struct db_stmt *q, store_each_event *each, void *arg,
		       struct err *err)
{
	struct store_event event;
	int r;

	while ((r = db_step(q, err)) > 0) {
		event.pos = db_int(q, 0);
		event.vm = db_int(q, 1);
		event.host = db_int(q, 2);
		event.time_ms = db_int(q, 3);
		event.seq = (uint64_t)db_int(q, 4);
		event.host_id = db_id(q, 5);
		event.host_name = db_text(q, 6);
		event.body = db_blob(q, 7, &event.size);
		if (!each(arg, &event))
			break;
	}
	db_reset(q);
	return r < 0 ? r : 0;
}

int store_events_after(struct store *store, int64_t pos, store_each_event *each,
		       void *arg, struct err *err)
{
	struct db_stmt *q = db_query(
		store->db, EVENT_COLUMNS " WHERE e.pos>? ORDER BY e.pos", err);

	db_bind_int(q, 1, pos);
	return walk_events(q, each, arg, err);
}

int store_events_back(struct store *store, store_each_event *each, void *arg,
		      struct err *err)
{
	struct db_stmt *q = db_query(store->db,
				     EVENT_COLUMNS " ORDER BY e.pos DESC", err);

	return walk_events(q, each, arg, err);
}
