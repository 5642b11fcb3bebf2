/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* db.c - SQLite with our settings and our errors */
#include "base/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define BUSY_MS 2000

struct db_stmt {
	sqlite3_stmt *stmt;
	const char *sql;
	struct db *db;
	int bind_code; /* of the first binding that failed */
	struct db_stmt *next;
};

struct db {
	sqlite3 *handle;
	struct db_stmt *stmts;
	char name[64]; /* file name for messages */
};

static enum err_code code_of(int extended)
{
	switch (extended) {
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_ROWID:
	case SQLITE_CONSTRAINT_UNIQUE:
		return ERR_EXISTS;
	}
	switch (extended & 0xff) {
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	default:
		return ERR_JOURNAL;
	}
}

/* `doing` may be a whole statement: its start is enough to know it by. */
static int fail(struct db *db, int code, const char *doing, struct err *err)
{
	const char *text = sqlite3_errmsg(db->handle);
	int r;

	/* errmsg is of the last call, which a failed binding need not be */
	if (sqlite3_extended_errcode(db->handle) != code)
		text = sqlite3_errstr(code);
	r = err_set(err, code_of(code), 0, "'%s': %.72s%s: %s", db->name, doing,
		    strlen(doing) > 72 ? "..." : "", text);
	if (err)
		err->sys = code;
	return r;
}

static int fail_open(struct db *db, enum err_code code, int sys,
		     const char *what, struct err *err)
{
	return err_set(err, code, sys, "'%s': cannot open: %s", db->name, what);
}

/*
 * SQLite would make the file by the umask.  An existing one is not opened here:
 * closing any descriptor of it drops all locks that this process has on it.
 */
static int make_file(struct db *db, const char *path, struct err *err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	struct stat st;
	int fd = open(path, flags, 0600);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != EEXIST)
		return err_set(err, ERR_JOURNAL, errno, "cannot make '%s'",
			       path);
	if (lstat(path, &st) < 0)
		return err_set(err, ERR_JOURNAL, errno, "cannot open '%s'",
			       path);
	if (!S_ISREG(st.st_mode))
		return fail_open(db, ERR_JOURNAL, 0, "not a regular file", err);
	return 0;
}

static int query_text(struct db *db, const char *sql, char *buf, size_t size,
		      struct err *err)
{
	struct db_stmt *q = db_query(db, sql, err);
	int r = db_step(q, err);

	if (r > 0)
		str_copy(buf, size, db_text(q, 0));
	db_reset(q);
	return r < 0 ? r : 0;
}

/* The first to read the file, so also the check that it is a database. */
/* Tables, but no version of ours: nothing is changed in such a file, not even
 * its mode; db_migrate() refuses it. */
static int is_foreign(struct db *db, bool *ret, struct err *err)
{
	char text[16] = "";
	int r = query_text(
		db,
		"SELECT (SELECT user_version FROM pragma_user_version) = 0"
		" AND (SELECT count(*) FROM sqlite_master) > 0",
		text, sizeof(text), err);

	if (r == 0)
		*ret = strcmp(text, "1") == 0;
	return r;
}

static int set_up(struct db *db, unsigned flags, struct err *err)
{
	char mode[16] = "";
	bool foreign = false;
	int r;

	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, BUSY_MS);
	r = db_exec(db, "PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL;",
		    err);
	if (r < 0)
		return r;
	if (flags & DB_READ_ONLY)
		return query_text(db, "PRAGMA schema_version", mode,
				  sizeof(mode), err);
	r = is_foreign(db, &foreign, err);
	if (r < 0 || foreign)
		return r;
	r = query_text(db, "PRAGMA journal_mode=WAL", mode, sizeof(mode), err);
	if (r < 0)
		return r;
	if (strcmp(mode, "wal") != 0)
		return fail_open(db, ERR_JOURNAL, 0, "no WAL mode here", err);
	return 0;
}

static int open_handle(struct db *db, const char *path, unsigned flags,
		       struct err *err)
{
	int how = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	int code, r;

	if (flags & DB_READ_ONLY) {
		how |= SQLITE_OPEN_READONLY;
	} else {
		how |= SQLITE_OPEN_READWRITE;
		r = make_file(db, path, err);
		if (r < 0)
			return r;
	}
	code = sqlite3_open_v2(path, &db->handle, how, NULL);
	if (!db->handle)
		return fail_open(db, ERR_NOMEM, 0, "out of memory", err);
	if (code != SQLITE_OK)
		return fail(db, sqlite3_extended_errcode(db->handle),
			    "cannot open", err);
	return set_up(db, flags, err);
}

int db_open(struct db **ret, const char *path, unsigned flags, struct err *err)
{
	const char *slash = strrchr(path, '/');
	struct db *db = calloc(1, sizeof(*db));
	int r;

	if (!db)
		return err_set(err, ERR_NOMEM, 0, "cannot open '%s'", path);
	str_copy_cut(db->name, sizeof(db->name), slash ? slash + 1 : path);
	r = open_handle(db, path, flags, err);
	if (r < 0) {
		db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

void db_close(struct db *db)
{
	struct db_stmt *q;

	if (!db)
		return;
	while ((q = db->stmts)) {
		db->stmts = q->next;
		sqlite3_finalize(q->stmt);
		free(q);
	}
	sqlite3_close(db->handle);
	free(db);
}

static int get_version(struct db *db, unsigned *ret, struct err *err)
{
	char text[16] = "";
	int r = query_text(db, "PRAGMA user_version", text, sizeof(text), err);

	if (r == 0)
		*ret = (unsigned)strtoul(text, NULL, 10);
	return r;
}

static int run_migration(struct db *db, const char *sql, unsigned to,
			 struct err *err)
{
	char set[48];
	int r = db_exec(db, sql, err);

	if (r < 0)
		return r;
	snprintf(set, sizeof(set), "PRAGMA user_version=%u", to);
	return db_exec(db, set, err);
}

static int migrate_one(struct db *db, const char *sql, unsigned to,
		       struct err *err)
{
	int r = db_begin(db, err);

	if (r == 0)
		r = run_migration(db, sql, to, err);
	if (r == 0)
		r = db_commit(db, err);
	db_rollback(db);
	return r < 0 ? err_wrap(err, r, "migration %u", to) : 0;
}

int db_migrate(struct db *db, const char *const *migrations, unsigned n,
	       struct err *err)
{
	unsigned version = 0;
	bool foreign = false;
	int r = get_version(db, &version, err);

	if (r < 0)
		return r;
	if (version > n)
		return err_set(
			err, ERR_JOURNAL, 0,
			"'%s': version %u is newer than this program's %u",
			db->name, version, n);
	r = is_foreign(db, &foreign, err);
	if (r == 0 && foreign)
		r = err_set(err, ERR_JOURNAL, 0,
			    "'%s': it is a database of another program",
			    db->name);
	for (; version < n && r == 0; version++)
		r = migrate_one(db, migrations[version], version + 1, err);
	return r;
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : fail(db, code, sql, err);
}

int db_begin(struct db *db, struct err *err)
{
	return db_exec(db, "BEGIN IMMEDIATE", err);
}

int db_commit(struct db *db, struct err *err)
{
	int r = db_exec(db, "COMMIT", err);

	if (r < 0)
		db_rollback(db);
	return r;
}

void db_rollback(struct db *db)
{
	/* A failure of ROLLBACK means that SQLite has rolled back already. */
	if (db_in_transaction(db))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->handle);
}

static struct db_stmt *find_stmt(struct db *db, const char *sql)
{
	for (struct db_stmt *q = db->stmts; q; q = q->next) {
		if (q->sql == sql)
			return q;
	}
	return NULL;
}

static struct db_stmt *prepare(struct db *db, const char *sql, struct err *err)
{
	struct db_stmt *q = calloc(1, sizeof(*q));
	int code;

	if (!q) {
		err_set(err, ERR_NOMEM, 0, "cannot prepare a statement");
		return NULL;
	}
	code = sqlite3_prepare_v3(db->handle, sql, -1,
				  SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
	if (code != SQLITE_OK) {
		fail(db, code, sql, err);
		free(q);
		return NULL;
	}
	*q = (struct db_stmt){ q->stmt, sql, db, SQLITE_OK, db->stmts };
	db->stmts = q;
	return q;
}

struct db_stmt *db_query(struct db *db, const char *sql, struct err *err)
{
	struct db_stmt *q = find_stmt(db, sql);

	if (!q)
		return prepare(db, sql, err);
	db_reset(q);
	sqlite3_clear_bindings(q->stmt);
	q->bind_code = SQLITE_OK;
	return q;
}

/* Only the first failure is kept: the later ones are mostly its echo. */
static void note_bind(struct db_stmt *q, int code)
{
	if (q->bind_code == SQLITE_OK)
		q->bind_code = code;
}

void db_bind_int(struct db_stmt *q, int n, int64_t v)
{
	if (q)
		note_bind(q, sqlite3_bind_int64(q->stmt, n, v));
}

void db_bind_text(struct db_stmt *q, int n, const char *v)
{
	if (q)
		note_bind(q, sqlite3_bind_text(q->stmt, n, v, -1,
					       SQLITE_TRANSIENT));
}

void db_bind_blob(struct db_stmt *q, int n, const void *v, size_t size)
{
	if (q)
		note_bind(q, sqlite3_bind_blob64(q->stmt, n, v ? v : "", size,
						 SQLITE_TRANSIENT));
}

void db_bind_id(struct db_stmt *q, int n, const struct id *v)
{
	if (q && id_is_null(v))
		note_bind(q, sqlite3_bind_null(q->stmt, n));
	else
		db_bind_blob(q, n, v->b, sizeof(v->b));
}

int db_step(struct db_stmt *q, struct err *err)
{
	int code, r;

	if (!q)
		return err && err->code ? -(int)err->code : -ERR_JOURNAL;
	code = q->bind_code;
	if (code == SQLITE_OK)
		code = sqlite3_step(q->stmt);
	if (code == SQLITE_ROW)
		return 1;
	r = code == SQLITE_DONE ? 0 : fail(q->db, code, q->sql, err);
	db_reset(q);
	return r;
}

int db_run(struct db_stmt *q, struct err *err)
{
	int r;

	do {
		r = db_step(q, err);
	} while (r > 0);
	return r;
}

void db_reset(struct db_stmt *q)
{
	if (q)
		sqlite3_reset(q->stmt);
}

int64_t db_int(struct db_stmt *q, int col)
{
	return sqlite3_column_int64(q->stmt, col);
}

const char *db_text(struct db_stmt *q, int col)
{
	const unsigned char *text = sqlite3_column_text(q->stmt, col);

	return text ? (const char *)text : "";
}

const void *db_blob(struct db_stmt *q, int col, size_t *ret_size)
{
	const void *blob = sqlite3_column_blob(q->stmt, col);

	*ret_size = (size_t)sqlite3_column_bytes(q->stmt, col);
	return blob;
}

struct id db_id(struct db_stmt *q, int col)
{
	struct id id = { { 0 } };
	size_t size;
	const void *blob = db_blob(q, col, &size);

	if (blob && size == sizeof(id.b))
		memcpy(id.b, blob, sizeof(id.b));
	return id;
}

bool db_is_null(struct db_stmt *q, int col)
{
	return sqlite3_column_type(q->stmt, col) == SQLITE_NULL;
}

int64_t db_last_rowid(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

int64_t db_changes(const struct db *db)
{
	return sqlite3_changes64(db->handle);
}
