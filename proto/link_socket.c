/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link_socket.c - ZeroMQ sockets with our settings */
#include "proto/link_socket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "proto/message.h"

struct option {
	int name;
	int value;
};

static const struct option common[] = {
	{ ZMQ_LINGER, 0 },
	{ ZMQ_IPV6, 1 },
	{ ZMQ_HANDSHAKE_IVL, 30 * 1000 },
	/* Not ZMQ_HEARTBEAT_IVL: its cost is quadratic in the connections of
	 * a listener.  A peer that died without a word is found after a
	 * minute, also when data to it is on the way. */
	{ ZMQ_TCP_KEEPALIVE, 1 },
	{ ZMQ_TCP_KEEPALIVE_IDLE, 30 },
	{ ZMQ_TCP_KEEPALIVE_INTVL, 10 },
	{ ZMQ_TCP_KEEPALIVE_CNT, 3 },
	{ ZMQ_TCP_MAXRT, 60 * 1000 },
};

static const struct option listener[] = {
	{ ZMQ_ROUTER_MANDATORY, 1 },
	{ ZMQ_BACKLOG, 4096 }, /* all agents come at once after a restart */
};

static const struct option dialer[] = {
	{ ZMQ_IMMEDIATE, 1 }, /* nothing queues for a dead connection */
	{ ZMQ_RECONNECT_IVL, 100 },
	{ ZMQ_RECONNECT_IVL_MAX, 5000 },
	{ ZMQ_CONNECT_TIMEOUT, 10 * 1000 },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

int link_socket_fail(struct err *err, enum err_code code, const char *what,
		     const char *endpoint)
{
	int sys = errno;
	int r = err_set(err, code, 0, "%s '%s': %s", what, endpoint,
			zmq_strerror(sys));

	if (err)
		err->sys = sys;
	return r;
}

static int set_all(void *socket, const struct option *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (zmq_setsockopt(socket, options[i].name, &options[i].value,
				   sizeof(options[i].value)) < 0)
			return -1;
	return 0;
}

static int set_limits(void *socket, size_t queue)
{
	const int64_t longest = MESSAGE_MAX;
	const int hwm = queue < INT32_MAX ? (int)queue : INT32_MAX;
	const struct option limits[] = {
		{ ZMQ_SNDHWM, hwm ? hwm : 1 }, /* 0 would be no limit */
		{ ZMQ_RCVHWM, hwm ? hwm : 1 },
	};

	if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &longest, sizeof(longest)) <
	    0)
		return -1;
	return set_all(socket, limits, N(limits));
}

int link_socket_new(void *context, bool listen, size_t queue, void **ret,
		    struct err *err)
{
	void *socket = zmq_socket(context, listen ? ZMQ_ROUTER : ZMQ_DEALER);
	int r;

	if (!socket)
		return link_socket_fail(err, ERR_NOMEM, "cannot make a socket",
					"ZeroMQ");
	r = set_all(socket, common, N(common));
	if (r == 0)
		r = set_limits(socket, queue);
	if (r == 0 && listen)
		r = set_all(socket, listener, N(listener));
	if (r == 0 && !listen)
		r = set_all(socket, dialer, N(dialer));
	if (r < 0) {
		r = link_socket_fail(err, ERR_INVALID, "cannot set an option",
				     "ZeroMQ");
		zmq_close(socket);
		return r;
	}
	*ret = socket;
	return 0;
}

int link_socket_monitor(void *context, void *socket, void **ret,
			struct err *err)
{
	const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
			   ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED;
	const int linger = 0;
	char name[64];
	void *monitor;

	snprintf(name, sizeof(name), "inproc://monitor-%" PRIxPTR,
		 (uintptr_t)socket);
	monitor = zmq_socket(context, ZMQ_PAIR);
	if (!monitor || zmq_socket_monitor(socket, name, events) < 0 ||
	    zmq_setsockopt(monitor, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
	    zmq_connect(monitor, name) < 0) {
		int r = link_socket_fail(err, ERR_NOMEM, "cannot monitor",
					 name);

		if (monitor)
			zmq_close(monitor);
		return r;
	}
	*ret = monitor;
	return 0;
}

void link_socket_unmonitor(void *socket, void *monitor)
{
	if (!monitor)
		return;
	zmq_socket_monitor(socket, NULL, 0);
	zmq_close(monitor);
}

static void skip_rest(void *socket, const zmq_msg_t *first)
{
	bool more = zmq_msg_more(first);
	zmq_msg_t msg;

	while (more) {
		zmq_msg_init(&msg);
		more = zmq_msg_recv(&msg, socket, ZMQ_DONTWAIT) >= 0 &&
		       zmq_msg_more(&msg);
		zmq_msg_close(&msg);
	}
}

static enum link_change change_of(unsigned event)
{
	switch (event) {
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		return LINK_UP;
	case ZMQ_EVENT_DISCONNECTED:
		return LINK_DOWN;
	case ZMQ_EVENT_CONNECT_RETRIED:
		return LINK_RETRY;
	default:
		return LINK_OTHER;
	}
}

enum link_change link_socket_change(void *monitor)
{
	enum link_change change = LINK_OTHER;
	uint16_t event;
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	if (zmq_msg_recv(&msg, monitor, ZMQ_DONTWAIT) < 0) {
		change = LINK_QUIET;
	} else {
		/* u16 event, u32 value, not aligned; then the address. */
		if (zmq_msg_size(&msg) >= sizeof(event)) {
			memcpy(&event, zmq_msg_data(&msg), sizeof(event));
			change = change_of(event);
		}
		skip_rest(monitor, &msg);
	}
	zmq_msg_close(&msg);
	return change;
}

bool link_socket_has_input(void *socket)
{
	int events = 0;
	size_t size = sizeof(events);

	return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 &&
	       (events & ZMQ_POLLIN);
}

int link_socket_fd(void *socket)
{
	int fd = -1;
	size_t size = sizeof(fd);

	zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
	return fd;
}
