/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-edit.c - what a person changes of a snapshot is journaled with its event */
#include "agent/engine/edit.h"

#include "agent/engine/engine_private.h"
#include "base/db.h"
#include "base/str.h"
#include "proto/codec.h"
#include "tests/lib/test.h"

static struct err err;
static unsigned n_pokes;
static char path[128];

static void committed(void *owner)
{
	(void)owner;
	n_pokes++;
}

static const struct engine_ops ops = { committed };
static struct engine engine = { .ops = &ops };

static struct id id_of(uint8_t n)
{
	struct id id = { { 0xaa } };

	id.b[15] = n;
	return id;
}

/* Domain 100 has the snapshots 1 ("one") and 2, domain 101 has 3 ("three"). */
static void put(uint8_t n, uint8_t domain, const char *label)
{
	struct snapshot snap;
	struct snapshot_disk *disk;

	snapshot_init(&snap);
	snap.id = id_of(n);
	snap.domain = id_of(domain);
	snap.state = SNAPSHOT_PRESENT;
	snap.taken_ms = n;
	str_copy(snap.domain_name, sizeof(snap.domain_name), "web-1");
	str_copy(snap.label, sizeof(snap.label), label);
	assert_ok(snapshot_add_disk(&snap, &disk, &err), err);
	str_copy(disk->target, sizeof(disk->target), "vda");
	assert_ok(journal_put_snapshot(engine.journal, &snap, &err), err);
	snapshot_done(&snap);
}

static int set_up(void **state)
{
	static unsigned n;
	const struct id head = id_of(2);
	const struct id domain = id_of(100);

	(void)state;
	snprintf(path, sizeof(path), "%s/edit-%u.db", test_dir_path, n++);
	assert_ok(journal_open(&engine.journal, path, &err), err);
	put(1, 100, "one");
	put(2, 100, "");
	put(3, 101, "three");
	assert_ok(journal_set_head(engine.journal, &domain, &head, &err), err);
	n_pokes = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	journal_close(engine.journal);
	engine.runs = NULL;
	return 0;
}

/* --- what is changed, and what is refused --------------------------------- */

static struct snapshot now; /* as the journal has it after the last edit */

static int edit(uint8_t n, const struct edit *what, bool *ret_changed)
{
	const struct id id = id_of(n);
	struct snapshot mine;
	int r;

	assert_ok(journal_get_snapshot(engine.journal, &id, &mine, &err), err);
	r = engine_edit(&engine, &mine, what, ret_changed, &err);
	assert_int_equal(journal_get_snapshot(engine.journal, &id, &now, NULL),
			 0);
	/* The caller has what the journal has, changed or not. */
	assert_string_equal(mine.label, now.label);
	assert_string_equal(mine.tags, now.tags);
	assert_string_equal(mine.description, now.description);
	assert_int_equal(mine.pinned, now.pinned);
	assert_int_equal(now.n_disks, 1);
	snapshot_done(&mine);
	free(now.disks);
	now.disks = NULL;
	return r;
}

static bool keep_event(void *arg, uint64_t seq, const void *body, size_t size)
{
	struct event *event = arg;

	(void)seq;
	event_done(event);
	assert_ok(codec_unpack_event(body, size, event, &err), err);
	return true;
}

/* One event tells of it all. */
static void changes(uint8_t n, struct edit what, const char *text)
{
	const uint64_t before = journal_last_seq(engine.journal);
	const struct id id = id_of(n);
	const unsigned pokes = n_pokes;
	struct event event = { 0 };
	bool changed = false;

	assert_ok(edit(n, &what, &changed), err);
	assert_true(changed);
	assert_int_equal(n_pokes, pokes + 1);
	assert_int_equal(journal_last_seq(engine.journal), before + 1);
	assert_ok(journal_each_event(engine.journal, before, keep_event, &event,
				     &err),
		  err);
	assert_int_equal(event.kind, EVENT_CHANGED);
	assert_true(event.time_ms > 0);
	assert_true(id_equal(&event.snapshot, &id));
	assert_true(id_equal(&event.domain, &now.domain));
	assert_string_equal(event.text, text);
	assert_non_null(event.record);
	assert_string_equal(event.record->label, now.label);
	assert_string_equal(event.record->tags, now.tags);
	assert_string_equal(event.record->description, now.description);
	assert_int_equal(event.record->pinned, now.pinned);
	assert_int_equal(event.record->n_disks, 1);
	event_done(&event);
}

static void changes_nothing(uint8_t n, struct edit what)
{
	const uint64_t before = journal_last_seq(engine.journal);
	const unsigned pokes = n_pokes;
	bool changed = true;

	assert_ok(edit(n, &what, &changed), err);
	assert_false(changed);
	assert_int_equal(journal_last_seq(engine.journal), before);
	assert_int_equal(n_pokes, pokes);
}

static void is_refused(uint8_t n, struct edit what, enum err_code code,
		       const char *because)
{
	const uint64_t before = journal_last_seq(engine.journal);
	bool changed;

	assert_fails(edit(n, &what, &changed), code, err);
	assert_contains(err.text, because);
	assert_int_equal(journal_last_seq(engine.journal), before);
	assert_int_equal(n_pokes, 0);
}

static void a_pin_goes_on_and_off(void **state)
{
	(void)state;
	changes(1, (struct edit){ .pin = true }, "pinned");
	assert_true(now.pinned);
	changes_nothing(1, (struct edit){ .pin = true });
	changes(1, (struct edit){ .unpin = true }, "unpinned");
	assert_false(now.pinned);
	changes_nothing(1, (struct edit){ .unpin = true });
	assert_string_equal(now.label, "one");
}

static void a_label_is_given_replaced_and_removed(void **state)
{
	(void)state;
	changes(2, (struct edit){ .label = "two" }, "label 'two'");
	changes(2, (struct edit){ .label = "zwei" }, "label 'zwei'");
	assert_string_equal(now.label, "zwei");
	changes_nothing(2, (struct edit){ .label = "zwei" });
	changes(2, (struct edit){ .label = "" }, "label ''");
	assert_string_equal(now.label, "");
	changes_nothing(2, (struct edit){ .label = "" });
}

static void tags_are_a_set(void **state)
{
	(void)state;
	changes(1, (struct edit){ .tags_add = "b a b" }, "tags 'b a'");
	changes_nothing(1, (struct edit){ .tags_add = "a" });
	changes(1, (struct edit){ .tags_add = "a c" }, "tags 'b a c'");
	changes_nothing(1, (struct edit){ .tags_remove = "d" });
	changes(1, (struct edit){ .tags_remove = "d b" }, "tags 'a c'");
	changes(1, (struct edit){ .tags_remove = "a c" }, "tags ''");
	assert_string_equal(now.tags, "");
}

static void all_at_once_is_one_event(void **state)
{
	char text[SNAPSHOT_DESCRIPTION];

	(void)state;
	changes(1,
		(struct edit){ .pin = true,
			       .label = "x",
			       .tags_add = "t",
			       .description = "d" },
		"pinned, label 'x', tags 't', description 'd'");
	/* A long text of it is cut, but not within a character. */
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xb6", 3);
	text[sizeof(text) - 2] = '\0';
	{
		const struct edit what = { .description = text };
		bool changed;

		assert_ok(edit(1, &what, &changed), err);
	}
	assert_string_equal(now.description, text);
}

static void what_is_not_valid_is_refused(void **state)
{
	char tags[SNAPSHOT_TAGS];

	(void)state;
	is_refused(1, (struct edit){ .pin = true, .unpin = true }, ERR_INVALID,
		   "at once");
	is_refused(1, (struct edit){ .label = "head" }, ERR_INVALID, "head");
	is_refused(1, (struct edit){ .label = "a@b" }, ERR_INVALID, "'@'");
	is_refused(1, (struct edit){ .label = "a\nb" }, ERR_INVALID, "control");
	is_refused(1, (struct edit){ .description = "\033" }, ERR_INVALID,
		   "control");
	is_refused(1, (struct edit){ .tags_add = "a,b" }, ERR_INVALID, "tags");
	is_refused(1, (struct edit){ .tags_remove = "a  b" }, ERR_INVALID,
		   "tags");
	/* A part that is good does not get through with one that is not. */
	is_refused(1, (struct edit){ .pin = true, .label = "/" }, ERR_INVALID,
		   "'/'");
	memset(tags, 't', sizeof(tags));
	tags[sizeof(tags) - 1] = '\0';
	changes(1, (struct edit){ .tags_add = "a" }, "tags 'a'");
	n_pokes = 0;
	is_refused(1, (struct edit){ .pin = true, .tags_add = tags },
		   ERR_INVALID, "longer than");
	assert_false(now.pinned);
}

static void a_label_is_unique_in_its_vm(void **state)
{
	struct run run = { .op.kind = OP_CREATE, .op.state = OP_CUTTING };
	char one[ID_TEXT];
	struct id id = id_of(1);

	(void)state;
	is_refused(2, (struct edit){ .pin = true, .label = "one" }, ERR_EXISTS,
		   id_format(&id, one));
	assert_false(now.pinned);
	/* Another VM's does not count. */
	changes(2, (struct edit){ .label = "three" }, "label 'three'");
	n_pokes = 0;

	/* One that is just being made does. */
	run.op.snap.domain = id_of(100);
	run.op.snap.id = id_of(9);
	strcpy(run.op.snap.label, "soon");
	engine.runs = &run;
	id = id_of(9);
	is_refused(2, (struct edit){ .label = "soon" }, ERR_EXISTS,
		   id_format(&id, one));
	run.op.state = OP_UNDOING;
	changes(2, (struct edit){ .label = "soon" }, "label 'soon'");
}

static void a_label_for_a_new_one_is_checked(void **state)
{
	struct op op = { .kind = OP_CREATE, .state = OP_DONE };
	const struct id domain = id_of(100), none = { { 0 } };
	struct snapshot *snap = &op.snap;

	(void)state;
	assert_fails(engine_check_label(&engine, &domain, "one", NULL, &none,
					&err),
		     ERR_EXISTS, err);
	assert_contains(err.text, "has the label 'one' already");
	assert_ok(engine_check_label(&engine, &domain, "", NULL, &none, &err),
		  err);
	assert_ok(engine_check_label(&engine, &domain, "three", NULL, &none,
				     &err),
		  err);

	/* The request that made it comes a second time. */
	snapshot_init(snap);
	op.id = id_of(50);
	snap->id = id_of(1);
	snap->domain = domain;
	strcpy(snap->label, "one");
	assert_fails(engine_check_label(&engine, &domain, "one", NULL, &op.id,
					&err),
		     ERR_EXISTS, err);
	assert_ok(journal_put_op(engine.journal, &op, &err), err);
	assert_ok(engine_check_label(&engine, &domain, "one", NULL, &op.id,
				     &err),
		  err);
}

static void what_is_being_removed_is_left_alone(void **state)
{
	const struct id id = id_of(1);
	struct snapshot snap;

	(void)state;
	assert_ok(journal_get_snapshot(engine.journal, &id, &snap, &err), err);
	snap.state = SNAPSHOT_RETIRING;
	assert_ok(journal_put_snapshot(engine.journal, &snap, &err), err);
	snapshot_done(&snap);
	is_refused(1, (struct edit){ .pin = true }, ERR_BUSY, "being removed");
}

static void the_head_and_the_tree_stay(void **state)
{
	const struct id domain = id_of(100), head = id_of(2);
	struct journal_domain *d;
	size_t n;

	(void)state;
	changes(1, (struct edit){ .pin = true }, "pinned");
	assert_ok(journal_get_domains(engine.journal, &domain, &d, &n, &err),
		  err);
	assert_int_equal(n, 1);
	assert_int_equal(d->n_snapshots, 2);
	assert_true(id_equal(&d->head, &head));
	free(d);
}

/* Neither record nor event without the other. */
static void both_or_neither(void **state)
{
	const struct edit pin = { .pin = true };
	struct db *db;
	bool changed;

	(void)state;
	assert_ok(db_open(&db, path, 0, &err), err);
	assert_ok(db_exec(db,
			  "CREATE TRIGGER t BEFORE INSERT ON outbox"
			  " BEGIN SELECT RAISE(ABORT, 'refused'); END",
			  &err),
		  err);
	db_close(db);
	assert_true(edit(1, &pin, &changed) < 0);
	assert_contains(err.text, "refused");
	assert_false(now.pinned);
	assert_int_equal(n_pokes, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_pin_goes_on_and_off),
		T(a_label_is_given_replaced_and_removed),
		T(tags_are_a_set),
		T(all_at_once_is_one_event),
		T(what_is_not_valid_is_refused),
		T(a_label_is_unique_in_its_vm),
		T(a_label_for_a_new_one_is_checked),
		T(what_is_being_removed_is_left_alone),
		T(the_head_and_the_tree_stay),
		T(both_or_neither),
	};

	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
