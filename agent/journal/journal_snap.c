/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* journal_snap.c - domains of this host, their snapshots and heads */
#include "agent/journal/journal.h"

#include <stdlib.h>
#include <string.h>

#include "agent/journal/journal_private.h"
#include "base/str.h"
#include "proto/codec.h"

/* 1: known, and it says just this; 0: not so. */
static int is_known(struct journal *j, const struct id *uuid, const char *name,
		    enum domain_state state, bool gone, struct err *err)
{
	struct db_stmt *q =
		db_query(j->db,
			 "SELECT 1 FROM domain"
			 " WHERE uuid=? AND name=? AND state=? AND gone=?",
			 err);
	int r;

	db_bind_id(q, 1, uuid);
	db_bind_text(q, 2, name);
	db_bind_int(q, 3, (int64_t)state);
	db_bind_int(q, 4, gone);
	r = db_step(q, err);
	db_reset(q);
	return r;
}

static int write_domain(struct journal *j, const struct id *uuid,
			const char *name, enum domain_state state, bool gone,
			struct err *err)
{
	struct db_stmt *q = db_query(
		j->db,
		"INSERT INTO domain (uuid, name, state, gone)"
		" VALUES (?, ?, ?, ?) ON CONFLICT (uuid) DO UPDATE SET"
		" name=excluded.name, state=excluded.state, gone=excluded.gone",
		err);

	db_bind_id(q, 1, uuid);
	db_bind_text(q, 2, name);
	db_bind_int(q, 3, (int64_t)state);
	db_bind_int(q, 4, gone);
	return db_run(q, err);
}

int journal_put_domain(struct journal *j, const struct id *uuid,
		       const char *name, enum domain_state state, bool gone,
		       bool *ret_changed, struct err *err)
{
	int r = is_known(j, uuid, name, state, gone, err);
	const bool known = r > 0;

	if (r == 0)
		r = write_domain(j, uuid, name, state, gone, err);
	if (r < 0)
		return err_wrap(err, r, "cannot journal domain '%s'", name);
	*ret_changed = !known;
	return 0;
}

/* The row is made when it is missing: a head must not be lost because its
 * domain was not listed yet. */
int journal_set_head(struct journal *j, const struct id *domain,
		     const struct id *head, struct err *err)
{
	struct db_stmt *q =
		db_query(j->db,
			 "INSERT INTO domain (uuid, name, state, gone, head)"
			 " VALUES (?, '', 0, 0, ?)"
			 " ON CONFLICT (uuid) DO UPDATE SET head=excluded.head",
			 err);
	int r;

	db_bind_id(q, 1, domain);
	db_bind_id(q, 2, head);
	r = db_run(q, err);
	return r < 0 ? err_wrap(err, r, "cannot journal a head") : 0;
}

static int add_domain(struct db_stmt *q, struct journal_domain **list,
		      size_t *n, struct err *err)
{
	struct journal_domain *more, *d;

	more = realloc(*list, (*n + 1) * sizeof(*more));
	if (!more)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	*list = more;
	d = &more[(*n)++];
	memset(d, 0, sizeof(*d));
	d->uuid = db_id(q, 0);
	str_copy_cut(d->name, sizeof(d->name), db_text(q, 1));
	d->state = domain_state_from_wire(db_int(q, 2));
	d->gone = db_int(q, 3) != 0;
	d->head = db_id(q, 4);
	d->n_snapshots = (uint32_t)db_int(q, 5);
	d->latest_ms = db_int(q, 6);
	return 0;
}

int journal_get_domains(struct journal *j, const struct id *uuid,
			struct journal_domain **ret, size_t *ret_n,
			struct err *err)
{
	/* The two selects inside go by the index snapshot_of_domain. */
	struct db_stmt *q = db_query(
		j->db,
		"SELECT uuid, name, state, gone, head,"
		" (SELECT count(*) FROM snapshot WHERE domain=uuid),"
		" (SELECT max(taken_ms) FROM snapshot WHERE domain=uuid)"
		" FROM domain WHERE ?1 IS NULL OR uuid=?1 ORDER BY name, uuid",
		err);
	struct journal_domain *list = NULL;
	size_t n = 0;
	int r;

	if (uuid)
		db_bind_id(q, 1, uuid);
	while ((r = db_step(q, err)) > 0) {
		r = add_domain(q, &list, &n, err);
		if (r < 0)
			break;
	}
	db_reset(q);
	if (r < 0) {
		free(list);
		return err_wrap(err, r, "cannot read domains");
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static bool is_storable(const struct snapshot_disk *disk)
{
	return str_is_clean(disk->target) && str_is_clean(disk->source) &&
	       str_is_clean(disk->object) && str_is_clean(disk->name) &&
	       str_is_clean(disk->active);
}

int journal_pack_snapshot(const struct snapshot *snap, void **ret,
			  size_t *ret_size, struct err *err)
{
	char target[DISK_TARGET];

	for (size_t i = 0; i < snap->n_disks; i++) {
		if (is_storable(&snap->disks[i]))
			continue;
		return err_set(err, ERR_INVALID, 0,
			       "disk '%s': a path of it has control characters "
			       "or is not UTF-8",
			       str_show(target, sizeof(target),
					snap->disks[i].target));
	}
	return codec_pack_snapshot(snap, ret, ret_size, err);
}

static int write_snapshot(struct journal *j, const struct snapshot *snap,
			  const void *body, size_t size, struct err *err)
{
	struct db_stmt *q =
		db_query(j->db,
			 "INSERT OR REPLACE INTO snapshot"
			 " (id, domain, parent, taken_ms, label, state, body)"
			 " VALUES (?, ?, ?, ?, ?, ?, ?)",
			 err);

	db_bind_id(q, 1, &snap->id);
	db_bind_id(q, 2, &snap->domain);
	db_bind_id(q, 3, &snap->parent);
	db_bind_int(q, 4, snap->taken_ms);
	db_bind_text(q, 5, snap->label);
	db_bind_int(q, 6, (int64_t)snap->state);
	db_bind_blob(q, 7, body, size);
	return db_run(q, err);
}

int journal_put_snapshot(struct journal *j, const struct snapshot *snap,
			 struct err *err)
{
	char id[ID_TEXT];
	void *body = NULL;
	size_t size = 0;
	int r;

	r = journal_pack_snapshot(snap, &body, &size, err);
	if (r == 0)
		r = write_snapshot(j, snap, body, size, err);
	free(body);
	return r < 0 ? err_wrap(err, r, "cannot journal snapshot '%s'",
				id_format(&snap->id, id))
		     : 0;
}

int journal_read_snapshot(struct db_stmt *q, int col, struct snapshot *ret,
			  struct err *err)
{
	struct err cause = { 0 };
	size_t size;
	const void *body = db_blob(q, col, &size);
	int r = codec_unpack_snapshot(body, size, ret, &cause);

	if (r == -ERR_PROTO)
		return err_set(err, ERR_JOURNAL, 0, "damaged record: %s",
			       cause.text);
	if (r < 0 && err)
		*err = cause;
	return r;
}

static int walk(struct db_stmt *q,
		int (*each)(void *arg, struct snapshot *snap, struct err *err),
		void *arg, struct err *err)
{
	struct snapshot snap;
	int r;

	while ((r = db_step(q, err)) > 0) {
		r = journal_read_snapshot(q, 0, &snap, err);
		if (r < 0)
			return err_wrap(err, r, "cannot read a snapshot");
		r = each(arg, &snap, err);
		snapshot_done(&snap);
		if (r < 0)
			return r;
	}
	return r < 0 ? err_wrap(err, r, "cannot read snapshots") : 0;
}

int journal_each_snapshot(struct journal *j, const struct id *domain,
			  int (*each)(void *arg, struct snapshot *snap,
				      struct err *err),
			  void *arg, struct err *err)
{
	struct db_stmt *q;
	int r;

	if (domain && !id_is_null(domain)) {
		q = db_query(j->db,
			     "SELECT body FROM snapshot WHERE domain=?"
			     " ORDER BY taken_ms, id",
			     err);
		db_bind_id(q, 1, domain);
	} else {
		q = db_query(j->db,
			     "SELECT body FROM snapshot ORDER BY taken_ms, id",
			     err);
	}
	r = walk(q, each, arg, err);
	db_reset(q);
	return r;
}

int journal_get_snapshot(struct journal *j, const struct id *id,
			 struct snapshot *ret, struct err *err)
{
	struct db_stmt *q =
		db_query(j->db, "SELECT body FROM snapshot WHERE id=?", err);
	char text[ID_TEXT];
	int r;

	db_bind_id(q, 1, id);
	r = db_step(q, err);
	if (r > 0)
		r = journal_read_snapshot(q, 0, ret, err);
	else if (r == 0)
		r = err_set(err, ERR_ABSENT, 0, "no snapshot '%s'",
			    id_format(id, text));
	db_reset(q);
	return r;
}
