/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * control_frame.h - frames of the control socket in a stream of bytes
 *
 * For both ends of it.  A buffer grows with what came, never with what a
 * length announces.
 */
#ifndef PROTO_CONTROL_FRAME_H
#define PROTO_CONTROL_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Zeroed: empty. */
struct control_buffer {
	uint8_t *data;
	size_t at;   /* taken up to here */
	size_t size; /* filled up to here */
	size_t room;
};

void control_buffer_done(struct control_buffer *buf);
size_t control_buffer_left(const struct control_buffer *buf);

/* One recv(): bytes, 0 at the end, -1 and errno. */
ssize_t control_buffer_receive(struct control_buffer *buf, int fd);
/* One send(), without SIGPIPE, of what is there. */
ssize_t control_buffer_send(struct control_buffer *buf, int fd);

/* -1 when out of memory. */
int control_frame_put(struct control_buffer *buf, int kind, const void *data,
		      size_t size);
/* 1: a frame, *ret_data good until the next receive; 0: not all of it is there;
 * -1: not a frame or longer than CONTROL_MAX. */
int control_frame_take(struct control_buffer *buf, int *ret_kind,
		       const void **ret_data, size_t *ret_size);

#endif
