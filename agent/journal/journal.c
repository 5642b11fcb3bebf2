/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal.c - the agent's memory: open, check, transactions
 *
 * The normal course: lock PATH.lock, open the file, check it, bring its schema
 * up to date, read who we are.  Then transactions: state and event together.
 *
 * What can fail: the disk is full or broken (the transaction is rolled back
 * and nothing has happened); the file is torn or not ours (it is not opened,
 * never repaired by guessing: an operator sets it aside and a new one gets a new
 * epoch, which tells the collector that there was a loss).
 *
 * What a restart does: SQLite takes what was committed from the WAL and forgets
 * the rest.  The lock is the kernel's and went with the process.
 */
#include "agent/journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/journal/journal_private.h"
#include "base/cleanup.h"
#include "base/str.h"

/* Low bytes of struct err.sys as base/db.c fills it from SQLite. */
enum { SQLITE_SAYS_CORRUPT = 11, SQLITE_SAYS_NOTADB = 26 };

DEFINE_CLEANUP(struct journal, journal_close)

static int set_damaged(const struct journal *j, const char *how,
		       struct err *err)
{
	return err_set(err, ERR_JOURNAL, 0,
		       "journal '%s' is damaged (%s): set it aside, with its "
		       "-wal, and start again",
		       j->path, how);
}

/* Say which file it is, and what to do when it is beyond use. */
static int explain(const struct journal *j, int r, struct err *err)
{
	if (err && ((err->sys & 0xff) == SQLITE_SAYS_CORRUPT ||
		    (err->sys & 0xff) == SQLITE_SAYS_NOTADB))
		return set_damaged(j, "not a sound database", err);
	return err_wrap(err, r, "cannot open journal '%s'", j->path);
}

/*
 * A file of its own: SQLite's locks on the database are of the process, and
 * gone when any descriptor of it is closed.  The lock is shared with children
 * that keep the descriptor over a fork.
 */
static int take_lock(struct journal *j, struct err *err)
{
	CLEANUP(str_freep) char *path = str_printf("%s.lock", j->path);
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;

	if (!path)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	j->lock_fd = open(path, flags, 0600);
	if (j->lock_fd < 0)
		return err_set(err, ERR_JOURNAL, errno, "cannot open lock '%s'",
			       path);
	if (flock(j->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(err, ERR_BUSY, 0,
			       "journal '%s' is in use by another agent",
			       j->path);
	return err_set(err, ERR_JOURNAL, errno, "cannot lock '%s'", path);
}

static int check_file(struct journal *j, struct err *err)
{
	struct db_stmt *q = db_query(j->db, "PRAGMA quick_check(1)", err);
	char how[64] = "quick_check says nothing";
	int r = db_step(q, err);

	if (r > 0)
		str_copy_cut(how, sizeof(how), db_text(q, 0));
	db_reset(q);
	if (r < 0)
		return explain(j, r, err);
	if (strcmp(how, "ok") != 0)
		return set_damaged(j, how, err);
	return 0;
}

static uint64_t new_epoch(void)
{
	const struct id random = id_new_v4();
	uint64_t epoch;

	memcpy(&epoch, random.b + 8, sizeof(epoch));
	/* Storable as a positive number, and not 0, which is never sent. */
	return (epoch & INT64_MAX) | 1;
}

static int make_identity(struct journal *j, struct err *err)
{
	const struct id host = id_new_v4();
	struct db_stmt *q = db_query(
		j->db, "INSERT INTO meta (one, host, epoch) VALUES (1, ?, ?)",
		err);

	db_bind_id(q, 1, &host);
	db_bind_int(q, 2, (int64_t)new_epoch());
	return db_run(q, err);
}

static int read_identity(struct journal *j, struct err *err)
{
	struct db_stmt *q = db_query(
		j->db,
		"SELECT host, epoch, acked, (SELECT seq FROM sqlite_sequence"
		" WHERE name='outbox') FROM meta",
		err);
	int r = db_step(q, err);

	if (r > 0) {
		j->host = db_id(q, 0);
		j->epoch = (uint64_t)db_int(q, 1);
		j->committed.acked = (uint64_t)db_int(q, 2);
		j->committed.last = (uint64_t)db_int(q, 3);
		j->written = j->committed;
	}
	db_reset(q);
	return r;
}

static int load_identity(struct journal *j, struct err *err)
{
	int r = read_identity(j, err);

	if (r == 0 && j->lock_fd >= 0) {
		r = make_identity(j, err);
		if (r == 0)
			r = read_identity(j, err);
	}
	if (r < 0)
		return explain(j, r, err);
	if (r == 0 || id_is_null(&j->host))
		return set_damaged(j, "it names no host", err);
	if (j->committed.acked > j->committed.last)
		return set_damaged(j, "more events acknowledged than made",
				   err);
	return 0;
}

static int open_file(struct journal *j, unsigned flags, struct err *err)
{
	int r;

	if (!(flags & DB_READ_ONLY)) {
		r = take_lock(j, err);
		if (r < 0)
			return r;
	}
	r = db_open(&j->db, j->path, flags, err);
	if (r < 0)
		return explain(j, r, err);
	r = check_file(j, err);
	if (r < 0)
		return r;
	r = db_migrate(j->db, journal_migrations, journal_n_migrations, err);
	if (r < 0)
		return explain(j, r, err);
	return load_identity(j, err);
}

static int open_journal(struct journal **ret, const char *path, unsigned flags,
			struct err *err)
{
	CLEANUP(journal_closep) struct journal *j = calloc(1, sizeof(*j));
	struct err local = { 0 };
	int r;

	if (!j)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	j->lock_fd = -1;
	j->path = strdup(path);
	if (!j->path)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	/* The cause decides on the text, also when nobody reads it. */
	r = open_file(j, flags, err ? err : &local);
	if (r < 0)
		return r;
	*ret = TAKE(j);
	return 0;
}

int journal_open(struct journal **ret, const char *path, struct err *err)
{
	return open_journal(ret, path, 0, err);
}

int journal_open_read_only(struct journal **ret, const char *path,
			   struct err *err)
{
	return open_journal(ret, path, DB_READ_ONLY, err);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	db_close(j->db);
	/* Last: the next agent may open the file from here on. */
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	free(j->path);
	free(j);
}

const struct id *journal_host(const struct journal *j)
{
	return &j->host;
}

uint64_t journal_epoch(const struct journal *j)
{
	return j->epoch;
}

int journal_begin(struct journal *j, struct err *err)
{
	int r;

	/* SQLite itself would only refuse the first write. */
	if (j->lock_fd < 0)
		return err_set(err, ERR_JOURNAL, 0,
			       "journal '%s' is open for reading only",
			       j->path);
	r = db_begin(j->db, err);
	if (r < 0)
		return err_wrap(err, r, "cannot write the journal");
	j->written = j->committed;
	return 0;
}

int journal_commit(struct journal *j, struct err *err)
{
	int r = db_commit(j->db, err);

	if (r < 0) {
		j->written = j->committed;
		return err_wrap(err, r, "cannot write the journal");
	}
	j->committed = j->written;
	return 0;
}

void journal_rollback(struct journal *j)
{
	db_rollback(j->db);
	j->written = j->committed;
}

void journal_settle(struct journal *j)
{
	if (!db_in_transaction(j->db))
		j->committed = j->written;
}
