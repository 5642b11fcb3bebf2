/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-codec.c - any bytes as a message; what is one must survive a round trip */
#include <stdlib.h>

#include "proto/codec.h"
#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct message *message)
{
	struct message again;
	size_t size;
	void *packed;

	if (codec_pack(message, &packed, &size, NULL) < 0)
		abort();
	if (codec_unpack(packed, size, &again, NULL) < 0 ||
	    again.kind != message->kind)
		abort();
	message_done(&again);
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message message;
	struct event event;
	struct snapshot snap;

	if (codec_unpack(data, size, &message, NULL) == 0) {
		if (message.kind != MESSAGE_NONE)
			round_trip(&message);
		message_done(&message);
	}
	if (codec_unpack_event(data, size, &event, NULL) == 0)
		event_done(&event);
	if (codec_unpack_snapshot(data, size, &snap, NULL) == 0)
		snapshot_done(&snap);
	return 0;
}
