/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * codec.h - model and messages <-> protobuf bytes
 *
 * Pure functions, any thread.  Packed bytes are malloc'd and the caller's.
 * Unpacking trusts nothing: bytes that are not protobuf, ids that are not 16
 * bytes, text that does not fit or is not clean, numbers out of range and rows
 * that would need far more memory than they took on the wire are ERR_PROTO;
 * unknown fields and unknown enumeration values are skipped (the latter read as
 * 0, but an unknown error as ERR_UNSUPPORTED: never as success).  What was
 * unpacked belongs to the caller.  It is well-formed, not sensible: a TAKEN
 * may come without its record.
 *
 * Packing makes '?' of what is not clean in a text; ERR_INVALID when the bytes
 * are more than MESSAGE_MAX.  A disk's node is not packed.
 */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include <stddef.h>

#include "base/err.h"

struct event;
struct message;
struct snapshot;

int codec_pack(const struct message *message, void **ret, size_t *ret_size,
	       struct err *err);
int codec_unpack(const void *data, size_t size, struct message *ret,
		 struct err *err);

/* Of an event all but seq and host is packed: who stores it knows those. */
int codec_pack_event(const struct event *event, void **ret, size_t *ret_size,
		     struct err *err);
int codec_unpack_event(const void *data, size_t size, struct event *ret,
		       struct err *err);

int codec_pack_snapshot(const struct snapshot *snap, void **ret,
			size_t *ret_size, struct err *err);
int codec_unpack_snapshot(const void *data, size_t size, struct snapshot *ret,
			  struct err *err);

#endif
