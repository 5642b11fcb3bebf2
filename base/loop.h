/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * loop.h - the one thread that owns all state: files, timers, signals, posts
 *
 * epoll inside.  Sources are embedded in their owner, which is recovered with
 * CONTAINER_OF() in the callback; a zeroed source is "not added" and deleting
 * it is allowed.  A callback may add and delete any source, itself included,
 * and free its owner after deleting it.  All functions are for the loop's own
 * thread, but loop_post() and loop_stop(), which are for any thread.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct loop;

/* A descriptor; `events` and `revents` are EPOLLIN, EPOLLOUT, ...; EPOLLERR
 * and EPOLLHUP always come.  Level-triggered.  The loop never closes fd. */
struct loop_file {
	void (*ready)(struct loop_file *file, uint32_t revents);
	int fd;
	struct loop *loop; /* NULL: not added; set by the loop */
};

/* One shot; set it again from `expired` for a period. */
struct loop_timer {
	void (*expired)(struct loop_timer *timer);
	int64_t at_ms;     /* clock_ms() */
	struct loop *loop; /* NULL: not set */
	struct loop_timer *next;
};

/* A signal, blocked in the whole process from loop_signal_add() on. */
struct loop_signal {
	void (*caught)(struct loop_signal *sig);
	int signo;
	struct loop_signal *next;
};

int loop_new(struct loop **ret, struct err *err);
void loop_free(struct loop *loop); /* sources are forgotten, not called */

/* Until loop_stop(); 0, or the error of epoll itself. */
int loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop);

int loop_file_add(struct loop *loop, struct loop_file *file, uint32_t events,
		  struct err *err);
void loop_file_events(struct loop_file *file, uint32_t events);
void loop_file_del(struct loop_file *file);

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_ms);
void loop_timer_del(struct loop_timer *timer);

/* Block the signal and hear of it on the loop.  Call before any thread is
 * made, so that all inherit the mask. */
int loop_signal_add(struct loop *loop, struct loop_signal *sig, int signo,
		    struct err *err);

/* Run fn(arg) on the loop's thread, in order of posting.  -NOMEM only.  Posts
 * that the loop did not get to before loop_free() are dropped. */
int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

#endif
