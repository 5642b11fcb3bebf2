/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal_op.c - operations: what was about to be done
 *
 * The normal course: the engine puts the row before the work its state names,
 * each time whole, and prunes what is long over.
 *
 * What can fail: a write, with its transaction; the work is then not begun.
 *
 * What a restart does: journal_open_ops() hands out all that is not over: work
 * cut short, work that got stuck, and thaws owed whatever the state.
 */
#include "agent/journal/journal.h"

#include <stdlib.h>
#include <string.h>

#include "agent/journal/journal_private.h"
#include "base/str.h"

#define COLUMNS                                                          \
	"id, kind, state, created_ms, owes_thaw, freeze, max_frozen_ms," \
	" err_code, err_sys, err_text, body, disks"

/* Stuck work left something behind, so it is not over although it is final. */
static bool is_open(const struct op *op)
{
	return !op_is_final(op->state) || op->state == OP_STUCK ||
	       op->owes_thaw;
}

static int write_op(struct journal *j, const struct op *op, const void *body,
		    size_t size, struct err *err)
{
	struct db_stmt *q =
		db_query(j->db,
			 "INSERT OR REPLACE INTO op (" COLUMNS ", open, domain)"
			 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			 err);

	db_bind_id(q, 1, &op->id);
	db_bind_int(q, 2, (int64_t)op->kind);
	db_bind_int(q, 3, (int64_t)op->state);
	db_bind_int(q, 4, op->created_ms);
	db_bind_int(q, 5, op->owes_thaw);
	db_bind_int(q, 6, (int64_t)op->freeze);
	db_bind_int(q, 7, op->max_frozen_ms);
	db_bind_int(q, 8, (int64_t)op->err.code);
	db_bind_int(q, 9, op->err.sys);
	db_bind_text(q, 10, op->err.text);
	db_bind_blob(q, 11, body, size);
	db_bind_text(q, 12, op->disks);
	db_bind_int(q, 13, is_open(op));
	db_bind_id(q, 14, &op->snap.domain);
	return db_run(q, err);
}

int journal_put_op(struct journal *j, const struct op *op, struct err *err)
{
	char id[ID_TEXT];
	void *body = NULL;
	size_t size = 0;
	int r;

	r = journal_pack_snapshot(&op->snap, &body, &size, err);
	if (r == 0)
		r = write_op(j, op, body, size, err);
	free(body);
	return r < 0 ? err_wrap(err, r, "cannot journal operation '%s'",
				id_format(&op->id, id))
		     : 0;
}

static int read_op(struct db_stmt *q, struct op *ret, struct err *err)
{
	struct op op = { .id = db_id(q, 0) };
	int r;

	op.kind = op_kind_from_wire(db_int(q, 1));
	op.state = op_state_from_wire(db_int(q, 2));
	op.created_ms = db_int(q, 3);
	op.owes_thaw = db_int(q, 4) != 0;
	op.freeze = freeze_from_wire(db_int(q, 5));
	op.max_frozen_ms = db_int(q, 6);
	op.err.code = (enum err_code)db_int(q, 7);
	op.err.sys = (int)db_int(q, 8);
	str_copy_cut(op.err.text, sizeof(op.err.text), db_text(q, 9));
	str_copy(op.disks, sizeof(op.disks), db_text(q, 11));
	r = journal_read_snapshot(q, 10, &op.snap, err);
	if (r < 0)
		return err_wrap(err, r, "cannot read an operation");
	*ret = op;
	return 0;
}

int journal_get_op(struct journal *j, const struct id *id, struct op *ret,
		   struct err *err)
{
	struct db_stmt *q =
		db_query(j->db, "SELECT " COLUMNS " FROM op WHERE id=?", err);
	char text[ID_TEXT];
	int r;

	db_bind_id(q, 1, id);
	r = db_step(q, err);
	if (r > 0)
		r = read_op(q, ret, err);
	else if (r == 0)
		r = err_set(err, ERR_ABSENT, 0, "no operation '%s'",
			    id_format(id, text));
	db_reset(q);
	return r;
}

static int add_op(struct db_stmt *q, struct op **list, size_t *n,
		  struct err *err)
{
	struct op *more = realloc(*list, (*n + 1) * sizeof(*more));
	int r;

	if (!more)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	*list = more;
	r = read_op(q, &more[*n], err);
	if (r == 0)
		(*n)++;
	return r;
}

static void free_ops(struct op *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		op_done(&list[i]);
	free(list);
}

int journal_open_ops(struct journal *j, struct op **ret, size_t *ret_n,
		     struct err *err)
{
	struct db_stmt *q = db_query(j->db,
				     "SELECT " COLUMNS " FROM op WHERE open=1"
				     " ORDER BY created_ms, id",
				     err);
	struct op *list = NULL;
	size_t n = 0;
	int r;

	while ((r = db_step(q, err)) > 0) {
		r = add_op(q, &list, &n, err);
		if (r < 0)
			break;
	}
	db_reset(q);
	if (r < 0) {
		free_ops(list, n);
		return err_wrap(err, r, "cannot read unfinished operations");
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int journal_count_ops(struct journal *j, enum op_state state, int64_t *ret,
		      struct err *err)
{
	struct db_stmt *q =
		db_query(j->db, "SELECT count(*) FROM op WHERE state=?", err);
	int r;

	db_bind_int(q, 1, (int64_t)state);
	r = db_step(q, err);
	if (r > 0)
		*ret = db_int(q, 0);
	db_reset(q);
	return r < 0 ? r : 0;
}

int journal_prune_ops(struct journal *j, int64_t before_wall_ms,
		      struct err *err)
{
	struct db_stmt *q = db_query(
		j->db, "DELETE FROM op WHERE open=0 AND created_ms < ?", err);

	db_bind_int(q, 1, before_wall_ms);
	return db_run(q, err);
}
