/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client.c - ask an agent or the collector, and wait */
#include "proto/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "proto/codec.h"
#include "proto/control.h"
#include "proto/control_frame.h"
#include "proto/link_call.h"
#include "proto/message.h"

#define DIAL_MS 5000

struct client {
	char *address;
	int fd; /* of an agent's socket, else -1 */
	struct control_buffer in, out;
	struct link_call *call; /* to the collector, else NULL */
};

static int explain_connect(const char *path, int sys, struct err *err)
{
	int r;

	if (sys == ENOENT || sys == ECONNREFUSED || sys == ENOTDIR)
		r = err_set(
			err, ERR_ABSENT, 0,
			"cannot reach the agent at '%s': %s (is snaptree-agentd running?)",
			path, strerror(sys));
	else if (sys == EACCES || sys == EPERM)
		r = err_set(
			err, ERR_INVALID, 0,
			"cannot reach the agent at '%s': %s (try it as root)",
			path, strerror(sys));
	else if (sys == EAGAIN)
		r = err_set(
			err, ERR_BUSY, 0,
			"cannot reach the agent at '%s': too many wait for it already",
			path);
	else
		r = err_set(err, ERR_INVALID, 0,
			    "cannot reach the agent at '%s': %s", path,
			    strerror(sys));
	if (err)
		err->sys = sys;
	return r;
}

static int dial_agent(struct client *client, const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
		return err_set(err, ERR_INVALID, 0,
			       "path of a socket is too long: '%s'", path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			    0);
	if (client->fd < 0)
		return err_set(err, ERR_INVALID, errno, "cannot make a socket");
	if (connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return explain_connect(path, errno, err);
	return 0;
}

int client_open(struct client **ret, const char *address, struct err *err)
{
	struct client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	client->fd = -1;
	client->address = strdup(address);
	if (!client->address)
		r = err_set(err, ERR_NOMEM, 0, "out of memory");
	else if (address[0] == '/')
		r = dial_agent(client, address, err);
	else
		r = link_call_open(&client->call, address, clock_ms() + DIAL_MS,
				   err);
	if (r < 0)
		client_close(client);
	else
		*ret = client;
	return r;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	link_call_close(client->call);
	if (client->fd >= 0)
		close(client->fd);
	control_buffer_done(&client->in);
	control_buffer_done(&client->out);
	free(client->address);
	free(client);
}

static int wait_for(struct client *client, short events, int64_t deadline_ms,
		    struct err *err)
{
	struct pollfd p = { .fd = client->fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, clock_left_ms(deadline_ms));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, ERR_INVALID, errno, "cannot wait");
	return n > 0 ? 0 : err_set(err, ERR_TIMEOUT, 0, "no answer in time");
}

/* After a send() or recv() that moved nothing: wait, or say why not. */
static int retry(struct client *client, short events, int64_t deadline_ms,
		 struct err *err)
{
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN)
		return wait_for(client, events, deadline_ms, err);
	if (errno == EPIPE || errno == ECONNRESET)
		return err_set(err, ERR_ABSENT, 0, "the connection was closed");
	return err_set(err, ERR_INVALID, errno, "cannot send or receive");
}

static int send_frame(struct client *client, const void *data, size_t size,
		      int64_t deadline_ms, struct err *err)
{
	int r = 0;

	/* A call before this one may have ended in the middle of a frame; the
	 * rest of that goes first. */
	if (control_frame_put(&client->out, CONTROL_MESSAGE, data, size) < 0)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	while (r == 0 && control_buffer_left(&client->out) > 0)
		if (control_buffer_send(&client->out, client->fd) < 0)
			r = retry(client, POLLOUT, deadline_ms, err);
	return r;
}

/* Each byte that comes prolongs the wait: there is somebody. */
static int receive_frame(struct client *client, int64_t silence_ms,
			 const void **ret_data, size_t *ret_size,
			 struct err *err)
{
	int64_t deadline_ms = clock_ms() + silence_ms;
	int kind = 0, r;
	ssize_t n;

	for (;;) {
		r = control_frame_take(&client->in, &kind, ret_data, ret_size);
		if (r < 0)
			return err_set(err, ERR_PROTO, 0, "that is no frame");
		if (r > 0 && kind == CONTROL_MESSAGE)
			return 0;
		if (r > 0)
			continue;
		n = control_buffer_receive(&client->in, client->fd);
		if (n == 0)
			return err_set(err, ERR_ABSENT, 0,
				       "the connection was closed");
		if (n > 0)
			deadline_ms = clock_ms() + silence_ms;
		else if ((r = retry(client, POLLIN, deadline_ms, err)) < 0)
			return r;
	}
}

static int send_request(struct client *client, const struct request *request,
			int64_t deadline_ms, struct err *err)
{
	struct message message = { .kind = MESSAGE_REQUEST,
				   .request = *request };
	void *data;
	size_t size;
	int r = codec_pack(&message, &data, &size, err);

	if (r < 0)
		return r;
	if (client->call)
		r = link_call_send(client->call, data, size, err);
	else
		r = send_frame(client, data, size, deadline_ms, err);
	free(data);
	return r;
}

static int receive_message(struct client *client, int64_t silence_ms,
			   struct message *ret, struct err *err)
{
	const void *data;
	size_t size;
	int r;

	if (client->call)
		r = link_call_receive(client->call, clock_ms() + silence_ms,
				      &data, &size, err);
	else
		r = receive_frame(client, silence_ms, &data, &size, err);
	return r < 0 ? r : codec_unpack(data, size, ret, err);
}

static int receive_replies(struct client *client, uint64_t id,
			   int64_t silence_ms,
			   void (*got)(void *arg, struct reply *reply),
			   void *arg, struct err *err)
{
	struct message message;
	bool last = false;
	int r;

	while (!last) {
		r = receive_message(client, silence_ms, &message, err);
		if (r < 0)
			return r;
		/* Else it answers a call that was given up, or is news. */
		if (message.kind == MESSAGE_REPLY && message.reply.id == id) {
			last = message.reply.last;
			got(arg, &message.reply);
		}
		message_done(&message);
	}
	return 0;
}

int client_call(struct client *client, const struct request *request,
		int64_t silence_ms, void (*got)(void *arg, struct reply *reply),
		void *arg, struct err *err)
{
	int r = send_request(client, request, clock_ms() + silence_ms, err);

	if (r == 0)
		r = receive_replies(client, request->id, silence_ms, got, arg,
				    err);
	if (r < 0)
		return err_wrap(err, r, "%s at '%s'",
				client->call ? "collector" : "agent",
				client->address);
	return 0;
}
