/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop.c - the one thread that owns all state: files, timers, signals, posts
 *
 * A callback may delete sources of which epoll has already reported an event
 * in the same batch, so the batch is kept in the loop, and deleting a file
 * clears what the batch still has of it.  Expired timers and taken posts
 * have lists of their own: what callbacks add comes in the next turn, and what
 * a stop leaves over is not lost.
 */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/worker.h"

#define BATCH 32

struct post {
	void (*fn)(void *arg);
	void *arg;
	struct post *next;
};

struct loop {
	int epoll;
	atomic_bool stopping;
	struct epoll_event batch[BATCH];
	int batch_size;
	struct loop_timer *timers;    /* by time */
	struct loop_timer *due;       /* expired, not yet called */
	struct loop_file wake;        /* eventfd: posts and stop */
	struct loop_file signal_file; /* signalfd, from the first signal on */
	struct loop_signal *signals;
	sigset_t mask;
	struct worker_lock lock; /* of the posts */
	struct post *posts;
	struct post **posts_end;
	struct post *ready; /* taken from there, not yet called */
};

static enum err_code code_of(int sys)
{
	if (sys == EEXIST)
		return ERR_EXISTS;
	return sys == EBADF || sys == EPERM ? ERR_INVALID : ERR_NOMEM;
}

static void wake_up(struct loop *loop)
{
	/* Fails only when the counter is full, which wakes as well. */
	eventfd_write(loop->wake.fd, 1);
}

static void collect_posts(struct loop *loop)
{
	struct post **last = &loop->ready;

	while (*last)
		last = &(*last)->next;
	worker_lock_take(&loop->lock);
	*last = loop->posts;
	loop->posts = NULL;
	loop->posts_end = &loop->posts;
	worker_lock_drop(&loop->lock);
}

/* Posts made meanwhile are for the next turn: files and timers come too. */
static void run_posts(struct loop *loop)
{
	struct post *post;

	collect_posts(loop);
	while ((post = loop->ready) && !loop->stopping) {
		loop->ready = post->next;
		post->fn(post->arg);
		free(post);
	}
}

static void wake_ready(struct loop_file *file, uint32_t revents)
{
	eventfd_t count;

	(void)revents;
	eventfd_read(file->fd, &count);
}

static void signal_ready(struct loop_file *file, uint32_t revents)
{
	struct loop *loop = file->loop;
	struct signalfd_siginfo info;

	(void)revents;
	if (read(file->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	for (struct loop_signal *sig = loop->signals; sig; sig = sig->next) {
		if (sig->signo == (int)info.ssi_signo)
			sig->caught(sig);
	}
}

static int open_wake(struct loop *loop, struct err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return err_set(err, code_of(errno), errno,
			       "cannot make an eventfd");
	loop->wake.fd = fd;
	loop->wake.ready = wake_ready;
	return loop_file_add(loop, &loop->wake, EPOLLIN, err);
}

int loop_new(struct loop **ret, struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return err_set(err, ERR_NOMEM, 0, "cannot make an event loop");
	loop->wake.fd = loop->signal_file.fd = -1;
	loop->posts_end = &loop->posts;
	sigemptyset(&loop->mask);
	worker_lock_init(&loop->lock);

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		r = err_set(err, code_of(errno), errno, "cannot make an epoll");
	else
		r = open_wake(loop, err);
	if (r < 0) {
		loop_free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void loop_free(struct loop *loop)
{
	struct post *post;

	if (!loop)
		return;
	collect_posts(loop);
	while ((post = loop->ready)) {
		loop->ready = post->next;
		free(post);
	}
	worker_lock_done(&loop->lock);
	close_fd(loop->signal_file.fd);
	close_fd(loop->wake.fd);
	close_fd(loop->epoll);
	free(loop);
}

static void run_files(struct loop *loop)
{
	struct loop_file *file;

	for (int i = 0; i < loop->batch_size && !loop->stopping; i++) {
		file = loop->batch[i].data.ptr;
		if (file)
			file->ready(file, loop->batch[i].events);
	}
	loop->batch_size = 0;
}

static void collect_due(struct loop *loop)
{
	struct loop_timer **last = &loop->due;
	int64_t now = clock_ms();

	while (*last)
		last = &(*last)->next;
	while (loop->timers && loop->timers->at_ms <= now) {
		*last = loop->timers;
		loop->timers = loop->timers->next;
		last = &(*last)->next;
		*last = NULL;
	}
}

static void run_timers(struct loop *loop)
{
	struct loop_timer *timer;

	collect_due(loop);
	while ((timer = loop->due) && !loop->stopping) {
		loop->due = timer->next;
		timer->next = NULL;
		timer->loop = NULL;
		timer->expired(timer);
	}
}

static int wait_ms(const struct loop *loop)
{
	if (loop->due || loop->ready)
		return 0;
	return loop->timers ? clock_left_ms(loop->timers->at_ms) : -1;
}

int loop_run(struct loop *loop, struct err *err)
{
	int n;

	/* Cleared on the way out, so that a stop before the start counts. */
	while (!loop->stopping) {
		n = epoll_wait(loop->epoll, loop->batch, BATCH, wait_ms(loop));
		if (n < 0 && errno != EINTR)
			return err_set(err, code_of(errno), errno,
				       "cannot wait for events");
		loop->batch_size = n < 0 ? 0 : n;
		run_files(loop);
		run_timers(loop);
		run_posts(loop);
	}
	loop->stopping = false;
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
	wake_up(loop);
}

int loop_file_add(struct loop *loop, struct loop_file *file, uint32_t events,
		  struct err *err)
{
	struct epoll_event event = { .events = events, .data.ptr = file };

	assert(!file->loop);
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, file->fd, &event) < 0)
		return err_set(err, code_of(errno), errno,
			       "cannot watch descriptor %d", file->fd);
	file->loop = loop;
	return 0;
}

void loop_file_events(struct loop_file *file, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = file };

	if (file->loop) /* then it cannot fail */
		epoll_ctl(file->loop->epoll, EPOLL_CTL_MOD, file->fd, &event);
}

void loop_file_del(struct loop_file *file)
{
	struct loop *loop = file->loop;

	if (!loop)
		return;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, file->fd, NULL);
	for (int i = 0; i < loop->batch_size; i++) {
		if (loop->batch[i].data.ptr == file)
			loop->batch[i].data.ptr = NULL;
	}
	file->loop = NULL;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
	struct loop_timer **at = &loop->timers;

	loop_timer_del(timer);
	while (*at && (*at)->at_ms <= at_ms)
		at = &(*at)->next;
	timer->at_ms = at_ms;
	timer->loop = loop;
	timer->next = *at;
	*at = timer;
}

static bool unlink_timer(struct loop_timer **list, struct loop_timer *timer)
{
	for (; *list; list = &(*list)->next) {
		if (*list == timer) {
			*list = timer->next;
			return true;
		}
	}
	return false;
}

void loop_timer_del(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;

	if (!loop)
		return;
	if (!unlink_timer(&loop->timers, timer))
		unlink_timer(&loop->due, timer);
	timer->next = NULL;
	timer->loop = NULL;
}

int loop_signal_add(struct loop *loop, struct loop_signal *sig, int signo,
		    struct err *err)
{
	int fd;

	sigaddset(&loop->mask, signo);
	pthread_sigmask(SIG_BLOCK, &loop->mask, NULL);
	fd = signalfd(loop->signal_file.fd, &loop->mask,
		      SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, code_of(errno), errno,
			       "cannot make a signalfd");
	loop->signal_file.fd = fd;
	loop->signal_file.ready = signal_ready;

	sig->signo = signo;
	sig->next = loop->signals;
	loop->signals = sig;
	if (loop->signal_file.loop)
		return 0;
	return loop_file_add(loop, &loop->signal_file, EPOLLIN, err);
}

int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct post *post = malloc(sizeof(*post));

	if (!post)
		return -ERR_NOMEM;
	*post = (struct post){ .fn = fn, .arg = arg };
	worker_lock_take(&loop->lock);
	*loop->posts_end = post;
	loop->posts_end = &post->next;
	worker_lock_drop(&loop->lock);
	wake_up(loop);
	return 0;
}
