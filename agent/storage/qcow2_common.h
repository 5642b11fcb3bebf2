/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2_common.h - what both qcow2 drivers check before they touch a disk
 *
 * Each refusal is one line that names the disk, the cause and what to do.
 * The definition is believed as to formats, the file system as to files.
 */
#ifndef AGENT_STORAGE_QCOW2_COMMON_H
#define AGENT_STORAGE_QCOW2_COMMON_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/storage/driver.h"
#include "agent/storage/qemuimg.h"

#define QCOW2_NAME_EXTERNAL "qcow2-external"
#define QCOW2_NAME_INTERNAL "qcow2-internal"
/* QEMU's file locks: bytes 100 and up say what is done to the image, bytes 200
 * and up what others may not do (its block/file-posix.c). */
#define QCOW2_LOCKS_START 100
#define QCOW2_LOCKS_LEN 200
/* More is a loop, or a chain that no QEMU would open in time. */
#define QCOW2_CHAIN_MAX 256

/* Does the driver `name` take the disk: the last snapshot's driver, else the
 * configured one, else internal for Nova's domains and external for others. */
bool qcow2_claims(const char *name, const struct disk *disk,
		  const struct domain *domain, const char *previous,
		  const struct storage_config *config);

/* The disk's entry in leg->domain, when it can be snapshotted as far as the
 * definition tells.  A migrating domain is refused. */
int qcow2_check_disk(const struct leg *leg, const struct snapshot_disk *disk,
		     const struct disk **ret, struct err *err);

/* Its file: there, regular (`in_place`: and not by a symbolic link), writable
 * place, enough room, qcow2, not corrupt, not open elsewhere when the domain is
 * off. */
int qcow2_check_file(const struct leg *leg, const struct snapshot_disk *disk,
		     bool in_place, struct qemuimg_info *ret,
		     int64_t deadline_ms, struct err *err);

/* Before prepare(): same source, and off as planned or not; no migration. */
int qcow2_check_unchanged(const struct leg *leg,
			  const struct snapshot_disk *disk, bool planned_off,
			  struct err *err);

/* ERR_BUSY when any process holds one of QEMU's locks on the file; a missing
 * file is not locked. */
int qcow2_check_unlocked(const char *path, struct err *err);

/* Every header down the chain names the format of the file below it, so that a
 * definition that does not spell out the chain loses nothing. */
int qcow2_check_chain(const char *path, int64_t deadline_ms, struct err *err);

/* The domain as it is now: asked again where libvirt can be asked, since
 * leg->domain may be of before the cut.  domain_done() it. */
int qcow2_describe(const struct leg *leg, struct domain *ret, struct err *err);

/* ERR_BUSY while a migration runs: its disks may belong to another host. */
int qcow2_check_migration(const struct domain *domain, struct err *err);

bool qcow2_is_off(const struct leg *leg);

#endif
