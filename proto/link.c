/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.c - ZeroMQ sockets on the loop
 *
 * A ZeroMQ descriptor is edge-triggered: it becomes readable when the socket
 * has something to do, and any call on the socket may take that away.  So a
 * turn drains the socket until it says that there is no input, and each send is
 * followed by a turn.  A turn is bounded and then set again, as a timer and not
 * as a post because a timer can be deleted.
 */
#include "proto/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/str.h"
#include "proto/link_socket.h"
#include "proto/message.h"

#define TURN 64 /* messages */

struct link {
	struct loop *loop;
	const struct link_ops *ops;
	void *owner;
	bool listen;
	bool up; /* dialer: connected was called and lost was not */
	void *context;
	void *socket;
	void *monitor; /* dialer only */
	struct loop_file file;
	struct loop_file monitor_file;
	struct loop_timer again;
	bool *freed; /* set when the link is freed in a callback */
	uint64_t dropped;
	char endpoint[256];
};

static void turn_soon(struct link *link)
{
	if (!link->again.loop)
		loop_timer_set(link->loop, &link->again, clock_ms());
}

static bool take_route(zmq_msg_t *msg, struct link_peer *ret)
{
	size_t size = zmq_msg_size(msg);

	if (size > sizeof(ret->route) || !zmq_msg_more(msg))
		return false;
	ret->size = (uint8_t)size;
	memcpy(ret->route, zmq_msg_data(msg), size);
	return true;
}

/* Frames of one message come together or not at all. */
static void skip_frames(struct link *link, bool more)
{
	zmq_msg_t msg;

	while (more) {
		zmq_msg_init(&msg);
		more = zmq_msg_recv(&msg, link->socket, ZMQ_DONTWAIT) >= 0 &&
		       zmq_msg_more(&msg);
		zmq_msg_close(&msg);
	}
}

static void deliver(struct link *link, const struct link_peer *peer,
		    zmq_msg_t *msg)
{
	if (zmq_msg_more(msg)) {
		skip_frames(link, true);
		link->dropped++;
		return;
	}
	link->ops->received(link->owner, peer, zmq_msg_data(msg),
			    zmq_msg_size(msg));
}

/* False when there is none.  The link may be gone afterwards. */
static bool receive(struct link *link)
{
	struct link_peer peer = { 0 };
	zmq_msg_t msg;
	bool any = true;

	zmq_msg_init(&msg);
	if (zmq_msg_recv(&msg, link->socket, ZMQ_DONTWAIT) < 0) {
		any = false;
	} else if (!link->listen) {
		deliver(link, NULL, &msg);
	} else if (!take_route(&msg, &peer)) {
		skip_frames(link, zmq_msg_more(&msg));
		link->dropped++;
	} else if (zmq_msg_recv(&msg, link->socket, ZMQ_DONTWAIT) >= 0) {
		deliver(link, &peer, &msg);
	}
	zmq_msg_close(&msg);
	return any;
}

static void turn(struct link *link)
{
	bool freed = false;
	int n = 0;

	link->freed = &freed;
	while (n < TURN && !freed) {
		if (receive(link))
			n++;
		else if (!link_socket_has_input(link->socket))
			break;
	}
	if (freed)
		return;
	link->freed = NULL;
	if (n == TURN)
		turn_soon(link);
}

static void call(struct link *link, void (*fn)(void *owner))
{
	if (fn)
		fn(link->owner);
}

/* True when a callback freed the link. */
static bool monitor_turn(struct link *link)
{
	enum link_change change;
	bool freed = false;

	link->freed = &freed;
	while (!freed &&
	       (change = link_socket_change(link->monitor)) != LINK_QUIET) {
		if (change == LINK_UP && !link->up) {
			link->up = true;
			call(link, link->ops->connected);
		} else if (change == LINK_DOWN && link->up) {
			link->up = false;
			call(link, link->ops->lost);
		}
	}
	if (!freed)
		link->freed = NULL;
	return freed;
}

static void file_ready(struct loop_file *file, uint32_t revents)
{
	(void)revents;
	turn(CONTAINER_OF(file, struct link, file));
}

static void monitor_ready(struct loop_file *file, uint32_t revents)
{
	(void)revents;
	monitor_turn(CONTAINER_OF(file, struct link, monitor_file));
}

static void again_expired(struct loop_timer *timer)
{
	struct link *link = CONTAINER_OF(timer, struct link, again);

	if (!link->monitor || !monitor_turn(link))
		turn(link);
}

static int bind_socket(struct link *link, const char *endpoint, struct err *err)
{
	size_t size = sizeof(link->endpoint);

	if (zmq_bind(link->socket, endpoint) < 0)
		return link_socket_fail(
			err, errno == EADDRINUSE ? ERR_EXISTS : ERR_INVALID,
			"cannot listen at", endpoint);
	if (zmq_getsockopt(link->socket, ZMQ_LAST_ENDPOINT, link->endpoint,
			   &size) < 0)
		return link_socket_fail(err, ERR_INVALID, "cannot name",
					endpoint);
	return 0;
}

static int connect_socket(struct link *link, const char *endpoint,
			  struct err *err)
{
	int r = link_socket_monitor(link->context, link->socket, &link->monitor,
				    err);

	if (r < 0)
		return r;
	if (zmq_connect(link->socket, endpoint) < 0)
		return link_socket_fail(err, ERR_INVALID, "cannot connect to",
					endpoint);
	link->monitor_file.fd = link_socket_fd(link->monitor);
	return loop_file_add(link->loop, &link->monitor_file, EPOLLIN, err);
}

static int open_socket(struct link *link, const struct link_config *config,
		       struct err *err)
{
	int r;

	if (!str_copy(link->endpoint, sizeof(link->endpoint), config->endpoint))
		return err_set(err, ERR_INVALID, 0, "endpoint is too long");
	link->context = zmq_ctx_new();
	if (!link->context)
		return link_socket_fail(err, ERR_NOMEM, "cannot start",
					"ZeroMQ");
	r = link_socket_new(link->context, config->listen, config->queue,
			    &link->socket, err);
	if (r == 0 && config->listen)
		r = bind_socket(link, config->endpoint, err);
	else if (r == 0)
		r = connect_socket(link, config->endpoint, err);
	if (r < 0)
		return r;
	link->file.fd = link_socket_fd(link->socket);
	return loop_file_add(link->loop, &link->file, EPOLLIN, err);
}

int link_new(struct link **ret, struct loop *loop,
	     const struct link_config *config, const struct link_ops *ops,
	     void *owner, struct err *err)
{
	struct link *link = calloc(1, sizeof(*link));
	int r;

	if (!link)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	link->loop = loop;
	link->ops = ops;
	link->owner = owner;
	link->listen = config->listen;
	link->file.ready = file_ready;
	link->monitor_file.ready = monitor_ready;
	link->again.expired = again_expired;

	r = open_socket(link, config, err);
	if (r < 0) {
		link_free(link);
		return r;
	}
	/* The first edge comes only after somebody looked and found nothing. */
	turn_soon(link);
	*ret = link;
	return 0;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	if (link->freed)
		*link->freed = true;
	loop_timer_del(&link->again);
	loop_file_del(&link->file);
	loop_file_del(&link->monitor_file);
	if (link->socket) {
		link_socket_unmonitor(link->socket, link->monitor);
		zmq_close(link->socket);
	}
	if (link->context)
		zmq_ctx_term(link->context);
	free(link);
}

/* 0, or -1 and errno. */
static int send_frames(struct link *link, const struct link_peer *peer,
		       const void *data, size_t size)
{
	if (peer && zmq_send(link->socket, peer->route, peer->size,
			     ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
		return -1;
	return zmq_send(link->socket, data, size, ZMQ_DONTWAIT) < 0 ? -1 : 0;
}

int link_send(struct link *link, const struct link_peer *peer, const void *data,
	      size_t size, struct err *err)
{
	int r;

	assert(link->listen == (peer != NULL));
	if (size > MESSAGE_MAX)
		return err_set(err, ERR_INVALID, 0,
			       "message of %zu bytes is too long", size);
	if (!link->listen && !link->up)
		return err_set(err, ERR_BUSY, 0, "not connected to '%s'",
			       link->endpoint);

	r = send_frames(link, peer, data, size);
	if (r < 0 && errno == EAGAIN) {
		/* That there is room again, or a connection, may be known to
		 * the socket but not yet have been looked at. */
		link_socket_has_input(link->socket);
		r = send_frames(link, peer, data, size);
	}
	turn_soon(link);
	if (r == 0)
		return 0;
	if (errno == EHOSTUNREACH)
		return err_set(err, ERR_ABSENT, 0, "peer has gone");
	return link_socket_fail(err, ERR_BUSY, "cannot send to",
				link->endpoint);
}

uint64_t link_dropped(const struct link *link)
{
	return link->dropped;
}

const char *link_endpoint(const struct link *link)
{
	return link->endpoint;
}
