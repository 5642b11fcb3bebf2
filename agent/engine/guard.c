/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guard.c - the agent's end of the guard; guard_main.c is the other */
#include "agent/engine/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/engine/guard_wire.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/worker.h"

/* The guard does nothing but answer; a healthy one needs microseconds. */
#define ANSWER_MS 500
#define RESTART_MS 1000

struct guard {
	struct loop *loop;
	const struct guard_ops *ops;
	void *owner;
	char *uri;
	struct worker_lock lock; /* the members below, but news and restart */
	int fd;                  /* asks and answers; -1: no guard */
	pid_t pid;
	struct loop_file news;
	struct loop_timer restart;
};

static void drop(struct guard *guard)
{
	pid_t pid;

	worker_lock_take(&guard->lock);
	if (guard->fd >= 0)
		close(guard->fd);
	guard->fd = -1;
	pid = guard->pid;
	guard->pid = 0;
	worker_lock_drop(&guard->lock);

	if (guard->news.loop) {
		loop_file_del(&guard->news);
		close(guard->news.fd);
	}
	/* A guard that still has thaws to do lives on after us. */
	if (pid > 0)
		waitpid(pid, NULL, WNOHANG);
}

static int spawn(char *uri, int ask, int news, pid_t *ret_pid)
{
	static char name[] = "snaptree-guard", option[] = "--guard";
	char *const argv[] = { name, option, uri, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	/* Above GUARD_FD + 1 first, so that neither is overwritten. */
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ask, GUARD_FD + 2);
	posix_spawn_file_actions_adddup2(&files, news, GUARD_FD + 3);
	posix_spawn_file_actions_adddup2(&files, GUARD_FD + 2, GUARD_FD);
	posix_spawn_file_actions_adddup2(&files, GUARD_FD + 3, GUARD_FD + 1);
	posix_spawn_file_actions_addclose(&files, GUARD_FD + 2);
	posix_spawn_file_actions_addclose(&files, GUARD_FD + 3);

	/* A group of its own: a signal to the agent's group spares it. */
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETPGROUP);

	r = posix_spawn(ret_pid, "/proc/self/exe", &files, &attr, argv,
			environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

static void on_news(struct loop_file *file, uint32_t revents);

/* Descriptors that dup2() to GUARD_FD.. could hit are moved out of the way. */
static int pair(int ret[2])
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		ret[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, GUARD_FD + 4);
		close(fds[i]);
	}
	if (ret[0] >= 0 && ret[1] >= 0)
		return 0;
	close(ret[0]);
	close(ret[1]);
	return -1;
}

static int start(struct guard *guard, struct err *err)
{
	int ask[2], news[2], r;
	pid_t pid;

	if (pair(ask) < 0)
		return err_set(err, ERR_NOMEM, errno, "cannot make a socket");
	if (pair(news) < 0) {
		close(ask[0]);
		close(ask[1]);
		return err_set(err, ERR_NOMEM, errno, "cannot make a socket");
	}
	r = spawn(guard->uri, ask[1], news[1], &pid);
	close(ask[1]);
	close(news[1]);
	if (r != 0) {
		close(ask[0]);
		close(news[0]);
		return err_set(err, ERR_NOMEM, r, "cannot start the guard");
	}
	guard->news.fd = news[0];
	guard->news.ready = on_news;
	r = loop_file_add(guard->loop, &guard->news, EPOLLIN, err);
	worker_lock_take(&guard->lock);
	guard->fd = ask[0];
	guard->pid = pid;
	worker_lock_drop(&guard->lock);
	return r;
}

static void on_restart(struct loop_timer *timer)
{
	struct guard *guard = CONTAINER_OF(timer, struct guard, restart);
	struct err err = { 0 };

	if (start(guard, &err) < 0) {
		log_error("cannot start the guard, no guest will be frozen: %s",
			  err.text);
		drop(guard);
		loop_timer_set(guard->loop, timer, clock_ms() + RESTART_MS);
	}
}

static void on_news(struct loop_file *file, uint32_t revents)
{
	struct guard *guard = CONTAINER_OF(file, struct guard, news);
	struct guard_msg msg;
	ssize_t n;

	(void)revents;
	n = recv(file->fd, &msg, sizeof(msg), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)sizeof(msg)) {
		if (msg.word == GUARD_THAWED)
			guard->ops->thawed(guard->owner, &msg.domain);
		return;
	}
	log_warning("the guard has died, starting another");
	drop(guard);
	on_restart(&guard->restart);
	guard->ops->lost(guard->owner);
}

int guard_new(struct guard **ret, struct loop *loop, const char *uri,
	      const struct guard_ops *ops, void *owner, struct err *err)
{
	struct guard *guard = calloc(1, sizeof(*guard));
	int r;

	if (!guard || !(guard->uri = strdup(uri))) {
		free(guard);
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	}
	guard->loop = loop;
	guard->ops = ops;
	guard->owner = owner;
	guard->fd = -1;
	guard->restart.expired = on_restart;
	worker_lock_init(&guard->lock);
	r = start(guard, err);
	if (r < 0) {
		guard_free(guard);
		return r;
	}
	*ret = guard;
	return 0;
}

void guard_free(struct guard *guard)
{
	if (!guard)
		return;
	loop_timer_del(&guard->restart);
	drop(guard);
	worker_lock_done(&guard->lock);
	free(guard->uri);
	free(guard);
}

/* With the lock held: the answers of one ask never mix with another's. */
static int ask(struct guard *guard, const struct guard_msg *msg)
{
	const int64_t deadline = clock_ms() + ANSWER_MS;
	struct pollfd p = { .fd = guard->fd, .events = POLLIN };
	struct guard_msg answer;

	if (send(guard->fd, msg, sizeof(*msg), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -1;
	for (;;) {
		if (poll(&p, 1, clock_left_ms(deadline)) <= 0)
			return -1;
		if (recv(guard->fd, &answer, sizeof(answer), MSG_DONTWAIT) !=
		    (ssize_t)sizeof(answer))
			return -1;
		/* An answer that came too late for its ask is passed over. */
		if (answer.word == GUARD_HELD &&
		    id_equal(&answer.domain, &msg->domain) &&
		    answer.deadline_ms == msg->deadline_ms)
			return 0;
	}
}

int guard_owe(struct guard *guard, const struct id *domain, const char *channel,
	      int64_t deadline_ms, struct err *err)
{
	struct guard_msg msg;
	int r;

	/* Padding goes through the socket too. */
	memset(&msg, 0, sizeof(msg));
	msg.word = GUARD_OWE;
	msg.domain = *domain;
	msg.deadline_ms = deadline_ms;
	str_copy(msg.channel, sizeof(msg.channel), channel);

	worker_lock_take(&guard->lock);
	r = guard->fd < 0 ? -1 : ask(guard, &msg);
	worker_lock_drop(&guard->lock);
	if (r < 0)
		return err_set(err, ERR_GUEST, 0,
			       "the guard process does not answer");
	return 0;
}

void guard_paid(struct guard *guard, const struct id *domain)
{
	struct guard_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.word = GUARD_PAID;
	msg.domain = *domain;
	worker_lock_take(&guard->lock);
	if (guard->fd >= 0)
		send(guard->fd, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT);
	worker_lock_drop(&guard->lock);
}
