/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-journal.c - what is put is found again, by every reader, after every end */
#include "agent/journal/journal.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "agent/journal/journal_private.h"
#include "base/db.h"
#include "proto/codec.h"
#include "tests/lib/test.h"

static struct err err;

static struct journal *open_at(const char *path)
{
	struct journal *j = NULL;

	assert_ok(journal_open(&j, path, &err), err);
	return j;
}

/* A path that no other test has. */
static const char *fresh(void)
{
	static unsigned n;
	char name[32];

	snprintf(name, sizeof(name), "journal-%u.db", n++);
	return test_path(name);
}

/* --- records ---------------------------------------------------------- */

static struct id id_of(uint8_t n)
{
	struct id id = { { 0xaa } };

	id.b[15] = n;
	return id;
}

static void make_snapshot(struct snapshot *snap, uint8_t n, uint8_t domain)
{
	struct snapshot_disk *d;

	snapshot_init(snap);
	snap->id = id_of(n);
	snap->domain = id_of(domain);
	snap->parent = id_of((uint8_t)(n - 1));
	snap->host = id_of(250);
	strcpy(snap->domain_name, "web-1");
	snprintf(snap->label, sizeof(snap->label), "label %u", n);
	strcpy(snap->note, "no guest agent");
	strcpy(snap->tags, "a b=c");
	snap->origin = ORIGIN_HOOK;
	snap->consistency = CONSISTENCY_CRASH;
	snap->state = SNAPSHOT_PRESENT;
	snap->pinned = true;
	snap->taken_ms = 1000 + n;
	snap->sync_ms = 0;
	snap->frozen_ms = 17;
	for (int i = 0; i < 3; i++) {
		assert_ok(snapshot_add_disk(snap, &d, &err), err);
		snprintf(d->target, sizeof(d->target), "vd%c", 'a' + i);
		d->role = i ? ROLE_DATA : ROLE_SYSTEM;
		strcpy(d->driver, "qcow2-external");
		strcpy(d->source, "/var/lib/bäse.qcow2");
		strcpy(d->object, "/var/lib/object with spaces");
		strcpy(d->active, "/var/lib/active.qcow2");
		d->size_bytes = 1LL << (40 + i);
	}
}

static void make_op(struct op *op, uint8_t n, enum op_state state)
{
	memset(op, 0, sizeof(*op));
	op->id = id_of(n);
	op->kind = OP_CREATE;
	op->state = state;
	op->created_ms = 500 + n;
	op->freeze = FREEZE_PREFER;
	op->max_frozen_ms = 3000;
	strcpy(op->disks, "vda vdb");
	make_snapshot(&op->snap, n, 200);
}

static void same_snapshot(const struct snapshot *a, const struct snapshot *b)
{
	struct snapshot x = *a, y = *b;

	x.disks = y.disks = NULL;
	assert_memory_equal(&x, &y, sizeof(x));
	assert_int_equal(a->n_disks, b->n_disks);
	if (a->n_disks)
		assert_memory_equal(a->disks, b->disks,
				    a->n_disks * sizeof(*a->disks));
}

static void put_event(struct journal *j, enum event_kind kind, uint8_t op)
{
	struct event event = { .kind = kind, .time_ms = 5, .op = id_of(op) };

	strcpy(event.text, "as told");
	assert_ok(journal_put_event(j, &event, &err), err);
	assert_int_not_equal(event.seq, 0);
}

static void commit_events(struct journal *j, unsigned n)
{
	assert_ok(journal_begin(j, &err), err);
	for (unsigned i = 0; i < n; i++)
		put_event(j, EVENT_REQUESTED, (uint8_t)i);
	assert_ok(journal_commit(j, &err), err);
}

/* --- identity, lock, refusals ----------------------------------------- */

static void test_identity(void **state)
{
	const char *path = fresh(), *other = fresh();
	struct journal *j = open_at(path), *k = open_at(other);
	const struct id host = *journal_host(j);
	const uint64_t epoch = journal_epoch(j);
	struct stat st;

	(void)state;
	assert_false(id_is_null(&host));
	assert_int_not_equal(epoch, 0);
	assert_int_not_equal(epoch, journal_epoch(k));
	assert_false(id_equal(&host, journal_host(k)));
	assert_int_equal(journal_last_seq(j), 0);
	assert_int_equal(journal_acked_seq(j), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	journal_close(k);
	journal_close(j);

	j = open_at(path);
	assert_true(id_equal(&host, journal_host(j)));
	assert_int_equal(journal_epoch(j), epoch);
	journal_close(j);
	journal_close(NULL);
}

static void test_second_opener(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path), *k = NULL;
	int status;
	pid_t pid;

	(void)state;
	assert_fails(journal_open(&k, path, &err), ERR_BUSY, err);
	assert_contains(err.text, path);
	assert_contains(err.text, "another agent");
	assert_null(k);
	pid = fork();
	if (pid == 0)
		_exit(journal_open(&k, path, NULL) == -ERR_BUSY ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* the refused ones left the lock as it was */
	assert_fails(journal_open(&k, path, &err), ERR_BUSY, err);
	journal_close(j);
	journal_close(open_at(path));
}

static void refused(const char *path, const char *because)
{
	struct journal *j = NULL;

	assert_fails(journal_open(&j, path, &err), ERR_JOURNAL, err);
	assert_null(j);
	assert_contains(err.text, because);
	assert_int_equal(journal_open(&j, path, NULL), -ERR_JOURNAL);
	assert_fails(journal_open_read_only(&j, path, &err), ERR_JOURNAL, err);
}

static void test_garbage(void **state)
{
	char junk[20000];
	const char *path;

	(void)state;
	memset(junk, 'j', sizeof(junk));
	path = test_write("garbage.db", junk, sizeof(junk));
	refused(path, "set it aside");
	assert_contains(err.text, path);
	refused(test_write("short.db", "hello", 5), "set it aside");
	refused("/nonexistent/dir/journal.db", "No such file");
	refused(test_dir_path, "not a regular file");
}

static void overwrite(const char *path, long at, size_t n)
{
	FILE *file = fopen(path, "r+");

	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	while (n--)
		fputc(0xee, file);
	assert_int_equal(fclose(file), 0);
}

static void test_torn(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path);

	(void)state;
	commit_events(j, 200);
	journal_close(j);
	/* the root page of a table, behind the header and schema */
	overwrite(path, 4096 * 2, 4096 * 8);
	refused(path, "set it aside");
	assert_contains(err.text, path);
}

static void test_truncated(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path);

	(void)state;
	commit_events(j, 200);
	journal_close(j);
	assert_int_equal(truncate(path, 4096 * 3), 0);
	refused(path, "set it aside");
}

static void exec_on(const char *path, const char *sql)
{
	struct db *db = NULL;

	assert_ok(db_open(&db, path, 0, &err), err);
	assert_ok(db_exec(db, sql, &err), err);
	db_close(db);
}

static void test_newer_schema(void **state)
{
	const char *path = fresh();

	(void)state;
	journal_close(open_at(path));
	exec_on(path, "PRAGMA user_version=99");
	refused(path, "newer");
	assert_null(strstr(err.text, "set it aside"));
}

static void test_impossible_numbers(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path);

	(void)state;
	commit_events(j, 3);
	journal_close(j);
	exec_on(path, "UPDATE meta SET acked=4");
	refused(path, "more events acknowledged than made");
	exec_on(path, "DELETE FROM meta");
	assert_fails(journal_open_read_only(&j, path, &err), ERR_JOURNAL, err);
}

static void test_read_only(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path), *ro = NULL;
	struct op op, *ops;
	bool changed;
	size_t n;

	(void)state;
	make_op(&op, 1, OP_CUTTING);
	op.owes_thaw = true;
	assert_ok(journal_put_op(j, &op, &err), err);
	commit_events(j, 2);

	/* beside a live one as well */
	assert_ok(journal_open_read_only(&ro, path, &err), err);
	assert_true(id_equal(journal_host(ro), journal_host(j)));
	assert_int_equal(journal_last_seq(ro), 2);
	assert_ok(journal_open_ops(ro, &ops, &n, &err), err);
	assert_int_equal(n, 1);
	assert_true(ops[0].owes_thaw);
	op_done(&ops[0]);
	free(ops);
	assert_fails(journal_begin(ro, &err), ERR_JOURNAL, err);
	assert_fails(journal_put_op(ro, &op, &err), ERR_JOURNAL, err);
	assert_fails(journal_put_domain(ro, &op.id, "x", DOMAIN_OFF, false,
					&changed, &err),
		     ERR_JOURNAL, err);
	assert_fails(journal_ack(ro, 1, 0, &err), ERR_JOURNAL, err);
	assert_int_equal(journal_acked_seq(ro), 0);
	journal_close(ro);
	op_done(&op);
	journal_close(j);

	assert_ok(journal_open_read_only(&ro, path, &err), err);
	journal_close(ro);
	path = fresh();
	assert_fails(journal_open_read_only(&ro, path, &err), ERR_JOURNAL, err);
	assert_int_equal(access(path, F_OK), -1);
}

/* --- operations ------------------------------------------------------- */

static void test_op_round_trip(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path);
	struct op op, got;

	(void)state;
	make_op(&op, 7, OP_UNDOING);
	op.owes_thaw = true;
	err_set(&op.err, ERR_STORAGE, 28, "cannot cut 'vda'");
	assert_ok(journal_put_op(j, &op, &err), err);
	journal_close(j);

	j = open_at(path);
	assert_ok(journal_get_op(j, &op.id, &got, &err), err);
	assert_true(id_equal(&got.id, &op.id));
	assert_int_equal(got.kind, OP_CREATE);
	assert_int_equal(got.state, OP_UNDOING);
	assert_int_equal(got.created_ms, op.created_ms);
	assert_int_equal(got.freeze, FREEZE_PREFER);
	assert_int_equal(got.max_frozen_ms, 3000);
	assert_string_equal(got.disks, "vda vdb");
	assert_true(got.owes_thaw);
	assert_int_equal(got.err.code, ERR_STORAGE);
	assert_int_equal(got.err.sys, 28);
	assert_string_equal(got.err.text, op.err.text);
	same_snapshot(&got.snap, &op.snap);
	op_done(&got);

	/* again, whole: no row of its own, no disk left of before */
	op.state = OP_FAILED;
	op.owes_thaw = false;
	op.snap.n_disks = 1;
	assert_ok(journal_put_op(j, &op, &err), err);
	assert_ok(journal_get_op(j, &op.id, &got, &err), err);
	assert_int_equal(got.state, OP_FAILED);
	assert_int_equal(got.snap.n_disks, 1);
	same_snapshot(&got.snap, &op.snap);
	op_done(&got);
	got.id = id_of(8);
	assert_fails(journal_get_op(j, &got.id, &got, &err), ERR_ABSENT, err);
	op_done(&op);
	journal_close(j);
}

static void test_op_without_disks_or_domain(void **state)
{
	struct journal *j = open_at(fresh());
	struct op op = { .id = id_of(1),
			 .kind = OP_CREATE,
			 .state = OP_ADMITTED },
		  got;

	(void)state;
	snapshot_init(&op.snap);
	assert_ok(journal_put_op(j, &op, &err), err);
	assert_ok(journal_get_op(j, &op.id, &got, &err), err);
	same_snapshot(&got.snap, &op.snap);
	op_done(&got);
	journal_close(j);
}

static void count(struct journal *j, enum op_state s, int64_t want)
{
	int64_t n = -1;

	assert_ok(journal_count_ops(j, s, &n, &err), err);
	assert_int_equal(n, want);
}

static void open_ops_are(struct journal *j, const char *want)
{
	char got[64] = "";
	struct op *ops;
	size_t n;

	assert_ok(journal_open_ops(j, &ops, &n, &err), err);
	for (size_t i = 0; i < n; i++) {
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u ",
			 ops[i].id.b[15]);
		op_done(&ops[i]);
	}
	free(ops);
	assert_string_equal(got, want);
}

static void test_open_ops(void **state)
{
	struct journal *j = open_at(fresh());
	struct op op;

	(void)state;
	open_ops_are(j, "");
	/* in the wrong order: 8 STUCK ... 1 ADMITTED; 9 DONE owes a thaw */
	for (uint8_t n = 9; n >= 1; n--) {
		make_op(&op, n, n == 9 ? OP_DONE : (enum op_state)n);
		op.owes_thaw = n == 9;
		assert_ok(journal_put_op(j, &op, &err), err);
		op_done(&op);
	}
	open_ops_are(j, "1 2 3 4 5 8 9 ");
	count(j, OP_DONE, 2);
	count(j, OP_STUCK, 1);
	count(j, OP_CUTTING, 1);

	/* only what is over and older goes: 6 and 7 were made at 506, 507 */
	assert_ok(journal_prune_ops(j, 507, &err), err);
	count(j, OP_DONE, 1);
	count(j, OP_FAILED, 1);
	assert_ok(journal_prune_ops(j, 1000000, &err), err);
	count(j, OP_DONE, 1);
	count(j, OP_FAILED, 0);
	open_ops_are(j, "1 2 3 4 5 8 9 ");
	journal_close(j);
}

/* A path that would come back as another one must not be planned with. */
static void test_unclean_path(void **state)
{
	struct journal *j = open_at(fresh());
	struct op op;

	(void)state;
	make_op(&op, 1, OP_PLANNED);
	strcpy(op.snap.disks[1].object, "/var/lib/\xff.qcow2");
	assert_fails(journal_put_op(j, &op, &err), ERR_INVALID, err);
	assert_contains(err.text, "'vdb'");
	assert_fails(journal_put_snapshot(j, &op.snap, &err), ERR_INVALID, err);
	count(j, OP_PLANNED, 0);
	op_done(&op);
	journal_close(j);
}

static void test_damaged_record(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path);
	struct op op, *ops = NULL;
	size_t n;

	(void)state;
	for (uint8_t i = 1; i < 3; i++) {
		make_op(&op, i, OP_PLANNED);
		assert_ok(journal_put_op(j, &op, &err), err);
		op_done(&op);
	}
	journal_close(j);
	exec_on(path, "UPDATE op SET body=x'ffff' WHERE created_ms=502");
	j = open_at(path);
	assert_fails(journal_open_ops(j, &ops, &n, &err), ERR_JOURNAL, err);
	assert_null(ops);
	journal_close(j);
}

/* --- domains and snapshots -------------------------------------------- */

static bool put_domain(struct journal *j, uint8_t n, const char *name,
		       enum domain_state domain_state, bool gone)
{
	const struct id uuid = id_of(n);
	bool changed = false;

	assert_ok(journal_put_domain(j, &uuid, name, domain_state, gone,
				     &changed, &err),
		  err);
	return changed;
}

static void test_domain_changed(void **state)
{
	struct journal *j = open_at(fresh());
	const struct id head = id_of(77), uuid = id_of(1);
	struct journal_domain *list;
	size_t n;

	(void)state;
	assert_true(put_domain(j, 1, "web", DOMAIN_RUNNING, false));
	assert_false(put_domain(j, 1, "web", DOMAIN_RUNNING, false));
	assert_true(put_domain(j, 1, "web", DOMAIN_OFF, false));
	assert_true(put_domain(j, 1, "Web", DOMAIN_OFF, false));
	assert_true(put_domain(j, 1, "Web", DOMAIN_OFF, true));
	assert_false(put_domain(j, 1, "Web", DOMAIN_OFF, true));
	assert_true(put_domain(j, 2, "Web", DOMAIN_OFF, true));

	/* a head is not lost with a change, nor seen as one */
	assert_ok(journal_set_head(j, &uuid, &head, &err), err);
	assert_false(put_domain(j, 1, "Web", DOMAIN_OFF, true));
	assert_true(put_domain(j, 1, "Web", DOMAIN_RUNNING, false));
	assert_ok(journal_get_domains(j, &uuid, &list, &n, &err), err);
	assert_int_equal(n, 1);
	assert_true(id_equal(&list[0].head, &head));
	assert_string_equal(list[0].name, "Web");
	assert_int_equal(list[0].state, DOMAIN_RUNNING);
	assert_false(list[0].gone);
	assert_int_equal(list[0].n_snapshots, 0);
	assert_int_equal(list[0].latest_ms, 0);
	free(list);

	/* rolled back: it is still as it was */
	assert_ok(journal_begin(j, &err), err);
	assert_true(put_domain(j, 1, "Web", DOMAIN_OFF, false));
	journal_rollback(j);
	assert_true(put_domain(j, 1, "Web", DOMAIN_OFF, false));
	journal_close(j);
}

static void test_head_of_unknown_domain(void **state)
{
	struct journal *j = open_at(fresh());
	const struct id uuid = id_of(3), head = id_of(4), none = { { 0 } };
	struct journal_domain *list;
	size_t n;

	(void)state;
	assert_ok(journal_set_head(j, &uuid, &head, &err), err);
	assert_true(put_domain(j, 3, "late", DOMAIN_OFF, false));
	assert_ok(journal_get_domains(j, &uuid, &list, &n, &err), err);
	assert_int_equal(n, 1);
	assert_true(id_equal(&list[0].head, &head));
	free(list);
	assert_ok(journal_set_head(j, &uuid, &none, &err), err);
	assert_ok(journal_get_domains(j, &uuid, &list, &n, &err), err);
	assert_true(id_is_null(&list[0].head));
	free(list);
	assert_ok(journal_get_domains(j, &head, &list, &n, &err), err);
	assert_int_equal(n, 0);
	free(list);
	journal_close(j);
}

static int note_id(void *arg, struct snapshot *snap, struct err *e)
{
	char *text = arg;

	(void)e;
	snprintf(text + strlen(text), 32, "%u ", snap->id.b[15]);
	return 0;
}

static int take_disks(void *arg, struct snapshot *snap, struct err *e)
{
	struct snapshot *taken = arg;

	*taken = *snap;
	snap->disks = NULL;
	snap->n_disks = 0;
	return err_set(e, ERR_TIMEOUT, 0, "enough");
}

static void put_snapshot(struct journal *j, uint8_t n, uint8_t domain,
			 int64_t taken_ms)
{
	struct snapshot snap;

	make_snapshot(&snap, n, domain);
	snap.taken_ms = taken_ms;
	assert_ok(journal_put_snapshot(j, &snap, &err), err);
	snapshot_done(&snap);
}

static void snapshots_are(struct journal *j, uint8_t domain, const char *want)
{
	const struct id id = domain ? id_of(domain) : (struct id){ { 0 } };
	char got[128] = "";

	assert_ok(journal_each_snapshot(j, &id, note_id, got, &err), err);
	assert_string_equal(got, want);
}

static void test_snapshots(void **state)
{
	struct journal *j = open_at(fresh());
	struct snapshot snap, got;
	struct id id;
	struct journal_domain *list;
	size_t n;

	(void)state;
	put_domain(j, 101, "b", DOMAIN_OFF, false);
	put_domain(j, 100, "a", DOMAIN_OFF, false);
	put_snapshot(j, 3, 100, 3000);
	put_snapshot(j, 1, 100, 3000);
	put_snapshot(j, 9, 100, 2000);
	put_snapshot(j, 2, 101, 2500);
	snapshots_are(j, 100, "9 1 3 ");
	snapshots_are(j, 101, "2 ");
	snapshots_are(j, 55, "");
	snapshots_are(j, 0, "9 2 1 3 ");

	assert_ok(journal_get_domains(j, NULL, &list, &n, &err), err);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].name, "a");
	assert_int_equal(list[0].n_snapshots, 3);
	assert_int_equal(list[0].latest_ms, 3000);
	assert_int_equal(list[1].n_snapshots, 1);
	assert_int_equal(list[1].latest_ms, 2500);
	free(list);

	make_snapshot(&snap, 9, 100);
	snap.label[0] = 'L';
	assert_ok(journal_put_snapshot(j, &snap, &err), err);
	assert_ok(journal_get_snapshot(j, &snap.id, &got, &err), err);
	same_snapshot(&got, &snap);
	snapshot_done(&got);
	id = id_of(100);
	assert_fails(journal_each_snapshot(j, &id, take_disks, &got, &err),
		     ERR_TIMEOUT, err);
	same_snapshot(&got, &snap);
	snapshot_done(&got);
	snapshot_done(&snap);
	assert_fails(journal_get_snapshot(j, &id, &got, &err), ERR_ABSENT, err);
	journal_close(j);
}

/* --- outbox ----------------------------------------------------------- */

struct seen {
	uint64_t first, last;
	unsigned n, stop_at;
};

static bool see(void *arg, uint64_t seq, const void *body, size_t size)
{
	struct seen *seen = arg;
	struct event event;

	assert_ok(codec_unpack_event(body, size, &event, &err), err);
	assert_string_equal(event.text, "as told");
	event_done(&event);
	if (seen->n++ == 0)
		seen->first = seq;
	else
		assert_int_equal(seq, seen->last + 1);
	seen->last = seq;
	return seen->n != seen->stop_at;
}

static void outbox_is(struct journal *j, uint64_t first, uint64_t last)
{
	struct seen seen = { 0 };

	assert_ok(journal_each_event(j, 0, see, &seen, &err), err);
	assert_int_equal(seen.first, first);
	assert_int_equal(seen.last, last);
	assert_int_equal(seen.n, last ? last - first + 1 : 0);
}

static void test_gapless(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path);

	(void)state;
	commit_events(j, 3);
	assert_int_equal(journal_last_seq(j), 3);

	assert_ok(journal_begin(j, &err), err);
	put_event(j, EVENT_TAKEN, 1);
	put_event(j, EVENT_TAKEN, 2);
	assert_int_equal(journal_last_seq(j), 3); /* not committed */
	journal_rollback(j);
	assert_int_equal(journal_last_seq(j), 3);
	outbox_is(j, 1, 3);

	commit_events(j, 1);
	assert_int_equal(journal_last_seq(j), 4);
	put_event(j, EVENT_FAILED, 1); /* of its own */
	assert_int_equal(journal_last_seq(j), 5);
	outbox_is(j, 1, 5);

	assert_ok(journal_begin(j, &err), err);
	put_event(j, EVENT_TAKEN, 1);
	journal_close(j);
	j = open_at(path);
	assert_int_equal(journal_last_seq(j), 5);
	commit_events(j, 1);
	outbox_is(j, 1, 6);
	journal_close(j);
}

static void test_ack_and_keep(void **state)
{
	const char *path = fresh();
	struct journal *j = open_at(path);

	(void)state;
	commit_events(j, 20);
	assert_fails(journal_ack(j, 21, 5, &err), ERR_PROTO, err);
	assert_int_equal(journal_acked_seq(j), 0);
	assert_ok(journal_ack(j, 3, 5, &err), err);
	assert_int_equal(journal_acked_seq(j), 3);
	outbox_is(j, 1, 20);
	assert_ok(journal_ack(j, 10, 5, &err), err);
	outbox_is(j, 6, 20);
	/* one from before changes nothing */
	assert_ok(journal_ack(j, 4, 0, &err), err);
	assert_int_equal(journal_acked_seq(j), 10);
	outbox_is(j, 6, 20);
	/* what is not acknowledged stays, whatever is kept */
	assert_ok(journal_ack(j, 12, 0, &err), err);
	outbox_is(j, 13, 20);

	assert_ok(journal_begin(j, &err), err);
	assert_ok(journal_ack(j, 15, 0, &err), err);
	assert_int_equal(journal_acked_seq(j), 12);
	journal_rollback(j);
	assert_int_equal(journal_acked_seq(j), 12);
	outbox_is(j, 13, 20);

	assert_ok(journal_ack(j, 20, 0, &err), err);
	outbox_is(j, 0, 0);
	journal_close(j);
	j = open_at(path);
	assert_int_equal(journal_acked_seq(j), 20);
	assert_int_equal(journal_last_seq(j), 20);
	commit_events(j, 1);
	outbox_is(j, 21, 21);
	journal_close(j);
}

static void test_smaller_keep(void **state)
{
	struct journal *j = open_at(fresh());
	struct seen seen = { 0 };

	(void)state;
	commit_events(j, 2000);
	assert_ok(journal_ack(j, 1990, 5000, &err), err);
	outbox_is(j, 1, 2000);
	assert_ok(journal_ack(j, 1991, 10, &err), err);
	assert_ok(journal_each_event(j, 0, see, &seen, &err), err);
	assert_in_range(seen.first, 100, 1000); /* a part of it at a time */
	for (uint64_t seq = 1992; seq <= 1996; seq++)
		assert_ok(journal_ack(j, seq, 10, &err), err);
	outbox_is(j, 1987, 2000);
	journal_close(j);
}

static void test_each_event(void **state)
{
	struct journal *j = open_at(fresh());
	struct seen seen = { .stop_at = 3 };

	(void)state;
	commit_events(j, 10);
	assert_ok(journal_each_event(j, 4, see, &seen, &err), err);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.first, 5);
	seen = (struct seen){ 0 };
	assert_ok(journal_each_event(j, 10, see, &seen, &err), err);
	assert_int_equal(seen.n, 0);
	/* a walk that was ended early holds nothing up */
	commit_events(j, 1);
	journal_close(j);
}

static void test_disk_full(void **state)
{
	struct journal *j = open_at(fresh());
	struct op op;
	uint64_t before;
	int r = 0;

	(void)state;
	commit_events(j, 2);
	make_op(&op, 1, OP_ADMITTED);
	assert_ok(db_exec(j->db, "PRAGMA max_page_count=1", &err), err);
	before = journal_last_seq(j);
	for (unsigned n = 0; r == 0 && n < 100; n++) {
		before = journal_last_seq(j);
		assert_ok(journal_begin(j, &err), err);
		op.id = id_of((uint8_t)(10 + n));
		put_event(j, EVENT_REQUESTED, 1);
		r = journal_put_op(j, &op, &err);
		if (r == 0)
			r = journal_commit(j, &err);
	}
	assert_int_equal(r, -ERR_JOURNAL);
	assert_contains(err.text, "full");
	journal_rollback(j);
	assert_int_equal(journal_last_seq(j), before);
	outbox_is(j, 1, before);
	assert_ok(db_exec(j->db, "PRAGMA max_page_count=100000", &err), err);
	commit_events(j, 1);
	assert_int_equal(journal_last_seq(j), before + 1);
	outbox_is(j, 1, before + 1);
	op_done(&op);
	journal_close(j);
}

/* --- crashes ---------------------------------------------------------- */

/*
 * A child that runs a few operations is killed at its n-th step, for every n
 * until it lives to the end.  A step is each write and flush that SQLite does,
 * seen here because these definitions come before those of libc, and each
 * return of journal_commit().
 */
static unsigned steps_left; /* 0: not counted */
static unsigned n_seen;

static void step(void)
{
	n_seen++;
	if (steps_left > 0 && --steps_left == 0)
		kill(getpid(), SIGKILL);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	step();
	return syscall(SYS_pwrite64, fd, data, size, at);
}

/* Nothing is flushed: what is in the page cache outlives the process. */
int fdatasync(int fd)
{
	(void)fd;
	step();
	return 0;
}

#define N_OPS 3
static const struct id crash_domain = { { 200 } };

static void child_check(int r)
{
	if (r < 0)
		_exit(9);
}

static void child_event(struct journal *j, enum event_kind kind,
			const struct op *op)
{
	struct event event = { .kind = kind, .op = op->id };

	strcpy(event.text, "as told");
	child_check(journal_put_event(j, &event, &err));
}

static void child_commit(struct journal *j, int report)
{
	const uint64_t last = journal_last_seq(j);

	child_check(journal_commit(j, &err));
	step();
	if (journal_last_seq(j) != last &&
	    write(report, "e", 1) != 1) /* an event the world may act on */
		_exit(8);
}

static void child_op(struct journal *j, uint8_t n, int report)
{
	struct op op;

	make_op(&op, n, OP_ADMITTED);
	op.snap.domain = crash_domain;
	child_check(journal_begin(j, &err));
	child_check(journal_put_op(j, &op, &err));
	child_event(j, EVENT_REQUESTED, &op);
	child_commit(j, report);

	op.state = OP_PLANNED;
	child_check(journal_begin(j, &err));
	child_check(journal_put_op(j, &op, &err));
	child_commit(j, report);

	op.state = OP_DONE;
	child_check(journal_begin(j, &err));
	child_check(journal_put_op(j, &op, &err));
	child_check(journal_put_snapshot(j, &op.snap, &err));
	child_check(journal_set_head(j, &crash_domain, &op.snap.id, &err));
	child_event(j, EVENT_TAKEN, &op);
	child_commit(j, report);
	op_done(&op);
	child_check(journal_ack(j, journal_last_seq(j) - 1, 1000, &err));
}

static void child(const char *path, unsigned kill_at, int report)
{
	struct journal *j = NULL;

	steps_left = kill_at;
	n_seen = 0;
	child_check(journal_open(&j, path, &err));
	for (uint8_t n = 1; n <= N_OPS; n++)
		child_op(j, n, report);
	journal_close(j);
	_exit(n_seen >= 10 ? 0 : 7);
}

/* What the events tell, by operation: bits of kinds. */
struct told {
	unsigned kinds[256];
	uint64_t n;
};

static bool listen_to(void *arg, uint64_t seq, const void *body, size_t size)
{
	struct told *told = arg;
	struct event event;

	assert_int_equal(seq, ++told->n);
	assert_ok(codec_unpack_event(body, size, &event, &err), err);
	told->kinds[event.op.b[15]] |= 1u << event.kind;
	event_done(&event);
	return true;
}

static unsigned kinds_of_op(struct journal *j, const struct id *id)
{
	struct op op;

	if (journal_get_op(j, id, &op, &err) == -ERR_ABSENT)
		return 0;
	op_done(&op);
	return 1u << EVENT_REQUESTED |
	       (op.state == OP_DONE ? 1u << EVENT_TAKEN : 0);
}

static void check_after(const char *path, unsigned n_reported)
{
	struct journal *j = open_at(path);
	struct told told = { 0 };
	struct journal_domain *list;
	struct snapshot snap;
	struct id newest = { { 0 } };
	size_t n;

	assert_ok(journal_each_event(j, 0, listen_to, &told, &err), err);
	assert_int_equal(told.n, journal_last_seq(j));
	assert_in_range(told.n, n_reported, n_reported + 1);
	for (uint8_t i = 1; i <= N_OPS; i++) {
		const struct id id = id_of(i);
		const bool taken = told.kinds[i] & 1u << EVENT_TAKEN;

		assert_int_equal(told.kinds[i], kinds_of_op(j, &id));
		assert_int_equal(journal_get_snapshot(j, &id, &snap, &err),
				 taken ? 0 : -ERR_ABSENT);
		if (taken) {
			newest = id;
			snapshot_done(&snap);
		}
	}
	assert_ok(journal_get_domains(j, NULL, &list, &n, &err), err);
	assert_int_equal(n, !id_is_null(&newest));
	if (n)
		assert_true(id_equal(&list[0].head, &newest));
	free(list);
	/* and it goes on with the next number */
	commit_events(j, 1);
	assert_int_equal(journal_last_seq(j), told.n + 1);
	journal_close(j);
}

/* True when the child lived to its end. */
static bool crash_at(unsigned kill_at)
{
	const char *path = fresh();
	char reports[64];
	ssize_t n_reported;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		child(path, kill_at, fds[1]);
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n_reported = read(fds[0], reports, sizeof(reports));
	close(fds[0]);
	assert_true(n_reported >= 0);
	check_after(path, (unsigned)n_reported);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return false;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

static void test_killed_at_every_step(void **state)
{
	unsigned n = 1;

	(void)state;
	while (!crash_at(n))
		n++;
	/* else the writes were not seen at all */
	assert_true(n > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_second_opener),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_newer_schema),
		cmocka_unit_test(test_impossible_numbers),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_op_round_trip),
		cmocka_unit_test(test_op_without_disks_or_domain),
		cmocka_unit_test(test_open_ops),
		cmocka_unit_test(test_unclean_path),
		cmocka_unit_test(test_damaged_record),
		cmocka_unit_test(test_domain_changed),
		cmocka_unit_test(test_head_of_unknown_domain),
		cmocka_unit_test(test_snapshots),
		cmocka_unit_test(test_gapless),
		cmocka_unit_test(test_ack_and_keep),
		cmocka_unit_test(test_smaller_keep),
		cmocka_unit_test(test_each_event),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_killed_at_every_step),
	};

	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
