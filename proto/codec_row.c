/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* codec_row.c - a struct of the model <-> a struct of protobuf-c, by a table */
#include "proto/codec_row.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/str.h"
#include "proto/message.h"

/* An honest row in memory is up to some 30 times of what it is on the wire,
 * because the texts of the model have room for the longest. */
#define BUDGET_BASE (1 << 20)
#define BUDGET_FACTOR 48
#define BUDGET_MAX (256 << 20)
#define BUDGET_OVERHEAD 16 /* of malloc(), for each block */

struct codec_chunk {
	struct codec_chunk *next;
	max_align_t data[];
};

static void *arena_alloc(struct codec_arena *arena, size_t n, size_t size)
{
	struct codec_chunk *chunk;
	size_t total;

	if (__builtin_mul_overflow(n, size, &total) ||
	    __builtin_add_overflow(total, sizeof(*chunk), &total))
		return NULL;
	chunk = calloc(1, total);
	if (!chunk)
		return NULL;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk->data;
}

void codec_arena_done(struct codec_arena *arena)
{
	while (arena->chunks) {
		struct codec_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
}

/* What the reader would refuse is not sent: one odd character in an error text
 * must not cost the whole message. */
static int pack_text(struct codec_arena *arena, const struct codec_field *f,
		     const char *from, char *to)
{
	const char *text = from;

	if (!str_is_clean(from)) {
		char *shown = arena_alloc(arena, 1, f->size);

		if (!shown)
			return -ERR_NOMEM;
		text = str_show(shown, f->size, from);
	}
	memcpy(to, &text, sizeof(text));
	return 0;
}

static void pack_bytes(const void *data, size_t size, char *to)
{
	ProtobufCBinaryData bytes = { .len = size };

	memcpy(&bytes.data, &data, sizeof(data));
	memcpy(to, &bytes, sizeof(bytes));
}

static void pack_body(const struct codec_field *f, const char *model, char *to)
{
	const void *body;
	size_t size;

	memcpy(&body, model + f->at, sizeof(body));
	memcpy(&size, model + f->n_at, sizeof(size));
	pack_bytes(body, size, to);
}

static int pack_part(struct codec_arena *arena, const struct codec_field *f,
		     const void *from, char *to, struct err *err)
{
	ProtobufCMessage *wire;
	int r;

	if (!from)
		return 0;
	r = codec_row_pack(arena, f->row, from, &wire, err);
	if (r == 0)
		memcpy(to, &wire, sizeof(wire));
	return r;
}

static int pack_list(struct codec_arena *arena, const struct codec_field *f,
		     const char *model, char *wire, struct err *err)
{
	ProtobufCMessage **rows;
	const char *from;
	size_t n;
	int r = 0;

	memcpy(&from, model + f->at, sizeof(from));
	memcpy(&n, model + f->n_at, sizeof(n));
	if (n == 0)
		return 0;
	rows = arena_alloc(arena, n, sizeof(*rows));
	if (!rows)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	for (size_t i = 0; i < n && r == 0; i++)
		r = codec_row_pack(arena, f->row, from + i * f->row->size,
				   &rows[i], err);
	memcpy(wire + f->wire_at, &rows, sizeof(rows));
	memcpy(wire + f->wire_n_at, &n, sizeof(n));
	return r;
}

static int pack_field(struct codec_arena *arena, const struct codec_field *f,
		      const char *model, char *wire, struct err *err)
{
	const char *from = model + f->at;
	char *to = wire + f->wire_at;
	const void *owned;

	switch (f->type) {
	case CODEC_TEXT:
		if (pack_text(arena, f, from, to) < 0)
			return err_set(err, ERR_NOMEM, 0, "out of memory");
		return 0;
	case CODEC_ID:
		if (!id_is_null((const struct id *)from))
			pack_bytes(from, sizeof(struct id), to);
		return 0;
	case CODEC_BOOL:
		memcpy(to, &(protobuf_c_boolean){ *(const bool *)from },
		       sizeof(protobuf_c_boolean));
		return 0;
	case CODEC_WORD:
	case CODEC_NUMBER:
	case CODEC_TIME:
	case CODEC_SPAN:
		memcpy(to, from, f->size);
		return 0;
	case CODEC_BODY:
		pack_body(f, model, to);
		return 0;
	case CODEC_PART:
		return pack_part(arena, f, from, to, err);
	case CODEC_OWNED:
		memcpy(&owned, from, sizeof(owned));
		return pack_part(arena, f, owned, to, err);
	case CODEC_LIST:
		return pack_list(arena, f, model, wire, err);
	}
	return 0;
}

int codec_row_pack(struct codec_arena *arena, const struct codec_row *row,
		   const void *model, ProtobufCMessage **ret, struct err *err)
{
	ProtobufCMessage *wire = arena_alloc(arena, 1,
					     row->wire->sizeof_message);
	int r = 0;

	if (!wire)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	protobuf_c_message_init(row->wire, wire);
	for (const struct codec_field *f = row->fields; f->name && r == 0; f++)
		r = pack_field(arena, f, model, (char *)wire, err);
	*ret = wire;
	return r;
}

int codec_row_write(const ProtobufCMessage *wire, void **ret, size_t *ret_size,
		    struct err *err)
{
	size_t size = protobuf_c_message_get_packed_size(wire);
	void *data;

	if (size > MESSAGE_MAX)
		return err_set(err, ERR_INVALID, 0,
			       "message of %zu bytes is too long", size);
	data = malloc(size + 1); /* an empty one too has an address */
	if (!data)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	*ret_size = protobuf_c_message_pack(wire, data);
	*ret = data;
	return 0;
}

static void *budget_alloc(void *data, size_t size)
{
	struct codec_budget *budget = data;
	void *p;

	if (size > budget->left || budget->left - size < BUDGET_OVERHEAD)
		return NULL;
	budget->left -= size + BUDGET_OVERHEAD;
	p = malloc(size);
	budget->no_memory = !p;
	return p;
}

static void budget_free(void *data, void *p)
{
	(void)data;
	free(p);
}

void codec_budget_init(struct codec_budget *budget, size_t message_size)
{
	size_t left = BUDGET_BASE + message_size * BUDGET_FACTOR;

	budget->allocator = (ProtobufCAllocator){
		.alloc = budget_alloc,
		.free = budget_free,
		.allocator_data = budget,
	};
	budget->left = left < BUDGET_MAX ? left : BUDGET_MAX;
	budget->no_memory = false;
}

int codec_row_read(struct codec_budget *budget,
		   const ProtobufCMessageDescriptor *wire, const void *data,
		   size_t size, ProtobufCMessage **ret, struct err *err)
{
	*ret = protobuf_c_message_unpack(wire, &budget->allocator, size, data);
	if (*ret)
		return 0;
	if (budget->no_memory)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	return err_set(err, ERR_PROTO, 0,
		       "%zu bytes are not a protobuf message of ours", size);
}

static int refuse(const struct codec_row *row, const struct codec_field *f,
		  const char *why, struct err *err)
{
	return err_set(err, ERR_PROTO, 0, "'%s' of %s %s", f->name,
		       row->wire->short_name, why);
}

/* Zeroed rows; NULL when the budget does not allow it. */
static void *rows_alloc(struct codec_budget *budget, size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	p = budget_alloc(budget, total);
	return p ? memset(p, 0, total) : NULL;
}

static int no_room(const struct codec_budget *budget, struct err *err)
{
	if (budget->no_memory)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	return err_set(err, ERR_PROTO, 0,
		       "message would need too much memory for its size");
}

static const char *unpack_text(const struct codec_field *f, const char *from,
			       char *to)
{
	const char *text;

	memcpy(&text, from, sizeof(text));
	if (text && !str_is_clean(text))
		return "has control characters or is not UTF-8";
	return str_copy(to, f->size, text) ? NULL : "is too long";
}

static const char *unpack_id(const char *from, char *to)
{
	ProtobufCBinaryData bytes;

	memcpy(&bytes, from, sizeof(bytes));
	if (bytes.len == 0)
		return NULL;
	if (bytes.len != sizeof(struct id))
		return "is not of 16 bytes";
	memcpy(to, bytes.data, sizeof(struct id));
	return NULL;
}

static const char *unpack_number(const struct codec_field *f, const char *from,
				 char *to)
{
	int64_t v;

	if (f->type != CODEC_NUMBER) {
		memcpy(&v, from, sizeof(v));
		if (v < (f->type == CODEC_SPAN ? -1 : 0))
			return "is out of range";
	}
	memcpy(to, from, f->size);
	return NULL;
}

static void unpack_bool(const char *from, char *to)
{
	protobuf_c_boolean v;

	memcpy(&v, from, sizeof(v));
	*(bool *)to = v != 0;
}

static void unpack_word(const struct codec_field *f, const char *from, char *to)
{
	int number;
	unsigned word;

	memcpy(&number, from, sizeof(number));
	word = f->word(number);
	memcpy(to, &word, sizeof(word));
}

/* The bytes change hands: they were malloc'd by budget_alloc(). */
static void unpack_body(const struct codec_field *f, char *from, char *model)
{
	ProtobufCBinaryData bytes;

	memcpy(&bytes, from, sizeof(bytes));
	memcpy(model + f->at, &bytes.data, sizeof(bytes.data));
	memcpy(model + f->n_at, &bytes.len, sizeof(bytes.len));
	memset(from, 0, sizeof(bytes));
}

static int unpack_part(struct codec_budget *budget, const struct codec_field *f,
		       const char *from, char *to, struct err *err)
{
	ProtobufCMessage *wire;
	void *owned;

	memcpy(&wire, from, sizeof(wire));
	if (!wire)
		return 0;
	if (f->type == CODEC_PART)
		return codec_row_unpack(budget, f->row, wire, to, err);

	owned = rows_alloc(budget, 1, f->row->size);
	if (!owned)
		return no_room(budget, err);
	memcpy(to, &owned, sizeof(owned));
	return codec_row_unpack(budget, f->row, wire, owned, err);
}

static int unpack_list(struct codec_budget *budget, const struct codec_field *f,
		       const char *from, char *model, struct err *err)
{
	ProtobufCMessage **rows;
	size_t n;
	char *to;
	int r = 0;

	memcpy(&rows, from + f->wire_at, sizeof(rows));
	memcpy(&n, from + f->wire_n_at, sizeof(n));
	if (n == 0)
		return 0;
	to = rows_alloc(budget, n, f->row->size);
	if (!to)
		return no_room(budget, err);
	memcpy(model + f->at, &to, sizeof(to));
	memcpy(model + f->n_at, &n, sizeof(n));
	for (size_t i = 0; i < n && r == 0; i++)
		r = codec_row_unpack(budget, f->row, rows[i],
				     to + i * f->row->size, err);
	return r;
}

static int unpack_field(struct codec_budget *budget,
			const struct codec_row *row,
			const struct codec_field *f, char *wire, char *model,
			struct err *err)
{
	char *from = wire + f->wire_at, *to = model + f->at;
	const char *why = NULL;

	switch (f->type) {
	case CODEC_TEXT:
		why = unpack_text(f, from, to);
		break;
	case CODEC_ID:
		why = unpack_id(from, to);
		break;
	case CODEC_BOOL:
		unpack_bool(from, to);
		break;
	case CODEC_WORD:
		unpack_word(f, from, to);
		break;
	case CODEC_NUMBER:
	case CODEC_TIME:
	case CODEC_SPAN:
		why = unpack_number(f, from, to);
		break;
	case CODEC_BODY:
		unpack_body(f, from, model);
		break;
	case CODEC_PART:
	case CODEC_OWNED:
		return unpack_part(budget, f, from, to, err);
	case CODEC_LIST:
		return unpack_list(budget, f, wire, model, err);
	}
	return why ? refuse(row, f, why, err) : 0;
}

int codec_row_unpack(struct codec_budget *budget, const struct codec_row *row,
		     ProtobufCMessage *wire, void *model, struct err *err)
{
	int r = 0;

	for (const struct codec_field *f = row->fields; f->name && r == 0; f++)
		r = unpack_field(budget, row, f, (char *)wire, model, err);
	return r;
}
