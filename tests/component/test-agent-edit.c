/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test-agent-edit.c - pin, label, tag, describe: command line to journal
 *
 * The real snaptree and the real snaptree-agentd on libvirt's test driver, which
 * is inside the agent and has one running domain, "test".  It cannot make
 * snapshots, so two are put into the journal before the agent starts.
 *
 * Runs ./snaptree-agentd and ./snaptree, or what $AGENTD and $SNAPTREE name.
 */
#include <signal.h>
#include <sys/wait.h>

#include "agent/journal/journal.h"
#include "base/clock.h"
#include "base/str.h"
#include "proto/codec.h"
#include "tests/lib/test.h"

#define DOMAIN "6695eb01-f6a4-8304-79aa-97f2502e193f" /* test:///default's */
#define LIMIT_MS 20000

static struct err err;
static pid_t agent;
static char output[4096]; /* of the last command */

static const char *program(const char *name, const char *preset)
{
	const char *given = getenv(name);

	return given ? given : preset;
}

static struct id id_of(uint8_t n)
{
	struct id id = { { 0xaa, 0, 0, 0, 0, 0, 0x70 } };

	id.b[0] = n;
	id.b[15] = n;
	return id;
}

static struct journal *open_journal(void)
{
	struct journal *j;

	assert_ok(journal_open(&j, test_path("agent.db"), &err), err);
	return j;
}

static void put(struct journal *j, uint8_t n, uint8_t parent, const char *label)
{
	struct snapshot snap;
	struct snapshot_disk *disk;

	snapshot_init(&snap);
	snap.id = id_of(n);
	assert_true(id_parse(DOMAIN, &snap.domain));
	if (parent)
		snap.parent = id_of(parent);
	snap.host = *journal_host(j);
	snap.origin = ORIGIN_MANUAL;
	snap.consistency = CONSISTENCY_OFFLINE;
	snap.state = SNAPSHOT_PRESENT;
	snap.taken_ms = 1700000000000 + n;
	strcpy(snap.domain_name, "test");
	strcpy(snap.label, label);
	assert_ok(snapshot_add_disk(&snap, &disk, &err), err);
	strcpy(disk->target, "vda");
	assert_ok(journal_put_snapshot(j, &snap, &err), err);
	assert_ok(journal_set_head(j, &snap.domain, &snap.id, &err), err);
	snapshot_done(&snap);
}

/* libvirt says yes to a close callback that its test driver has no place for,
 * and so never gives our reference back. */
static void suppress_leak(void)
{
	static const char what[] = "leak:watch_open\n";
	char options[256];

	snprintf(options, sizeof(options),
		 "suppressions=%s:print_suppressions=0",
		 test_write("lsan.supp", what, strlen(what)));
	setenv("LSAN_OPTIONS", options, 1);
}

static void start_agent(void)
{
	const char *binary = program("AGENTD", "./snaptree-agentd");
	const char *config = test_path("agent.conf");
	FILE *file = fopen(config, "w");

	assert_non_null(file);
	fprintf(file,
		"[agent]\nsocket = %s\nstate-dir = %s\n"
		"[libvirt]\nuri = test:///default\n",
		test_path("agent.sock"), test_dir_path);
	assert_int_equal(fclose(file), 0);
	suppress_leak();
	agent = fork();
	assert_true(agent >= 0);
	if (agent > 0)
		return;
	execl(binary, binary, "--config", config, "--log-level", "error",
	      (char *)NULL);
	_exit(127);
}

static void stop_agent(void)
{
	int status = -1;

	kill(agent, SIGTERM);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	agent = 0;
	assert_int_equal(status, 0);
}

/* The exit code; what it said, on both outputs, is in `output`. */
static int snaptree(const char *args)
{
	char command[512];
	size_t n;
	FILE *pipe;

	snprintf(command, sizeof(command), "%s --agent %s %s 2>&1",
		 program("SNAPTREE", "./snaptree"), test_path("agent.sock"),
		 args);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

static void does(const char *args, const char *says)
{
	const int code = snaptree(args);

	if (code != 0)
		fail_msg("%s: %d: %s", args, code, output);
	assert_contains(output, says);
}

static void fails(const char *args, int want, const char *says)
{
	const int code = snaptree(args);

	if (code != want)
		fail_msg("%s: %d: %s", args, code, output);
	assert_contains(output, says);
}

static int set_up(void **state)
{
	const int64_t end_ms = clock_ms() + LIMIT_MS;
	struct journal *j;

	if (test_dir_make(state) < 0)
		return -1;
	j = open_journal();
	put(j, 1, 0, "one");
	put(j, 2, 1, "");
	journal_close(j);
	start_agent();
	/* The domain is there once libvirt was asked. */
	while (snaptree("list --vm test") != 0 && clock_ms() < end_ms)
		usleep(50000);
	return 0;
}

static int tear_down(void **state)
{
	if (agent > 0)
		stop_agent();
	return test_dir_remove(state);
}

static void each_verb_changes_the_journal(void **state)
{
	const struct id one = id_of(1), two = id_of(2);
	struct snapshot snap;
	struct journal *j;

	(void)state;
	does("pin test@one", "  test@one  pinned\n");
	does("pin test@one", "  test@one  nothing to change\n");
	does("pin test@one test@head", "  test  pinned\n");
	does("unpin test@one", "unpinned");
	does("label test@head two", "  test@two  labelled\n");
	does("tag test@two a b c", "tags: a b c\n");
	does("tag test@two --remove b", "tags: a c\n");
	does("describe test@two 'for a while'", "described");
	does("describe test@one 'not long'", "described");
	does("describe test@one --remove", "description removed");
	does("label test@one --remove", "label removed");
	does("tree test", "PINNED");
	does("list --tag c --no-headings -o label,pinned", "two");
	does("show test@two", "for a while");
	does("events --limit 1", "changed");
	does("events --limit 1", "label ''");
	stop_agent();

	j = open_journal();
	assert_ok(journal_get_snapshot(j, &two, &snap, &err), err);
	assert_true(snap.pinned);
	assert_string_equal(snap.label, "two");
	assert_string_equal(snap.tags, "a c");
	assert_string_equal(snap.description, "for a while");
	assert_int_equal(snap.n_disks, 1);
	snapshot_done(&snap);
	assert_ok(journal_get_snapshot(j, &one, &snap, &err), err);
	assert_false(snap.pinned);
	assert_string_equal(snap.label, "");
	assert_string_equal(snap.description, "");
	snapshot_done(&snap);
	journal_close(j);
}

struct tally {
	unsigned changed;
};

static bool count(void *arg, uint64_t seq, const void *body, size_t size)
{
	struct tally *tally = arg;
	struct event event = { 0 };

	(void)seq;
	assert_ok(codec_unpack_event(body, size, &event, &err), err);
	tally->changed += event.kind == EVENT_CHANGED;
	event_done(&event);
	return true;
}

static void what_is_refused_leaves_no_trace(void **state)
{
	struct tally tally = { 0 };
	struct journal *j;

	(void)state;
	fails("label test@head one", 1, "has the label 'one' already");
	fails("create test --label one", 1, "has the label 'one' already");
	fails("pin test@nothing", 3, "there is no snapshot 'test@nothing'");
	fails("pin test@one test@nothing", 3, "cannot pin 'test@nothing'");
	fails("pin other@one", 3, "there is no VM 'other'");
	fails("pin test@", 2, "is not a snapshot");
	fails("pin nonsense", 2, "is not a snapshot");
	fails("pin 0000", 3, "there is no snapshot");
	does("unpin test@one", "nothing to change");
	stop_agent();
	j = open_journal();
	assert_ok(journal_each_event(j, 0, count, &tally, &err), err);
	assert_int_equal(tally.changed, 0);
	journal_close(j);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_verb_changes_the_journal),
		T(what_is_refused_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
