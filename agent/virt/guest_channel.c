/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest_channel.c - thaw through the guest agent's channel, without libvirtd
 *
 * QEMU lets one client at a time talk to the channel, which is libvirtd while
 * it lives: then we are let in by the kernel but nobody reads.  The protocol is
 * lines of JSON; 0xFF in front of guest-sync-delimited makes the agent drop
 * what a former client left half said, and 0xFF in front of its answer tells
 * where answers to us begin.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "agent/virt/guest.h"
#include "base/clock.h"
#include "base/str.h"

#define RETRY_MS 100
#define LINE_MAX_BYTES 8192
#define DELIMITER 0xff

struct channel {
	int fd;
	int64_t deadline_ms;
	char line[LINE_MAX_BYTES];
	size_t n; /* bytes in `line` */
};

static int wait_for(const struct channel *channel, short events,
		    struct err *err)
{
	struct pollfd p = { .fd = channel->fd, .events = events };
	int n;

	do
		n = poll(&p, 1, clock_left_ms(channel->deadline_ms));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, ERR_GUEST, errno, "cannot wait");
	if (n == 0)
		return err_set(err, ERR_TIMEOUT, 0,
			       "the guest agent does not answer");
	return 0;
}

static int send_all(const struct channel *channel, const char *text, size_t n,
		    struct err *err)
{
	while (n > 0) {
		ssize_t sent = send(channel->fd, text, n,
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		int r;

		if (sent >= 0) {
			text += sent;
			n -= (size_t)sent;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_set(err, ERR_GUEST, errno, "cannot send");
		r = wait_for(channel, POLLOUT, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One byte a time: an answer is short, and what follows it stays there. */
static int receive_byte(const struct channel *channel, unsigned char *ret,
			struct err *err)
{
	for (;;) {
		ssize_t n;
		int r = wait_for(channel, POLLIN, err);

		if (r < 0)
			return r;
		n = recv(channel->fd, ret, 1, MSG_DONTWAIT);
		if (n == 1)
			return 0;
		if (n == 0)
			return err_set(err, ERR_GUEST, 0, "QEMU hung up");
		if (errno != EAGAIN && errno != EINTR)
			return err_set(err, ERR_GUEST, errno, "cannot receive");
	}
}

static int receive_line(struct channel *channel, struct err *err)
{
	unsigned char c;
	int r;

	channel->n = 0;
	for (;;) {
		r = receive_byte(channel, &c, err);
		if (r < 0)
			return r;
		if (c == DELIMITER)
			channel->n = 0;
		else if (c == '\n')
			return 0;
		else if (channel->n < sizeof(channel->line))
			channel->line[channel->n++] = (char)c;
		else
			return err_set(err, ERR_GUEST, 0,
				       "the guest agent's answer is too long");
	}
}

/* *ret: a new reference to what was returned. */
static int receive(struct channel *channel, json_t **ret, struct err *err)
{
	json_t *reply, *value;
	int r = receive_line(channel, err);

	if (r < 0)
		return r;
	reply = json_loadb(channel->line, channel->n, 0, NULL);
	value = json_incref(json_object_get(reply, "return"));
	json_decref(reply);
	if (!value)
		return err_set(err, ERR_GUEST, 0,
			       "the guest agent refused, or gave no JSON");
	*ret = value;
	return 0;
}

static int command(struct channel *channel, const char *name, json_t **ret,
		   struct err *err)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "{\"execute\":\"%s\"}\n", name);
	int r = send_all(channel, text, (size_t)n, err);

	return r < 0 ? r : receive(channel, ret, err);
}

/* Answers to what others had asked come first: skip them. */
static int synchronize(struct channel *channel, struct err *err)
{
	const int64_t id = clock_us() & 0x7fffffff;
	bool same = false;
	char text[128];
	int n, r;

	n = snprintf(
		text, sizeof(text),
		"%c{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%lld}}\n",
		DELIMITER, (long long)id);
	r = send_all(channel, text, (size_t)n, err);
	while (r == 0 && !same) {
		json_t *value = NULL;

		r = receive(channel, &value, err);
		if (r == -ERR_GUEST && channel->n > 0)
			r = 0; /* an error, but not of ours */
		same = json_is_integer(value) &&
		       json_integer_value(value) == id;
		json_decref(value);
	}
	return r;
}

/* *ret: is it thawed now? */
static int thaw(struct channel *channel, bool *ret, struct err *err)
{
	json_t *value = NULL;
	const char *state;
	int r;

	r = command(channel, "guest-fsfreeze-thaw", &value, err);
	json_decref(value);
	if (r == -ERR_TIMEOUT)
		return r;
	r = command(channel, "guest-fsfreeze-status", &value, err);
	if (r < 0)
		return r;
	state = json_string_value(value);
	*ret = state && strcmp(state, "thawed") == 0;
	json_decref(value);
	return 0;
}

/* A path too long for an address goes by its folder's descriptor. */
static int connect_to(const char *path, int fd, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char copy[1024], short_path[1100];
	int dir = -1, r = 0;

	if (!str_copy(copy, sizeof(copy), path))
		return err_set(err, ERR_INVALID, 0, "path is too long");
	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path)) {
		dir = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
		snprintf(short_path, sizeof(short_path), "/proc/self/fd/%d%s",
			 dir, strrchr(path, '/') ? strrchr(path, '/') : "");
		if (dir < 0 ||
		    !str_copy(addr.sun_path, sizeof(addr.sun_path), short_path))
			r = err_set(err, ERR_GUEST, dir < 0 ? errno : 0,
				    "path is too long");
	}
	if (r == 0 &&
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		r = err_set(err,
			    errno == ENOENT || errno == ECONNREFUSED
				    ? ERR_ABSENT
				    : ERR_GUEST,
			    errno, "cannot connect");
	if (dir >= 0)
		close(dir);
	return r;
}

static int talk(struct channel *channel, struct err *err)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	bool is_thawed = false;
	int r = synchronize(channel, err);

	while (r == 0) {
		r = thaw(channel, &is_thawed, err);
		if (r < 0 || is_thawed)
			break;
		if (clock_left_ms(channel->deadline_ms) <= RETRY_MS)
			return err_set(err, ERR_TIMEOUT, 0,
				       "the guest is still frozen");
		nanosleep(&pause, NULL);
	}
	return r;
}

int guest_thaw_channel(const char *path, int64_t deadline_ms, struct err *err)
{
	struct channel channel = { .deadline_ms = deadline_ms };
	int r;

	/* Without blocking: a full backlog is refused at once. */
	channel.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    0);
	if (channel.fd < 0)
		return err_set(err, ERR_NOMEM, errno, "cannot make a socket");
	r = connect_to(path, channel.fd, err);
	if (r == 0)
		r = talk(&channel, err);
	close(channel.fd);
	return r < 0 ? err_wrap(err, r, "guest agent channel '%s'", path) : 0;
}
