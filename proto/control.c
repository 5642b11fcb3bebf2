/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * control.c - the agent's local socket: connections and their queues
 *
 * The normal course: a peer connects, sends frames and is answered, and hangs
 * up; or it hangs up at once and what it wrote is read nevertheless.  A peer
 * that is to go is only marked: it is not watched any more, and is released by
 * a timer from the loop, so that any callback may close any peer.
 */
#include "proto/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/str.h"
#include "proto/control_frame.h"

#define MAX_PEERS 256
#define MAX_QUEUE (32 << 20) /* bytes a peer has not taken */
#define READS 16             /* of one peer in one turn */
#define PAUSE_MS 1000        /* when there are no descriptors left */

struct control_peer {
	struct control *control;
	struct control_peer *next;
	struct loop_file file;
	struct control_buffer in, out;
	bool ended;   /* the peer hung up its sending half */
	bool closing; /* not read any more; goes when `out` is empty */
	bool dead;    /* waits for the reaper */
};

struct control {
	struct loop *loop;
	const struct control_ops *ops;
	void *owner;
	struct loop_file file;
	struct loop_timer reaper;
	struct loop_timer pause;
	struct control_peer *peers;
	unsigned n_peers;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": not ours */
};

static void peer_free(struct control_peer *peer)
{
	loop_file_del(&peer->file);
	close(peer->file.fd);
	control_buffer_done(&peer->in);
	control_buffer_done(&peer->out);
	free(peer);
}

static void die(struct control_peer *peer)
{
	if (peer->dead)
		return;
	peer->dead = peer->closing = true;
	loop_file_del(&peer->file);
	loop_timer_set(peer->control->loop, &peer->control->reaper, clock_ms());
}

static struct control_peer *unlink_dead(struct control *control)
{
	struct control_peer **p = &control->peers;
	struct control_peer *peer;

	while (*p && !(*p)->dead)
		p = &(*p)->next;
	peer = *p;
	if (peer) {
		*p = peer->next;
		control->n_peers--;
	}
	return peer;
}

static void reaper_expired(struct loop_timer *timer)
{
	struct control *control = CONTAINER_OF(timer, struct control, reaper);
	struct control_peer *peer;

	while ((peer = unlink_dead(control))) {
		control->ops->closed(control->owner, peer);
		peer_free(peer);
	}
}

/* Write what the peer takes, and wait for what is next. */
static void flush(struct control_peer *peer)
{
	uint32_t events;

	while (!peer->dead && control_buffer_left(&peer->out) > 0) {
		if (control_buffer_send(&peer->out, peer->file.fd) >= 0 ||
		    errno == EINTR)
			continue;
		if (errno == EAGAIN)
			break;
		die(peer);
	}
	if (peer->closing && control_buffer_left(&peer->out) == 0)
		die(peer);
	if (peer->dead)
		return;
	events = peer->closing ? 0 : EPOLLIN;
	if (control_buffer_left(&peer->out) > 0)
		events |= EPOLLOUT;
	loop_file_events(&peer->file, events);
}

static void deliver(struct control_peer *peer)
{
	struct control *control = peer->control;
	const void *data;
	size_t size;
	int kind, r = 0;

	while (!peer->closing &&
	       (r = control_frame_take(&peer->in, &kind, &data, &size)) > 0) {
		if (kind >= CONTROL_HOOK && kind <= CONTROL_MESSAGE)
			control->ops->received(control->owner, peer,
					       (enum control_kind)kind, data,
					       size);
	}
	if (r < 0)
		die(peer);
}

/* Bounded: the loop comes again for the rest. */
static void receive(struct control_peer *peer)
{
	ssize_t n;

	for (int i = 0; i < READS && !peer->closing; i++) {
		n = control_buffer_receive(&peer->in, peer->file.fd);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			die(peer);
		} else if (n == 0) {
			peer->ended = true;
			peer->closing = true;
		} else {
			deliver(peer);
		}
	}
}

static void peer_ready(struct loop_file *file, uint32_t revents)
{
	struct control_peer *peer = CONTAINER_OF(file, struct control_peer,
						 file);

	(void)revents;
	/* First what it said, also when it has gone since. */
	receive(peer);
	flush(peer);
}

static bool is_trusted(int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

static bool add_peer(struct control *control, int fd)
{
	struct control_peer *peer;

	if (control->n_peers >= MAX_PEERS || !is_trusted(fd))
		return false;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return false;
	peer->control = control;
	peer->file.fd = fd;
	peer->file.ready = peer_ready;
	if (loop_file_add(control->loop, &peer->file, EPOLLIN, NULL) < 0) {
		free(peer);
		return false;
	}
	peer->next = control->peers;
	control->peers = peer;
	control->n_peers++;
	return true;
}

static void pause_expired(struct loop_timer *timer)
{
	struct control *control = CONTAINER_OF(timer, struct control, pause);

	loop_file_events(&control->file, EPOLLIN);
}

/* One at a time: a turn of the loop is then bounded by itself. */
static void listener_ready(struct loop_file *file, uint32_t revents)
{
	struct control *control = CONTAINER_OF(file, struct control, file);
	int fd = accept4(file->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (fd >= 0) {
		if (!add_peer(control, fd))
			close(fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		   errno == ENOBUFS) {
		/* It would be ready again at once, and nothing have changed. */
		loop_file_events(file, 0);
		loop_timer_set(control->loop, &control->pause,
			       clock_ms() + PAUSE_MS);
	}
}

/* 0: the path is free now. */
static int clear_path(const struct sockaddr_un *addr, struct err *err)
{
	const char *path = addr->sun_path;
	struct stat st;
	int fd, sys;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : err_set(err, ERR_INVALID, errno,
						 "cannot look at '%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_EXISTS, 0, "'%s' is not a socket",
			       path);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, ERR_INVALID, errno, "cannot make a socket");
	sys = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0
		      ? errno
		      : 0;
	close(fd);
	if (sys != ECONNREFUSED)
		return err_set(err, ERR_EXISTS, sys, "somebody listens at '%s'",
			       path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, ERR_INVALID, errno,
			       "cannot remove the old '%s'", path);
	return 0;
}

static int listen_at(struct control *control, const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r;

	if (!str_copy(addr.sun_path, sizeof(addr.sun_path), path))
		return err_set(err, ERR_INVALID, 0,
			       "path of a socket is too long: '%s'", path);
	r = clear_path(&addr, err);
	if (r < 0)
		return r;

	/* The file gets its mode from the socket, without a moment in which
	 * others could connect and without a umask for the whole process. */
	control->file.fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (control->file.fd < 0 || fchmod(control->file.fd, 0600) < 0 ||
	    bind(control->file.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(err, ERR_INVALID, errno, "cannot listen at '%s'",
			       path);
	memcpy(control->path, addr.sun_path, sizeof(control->path));
	if (listen(control->file.fd, SOMAXCONN) < 0)
		return err_set(err, ERR_INVALID, errno, "cannot listen at '%s'",
			       path);
	return 0;
}

static int take_socket(struct control *control, int fd, struct err *err)
{
	int listens = 0, type = 0;
	socklen_t size = sizeof(int), type_size = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) < 0 ||
	    !listens || type != SOCK_STREAM)
		return err_set(err, ERR_INVALID, 0,
			       "descriptor %d is not a listening stream socket",
			       fd);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(err, ERR_INVALID, errno,
			       "cannot prepare descriptor %d", fd);
	control->file.fd = fd;
	return 0;
}

int control_new(struct control **ret, struct loop *loop, const char *path,
		int fd, const struct control_ops *ops, void *owner,
		struct err *err)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	control->loop = loop;
	control->ops = ops;
	control->owner = owner;
	control->file.fd = -1;
	control->file.ready = listener_ready;
	control->reaper.expired = reaper_expired;
	control->pause.expired = pause_expired;

	r = fd < 0 ? listen_at(control, path, err)
		   : take_socket(control, fd, err);
	if (r == 0)
		r = loop_file_add(loop, &control->file, EPOLLIN, err);
	if (r < 0)
		control_free(control);
	else
		*ret = control;
	return r;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	while (control->peers) {
		struct control_peer *peer = control->peers;

		control->peers = peer->next;
		peer_free(peer);
	}
	loop_timer_del(&control->reaper);
	loop_timer_del(&control->pause);
	loop_file_del(&control->file);
	if (control->file.fd >= 0)
		close(control->file.fd);
	if (control->path[0])
		unlink(control->path);
	free(control);
}

int control_send(struct control_peer *peer, enum control_kind kind,
		 const void *data, size_t size, struct err *err)
{
	if (peer->dead || (peer->closing && !peer->ended))
		return err_set(err, ERR_ABSENT, 0, "connection is closed");
	if (size > CONTROL_MAX)
		return err_set(err, ERR_INVALID, 0,
			       "frame of %zu bytes is too long", size);
	if (control_buffer_left(&peer->out) + size > MAX_QUEUE) {
		die(peer);
		return err_set(err, ERR_BUSY, 0,
			       "reader of the control socket is too slow");
	}
	if (control_frame_put(&peer->out, kind, data, size) < 0) {
		die(peer);
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	}
	flush(peer);
	return peer->dead ? err_set(err, ERR_ABSENT, 0, "peer has gone") : 0;
}

void control_close(struct control_peer *peer)
{
	peer->closing = true;
	flush(peer);
}

bool control_is_gone(const struct control_peer *peer)
{
	struct pollfd p = { .fd = peer->file.fd, .events = POLLRDHUP };

	return peer->ended || peer->dead ||
	       (poll(&p, 1, 0) > 0 &&
		(p.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}
