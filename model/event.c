/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* event.c - words and release of events */
#include "model/event.h"

#include <stdlib.h>

WORD_DEFINE(event_kind, EVENT_KINDS)

void event_done(struct event *event)
{
	if (!event->record)
		return;
	snapshot_done(event->record);
	free(event->record);
	event->record = NULL;
}
