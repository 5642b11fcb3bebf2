/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-proc.c - output, failures, time-outs, and that nothing is left */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/str.h"

static struct err err;

static int sh(const char *script, int64_t ms, char **ret_out)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	return proc_run(argv, clock_ms() + ms, ret_out, &err);
}

static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_output(void **state)
{
	CLEANUP(str_freep) char *out = NULL;
	CLEANUP(str_freep) char *none = NULL;

	(void)state;
	assert_ok(sh("echo one; echo two; echo noise >&2", 5000, &out), err);
	assert_string_equal(out, "one\ntwo\n");
	assert_ok(sh(":", 5000, &none), err);
	assert_string_equal(none, "");
	assert_ok(sh("echo unasked", 5000, NULL), err);
	assert_no_child();
}

static void test_big_output(void **state)
{
	CLEANUP(str_freep) char *out = NULL;

	(void)state;
	assert_ok(sh("head -c 1000000 /dev/zero | tr '\\0' x", 5000, &out),
		  err);
	assert_int_equal(strlen(out), 1000000);
	assert_int_equal(strspn(out, "x"), 1000000);
}

static void test_too_much_output(void **state)
{
	char *out = NULL;

	(void)state;
	assert_fails(sh("exec cat /dev/zero", 5000, &out), ERR_STORAGE, err);
	assert_string_equal(err.text, "'sh' printed too much");
	assert_null(out);
	/* Unasked for, it may print what it likes. */
	assert_ok(sh("head -c 20000000 /dev/zero", 5000, NULL), err);
	assert_no_child();
}

static void test_failure(void **state)
{
	char *out = NULL;

	(void)state;
	assert_fails(sh("echo first >&2; echo last >&2; exit 3", 5000, &out),
		     ERR_STORAGE, err);
	assert_string_equal(err.text, "'sh': exit status 3: last");
	assert_fails(sh("exit 1", 5000, &out), ERR_STORAGE, err);
	assert_string_equal(err.text, "'sh': exit status 1");
	assert_fails(sh("kill -TERM $$", 5000, &out), ERR_STORAGE, err);
	assert_string_equal(err.text, "'sh': killed by signal 15");
	assert_null(out);
}

static void test_long_stderr(void **state)
{
	(void)state;
	assert_fails(sh("head -c 100000 /dev/zero | tr '\\0' y >&2; echo >&2;"
			"echo 'the end' >&2; exit 1",
			5000, NULL),
		     ERR_STORAGE, err);
	assert_string_equal(err.text, "'sh': exit status 1: the end");
}

static void test_absent(void **state)
{
	const char *const argv[] = { "no-such-program-here", NULL };

	(void)state;
	assert_fails(proc_run(argv, clock_ms() + 5000, NULL, &err), ERR_STORAGE,
		     err);
	assert_contains(err.text, "'no-such-program-here': exit status 127");
	assert_contains(err.text, "No such file");
	assert_no_child();
}

/* True once the process is gone, or dead and not ours to reap. */
static bool ends(pid_t pid)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 3000; i++) {
		file = fopen(path, "r");
		if (!file)
			return true;
		line[0] = '\0';
		if (!fgets(line, sizeof(line), file))
			line[0] = '\0';
		fclose(file);
		if (!line[0] || strstr(line, ") Z "))
			return true;
		usleep(1000);
	}
	return false;
}

static pid_t read_pid(const char *name)
{
	FILE *file = fopen(test_path(name), "r");
	int pid = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

/* A restart must not meet what was begun before it. */
static void test_dies_with_the_daemon(void **state)
{
	char script[200];
	pid_t daemon = fork();

	(void)state;
	if (daemon == 0) {
		snprintf(script, sizeof(script),
			 "echo $$ >%s.new; mv %s.new %s; exec sleep 50",
			 test_path("orphan"), test_path("orphan"),
			 test_path("orphan"));
		_exit(sh(script, 50000, NULL) == 0);
	}
	assert_true(daemon > 0);
	for (int i = 0; i < 5000 && access(test_path("orphan"), F_OK) < 0; i++)
		usleep(1000);
	kill(daemon, SIGKILL);
	assert_int_equal(waitpid(daemon, NULL, 0), daemon);
	assert_true(ends(read_pid("orphan")));
}

static void test_timeout_kills_group(void **state)
{
	int64_t before = clock_ms();
	char script[300];

	(void)state;
	snprintf(script, sizeof(script),
		 "trap '' TERM; sleep 50 & echo $! >%s; sleep 50",
		 test_path("pid"));
	assert_fails(sh(script, 300, NULL), ERR_TIMEOUT, err);
	assert_string_equal(err.text, "'sh' did not end in time");
	assert_in_range(clock_ms() - before, 300, 10000);
	assert_no_child();
	assert_true(ends(read_pid("pid")));
}

/* A grandchild holds the pipes open: the program's own end is what counts. */
static void test_left_behind(void **state)
{
	int64_t before = clock_ms();
	CLEANUP(str_freep) char *out = NULL;
	char script[300];

	(void)state;
	snprintf(script, sizeof(script), "sleep 50 & echo $! >%s; echo done",
		 test_path("pid2"));
	assert_ok(sh(script, 20000, &out), err);
	assert_string_equal(out, "done\n");
	assert_true(clock_ms() - before < 10000);
	assert_true(ends(read_pid("pid2")));
}

static void test_silent_but_alive(void **state)
{
	(void)state;
	assert_fails(sh("exec >&- 2>&-; sleep 50", 50, NULL), ERR_TIMEOUT, err);
	assert_fails(sh("exit 0", -1000, NULL), ERR_TIMEOUT, err);
	assert_no_child();
}

/* Descriptors, environment, signals and process group of the child.  (glibc
 * itself leaves 32 and 33 ignored, so only the lower signals are looked at.  The
 * script only has built-in commands where it looks at the shell, which opens
 * pipes and blocks signals for a moment to start others.) */
static void test_surroundings(void **state)
{
	int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
	CLEANUP(str_freep) char *out = NULL;
	sigset_t set, old;

	(void)state;
	assert_in_range(leak, 3, 15);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	signal(SIGPIPE, SIG_IGN);
	assert_ok(
		sh("for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do "
		   "[ -e /proc/$$/fd/$fd ] && printf '%s ' $fd; done;"
		   "readlink /proc/$$/fd/0; echo $LC_ALL;"
		   "while read -r name value; do case $name in "
		   "SigBlk:) echo $value;; SigIgn:) echo ${value#?????????};; "
		   "esac; done </proc/$$/status;"
		   "read pid comm s ppid pgrp rest </proc/$$/stat;"
		   "[ $pgrp = $$ ] && echo leads",
		   5000, &out),
		err);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(leak);
	assert_string_equal(out, "0 1 2 /dev/null\nC\n"
				 "0000000000000000\n"
				 "0000000\nleads\n");
}

static int reset_sigchld(void **state)
{
	signal(SIGCHLD, SIG_DFL);
	return test_dir_make(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_big_output),
		cmocka_unit_test(test_too_much_output),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_long_stderr),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_dies_with_the_daemon),
		cmocka_unit_test(test_timeout_kills_group),
		cmocka_unit_test(test_left_behind),
		cmocka_unit_test(test_silent_but_alive),
		cmocka_unit_test(test_surroundings),
	};

	return cmocka_run_group_tests(tests, reset_sigchld, test_dir_remove);
}
