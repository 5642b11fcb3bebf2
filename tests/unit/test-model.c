/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-model.c - domains, snapshots, events and words */
#include "model/domain.h"
#include "model/event.h"
#include "model/snapshot.h"
#include "model/tags.h"

#include "tests/lib/test.h"

static struct err err;

/* --- words ------------------------------------------------------------ */

#define COLOURS(X) X(RED, 1, "red") X(BLUE, 3, "blue")
enum colour {
#define X(name, wire, word) COLOUR_##name = (wire),
	COLOURS(X)
#undef X
};
WORD_DECLARE(colour);
WORD_DEFINE(colour, COLOURS)

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(colour_word(COLOUR_BLUE), "blue");
	assert_string_equal(colour_word((enum colour)2), "unknown");
	assert_int_equal(colour_from_word("red"), COLOUR_RED);
	assert_int_equal(colour_from_word("Red"), 0);
	assert_int_equal(colour_from_word(""), 0);
	assert_int_equal(colour_from_wire(3), COLOUR_BLUE);
	assert_int_equal(colour_from_wire(2), 0);
	assert_int_equal(colour_from_wire(0), 0);
	assert_int_equal(colour_from_wire(-1), 0);
	assert_int_equal(colour_from_wire((1LL << 32) + 1), 0);
}

#define CHECK(prefix, wire, word)                                      \
	assert_int_equal(prefix##_from_wire(wire), wire);              \
	assert_int_equal(prefix##_from_word(word), wire);              \
	assert_string_equal(prefix##_word((enum prefix)(wire)), word); \
	assert_int_not_equal(wire, 0);

static void test_words_of_the_model(void **state)
{
	(void)state;
#define X(name, wire, word) CHECK(domain_state, wire, word)
	DOMAIN_STATES(X)
#undef X
#define X(name, wire, word) CHECK(disk_type, wire, word)
	DISK_TYPES(X)
#undef X
#define X(name, wire, word) CHECK(disk_role, wire, word)
	DISK_ROLES(X)
#undef X
#define X(name, wire, word) CHECK(origin, wire, word)
	ORIGINS(X)
#undef X
#define X(name, wire, word) CHECK(consistency, wire, word)
	CONSISTENCIES(X)
#undef X
#define X(name, wire, word) CHECK(freeze, wire, word)
	FREEZES(X)
#undef X
#define X(name, wire, word) CHECK(snapshot_state, wire, word)
	SNAPSHOT_STATES(X)
#undef X
#define X(name, wire, word) CHECK(event_kind, wire, word)
	EVENT_KINDS(X)
#undef X
}

/* --- domains ---------------------------------------------------------- */

static void test_disk_is_wanted(void **state)
{
	struct disk disk = { .target = "vda",
			     .source = "/d.qcow2",
			     .is_disk = true };

	(void)state;
	assert_true(disk_is_wanted(&disk));
	disk.readonly = true;
	assert_false(disk_is_wanted(&disk));
	disk.readonly = false;
	disk.is_disk = false;
	assert_false(disk_is_wanted(&disk));
	disk.is_disk = true;
	disk.source[0] = '\0';
	assert_false(disk_is_wanted(&disk));
}

static void test_domain_copy(void **state)
{
	struct disk disks[] = { { .target = "vda" }, { .target = "vdb" } };
	struct domain domain = { .name = "web", .disks = disks, .n_disks = 2 };
	struct domain copy, empty = { .name = "diskless" };

	(void)state;
	assert_ok(domain_copy(&copy, &domain, &err), err);
	assert_ptr_not_equal(copy.disks, disks);
	assert_string_equal(copy.name, "web");
	assert_ptr_equal(domain_disk(&copy, "vdb"), &copy.disks[1]);
	assert_null(domain_disk(&copy, "vd"));
	assert_null(domain_disk(&copy, ""));
	domain_done(&copy);
	assert_null(copy.disks);
	assert_int_equal(copy.n_disks, 0);
	domain_done(&copy);

	assert_ok(domain_copy(&copy, &empty, &err), err);
	assert_null(copy.disks);
	assert_null(domain_disk(&copy, "vda"));
	domain_done(&copy);
}

/* --- snapshots -------------------------------------------------------- */

static void test_snapshot_life(void **state)
{
	struct snapshot snap, copy;
	struct snapshot_disk *disk;

	(void)state;
	snapshot_init(&snap);
	assert_int_equal(snap.sync_ms, -1);
	assert_int_equal(snap.freeze_ms, -1);
	assert_int_equal(snap.cut_ms, -1);
	assert_int_equal(snap.thaw_ms, -1);
	assert_int_equal(snap.frozen_ms, -1);
	assert_int_equal(snap.taken_ms, 0);
	for (int i = 0; i < 9; i++) {
		assert_ok(snapshot_add_disk(&snap, &disk, &err), err);
		assert_int_equal(disk->size_bytes, -1);
		assert_int_equal(disk->cut_ms, -1);
		assert_string_equal(disk->object, "");
		disk->target[0] = (char)('a' + i);
	}
	assert_int_equal(snap.n_disks, 9);
	assert_ok(snapshot_copy(&copy, &snap, &err), err);
	snapshot_done(&snap);
	assert_null(snap.disks);
	assert_int_equal(snap.n_disks, 0);
	assert_int_equal(copy.n_disks, 9);
	assert_string_equal(copy.disks[8].target, "i");
	snapshot_done(&copy);
	snapshot_done(&copy);
}

static void bad_label(const char *label)
{
	err = (struct err){ 0 };
	assert_fails(snapshot_check_label(label, &err), ERR_INVALID, err);
	assert_contains(err.text, "label");
	/* what is shown is clean, whatever was given */
	for (const char *p = err.text; *p; p++)
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	assert_int_equal(snapshot_check_label(label, NULL), -ERR_INVALID);
}

static void test_labels(void **state)
{
	char text[SNAPSHOT_LABEL + 1];

	(void)state;
	assert_ok(snapshot_check_label("before upgrade", &err), err);
	assert_ok(snapshot_check_label("a", &err), err);
	assert_ok(snapshot_check_label("Größe 7", &err), err);
	assert_ok(snapshot_check_label("heading", &err), err);
	assert_ok(snapshot_check_label("-x", &err), err);
	bad_label("");
	bad_label(" x");
	bad_label("x ");
	bad_label(" ");
	bad_label("a@b");
	bad_label("a/b");
	bad_label("..\n");
	bad_label("tab\there");
	bad_label("\x7f");
	bad_label("\xff");
	bad_label("cut \xc3");
	bad_label("\xc2\x9b");
	bad_label("head");

	memset(text, 'x', sizeof(text));
	text[SNAPSHOT_LABEL - 1] = '\0';
	assert_ok(snapshot_check_label(text, &err), err);
	text[SNAPSHOT_LABEL - 1] = 'x';
	text[SNAPSHOT_LABEL] = '\0';
	bad_label(text);
}

static void bad_tags(const char *tags)
{
	err = (struct err){ 0 };
	assert_fails(snapshot_check_tags(tags, &err), ERR_INVALID, err);
	assert_contains(err.text, "tags");
}

static void test_tags(void **state)
{
	char text[SNAPSHOT_TAGS + 1];

	(void)state;
	assert_ok(snapshot_check_tags("", &err), err);
	assert_ok(snapshot_check_tags("a", &err), err);
	assert_ok(snapshot_check_tags("env=prod tier:2 v1.2_3-x", &err), err);
	bad_tags(" ");
	bad_tags(" a");
	bad_tags("a ");
	bad_tags("a  b");
	bad_tags("a,b");
	bad_tags("a\nb");
	bad_tags("gr\xc3\xb6\xc3\x9f"
		 "e");
	bad_tags("a/b");

	memset(text, 't', sizeof(text));
	text[SNAPSHOT_TAGS - 1] = '\0';
	assert_ok(snapshot_check_tags(text, &err), err);
	text[SNAPSHOT_TAGS - 1] = 't';
	text[SNAPSHOT_TAGS] = '\0';
	bad_tags(text);
}

static void test_sets_of_tags(void **state)
{
	char tags[SNAPSHOT_TAGS] = "", full[SNAPSHOT_TAGS];

	(void)state;
	assert_false(tags_have("", "a"));
	assert_false(tags_have("a", ""));
	assert_true(tags_have("ab a", "a"));
	assert_false(tags_have("ab ba", "a"));
	assert_ok(tags_add(tags, "b a b", &err), err);
	assert_string_equal(tags, "b a");
	assert_ok(tags_add(tags, "a c", &err), err);
	assert_string_equal(tags, "b a c");
	assert_ok(tags_add(tags, "", &err), err);
	tags_remove(tags, "x");
	assert_string_equal(tags, "b a c");
	tags_remove(tags, "c b");
	assert_string_equal(tags, "a");
	tags_remove(tags, "a");
	assert_string_equal(tags, "");

	memset(full, 't', sizeof(full));
	full[sizeof(full) - 3] = '\0';
	assert_ok(tags_add(tags, full, &err), err);
	assert_string_equal(tags, full);
	assert_fails(tags_add(tags, "ab", &err), ERR_INVALID, err);
	assert_string_equal(tags, full);
	assert_ok(tags_add(tags, "a", &err), err);
	assert_int_equal(strlen(tags), SNAPSHOT_TAGS - 1);
}

static void test_description(void **state)
{
	char text[SNAPSHOT_DESCRIPTION + 1];

	(void)state;
	assert_ok(snapshot_check_description("", &err), err);
	assert_ok(snapshot_check_description("any @ / text, äöü", &err), err);
	assert_fails(snapshot_check_description("two\nlines", &err),
		     ERR_INVALID, err);
	assert_fails(snapshot_check_description("\x80", &err), ERR_INVALID,
		     err);
	memset(text, 'd', sizeof(text));
	text[SNAPSHOT_DESCRIPTION - 1] = '\0';
	assert_ok(snapshot_check_description(text, &err), err);
	text[SNAPSHOT_DESCRIPTION - 1] = 'd';
	text[SNAPSHOT_DESCRIPTION] = '\0';
	assert_fails(snapshot_check_description(text, &err), ERR_INVALID, err);
}

/* --- events ----------------------------------------------------------- */

static void test_event_done(void **state)
{
	struct event event = { .kind = EVENT_TAKEN };
	struct snapshot_disk *disk;

	(void)state;
	event.record = malloc(sizeof(*event.record));
	assert_non_null(event.record);
	snapshot_init(event.record);
	assert_ok(snapshot_add_disk(event.record, &disk, &err), err);
	event_done(&event);
	assert_null(event.record);
	event_done(&event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_of_the_model),
		cmocka_unit_test(test_disk_is_wanted),
		cmocka_unit_test(test_domain_copy),
		cmocka_unit_test(test_snapshot_life),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_sets_of_tags),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_event_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
