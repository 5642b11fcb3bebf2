/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * db.h - SQLite with our settings and our errors
 *
 * A database belongs to the thread that opened it.  It is opened in WAL mode
 * with synchronous=FULL (a commit survives power loss), foreign keys on, and
 * a busy time-out of 2 s.  Statements are prepared once and cached by the
 * address of their SQL text, which must therefore be a string literal.
 *
 * Errors: ERR_BUSY when the time-out passed, ERR_EXISTS for a row that must be
 * unique, ERR_NOMEM, ERR_JOURNAL for all else; err->sys is SQLite's extended
 * result code.
 *
 *	struct db_stmt *q = db_query(db, "SELECT n FROM t WHERE k=?", err);
 *	db_bind_int(q, 1, k);
 *	while ((r = db_step(q, err)) > 0)
 *		use(db_int(q, 0));
 *	db_reset(q);           (also done by the next db_query() of the text)
 */
#ifndef BASE_DB_H
#define BASE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"

struct db;
struct db_stmt;

enum db_flags { DB_READ_ONLY = 1 << 0 };

/* Opens or makes the file (mode 0600).  ERR_JOURNAL when it cannot be opened
 * or is not a database. */
int db_open(struct db **ret, const char *path, unsigned flags, struct err *err);
void db_close(struct db *db); /* rolls back what is open */

/* Brings user_version from whatever it is to n by running migrations[v] in one
 * transaction each.  A newer version than n is an error (ERR_JOURNAL). */
int db_migrate(struct db *db, const char *const *migrations, unsigned n,
	       struct err *err);

int db_exec(struct db *db, const char *sql, struct err *err);
int db_begin(struct db *db, struct err *err); /* BEGIN IMMEDIATE */
/* On failure the transaction has been rolled back. */
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db); /* nothing when none is open */
bool db_in_transaction(const struct db *db);

/* NULL and *err when the text does not compile or memory is out.  A NULL
 * statement may be bound and stepped: binding does nothing and stepping
 * returns the negative code, so one check at the step is enough. */
struct db_stmt *db_query(struct db *db, const char *sql, struct err *err);
void db_bind_int(struct db_stmt *q, int n, int64_t v);
void db_bind_text(struct db_stmt *q, int n, const char *v); /* NULL: NULL */
void db_bind_blob(struct db_stmt *q, int n, const void *v, size_t size);
void db_bind_id(struct db_stmt *q, int n, const struct id *v); /* nil: NULL */

/* 1: a row; 0: done; negative: error. */
int db_step(struct db_stmt *q, struct err *err);
/* Step to the end, for statements without rows. */
int db_run(struct db_stmt *q, struct err *err);
void db_reset(struct db_stmt *q);

/* Columns of the present row, from 0.  Pointers hold until the next step. */
int64_t db_int(struct db_stmt *q, int col);
const char *db_text(struct db_stmt *q, int col); /* "" for NULL */
const void *db_blob(struct db_stmt *q, int col, size_t *ret_size);
struct id db_id(struct db_stmt *q, int col); /* nil for NULL or a bad size */
bool db_is_null(struct db_stmt *q, int col);

int64_t db_last_rowid(const struct db *db);
int64_t db_changes(const struct db *db);

#endif
