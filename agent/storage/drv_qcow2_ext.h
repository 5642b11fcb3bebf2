/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drv_qcow2_ext.h - between the external driver and its undoing */
#ifndef AGENT_STORAGE_DRV_QCOW2_EXT_H
#define AGENT_STORAGE_DRV_QCOW2_EXT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/storage/driver.h"

extern const struct driver drv_qcow2_ext;

/* By the shape of the record: was the domain off when this was planned? */
bool ext_is_offline(const struct snapshot_disk *disk);
bool ext_leg_is_offline(const struct leg *leg);

/* Of an offline record: is the overlay at the source path? */
int ext_is_exchanged(const struct snapshot_disk *disk, bool *ret,
		     int64_t deadline_ms, struct err *err);

/* Undo one disk, whatever of it was done; `now` is the domain as it is. */
int ext_remove_disk(const struct leg *leg, const struct domain *now,
		    const struct snapshot_disk *disk, int64_t deadline_ms,
		    struct err *err);

#endif
