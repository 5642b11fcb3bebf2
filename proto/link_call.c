/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link_call.c - a dialer without a loop */
#include "proto/link_call.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/clock.h"
#include "proto/link_socket.h"

#define QUEUE 1000

struct link_call {
	void *context;
	void *socket;
	void *monitor;
	bool up;
	bool failed; /* a try to connect failed, or the connection was lost */
	zmq_msg_t msg;
};

void link_call_close(struct link_call *call)
{
	if (!call)
		return;
	zmq_msg_close(&call->msg);
	if (call->socket) {
		link_socket_unmonitor(call->socket, call->monitor);
		zmq_close(call->socket);
	}
	if (call->context)
		zmq_ctx_term(call->context);
	free(call);
}

static void look(struct link_call *call)
{
	enum link_change change;

	while ((change = link_socket_change(call->monitor)) != LINK_QUIET) {
		if (change == LINK_UP)
			call->up = true;
		else if (change == LINK_DOWN || change == LINK_RETRY)
			call->failed = true;
	}
}

/* Until something happened on either socket. */
static int wait_any(struct link_call *call, int64_t deadline_ms,
		    struct err *err)
{
	zmq_pollitem_t items[] = {
		{ .socket = call->monitor, .events = ZMQ_POLLIN },
		{ .socket = call->socket, .events = ZMQ_POLLIN },
	};
	int left = clock_left_ms(deadline_ms);

	if (left == 0)
		return err_set(err, ERR_TIMEOUT, 0, "no answer in time");
	if (zmq_poll(items, 2, left) < 0 && errno != EINTR)
		return link_socket_fail(err, ERR_INVALID, "cannot wait for",
					"ZeroMQ");
	look(call);
	return 0;
}

static int dial(struct link_call *call, const char *endpoint,
		int64_t deadline_ms, struct err *err)
{
	int r;

	r = link_socket_new(call->context, false, QUEUE, &call->socket, err);
	if (r == 0)
		r = link_socket_monitor(call->context, call->socket,
					&call->monitor, err);
	if (r < 0)
		return r;
	if (zmq_connect(call->socket, endpoint) < 0)
		return link_socket_fail(err, ERR_INVALID,
					"not an address:", endpoint);
	while (!call->up && !call->failed) {
		r = wait_any(call, deadline_ms, err);
		if (r < 0)
			break;
	}
	if (call->up)
		return 0;
	return r == -ERR_INVALID
		       ? r
		       : err_set(err, ERR_ABSENT, 0,
				 "cannot reach the collector at '%s' (is snaptree-collectord running?)",
				 endpoint);
}

int link_call_open(struct link_call **ret, const char *endpoint,
		   int64_t deadline_ms, struct err *err)
{
	struct link_call *call = calloc(1, sizeof(*call));
	int r;

	if (!call)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	zmq_msg_init(&call->msg);
	call->context = zmq_ctx_new();
	if (call->context)
		r = dial(call, endpoint, deadline_ms, err);
	else
		r = link_socket_fail(err, ERR_NOMEM, "cannot start", "ZeroMQ");
	if (r < 0)
		link_call_close(call);
	else
		*ret = call;
	return r;
}

static int gone(struct err *err)
{
	return err_set(err, ERR_ABSENT, 0, "the connection was lost");
}

int link_call_send(struct link_call *call, const void *data, size_t size,
		   struct err *err)
{
	link_socket_has_input(call->socket);
	look(call);
	if (call->failed)
		return gone(err);
	if (zmq_send(call->socket, data, size, ZMQ_DONTWAIT) < 0)
		return errno == EAGAIN
			       ? gone(err)
			       : link_socket_fail(err, ERR_INVALID,
						  "cannot send to", "ZeroMQ");
	return 0;
}

/* ERR_PROTO for more than one frame: its rest is taken away. */
static int check_single(struct link_call *call, struct err *err)
{
	if (!zmq_msg_more(&call->msg))
		return 0;
	while (zmq_msg_more(&call->msg))
		if (zmq_msg_recv(&call->msg, call->socket, ZMQ_DONTWAIT) < 0)
			break;
	return err_set(err, ERR_PROTO, 0, "message has more than one frame");
}

int link_call_receive(struct link_call *call, int64_t deadline_ms,
		      const void **ret_data, size_t *ret_size, struct err *err)
{
	int r;

	/* What came before the connection was lost is still good. */
	while (zmq_msg_recv(&call->msg, call->socket, ZMQ_DONTWAIT) < 0) {
		if (call->failed)
			return gone(err);
		r = wait_any(call, deadline_ms, err);
		if (r < 0)
			return r;
	}
	r = check_single(call, err);
	if (r < 0)
		return r;
	*ret_data = zmq_msg_data(&call->msg);
	*ret_size = zmq_msg_size(&call->msg);
	return 0;
}
