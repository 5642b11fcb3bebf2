/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link_call.h - a dialer without a loop: blocks, one message at a time
 *
 * For client.c.  Deadlines are of clock_ms().
 */
#ifndef PROTO_LINK_CALL_H
#define PROTO_LINK_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct link_call;

/* ERR_ABSENT when the first try to connect fails, or nobody answers in time. */
int link_call_open(struct link_call **ret, const char *endpoint,
		   int64_t deadline_ms, struct err *err);
void link_call_close(struct link_call *call);

/* ERR_ABSENT when the connection was lost, ERR_TIMEOUT.  *ret_data is good
 * until the next call. */
int link_call_send(struct link_call *call, const void *data, size_t size,
		   struct err *err);
int link_call_receive(struct link_call *call, int64_t deadline_ms,
		      const void **ret_data, size_t *ret_size, struct err *err);

#endif
