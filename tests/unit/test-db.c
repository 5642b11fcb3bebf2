/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-db.c - statements, transactions, migrations, broken files */
#include "tests/lib/test.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/db.h"

static const char *const schema[] = {
	"CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT UNIQUE, b BLOB) STRICT",
	"ALTER TABLE t ADD COLUMN n INTEGER",
};

static struct err err;

static struct db *open_new(const char *name)
{
	struct db *db = NULL;

	unlink(test_path(name));
	assert_ok(db_open(&db, test_path(name), 0, &err), err);
	assert_ok(db_migrate(db, schema, 2, &err), err);
	return db;
}

static void insert(struct db *db, int64_t k, const char *v)
{
	struct db_stmt *q = db_query(db, "INSERT INTO t (k, v) VALUES (?, ?)",
				     &err);

	db_bind_int(q, 1, k);
	db_bind_text(q, 2, v);
	assert_ok(db_run(q, &err), err);
}

static int64_t count(struct db *db)
{
	struct db_stmt *q = db_query(db, "SELECT count(*) FROM t", &err);

	assert_int_equal(db_step(q, &err), 1);
	return db_int(q, 0);
}

static void test_settings(void **state)
{
	struct db *db = open_new("settings");
	struct stat st;
	struct db_stmt *q;

	(void)state;
	assert_int_equal(stat(test_path("settings"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	q = db_query(db, "PRAGMA journal_mode", &err);
	assert_int_equal(db_step(q, &err), 1);
	assert_string_equal(db_text(q, 0), "wal");
	q = db_query(db, "PRAGMA synchronous", &err);
	assert_int_equal(db_step(q, &err), 1);
	assert_int_equal(db_int(q, 0), 2);
	q = db_query(db, "PRAGMA foreign_keys", &err);
	assert_int_equal(db_step(q, &err), 1);
	assert_int_equal(db_int(q, 0), 1);
	db_close(db);
}

static void test_values(void **state)
{
	static const char blob[] = { 0, 1, 2 };
	struct id id = id_new_v4(), nil = { { 0 } }, got;
	struct db *db = open_new("values");
	struct db_stmt *q;
	const void *data;
	size_t size;

	(void)state;
	q = db_query(db, "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7", &err);
	db_bind_int(q, 1, INT64_MIN);
	db_bind_text(q, 2, "text");
	db_bind_text(q, 3, NULL);
	db_bind_blob(q, 4, blob, sizeof(blob));
	db_bind_id(q, 5, &id);
	db_bind_id(q, 6, &nil);
	db_bind_blob(q, 7, NULL, 0);
	assert_int_equal(db_step(q, &err), 1);
	assert_true(db_int(q, 0) == INT64_MIN);
	assert_string_equal(db_text(q, 1), "text");
	assert_true(db_is_null(q, 2));
	assert_string_equal(db_text(q, 2), "");
	data = db_blob(q, 3, &size);
	assert_int_equal(size, sizeof(blob));
	assert_memory_equal(data, blob, sizeof(blob));
	got = db_id(q, 4);
	assert_true(id_equal(&got, &id));
	assert_true(db_is_null(q, 5));
	got = db_id(q, 5);
	assert_true(id_is_null(&got));
	got = db_id(q, 3); /* of a bad size */
	assert_true(id_is_null(&got));
	assert_false(db_is_null(q, 6));
	assert_int_equal(db_step(q, &err), 0);
	db_close(db);
}

/* The second use of a text forgets the first one's place and bindings. */
static void test_cache(void **state)
{
	static const char sql[] = "SELECT ?1";
	struct db *db = open_new("cache");
	struct db_stmt *q = db_query(db, sql, &err), *again;

	(void)state;
	db_bind_int(q, 1, 7);
	assert_int_equal(db_step(q, &err), 1);
	again = db_query(db, sql, &err);
	assert_ptr_equal(again, q);
	assert_int_equal(db_step(again, &err), 1);
	assert_true(db_is_null(again, 0));
	db_close(db);
}

static void test_errors(void **state)
{
	struct db *db = open_new("errors");
	struct db_stmt *q;

	(void)state;
	insert(db, 1, "one");
	assert_int_equal(db_last_rowid(db), 1);
	assert_int_equal(db_changes(db), 1);

	q = db_query(db, "INSERT INTO t (k) VALUES (1)", &err);
	assert_fails(db_run(q, &err), ERR_EXISTS, err);
	assert_contains(err.text, "'errors': INSERT INTO t");
	assert_contains(err.text, "UNIQUE constraint failed: t.k");

	q = db_query(db, "INSERT INTO t (k, n) VALUES (2, 'x')", &err);
	assert_fails(db_run(q, &err), ERR_JOURNAL, err);
	assert_contains(err.text, "cannot store TEXT value in INTEGER column");

	q = db_query(db, "SELECT absent FROM t", &err);
	assert_null(q);
	assert_contains(err.text, "no such column: absent");
	db_bind_int(q, 1, 1);
	db_bind_text(q, 1, "a");
	db_bind_blob(q, 1, "a", 1);
	db_bind_id(q, 1, &(struct id){ { 0 } });
	assert_fails(db_step(q, &err), ERR_JOURNAL, err);
	db_reset(q);
	assert_int_equal(db_step(NULL, NULL), -ERR_JOURNAL);
	db_close(db);
}

static void test_bad_binding(void **state)
{
	struct db *db = open_new("binding");
	struct db_stmt *q = db_query(db, "SELECT ?1, 'bad'", &err);

	(void)state;
	db_bind_int(q, 2, 5);
	db_bind_int(q, 1, 5);
	assert_fails(db_step(q, &err), ERR_JOURNAL, err);
	assert_contains(err.text, "out of range");
	q = db_query(db, "SELECT 1", &err);
	assert_int_equal(db_step(q, &err), 1);
	db_close(db);
}

static void test_transactions(void **state)
{
	struct db *db = open_new("transactions");

	(void)state;
	assert_false(db_in_transaction(db));
	assert_ok(db_begin(db, &err), err);
	assert_true(db_in_transaction(db));
	insert(db, 1, "a");
	db_rollback(db);
	db_rollback(db);
	assert_false(db_in_transaction(db));
	assert_int_equal(count(db), 0);
	assert_ok(db_begin(db, &err), err);
	insert(db, 1, "a");
	assert_ok(db_commit(db, &err), err);
	assert_int_equal(count(db), 1);
	assert_fails(db_commit(db, &err), ERR_JOURNAL, err);

	assert_ok(db_begin(db, &err), err);
	insert(db, 2, "b");
	db_close(db);
	assert_ok(db_open(&db, test_path("transactions"), 0, &err), err);
	assert_int_equal(count(db), 1);
	db_close(db);
}

/* A foreign key checked at the end: COMMIT fails and leaves nothing open. */
static void test_commit_fails(void **state)
{
	struct db *db = open_new("commit");

	(void)state;
	assert_ok(db_exec(db,
			  "CREATE TABLE c (k INTEGER REFERENCES t (k) "
			  "DEFERRABLE INITIALLY DEFERRED) STRICT",
			  &err),
		  err);
	assert_ok(db_begin(db, &err), err);
	assert_ok(db_exec(db, "INSERT INTO c VALUES (99)", &err), err);
	assert_fails(db_commit(db, &err), ERR_JOURNAL, err);
	assert_contains(err.text, "FOREIGN KEY");
	assert_false(db_in_transaction(db));
	db_close(db);
}

static void test_migrations(void **state)
{
	static const char *const bad[] = { NULL, NULL,
					   "CREATE TABLE u (x INTEGER) STRICT;"
					   "CREATE TABLE u (x INTEGER) STRICT" };
	struct db *db = open_new("migrations");

	(void)state;
	assert_ok(db_migrate(db, schema, 2, &err), err);
	assert_fails(db_migrate(db, schema, 1, &err), ERR_JOURNAL, err);
	assert_contains(err.text, "version 2 is newer than this program's 1");
	assert_fails(db_migrate(db, bad, 3, &err), ERR_JOURNAL, err);
	assert_contains(err.text, "migration 3: ");
	assert_contains(err.text, "table u already exists");
	assert_false(db_in_transaction(db));
	/* nothing of it stayed */
	assert_ok(db_exec(db, "CREATE TABLE u (x INTEGER) STRICT", &err), err);
	assert_ok(db_migrate(db, schema, 2, &err), err);
	db_close(db);
}

static void test_busy(void **state)
{
	struct db *db = open_new("busy"), *other = NULL;

	(void)state;
	assert_ok(db_open(&other, test_path("busy"), 0, &err), err);
	assert_ok(db_exec(other, "PRAGMA busy_timeout=10", &err), err);
	assert_ok(db_begin(db, &err), err);
	assert_fails(db_begin(other, &err), ERR_BUSY, err);
	assert_contains(err.text, "database is locked");
	db_rollback(db);
	assert_ok(db_begin(other, &err), err);
	db_close(other);
	db_close(db);
}

/* Opening again in one process must not drop the first one's locks. */
static void test_open_keeps_locks(void **state)
{
	struct db *db = open_new("locks"), *other = NULL;
	char command[300];

	(void)state;
	assert_ok(db_begin(db, &err), err);
	assert_ok(db_open(&other, test_path("locks"), 0, &err), err);
	db_close(other);
	insert(db, 1, "a");
	assert_ok(db_commit(db, &err), err);
	snprintf(command, sizeof(command), "test -e '%s-wal'",
		 test_path("locks"));
	assert_int_equal(system(command), 0);
	assert_int_equal(count(db), 1);
	db_close(db);
}

static void test_read_only(void **state)
{
	struct db *db = open_new("ro"), *reader = NULL;

	(void)state;
	insert(db, 1, "a");
	assert_ok(db_open(&reader, test_path("ro"), DB_READ_ONLY, &err), err);
	assert_int_equal(count(reader), 1);
	assert_ok(db_migrate(reader, schema, 2, &err), err);
	assert_fails(db_exec(reader, "DELETE FROM t", &err), ERR_JOURNAL, err);
	assert_contains(err.text, "readonly");
	db_close(reader);
	db_close(db);
	assert_fails(db_open(&reader, test_path("none"), DB_READ_ONLY, &err),
		     ERR_JOURNAL, err);
	assert_int_not_equal(access(test_path("none"), F_OK), 0);
}

static void test_garbage(void **state)
{
	char garbage[4096];
	struct db *db = NULL;

	(void)state;
	memset(garbage, 'g', sizeof(garbage));
	test_write("garbage", garbage, sizeof(garbage));
	assert_fails(db_open(&db, test_path("garbage"), 0, &err), ERR_JOURNAL,
		     err);
	assert_contains(err.text, "'garbage': ");
	assert_contains(err.text, "file is not a database");
	assert_fails(db_open(&db, test_path("garbage"), DB_READ_ONLY, &err),
		     ERR_JOURNAL, err);
	assert_null(db);
}

/* The tail of a file is lost, and a page in the middle is garbage. */
static void test_torn(void **state)
{
	struct db *db = open_new("torn");
	struct db_stmt *q;
	struct stat st;
	int r;

	(void)state;
	assert_ok(db_begin(db, &err), err);
	for (int i = 0; i < 2000; i++)
		insert(db, i, NULL);
	assert_ok(db_exec(db, "UPDATE t SET v = 'row ' || k", &err), err);
	assert_ok(db_commit(db, &err), err);
	db_close(db);
	assert_int_equal(stat(test_path("torn"), &st), 0);
	assert_int_equal(truncate(test_path("torn"), st.st_size / 2), 0);
	r = db_open(&db, test_path("torn"), 0, &err);
	if (r == 0) {
		q = db_query(db, "SELECT sum(length(v)) FROM t", &err);
		r = db_run(q, &err);
		db_close(db);
	}
	assert_fails(r, ERR_JOURNAL, err);
	assert_contains(err.text, "malformed");
}

static void test_bad_paths(void **state)
{
	struct db *db = NULL;

	(void)state;
	assert_fails(db_open(&db, test_dir_path, 0, &err), ERR_JOURNAL, err);
	assert_contains(err.text, "not a regular file");
	assert_fails(db_open(&db, test_path("no/such/dir"), 0, &err),
		     ERR_JOURNAL, err);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(symlink("target", test_path("link")), 0);
	assert_fails(db_open(&db, test_path("link"), 0, &err), ERR_JOURNAL,
		     err);
	assert_int_not_equal(access(test_path("target"), F_OK), 0);
	db_close(NULL);
}

/* Another program's file is refused and left as it is. */
static void test_foreign(void **state)
{
	static const char *const migrations[] = { "CREATE TABLE t (x)" };
	char before[100] = "", after[100] = "";
	struct db *db = NULL;
	FILE *file;

	(void)state;
	assert_ok(db_open(&db, test_path("foreign"), 0, &err), err);
	assert_ok(db_exec(db,
			  "PRAGMA journal_mode=DELETE; CREATE TABLE theirs (x)",
			  &err),
		  err);
	db_close(db);
	file = fopen(test_path("foreign"), "r");
	assert_int_equal(fread(before, 1, 100, file), 100);
	fclose(file);

	assert_ok(db_open(&db, test_path("foreign"), 0, &err), err);
	assert_fails(db_migrate(db, migrations, 1, &err), ERR_JOURNAL, err);
	assert_contains(err.text, "another program");
	db_close(db);
	file = fopen(test_path("foreign"), "r");
	assert_int_equal(fread(after, 1, 100, file), 100);
	fclose(file);
	assert_memory_equal(before, after, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bad_binding),
		cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_commit_fails),
		cmocka_unit_test(test_migrations),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_open_keeps_locks),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
