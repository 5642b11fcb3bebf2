/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link_socket.h - ZeroMQ sockets with our settings
 *
 * For link*.c only.  Contexts and sockets are ZeroMQ's void pointers.
 */
#ifndef PROTO_LINK_SOCKET_H
#define PROTO_LINK_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* A ROUTER or DEALER with all options set, neither bound nor connected. */
int link_socket_new(void *context, bool listen, size_t queue, void **ret,
		    struct err *err);

/* A socket that tells of the DEALER's connection.  Before that one is closed:
 * link_socket_unmonitor(). */
int link_socket_monitor(void *context, void *socket, void **ret,
			struct err *err);
void link_socket_unmonitor(void *socket, void *monitor);

enum link_change {
	LINK_QUIET, /* nothing more to tell now */
	LINK_OTHER,
	LINK_UP,
	LINK_DOWN,
	LINK_RETRY, /* a try to connect failed; there will be another */
};
enum link_change link_socket_change(void *monitor);

/* Is there a message to receive?  Also lets the socket do its chores. */
bool link_socket_has_input(void *socket);
int link_socket_fd(void *socket);

/* err_set() with ZeroMQ's text of errno behind it. */
int link_socket_fail(struct err *err, enum err_code code, const char *what,
		     const char *endpoint);

#endif
