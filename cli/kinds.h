/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kinds.h - the fields of what is shown
 *
 * A new member of a model struct becomes visible by one line in kinds.c.
 */
#ifndef CLI_KINDS_H
#define CLI_KINDS_H

#include "cli/print.h"

extern const struct kind kind_snapshots; /* struct snapshot, of any VM */
extern const struct kind kind_tree;      /* the same, of one VM */
extern const struct kind kind_disks;     /* struct snapshot_disk */
extern const struct kind kind_vms;       /* struct vm_row */
extern const struct kind kind_hosts;     /* struct host_row */
extern const struct kind kind_events;    /* struct event */

#endif
