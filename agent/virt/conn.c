/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conn.c - connections to libvirtd: one for events, a pool for workers
 *
 * Opening may block, so it is a worker's job.  A connection that closes is
 * heard of on libvirt's event thread like any other event, and queued for the
 * loop; whether it is the present one that closed is then asked of itself, so
 * that late news of an old one does no harm.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/virt/virt_private.h"
#include "agent/virt/watch.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/worker.h"

#define IDLE_MAX 8
#define RETRY_MS 100
#define RETRY_MAX_MS 5000
#define KEEPALIVE_S 5
#define KEEPALIVE_N 3

struct queued {
	struct virt_event event;
	struct queued *next;
};

struct virt {
	char *uri;
	bool has_events;
	struct worker_lock lock; /* of what is idle and queued */
	virConnectPtr idle[IDLE_MAX];
	size_t n_idle;
	struct queued *first, **end;
	bool lost; /* an event, for want of memory: list all again */

	struct loop *loop;
	struct worker_pool *pool;
	struct virt_ops ops;
	void *owner;
	struct loop_file wake;
	struct loop_timer retry;
	int64_t retry_ms;
	bool is_up, told_down;
	struct watch *watch; /* the event connection */

	struct worker_job job;
	struct watch *opened; /* the job's result */
	struct err job_err;

	atomic_bool stopping; /* libvirt's event thread: should it */
	atomic_bool stopped;  /* did it: it does not touch us any more */
};

int virt_fail(struct err *err, const char *fmt, ...)
{
	const virError *last = virGetLastError();
	const int code = last ? last->code : 0;
	char what[160], why[200];
	va_list ap;
	int r;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	str_show(why, sizeof(why),
		 last && last->message ? last->message : "unknown error");
	r = err_set(err, code == VIR_ERR_NO_DOMAIN ? ERR_ABSENT : ERR_VIRT, 0,
		    "%s: %s", what, why);
	if (err)
		err->sys = code;
	return r;
}

static int open_connection(const struct virt *virt, virConnectPtr *ret,
			   struct err *err)
{
	virConnectPtr conn = virConnectOpen(virt->uri);

	if (!conn)
		return virt_fail(err, "cannot connect to libvirt '%s'",
				 virt->uri);
	/* Not all connections can: test:///default is in this process. */
	if (virt->has_events)
		virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_N);
	*ret = conn;
	return 0;
}

static virConnectPtr take_idle(struct virt *virt)
{
	virConnectPtr conn;

	worker_lock_take(&virt->lock);
	conn = virt->n_idle > 0 ? virt->idle[--virt->n_idle] : NULL;
	worker_lock_drop(&virt->lock);
	return conn;
}

int virt_take(struct virt *virt, virConnectPtr *ret, struct err *err)
{
	virConnectPtr conn;

	while ((conn = take_idle(virt))) {
		if (virConnectIsAlive(conn) == 1) {
			*ret = conn;
			return 0;
		}
		virConnectClose(conn);
	}
	return open_connection(virt, ret, err);
}

void virt_give(struct virt *virt, virConnectPtr conn)
{
	if (!conn)
		return;
	if (virConnectIsAlive(conn) == 1) {
		worker_lock_take(&virt->lock);
		if (virt->n_idle < IDLE_MAX) {
			virt->idle[virt->n_idle++] = conn;
			conn = NULL;
		}
		worker_lock_drop(&virt->lock);
	}
	if (conn)
		virConnectClose(conn);
}

/* Any thread.  NULL: only wake up, a connection has closed. */
static void queue_event(void *owner, const struct virt_event *event)
{
	struct queued *item = event ? malloc(sizeof(*item)) : NULL;
	struct virt *virt = owner;

	worker_lock_take(&virt->lock);
	if (item) {
		item->event = *event;
		item->next = NULL;
		*virt->end = item;
		virt->end = &item->next;
	} else if (event) {
		virt->lost = true;
	}
	worker_lock_drop(&virt->lock);
	eventfd_write(virt->wake.fd, 1);
}

static struct queued *take_queue(struct virt *virt, bool *ret_lost)
{
	struct queued *list;

	worker_lock_take(&virt->lock);
	list = virt->first;
	virt->first = NULL;
	virt->end = &virt->first;
	*ret_lost = virt->lost;
	virt->lost = false;
	worker_lock_drop(&virt->lock);
	return list;
}

static void go_down(struct virt *virt, const char *why)
{
	watch_close(virt->watch);
	virt->watch = NULL;
	virt->is_up = false;
	loop_timer_set(virt->loop, &virt->retry, clock_ms() + virt->retry_ms);
	virt->retry_ms *= 2;
	if (virt->retry_ms > RETRY_MAX_MS)
		virt->retry_ms = RETRY_MAX_MS;
	if (!virt->told_down && virt->ops.down)
		virt->ops.down(virt->owner, why);
	virt->told_down = true;
}

static void tell_up(struct virt *virt)
{
	if (virt->ops.up)
		virt->ops.up(virt->owner);
}

static void queue_ready(struct loop_file *file, uint32_t revents)
{
	struct virt *virt = CONTAINER_OF(file, struct virt, wake);
	struct queued *list, *next;
	bool lost;
	eventfd_t n;

	(void)revents;
	eventfd_read(file->fd, &n);
	list = take_queue(virt, &lost);
	for (; list; list = next) {
		next = list->next;
		if (virt->ops.event)
			virt->ops.event(virt->owner, &list->event);
		free(list);
	}
	if (virt->watch && !watch_is_alive(virt->watch))
		go_down(virt, "libvirtd closed the connection");
	else if (lost && virt->is_up)
		tell_up(virt);
}

static void connect_run(struct worker_job *job)
{
	struct virt *virt = CONTAINER_OF(job, struct virt, job);
	virConnectPtr conn = NULL;

	if (open_connection(virt, &conn, &virt->job_err) == 0)
		watch_open(&virt->opened, conn, queue_event, virt,
			   &virt->job_err);
}

static void connect_done(struct worker_job *job)
{
	struct virt *virt = CONTAINER_OF(job, struct virt, job);

	virt->watch = virt->opened;
	virt->opened = NULL;
	if (!virt->watch) {
		go_down(virt, virt->job_err.text);
		return;
	}
	if (!watch_is_alive(virt->watch)) {
		go_down(virt, "libvirtd closed the connection at once");
		return;
	}
	virt->is_up = true;
	virt->told_down = false;
	virt->retry_ms = RETRY_MS;
	tell_up(virt);
}

static void submit_connect(struct virt *virt)
{
	virt->job.run = connect_run;
	virt->job.done = connect_done;
	worker_submit(virt->pool, &virt->job);
}

static void retry_expired(struct loop_timer *timer)
{
	submit_connect(CONTAINER_OF(timer, struct virt, retry));
}

/* libvirt prints every error to stderr unless told not to. */
static void say_nothing(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

static void nap_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static void run_libvirt_events(void *arg)
{
	struct virt *virt = arg;

	while (!virt->stopping)
		if (virEventRunDefaultImpl() < 0)
			nap_ms(100);
	virt->stopped = true;
}

static void end_timeout(int timer, void *arg)
{
	(void)arg;
	virEventRemoveTimeout(timer);
}

/* Service threads are not joined; this one says that it has ended. */
static void stop_libvirt_events(struct virt *virt)
{
	virt->stopping = true;
	virEventAddTimeout(0, end_timeout, NULL, NULL);
	while (!virt->stopped)
		nap_ms(1);
}

static int start_events(struct virt *virt, struct err *err)
{
	int r;

	virt->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (virt->wake.fd < 0)
		return err_set(err, ERR_NOMEM, errno, "cannot make an eventfd");
	virt->wake.ready = queue_ready;
	virt->retry.expired = retry_expired;
	r = loop_file_add(virt->loop, &virt->wake, EPOLLIN, err);
	if (r < 0)
		return r;
	if (virEventRegisterDefaultImpl() < 0)
		return virt_fail(err, "cannot register libvirt's event loop");
	r = worker_service("libvirt-events", run_libvirt_events, virt, err);
	if (r < 0)
		return r;
	virt->has_events = true;
	submit_connect(virt);
	return 0;
}

int virt_new(struct virt **ret, struct loop *loop, struct worker_pool *pool,
	     const char *uri, const struct virt_ops *ops, void *owner,
	     struct err *err)
{
	struct virt *virt;
	int r = 0;

	if (virInitialize() < 0)
		return virt_fail(err, "cannot initialize libvirt");
	virSetErrorFunc(NULL, say_nothing);

	virt = calloc(1, sizeof(*virt));
	if (!virt)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	worker_lock_init(&virt->lock);
	virt->end = &virt->first;
	virt->wake.fd = -1;
	virt->retry_ms = RETRY_MS;
	virt->loop = loop;
	virt->pool = pool;
	virt->owner = owner;
	virt->uri = strdup(uri);
	if (!virt->uri)
		r = err_set(err, ERR_NOMEM, 0, "out of memory");
	if (r == 0 && ops) {
		assert(loop && pool);
		virt->ops = *ops;
		r = start_events(virt, err);
	}
	if (r < 0) {
		virt_free(virt);
		return r;
	}
	*ret = virt;
	return 0;
}

void virt_free(struct virt *virt)
{
	struct queued *list, *next;
	bool lost;

	if (!virt)
		return;
	watch_close(virt->watch);
	watch_close(virt->opened);
	for (size_t i = 0; i < virt->n_idle; i++)
		virConnectClose(virt->idle[i]);
	if (virt->has_events)
		stop_libvirt_events(virt);

	loop_timer_del(&virt->retry);
	loop_file_del(&virt->wake);
	if (virt->wake.fd >= 0)
		close(virt->wake.fd);
	for (list = take_queue(virt, &lost); list; list = next) {
		next = list->next;
		free(list);
	}
	worker_lock_done(&virt->lock);
	free(virt->uri);
	free(virt);
}

bool virt_is_up(const struct virt *virt)
{
	return virt->is_up;
}
