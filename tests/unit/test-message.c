/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-message.c - lists of a reply and what is released with them */
#include "proto/message.h"

#include "base/str.h"
#include "tests/lib/test.h"

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(request_kind_word(REQUEST_VMS), "vms");
	assert_int_equal(request_kind_from_word("thaw"), REQUEST_THAW);
	assert_int_equal(request_kind_from_word("sing"), 0);
	assert_int_equal(request_kind_from_wire(99), 0);
}

static void test_rows_are_zeroed_and_kept(void **state)
{
	struct reply reply = { 0 };

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct vm_row *vm = reply_add_vm(&reply);

		assert_non_null(vm);
		assert_int_equal(vm->n_snapshots, 0);
		vm->n_snapshots = i + 1;
		assert_non_null(reply_add_host(&reply));
		assert_non_null(reply_add_event(&reply));
	}
	assert_int_equal(reply.n_vms, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(reply.vms[i].n_snapshots, i + 1);
	reply_done(&reply);
	assert_int_equal(reply.n_vms, 0);
	assert_null(reply.vms);
}

/* A list of exactly three, as unpacking makes it, may grow. */
static void test_list_of_others_grows(void **state)
{
	struct reply reply = { 0 };

	(void)state;
	reply.vms = calloc(3, sizeof(*reply.vms));
	reply.n_vms = 3;
	reply.vms[2].n_snapshots = 7;
	assert_non_null(reply_add_vm(&reply));
	assert_int_equal(reply.n_vms, 4);
	assert_int_equal(reply.vms[2].n_snapshots, 7);
	reply_done(&reply);
}

static void test_all_is_released(void **state)
{
	struct message message = { .kind = MESSAGE_REPLY };
	struct snapshot_disk *disk;
	struct snapshot *snap;
	struct event *event;
	struct err err = { 0 };

	(void)state;
	snap = reply_add_snapshot(&message.reply);
	assert_ok(snapshot_add_disk(snap, &disk, &err), err);
	event = reply_add_event(&message.reply);
	event->record = calloc(1, sizeof(*event->record));
	assert_ok(snapshot_add_disk(event->record, &disk, &err), err);
	message_done(&message);
	assert_int_equal(message.kind, MESSAGE_NONE);
	message_done(&message);
}

static void test_events_are_released(void **state)
{
	struct message message = { .kind = MESSAGE_EVENTS };

	(void)state;
	message.events.items = calloc(2, sizeof(*message.events.items));
	message.events.n_items = 2;
	message.events.items[1].body = malloc(10);
	message_done(&message);
}

static void test_facts(void **state)
{
	struct reply reply = { 0 };
	char longest[1000];

	(void)state;
	assert_int_equal(reply_add_fact(&reply, "epoch", "%d", 42), 0);
	assert_string_equal(reply.facts[0].key, "epoch");
	assert_string_equal(reply.facts[0].value, "42");

	/* Cut between characters. */
	longest[0] = 'x';
	for (size_t i = 1; i + 2 < sizeof(longest); i += 2)
		memcpy(longest + i, "\xc3\xa9", 3);
	assert_int_equal(reply_add_fact(&reply, longest, "%s", longest), 0);
	assert_int_equal(strlen(reply.facts[1].key), 47);
	assert_int_equal(strlen(reply.facts[1].value), 255);
	assert_true(str_is_clean(reply.facts[1].value));
	reply_done(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_rows_are_zeroed_and_kept),
		cmocka_unit_test(test_list_of_others_grows),
		cmocka_unit_test(test_all_is_released),
		cmocka_unit_test(test_events_are_released),
		cmocka_unit_test(test_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
