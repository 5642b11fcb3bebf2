/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * store.c - the database: sources, the event log, transactions
 *
 * The normal course: begin, append each event, set the high-water marks,
 * commit.  What can fail: an event that makes no sense, or that a constraint
 * refuses, is logged as it is and must not stop its agent; all else (disk full,
 * I/O error, a lock) fails the whole transaction.  A restart finds events and
 * high-water marks of the last commit, both or neither.
 */
#include "collector/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/str.h"
#include "collector/schema.h"
#include "collector/store_impl.h"
#include "proto/codec.h"

/* Of a body that nobody can read so much is kept for whoever looks into it. */
#define UNREADABLE_MAX 65536

/* SQLite's primary result code for "a constraint refused it"; base/db.h hands
 * the code through in err.sys. */
#define SQL_CONSTRAINT 19

/* A large WAL is written back seldom: the pages that many commits dirty go to
 * the file once.  A thread that does it meanwhile can be added beside this. */
static const char settings[] = "PRAGMA wal_autocheckpoint=16384;"
			       "PRAGMA journal_size_limit=268435456;"
			       "PRAGMA cache_size=-65536;"
			       "PRAGMA temp_store=MEMORY;";

/* High-water marks are kept in memory, so there can be one collector only. */
static int lock_file(struct store *store, struct err *err)
{
	CLEANUP(str_freep) char *name = str_printf("%s.lock", store->path);

	if (!name)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	store->lock = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			   0600);
	if (store->lock < 0)
		return err_set(err, ERR_JOURNAL, errno, "cannot open '%s'",
			       name);
	if (flock(store->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return err_set(err, ERR_BUSY, 0, "'%s' is in use by another collector",
		       store->path);
}

int store_open(struct store **ret, const char *path, struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));
	int r;

	if (!store)
		return err_set(err, ERR_NOMEM, 0, "cannot open '%s'", path);
	store->lock = -1;
	store->path = strdup(path);
	r = store->path ? lock_file(store, err)
			: err_set(err, ERR_NOMEM, 0, "out of memory");
	if (r == 0)
		r = db_open(&store->db, path, 0, err);
	if (r == 0)
		r = db_exec(store->db, settings, err);
	if (r == 0)
		r = db_migrate(store->db, schema_migrations, SCHEMA_VERSION,
			       err);
	if (r < 0) {
		store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	db_close(store->db);
	if (store->lock >= 0)
		close(store->lock);
	free(store->path);
	free(store);
}

int store_begin(struct store *store, struct err *err)
{
	return db_begin(store->db, err);
}

int store_commit(struct store *store, struct err *err)
{
	return db_commit(store->db, err);
}

void store_rollback(struct store *store)
{
	db_rollback(store->db);
}

int store_find_source(struct store *store, const struct id *host,
		      uint64_t epoch, struct store_source *ret, struct err *err)
{
	struct db_stmt *q =
		db_query(store->db,
			 "SELECT h.id, s.id, s.seq FROM host h"
			 " LEFT JOIN source s ON s.host=h.id AND s.epoch=?2"
			 " WHERE h.uuid=?1",
			 err);
	int r;

	db_bind_id(q, 1, host);
	db_bind_int(q, 2, (int64_t)epoch);
	r = db_step(q, err);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	if (r > 0) {
		ret->host = db_int(q, 0);
		ret->source = db_int(q, 1);
		ret->seq = (uint64_t)db_int(q, 2);
	}
	db_reset(q);
	return 0;
}

static int put_host(struct store *store, const struct hello *hello,
		    int64_t *ret, struct err *err)
{
	struct db_stmt *q =
		db_query(store->db,
			 "INSERT INTO host (uuid, name, version, source)"
			 " VALUES (?, ?, ?, 0) ON CONFLICT (uuid) DO UPDATE"
			 " SET name=excluded.name, version=excluded.version"
			 " RETURNING id",
			 err);
	int r;

	db_bind_id(q, 1, &hello->host);
	db_bind_text(q, 2, hello->host_name);
	db_bind_text(q, 3, hello->version);
	r = db_step(q, err);
	if (r > 0) {
		*ret = db_int(q, 0);
		r = db_run(q, err);
	}
	return r;
}

static int put_epoch(struct store *store, const struct hello *hello,
		     int64_t seen_ms, struct store_source *source,
		     struct err *err)
{
	struct db_stmt *q = db_query(
		store->db,
		"INSERT INTO source (host, epoch, seq, last_seq, seen_ms)"
		" VALUES (?, ?, 0, ?, ?) ON CONFLICT (host, epoch) DO UPDATE"
		" SET last_seq=excluded.last_seq, seen_ms=excluded.seen_ms"
		" RETURNING id, seq",
		err);
	int r;

	db_bind_int(q, 1, source->host);
	db_bind_int(q, 2, (int64_t)hello->epoch);
	db_bind_int(q, 3, (int64_t)hello->last_seq);
	db_bind_int(q, 4, seen_ms);
	r = db_step(q, err);
	if (r > 0) {
		source->source = db_int(q, 0);
		source->seq = (uint64_t)db_int(q, 1);
		r = db_run(q, err);
	}
	return r;
}

int store_put_source(struct store *store, const struct hello *hello,
		     int64_t seen_ms, struct store_source *source,
		     struct err *err)
{
	struct db_stmt *q;
	int r = put_host(store, hello, &source->host, err);

	if (r == 0)
		r = put_epoch(store, hello, seen_ms, source, err);
	if (r < 0)
		return r;
	q = db_query(store->db, "UPDATE host SET source=? WHERE id=?", err);
	db_bind_int(q, 1, source->source);
	db_bind_int(q, 2, source->host);
	return db_run(q, err);
}

int store_set_seq(struct store *store, const struct store_source *source,
		  uint64_t seq, int64_t seen_ms, struct err *err)
{
	struct db_stmt *q =
		db_query(store->db,
			 "UPDATE source SET seq=?1, last_seq=max(last_seq, ?1),"
			 " seen_ms=?2 WHERE id=?3",
			 err);

	db_bind_int(q, 1, (int64_t)seq);
	db_bind_int(q, 2, seen_ms);
	db_bind_int(q, 3, source->source);
	return db_run(q, err);
}

static int put_log(struct store *store, const struct store_source *source,
		   uint64_t seq, const struct event *event, int64_t vm,
		   const void *body, size_t size, struct err *err)
{
	struct db_stmt *q = db_query(
		store->db,
		"INSERT INTO event (source, seq, time_ms, kind, vm, body)"
		" VALUES (?, ?, ?, ?, ?, ?)",
		err);

	db_bind_int(q, 1, source->source);
	db_bind_int(q, 2, (int64_t)seq);
	db_bind_int(q, 3, event->time_ms);
	db_bind_int(q, 4, event->kind);
	db_bind_int(q, 5, vm);
	db_bind_blob(q, 6, body, size);
	return db_run(q, err);
}

/* The record has its own table: the log keeps the event without it. */
static int log_event(struct store *store, const struct store_source *source,
		     uint64_t seq, struct event *event, int64_t vm,
		     const void *body, size_t size, struct err *err)
{
	struct snapshot *record = event->record;
	void *slim = NULL;
	size_t slim_size;
	int r;

	if (!record)
		return put_log(store, source, seq, event, vm, body, size, err);
	event->record = NULL;
	r = codec_pack_event(event, &slim, &slim_size, err);
	event->record = record;
	if (r == 0)
		r = put_log(store, source, seq, event, vm, slim, slim_size,
			    err);
	free(slim);
	return r;
}

static int log_unreadable(struct store *store,
			  const struct store_source *source, uint64_t seq,
			  const void *body, size_t size, struct err *err)
{
	const struct event none = { .time_ms = clock_wall_ms() };

	if (size > UNREADABLE_MAX)
		size = UNREADABLE_MAX;
	return put_log(store, source, seq, &none, 0, body, size, err);
}

/* Is it this event that fails, and not the database? */
static bool is_events_fault(const struct err *err)
{
	return err->code == ERR_INVALID || err->code == ERR_PROTO ||
	       err->code == ERR_EXISTS ||
	       (err->code == ERR_JOURNAL &&
		(err->sys & 0xff) == SQL_CONSTRAINT);
}

static int apply_and_log(struct store *store, const struct store_source *source,
			 uint64_t seq, const void *body, size_t size,
			 struct err *err)
{
	struct event event = { 0 };
	int64_t vm = 0;
	int strange, r = codec_unpack_event(body, size, &event, err);

	if (r < 0)
		return r;
	r = strange = store_apply(store, source->host, &event, &vm, err);
	if (r >= 0)
		r = log_event(store, source, seq, &event, vm, body, size, err);
	event_done(&event);
	return r < 0 ? r : strange;
}

static int run(struct store *store, const char *sql, struct err *err)
{
	return db_run(db_query(store->db, sql, err), err);
}

static const char sql_mark[] = "SAVEPOINT event";
static const char sql_back[] = "ROLLBACK TO event";
static const char sql_done[] = "RELEASE event";

int store_append(struct store *store, const struct store_source *source,
		 uint64_t seq, const void *body, size_t size, struct err *err)
{
	struct err why = { 0 };
	int result = 0;
	int r = run(store, sql_mark, err);

	if (r < 0)
		return r;
	r = apply_and_log(store, source, seq, body, size, &why);
	if (r > 0) {
		result = 2;
		r = 0;
	} else if (r < 0 && is_events_fault(&why)) {
		result = 1;
		r = run(store, sql_back, &why);
		if (r == 0)
			r = log_unreadable(store, source, seq, body, size,
					   &why);
	}
	if (err && (r < 0 || result > 0))
		*err = why;
	if (r == 0)
		r = run(store, sql_done, err);
	return r < 0 ? r : result;
}

static int64_t file_size(const char *path, const char *suffix)
{
	CLEANUP(str_freep) char *name = str_printf("%s%s", path, suffix);
	struct stat st;

	return name && stat(name, &st) == 0 ? st.st_size : 0;
}

int store_count(struct store *store, struct store_counts *ret, struct err *err)
{
	struct db_stmt *q = db_query(store->db,
				     "SELECT (SELECT count(*) FROM host),"
				     " count(*), coalesce(sum(nodes), 0),"
				     " (SELECT coalesce(max(pos), 0)"
				     "  FROM event) FROM vm"
				     " WHERE nodes>0 OR NOT gone",
				     err);
	int r = db_step(q, err);

	if (r < 0)
		return r;
	ret->hosts = db_int(q, 0);
	ret->vms = db_int(q, 1);
	ret->snapshots = db_int(q, 2);
	ret->events = db_int(q, 3);
	db_reset(q);
	ret->bytes = file_size(store->path, "") +
		     file_size(store->path, "-wal");
	return 0;
}
