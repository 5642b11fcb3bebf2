/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* control_frame.c - frames of the control socket, and what a hook says in one */
#include "proto/control_frame.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "model/domain.h"
#include "proto/control.h"

#define CHUNK (16 * 1024)
#define KEEP (64 * 1024) /* of an empty buffer */
#define HEAD_SIZE 5

void control_buffer_done(struct control_buffer *buf)
{
	free(buf->data);
	*buf = (struct control_buffer){ 0 };
}

size_t control_buffer_left(const struct control_buffer *buf)
{
	return buf->size - buf->at;
}

static void compact(struct control_buffer *buf)
{
	if (buf->at == buf->size && buf->room > KEEP)
		control_buffer_done(buf);
	if (buf->at == 0)
		return;
	memmove(buf->data, buf->data + buf->at, buf->size - buf->at);
	buf->size -= buf->at;
	buf->at = 0;
}

static int make_room(struct control_buffer *buf, size_t size)
{
	size_t room = buf->room ? buf->room : CHUNK;
	void *data;

	/* Not for each small gain: a long queue would be moved every time. */
	if (buf->at > buf->size / 2)
		compact(buf);
	if (buf->room - buf->size >= size)
		return 0;
	while (room - buf->size < size)
		room *= 2;
	data = realloc(buf->data, room);
	if (!data) {
		errno = ENOMEM;
		return -1;
	}
	buf->data = data;
	buf->room = room;
	return 0;
}

ssize_t control_buffer_receive(struct control_buffer *buf, int fd)
{
	ssize_t n;

	if (make_room(buf, CHUNK / 4) < 0)
		return -1;
	n = recv(fd, buf->data + buf->size, buf->room - buf->size, 0);
	if (n > 0)
		buf->size += (size_t)n;
	return n;
}

ssize_t control_buffer_send(struct control_buffer *buf, int fd)
{
	ssize_t n = send(fd, buf->data + buf->at, buf->size - buf->at,
			 MSG_NOSIGNAL);

	if (n > 0)
		buf->at += (size_t)n;
	if (buf->at == buf->size)
		compact(buf);
	return n;
}

int control_frame_put(struct control_buffer *buf, int kind, const void *data,
		      size_t size)
{
	const uint32_t follows = htonl((uint32_t)size + 1);

	if (make_room(buf, HEAD_SIZE + size) < 0)
		return -1;
	memcpy(buf->data + buf->size, &follows, sizeof(follows));
	buf->data[buf->size + sizeof(follows)] = (uint8_t)kind;
	if (size > 0)
		memcpy(buf->data + buf->size + HEAD_SIZE, data, size);
	buf->size += HEAD_SIZE + size;
	return 0;
}

int control_frame_take(struct control_buffer *buf, int *ret_kind,
		       const void **ret_data, size_t *ret_size)
{
	const size_t left = control_buffer_left(buf);
	uint32_t follows;

	if (left < sizeof(follows))
		return 0;
	memcpy(&follows, buf->data + buf->at, sizeof(follows));
	follows = ntohl(follows);
	if (follows < 1 || follows - 1 > CONTROL_MAX)
		return -1;
	if (left - sizeof(follows) < follows)
		return 0;
	*ret_kind = buf->data[buf->at + sizeof(follows)];
	*ret_data = buf->data + buf->at + HEAD_SIZE;
	*ret_size = follows - 1;
	buf->at += sizeof(follows) + follows;
	return 1;
}

/* The next text, or NULL when no terminated one is left. */
static const char *next_text(const char **at, const char *end)
{
	const char *text = *at;
	const char *nul = memchr(text, '\0', (size_t)(end - text));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

static bool parse_deadline(const char *text, int64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool check_moment(const struct moment *m)
{
	return m->domain[0] && strlen(m->domain) < DOMAIN_NAME &&
	       str_is_clean(m->domain) && m->operation[0] &&
	       str_is_clean(m->operation) && str_is_clean(m->sub) &&
	       str_is_clean(m->extra);
}

int control_parse_moment(const void *payload, size_t size, struct moment *ret,
			 struct err *err)
{
	const char *at = payload, *end = at + size;
	const char *version = NULL, *deadline = NULL;
	struct moment m = { 0 };
	const char **const texts[] = {
		&version, &m.domain, &m.operation, &m.sub,
		&m.extra, &m.xml,    &deadline,
	};

	/* More texts may follow in a later version. */
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		*texts[i] = size > 0 ? next_text(&at, end) : NULL;
		if (!*texts[i])
			return err_set(err, ERR_PROTO, 0,
				       "hook's message ends after %zu texts",
				       i);
	}
	if (strcmp(version, "1") != 0)
		return err_set(err, ERR_PROTO, 0,
			       "hook's message is not of version 1");
	if (!parse_deadline(deadline, &m.deadline_ms) || !check_moment(&m))
		return err_set(err, ERR_PROTO, 0,
			       "hook's message has a bad name or deadline");
	*ret = m;
	return 0;
}
