/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-store.c - sources, events and what they do to VMs and trees */
#include "collector/store.h"

#include "base/db.h"
#include "collector/config.h"
#include "tests/lib/events.h"
#include "tests/lib/test.h"

static struct store *store;
static struct store_source sources[4]; /* by host number */
static uint64_t last_seq;
static struct err err;

static int set_up(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -f '%s'*", test_path("c.db"));
	if (system(command) != 0)
		return -1;
	last_seq = 0;
	memset(sources, 0, sizeof(sources));
	return store_open(&store, test_path("c.db"), &err);
}

static int tear_down(void **state)
{
	(void)state;
	store_close(store);
	store = NULL;
	return 0;
}

/* Each in a transaction of its own, as host `host`. */
static int append_item(unsigned host, struct event_item item)
{
	struct hello hello = test_hello(host, 7, 100);
	int r;

	assert_ok(store_begin(store, &err), err);
	assert_ok(store_put_source(store, &hello, 1, &sources[host], &err),
		  err);
	r = store_append(store, &sources[host], item.seq, item.body, item.size,
			 &err);
	assert_true(r >= 0);
	assert_ok(store_set_seq(store, &sources[host], item.seq, 1, &err), err);
	assert_ok(store_commit(store, &err), err);
	free(item.body);
	return r;
}

static void append(unsigned host, struct event event)
{
	if (append_item(host, test_item(++last_seq, event)) != 0)
		fail_msg("event is refused: %s", err.text);
}

static bool get_row(void *arg, const struct store_vm *vm)
{
	*(struct store_vm *)arg = *vm;
	return false;
}

static struct store_vm vm_of(unsigned n)
{
	struct id id = test_id(TEST_VM, n);
	struct store_vm vm = { 0 };

	assert_ok(store_vms_between(store, &id, &id, get_row, &vm, &err), err);
	return vm;
}

/* One number out of the file itself. */
static int64_t number(const char *sql)
{
	struct db_stmt *q;
	struct db *db;
	int64_t n;

	assert_ok(db_open(&db, test_path("c.db"), 0, &err), err);
	q = db_query(db, sql, &err);
	assert_int_equal(db_step(q, &err), 1);
	n = db_int(q, 0);
	db_close(db);
	return n;
}

static bool collect_id(void *arg, const struct store_record *record)
{
	char *text = arg;
	struct snapshot snap;

	assert_ok(codec_unpack_snapshot(record->body, record->size, &snap,
					&err),
		  err);
	sprintf(text + strlen(text), "%u ", snap.id.b[15]);
	snapshot_done(&snap);
	return true;
}

static const char *tree_of(unsigned vm)
{
	static char text[256];

	text[0] = '\0';
	assert_ok(store_tree(store, vm_of(vm).vm, collect_id, text, &err), err);
	return text;
}

static void a_taken_snapshot_is_head(void **state)
{
	struct store_vm vm;
	struct id head = test_id(TEST_SNAP, 2);

	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	append(1, test_taken(1, 2, 1, 2000));
	vm = vm_of(1);
	assert_true(id_equal(&vm.row.head, &head));
	assert_int_equal(vm.row.n_snapshots, 2);
	assert_int_equal(vm.row.latest_ms, 2000);
	assert_string_equal(vm.row.name, "vm-1");
	assert_string_equal(vm.row.host_name, "host-1");
	assert_string_equal(tree_of(1), "1 2 ");
	assert_int_equal(number("SELECT parent FROM node WHERE n=2"), 1);
	assert_int_equal(number("SELECT count(*) FROM event"), 2);
}

static void the_log_has_no_second_copy_of_the_record(void **state)
{
	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	assert_true(number("SELECT length(body) FROM event") <
		    number("SELECT length(body) FROM record"));
}

static void a_known_snapshot_is_updated(void **state)
{
	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	append(1, test_taken(1, 2, 1, 2000));
	append(1, test_taken(1, 1, 0, 1500));
	assert_string_equal(tree_of(1), "1 2 ");
	assert_int_equal(vm_of(1).row.n_snapshots, 2);
	assert_int_equal(number("SELECT created_ms FROM node WHERE n=1"), 1500);
}

static void an_unknown_parent_is_a_root_until_it_comes(void **state)
{
	(void)state;
	append(1, test_taken(1, 2, 1, 2000));
	append(1, test_taken(1, 3, 1, 3000));
	assert_int_equal(number("SELECT sum(parent) FROM node"), 0);
	append(1, test_taken(1, 1, 0, 1000));
	assert_string_equal(tree_of(1), "2 3 1 ");
	assert_int_equal(number("SELECT count(*) FROM node WHERE parent=3"), 2);
	assert_int_equal(number("SELECT count(*) FROM orphan"), 0);
}

static void a_parent_of_another_vm_is_unknown(void **state)
{
	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	append(1, test_taken(2, 2, 1, 2000));
	assert_int_equal(number("SELECT sum(parent) FROM node"), 0);
	assert_int_equal(number("SELECT count(*) FROM orphan"), 1);
}

/* Label and pin of snapshot n, as a reader finds them. */
static struct snapshot snap_of(unsigned n)
{
	struct snapshot snap;
	char sql[96];

	snprintf(sql, sizeof(sql),
		 "SELECT id FROM record WHERE substr(uuid, 13)=x'%08x'", n);
	assert_ok(store_get_snapshot(store, number(sql), &snap, NULL, &err),
		  err);
	return snap;
}

/* As test_taken(), pinned and with another label. */
static struct event changed(enum event_kind kind, unsigned n, unsigned parent,
			    int64_t time_ms)
{
	struct event event = test_taken(1, n, parent, 1000 * n);

	event.kind = kind;
	event.time_ms = time_ms;
	event.record->pinned = true;
	str_copy(event.record->label, sizeof(event.record->label), "golden");
	return event;
}

static void a_change_replaces_the_record_and_moves_no_head(void **state)
{
	const struct id head = test_id(TEST_SNAP, 2);
	struct store_vm vm;
	struct snapshot snap;

	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	append(1, test_taken(1, 2, 1, 2000));
	append(1, changed(EVENT_CHANGED, 1, 0, 5000));
	vm = vm_of(1);
	assert_true(id_equal(&vm.row.head, &head));
	assert_int_equal(vm.row.n_snapshots, 2);
	assert_int_equal(vm.row.latest_ms, 2000);
	assert_string_equal(tree_of(1), "1 2 ");
	assert_int_equal(number("SELECT flags >> 12 FROM node WHERE n=1"), 1);
	assert_int_equal(number("SELECT flags >> 12 FROM node WHERE n=2"), 0);
	snap = snap_of(1);
	assert_string_equal(snap.label, "golden");
	assert_true(snap.pinned);
	assert_int_equal(snap.n_disks, 1);
	snapshot_done(&snap);
	assert_int_equal(number("SELECT kind FROM event WHERE seq=3"),
			 EVENT_CHANGED);
	assert_true(number("SELECT length(body) FROM event WHERE seq=3") <
		    number("SELECT length(body) FROM record WHERE n=1"));
}

static void a_restored_snapshot_is_head_again(void **state)
{
	const struct id head = test_id(TEST_SNAP, 1);
	struct snapshot snap;
	struct store_vm vm;

	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	append(1, test_taken(1, 2, 1, 2000));
	append(1, changed(EVENT_RESTORED, 1, 0, 5000));
	vm = vm_of(1);
	assert_true(id_equal(&vm.row.head, &head));
	assert_int_equal(vm.row.n_snapshots, 2);
	assert_string_equal(tree_of(1), "1 2 ");
	snap = snap_of(1);
	assert_string_equal(snap.label, "golden");
	snapshot_done(&snap);
	/* The next one branches from there. */
	append(1, test_taken(1, 3, 1, 6000));
	assert_int_equal(number("SELECT parent FROM node WHERE n=3"), 1);
}

static void the_old_host_does_not_restore(void **state)
{
	const struct id head = test_id(TEST_SNAP, 2);
	struct store_vm vm;

	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	append(2, test_taken(1, 2, 1, 2000));
	append(1, changed(EVENT_RESTORED, 1, 0, 1500));
	vm = vm_of(1);
	assert_true(id_equal(&vm.row.head, &head));
	assert_string_equal(vm.row.host_name, "host-2");
}

/* Done all the same, and told of. */
static void a_change_of_what_is_not_known_brings_it(void **state)
{
	const struct id head = test_id(TEST_SNAP, 2);
	struct store_vm vm;

	(void)state;
	append(1, test_taken(1, 2, 1, 2000));
	err.text[0] = '\0';
	assert_int_equal(
		append_item(1, test_item(++last_seq,
					 changed(EVENT_CHANGED, 1, 0, 5000))),
		2);
	assert_contains(err.text, "was not known before 'changed'");
	vm = vm_of(1);
	assert_true(id_equal(&vm.row.head, &head));
	assert_string_equal(tree_of(1), "2 1 ");
	assert_int_equal(number("SELECT parent FROM node WHERE n=1"), 2);
	assert_int_equal(number("SELECT count(*) FROM orphan"), 0);
	assert_int_equal(number("SELECT kind FROM event WHERE seq=2"),
			 EVENT_CHANGED);
	/* From then on it is known. */
	append(1, changed(EVENT_CHANGED, 1, 0, 6000));
	assert_string_equal(tree_of(1), "2 1 ");

	assert_int_equal(
		append_item(1, test_item(++last_seq,
					 changed(EVENT_RESTORED, 3, 1, 7000))),
		2);
	assert_contains(err.text, "was not known before 'restored'");
	assert_string_equal(tree_of(1), "2 1 3 ");
}

static void what_cannot_be_read_is_kept(void **state)
{
	struct event_item item = { .seq = 1, .size = 3 };

	(void)state;
	item.body = malloc(3);
	memcpy(item.body, "\xff\xff\xff", 3);
	assert_int_equal(append_item(1, item), 1);
	assert_int_equal(number("SELECT kind FROM event WHERE seq=1"), 0);
	assert_int_equal(number("SELECT length(body) FROM event"), 3);
	assert_int_equal(number("SELECT seq FROM source"), 1);
}

static void what_makes_no_sense_is_kept_and_not_applied(void **state)
{
	struct event other = test_taken(1, 1, 0, 1000);

	(void)state;
	append(1, test_taken(2, 9, 0, 1000));
	assert_int_equal(
		append_item(1, test_item(3, test_event(EVENT_CHANGED, 1, 1))),
		1);
	assert_int_equal(
		append_item(1, test_item(4, test_event(EVENT_RESTORED, 1, 1))),
		1);
	assert_int_equal(
		append_item(1, test_item(5, test_event(EVENT_TAKEN, 1, 1))), 1);
	other.domain = test_id(TEST_VM, 3);
	assert_int_equal(append_item(1, test_item(6, other)), 1);
	/* Known of VM 2. */
	assert_int_equal(append_item(1, test_item(7, test_taken(1, 9, 0, 1))),
			 1);
	assert_contains(err.text, "another VM");
	assert_int_equal(append_item(1, test_item(8, test_taken(1, 8, 8, 1))),
			 1);
	assert_int_equal(number("SELECT count(*) FROM vm"), 1);
	assert_int_equal(number("SELECT count(*) FROM event"), 7);
}

static void a_constraint_spoils_one_event_only(void **state)
{
	struct db *db;

	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	assert_ok(db_open(&db, test_path("c.db"), 0, &err), err);
	assert_ok(db_exec(db,
			  "CREATE TRIGGER t BEFORE INSERT ON node WHEN new.n=2"
			  " BEGIN SELECT RAISE(ABORT, 'refused'); END",
			  &err),
		  err);
	db_close(db);
	assert_int_equal(append_item(1, test_item(2, test_taken(1, 2, 1, 5))),
			 1);
	assert_string_equal(tree_of(1), "1 ");
	assert_int_equal(number("SELECT count(*) FROM record"), 1);
	assert_int_equal(number("SELECT count(*) FROM event"), 2);
}

static void the_state_is_told(void **state)
{
	struct event seen = test_event(EVENT_DOMAIN_SEEN, 1, 1000);

	(void)state;
	seen.domain_state = DOMAIN_RUNNING;
	append(1, seen);
	assert_int_equal(vm_of(1).row.state, DOMAIN_RUNNING);
	append(1, test_event(EVENT_THAW_OWED, 1, 2000));
	assert_true(vm_of(1).row.frozen);
	append(1, test_event(EVENT_GUEST_THAWED, 1, 3000));
	assert_false(vm_of(1).row.frozen);
	append(1, test_event(EVENT_THAW_OWED, 1, 4000));
	seen.domain_state = DOMAIN_OFF;
	seen.time_ms = 5000;
	append(1, seen);
	assert_false(vm_of(1).row.frozen);
	append(1, test_event(EVENT_DOMAIN_GONE, 1, 6000));
	assert_true(vm_of(1).gone);
	assert_int_equal(vm_of(1).row.state, 0);
}

static void a_vm_moves_and_the_old_host_has_no_say(void **state)
{
	struct event late = test_event(EVENT_DOMAIN_SEEN, 1, 1500);

	(void)state;
	append(1, test_event(EVENT_DOMAIN_SEEN, 1, 1000));
	append(2, test_event(EVENT_DOMAIN_SEEN, 1, 2000));
	assert_string_equal(vm_of(1).row.host_name, "host-2");
	append(1, late);
	append(1, test_event(EVENT_DOMAIN_GONE, 1, 2500));
	assert_string_equal(vm_of(1).row.host_name, "host-2");
	assert_false(vm_of(1).gone);
	append(1, test_event(EVENT_DOMAIN_SEEN, 1, 3000));
	assert_string_equal(vm_of(1).row.host_name, "host-1");
}

static void a_clock_ahead_does_not_keep_a_vm(void **state)
{
	int64_t now = 4102444800000; /* the year 2100 */

	(void)state;
	append(1, test_event(EVENT_DOMAIN_SEEN, 1, now));
	assert_true(number("SELECT told_ms FROM vm") < now);
}

static void the_mark_is_by_host_and_epoch(void **state)
{
	struct store_source found;
	struct hello hello = test_hello(1, 8, 0);

	(void)state;
	append(1, test_event(EVENT_AGENT_STARTED, 0, 1));
	append(1, test_event(EVENT_AGENT_STARTED, 0, 1));
	assert_ok(store_find_source(store, &hello.host, 7, &found, &err), err);
	assert_int_equal(found.seq, 2);
	assert_ok(store_find_source(store, &hello.host, 8, &found, &err), err);
	assert_int_equal(found.seq, 0);
	assert_int_equal(found.source, 0);
	assert_int_not_equal(found.host, 0);
	assert_ok(store_begin(store, &err), err);
	assert_ok(store_put_source(store, &hello, 1, &found, &err), err);
	assert_ok(store_commit(store, &err), err);
	assert_int_equal(number("SELECT count(*) FROM source"), 2);
	assert_int_equal(number("SELECT count(*) FROM host"), 1);
	assert_ok(store_find_source(store, &hello.host, 7, &found, &err), err);
	assert_int_equal(found.seq, 2);
}

static void all_is_there_after_a_restart(void **state)
{
	struct store *second;

	(void)state;
	append(1, test_taken(1, 1, 0, 1000));
	assert_fails(store_open(&second, test_path("c.db"), &err), ERR_BUSY,
		     err);
	store_close(store);
	assert_ok(store_open(&store, test_path("c.db"), &err), err);
	assert_string_equal(tree_of(1), "1 ");
}

static void what_is_not_committed_is_not_there(void **state)
{
	struct hello hello = test_hello(1, 7, 0);
	struct store_source source = { 0 };

	(void)state;
	assert_ok(store_begin(store, &err), err);
	assert_ok(store_put_source(store, &hello, 1, &source, &err), err);
	store_rollback(store);
	assert_ok(store_find_source(store, &hello.host, 7, &source, &err), err);
	assert_int_equal(source.host, 0);
}

/* --- the configuration, which is small enough to be tested here ----------- */

static void the_shipped_file_has_every_key_with_its_default(void **state)
{
	const char *dir = getenv("srcdir") ? getenv("srcdir") : ".";
	char path[512], line[256];
	struct config presets, config;
	FILE *in, *out;
	int n = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/conf/collector.conf", dir);
	in = fopen(path, "r");
	assert_non_null(in);
	out = fopen(test_path("all.conf"), "w");
	assert_non_null(out);
	while (fgets(line, sizeof(line), in)) {
		bool is_key = line[0] == '#' && line[1] != ' ' &&
			      line[1] != '\n';

		n += is_key;
		fputs(is_key ? line + 1 : line, out);
	}
	fclose(in);
	fclose(out);
	assert_int_equal(n, 7);
	config_presets(&presets);
	assert_ok(config_load(&config, test_path("all.conf"), &err), err);
	assert_memory_equal(&config, &presets, sizeof(config));
	assert_ok(config_load(&config, path, &err), err);
}

static void check_endpoint(const char *endpoint, bool insecure, bool good)
{
	struct config config;

	config_presets(&config);
	str_copy(config.endpoint, sizeof(config.endpoint), endpoint);
	config.insecure_plain_tcp = insecure;
	if ((config_check(&config, &err) == 0) != good)
		fail_msg("%s %d", endpoint, insecure);
}

static void plain_tcp_beyond_this_machine_is_refused(void **state)
{
	(void)state;
	check_endpoint("tcp://127.0.0.1:7711", false, true);
	check_endpoint("tcp://127.8.0.1:*", false, true);
	check_endpoint("tcp://[::1]:7711", false, true);
	check_endpoint("ipc:///run/snaptree/collector", false, true);
	check_endpoint("tcp://0.0.0.0:7711", false, false);
	check_endpoint("tcp://*:7711", false, false);
	check_endpoint("tcp://[::]:7711", false, false);
	check_endpoint("tcp://eth0:7711", false, false);
	check_endpoint("tcp://127.0.0.1.example.org:7711", false, false);
	check_endpoint("tcp://", false, false);
	check_endpoint("tcp://0.0.0.0:7711", true, true);
	check_endpoint("udp://127.0.0.1:7711", true, false);
	check_endpoint("", true, false);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_taken_snapshot_is_head),
		T(the_log_has_no_second_copy_of_the_record),
		T(a_known_snapshot_is_updated),
		T(an_unknown_parent_is_a_root_until_it_comes),
		T(a_parent_of_another_vm_is_unknown),
		T(a_change_replaces_the_record_and_moves_no_head),
		T(a_restored_snapshot_is_head_again),
		T(the_old_host_does_not_restore),
		T(a_change_of_what_is_not_known_brings_it),
		T(what_cannot_be_read_is_kept),
		T(what_makes_no_sense_is_kept_and_not_applied),
		T(a_constraint_spoils_one_event_only),
		T(the_state_is_told),
		T(a_vm_moves_and_the_old_host_has_no_say),
		T(a_clock_ahead_does_not_keep_a_vm),
		T(the_mark_is_by_host_and_epoch),
		T(all_is_there_after_a_restart),
		T(what_is_not_committed_is_not_there),
		T(the_shipped_file_has_every_key_with_its_default),
		T(plain_tcp_beyond_this_machine_is_refused),
	};

	return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
