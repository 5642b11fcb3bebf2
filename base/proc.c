/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc.c - run a program to its end, bounded
 *
 * posix_spawn() does all between fork and exec, where a threaded process may
 * do next to nothing.  The end of the program is heard of by its pidfd, and
 * until it is reaped its number, which is also the group's, cannot be another's.
 * The group is killed in any case: nothing that the program started outlives it.
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define OUT_MAX (16U << 20)
#define TAIL_MAX 4096
#define READS_MAX 64
#define ASK_MS 10

struct stream {
	int fd; /* our end of the pipe */
	int child_fd;
	char *text;
	size_t len, room;
	size_t max;
	bool rolls; /* past max, forget the first half */
};

struct run {
	const char *name;
	pid_t pid;
	int pidfd;
	int status;
	struct stream out, err;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_stream(struct stream *stream)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return errno;
	stream->fd = fds[0];
	stream->child_fd = fds[1];
	return fcntl(stream->fd, F_SETFL, O_NONBLOCK) < 0 ? errno : 0;
}

/* Our environment with messages in English.  Only the array is allocated. */
static char **make_env(void)
{
	static char lc_all[] = "LC_ALL=C";
	size_t n = 0, at = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], "LC_ALL=", 7) != 0)
			env[at++] = environ[i];
	}
	env[at] = lc_all;
	return env;
}

static int set_attr(posix_spawnattr_t *attr)
{
	const short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
			    POSIX_SPAWN_SETSIGDEF;
	sigset_t set;

	sigemptyset(&set);
	posix_spawnattr_setsigmask(attr, &set);
	sigfillset(&set);
	posix_spawnattr_setsigdefault(attr, &set);
	posix_spawnattr_setpgroup(attr, 0);
	return posix_spawnattr_setflags(attr, flags);
}

static int set_files(posix_spawn_file_actions_t *files, const struct run *run)
{
	int r = posix_spawn_file_actions_addopen(files, 0, "/dev/null",
						 O_RDONLY, 0);

	if (!r)
		r = posix_spawn_file_actions_adddup2(files, run->out.child_fd,
						     1);
	if (!r)
		r = posix_spawn_file_actions_adddup2(files, run->err.child_fd,
						     2);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(files, 3);
	return r;
}

static int spawn(struct run *run, char *const argv[])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char **env = make_env();
	int r;

	if (!env)
		return ENOMEM;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	r = set_files(&files, run);
	if (!r)
		r = set_attr(&attr);
	if (!r)
		r = posix_spawnp(&run->pid, argv[0], &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(env);
	return r;
}

static void reap(struct run *run)
{
	kill(-run->pid, SIGKILL);
	while (waitpid(run->pid, &run->status, 0) < 0 && errno == EINTR)
		;
	run->pid = 0;
}

/* Room for one more byte than there is, and the terminator. */
static int make_room(struct stream *stream)
{
	size_t room = stream->room ? stream->room * 2 : TAIL_MAX;
	char *text;

	if (stream->len == stream->max && stream->rolls) {
		stream->len -= stream->max / 2;
		memmove(stream->text, stream->text + stream->max / 2,
			stream->len);
	}
	if (stream->len == stream->max)
		return E2BIG;
	if (stream->len + 1 < stream->room)
		return 0;
	text = realloc(stream->text, room + 1);
	if (!text)
		return ENOMEM;
	stream->text = text;
	stream->text[stream->len] = '\0';
	stream->room = room + 1;
	return 0;
}

/* What is there now: a pipe's content and more, but not what an endless writer
 * keeps adding.  Closes at the end of file; 0 or an errno value. */
static int drain(struct stream *stream)
{
	size_t free_size;
	ssize_t n;
	int r;

	for (int i = 0; i < READS_MAX && stream->fd >= 0; i++) {
		r = make_room(stream);
		if (r)
			return r;
		free_size = stream->room - 1 - stream->len;
		if (free_size > stream->max - stream->len)
			free_size = stream->max - stream->len;
		n = read(stream->fd, stream->text + stream->len, free_size);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : errno;
		if (n == 0)
			close_fd(&stream->fd);
		stream->len += (size_t)n;
		stream->text[stream->len] = '\0';
	}
	return 0;
}

/* Without a pidfd, before Linux 5.3 and under valgrind, it is asked for often. */
static bool has_ended(struct run *run)
{
	siginfo_t info = { .si_pid = 0 };

	waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT);
	return info.si_pid == run->pid;
}

static int wait_ms(const struct run *run, int64_t deadline_ms)
{
	int left = clock_left_ms(deadline_ms);

	return run->pidfd < 0 && left > ASK_MS ? ASK_MS : left;
}

/* Until the program ends; 0, or the errno value that ended it. */
static int follow(struct run *run, int64_t deadline_ms)
{
	struct pollfd fds[] = {
		{ .fd = run->pidfd, .events = POLLIN },
		{ .fd = run->out.fd, .events = POLLIN },
		{ .fd = run->err.fd, .events = POLLIN },
	};
	bool ended;
	int r;

	for (;;) {
		if (poll(fds, 3, wait_ms(run, deadline_ms)) < 0 &&
		    errno != EINTR)
			return errno;
		ended = has_ended(
			run); /* first, then all that it wrote is there */
		r = drain(&run->out);
		if (!r)
			r = drain(&run->err);
		if (r)
			return r;
		if (ended)
			return 0;
		if (clock_left_ms(deadline_ms) == 0)
			return ETIMEDOUT;
		fds[1].fd = run->out.fd;
		fds[2].fd = run->err.fd;
	}
}

static const char *last_line(struct stream *stream)
{
	char *text = stream->text;
	char *newline;

	if (!text)
		return "";
	while (stream->len && text[stream->len - 1] == '\n')
		text[--stream->len] = '\0';
	newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

static int judge(struct run *run, struct err *err)
{
	char show[200], how[48];

	if (WIFEXITED(run->status) && WEXITSTATUS(run->status) == 0)
		return 0;
	if (WIFSIGNALED(run->status))
		snprintf(how, sizeof(how), "killed by signal %d",
			 WTERMSIG(run->status));
	else
		snprintf(how, sizeof(how), "exit status %d",
			 WEXITSTATUS(run->status));
	str_show(show, sizeof(show), last_line(&run->err));
	return err_set(err, ERR_STORAGE, 0, "'%s': %s%s%s", run->name, how,
		       *show ? ": " : "", show);
}

static int watch(struct run *run, int64_t deadline_ms, struct err *err)
{
	int r;

	run->pidfd = (int)syscall(SYS_pidfd_open, run->pid, 0);
	r = follow(run, deadline_ms);
	reap(run);
	if (r == ETIMEDOUT)
		return err_set(err, ERR_TIMEOUT, 0, "'%s' did not end in time",
			       run->name);
	if (r == E2BIG)
		return err_set(err, ERR_STORAGE, 0, "'%s' printed too much",
			       run->name);
	if (r)
		return err_set(err, r == ENOMEM ? ERR_NOMEM : ERR_STORAGE, r,
			       "cannot follow '%s'", run->name);
	return judge(run, err);
}

/* The thread waits in proc_run() as long as the program runs: a death signal
 * that follows the thread is one that follows the daemon. */
static int spawn_bound(struct run *run, const char *const argv[])
{
	static const char *const before[] = { "setpriv", "--pdeathsig", "KILL",
					      "--" };
	const size_t n_before = sizeof(before) / sizeof(before[0]);
	const char **all;
	size_t n = 0;
	int r;

	while (argv[n])
		n++;
	all = calloc(n_before + n + 1, sizeof(*all));
	if (!all)
		return ENOMEM;
	memcpy(all, before, sizeof(before));
	memcpy(all + n_before, argv, n * sizeof(*all));
	/* argv is not written to: execvp() has its type for history's sake */
	r = spawn(run, (char *const *)(uintptr_t)all);
	free(all);
	return r;
}

static int start(struct run *run, const char *const argv[], struct err *err)
{
	int r = open_stream(&run->out);

	if (!r)
		r = open_stream(&run->err);
	if (!r)
		r = spawn_bound(run, argv);
	if (r)
		return err_set(err, r == ENOMEM ? ERR_NOMEM : ERR_STORAGE, r,
			       "cannot run '%s'", run->name);
	close_fd(&run->out.child_fd);
	close_fd(&run->err.child_fd);
	return 0;
}

static void close_stream(struct stream *stream)
{
	close_fd(&stream->fd);
	close_fd(&stream->child_fd);
	free(stream->text);
}

int proc_run(const char *const argv[], int64_t deadline_ms, char **ret_out,
	     struct err *err)
{
	struct run run = {
		.name = argv[0],
		.pidfd = -1,
		.out = { .fd = -1,
			 .child_fd = -1,
			 .max = ret_out ? OUT_MAX + 1 : TAIL_MAX,
			 .rolls = !ret_out },
		.err = { .fd = -1,
			 .child_fd = -1,
			 .max = TAIL_MAX,
			 .rolls = true },
	};
	int r;

	if (clock_left_ms(deadline_ms) == 0)
		return err_set(err, ERR_TIMEOUT, 0, "no time left for '%s'",
			       run.name);
	r = start(&run, argv, err);
	if (r == 0)
		r = watch(&run, deadline_ms, err);
	if (r == 0 && ret_out) {
		*ret_out = run.out.text;
		run.out.text = NULL;
	}
	close_fd(&run.pidfd);
	close_stream(&run.out);
	close_stream(&run.err);
	return r;
}
