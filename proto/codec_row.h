/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * codec_row.h - a struct of the model <-> a struct of protobuf-c, by a table
 *
 * Inside the codec only.  A row is described by its fields; packing fills a
 * protobuf-c message that points into the model where it can and into an arena
 * where it cannot; unpacking copies and checks.
 */
#ifndef PROTO_CODEC_ROW_H
#define PROTO_CODEC_ROW_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum codec_type {
	CODEC_TEXT, /* char[] <-> string */
	CODEC_ID,   /* struct id <-> bytes */
	CODEC_BOOL,
	CODEC_WORD,   /* enumeration */
	CODEC_NUMBER, /* of the same type on both sides; all values are good */
	CODEC_TIME,   /* int64_t, not negative */
	CODEC_SPAN,   /* int64_t, not below -1 */
	CODEC_BODY,   /* void * and size_t <-> bytes */
	CODEC_PART,   /* embedded row <-> message */
	CODEC_OWNED,  /* pointer to a row or NULL <-> message */
	CODEC_LIST,   /* pointer and size_t <-> repeated message */
};

struct codec_field {
	const char *name;
	enum codec_type type;
	size_t at, size; /* in the model */
	size_t n_at;     /* its count or size */
	size_t wire_at, wire_n_at;
	unsigned (*word)(int64_t number); /* 0 for an unknown one */
	const struct codec_row *row;
};

struct codec_row {
	const ProtobufCMessageDescriptor *wire;
	size_t size;                      /* in the model */
	const struct codec_field *fields; /* up to one without a name */
};

/* What packing had to make; all of it goes at once. */
struct codec_arena {
	struct codec_chunk *chunks;
};
void codec_arena_done(struct codec_arena *arena);

/* How much may still be allocated for one message, so that few bytes cannot
 * become many.  What is freed is not given back: it bounds work as well. */
struct codec_budget {
	ProtobufCAllocator allocator;
	size_t left;
	bool no_memory;
};
void codec_budget_init(struct codec_budget *budget, size_t message_size);

int codec_row_pack(struct codec_arena *arena, const struct codec_row *row,
		   const void *model, ProtobufCMessage **ret, struct err *err);
int codec_row_write(const ProtobufCMessage *wire, void **ret, size_t *ret_size,
		    struct err *err);

/* Free with protobuf_c_message_free_unpacked(wire, &budget->allocator). */
int codec_row_read(struct codec_budget *budget,
		   const ProtobufCMessageDescriptor *wire, const void *data,
		   size_t size, ProtobufCMessage **ret, struct err *err);
/* `model` is zeroed memory.  After an error too it is to be released. */
int codec_row_unpack(struct codec_budget *budget, const struct codec_row *row,
		     ProtobufCMessage *wire, void *model, struct err *err);

#endif
