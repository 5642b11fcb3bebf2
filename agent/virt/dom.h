/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dom.h - one domain, for one job on a worker thread
 *
 * Every call blocks as long as libvirtd does; guest.h has the calls that have
 * a deadline of their own.  ERR_ABSENT: no such domain; ERR_VIRT: libvirt
 * refused (its code in err->sys) or cannot be reached.
 */
#ifndef AGENT_VIRT_DOM_H
#define AGENT_VIRT_DOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "model/domain.h"
#include "model/snapshot.h"

struct virt;
struct virt_dom;

int dom_open(struct virt *virt, const struct id *uuid, struct virt_dom **ret,
	     struct err *err);
/* By exact name, or by the text of a UUID. */
int dom_find(struct virt *virt, const char *name, struct virt_dom **ret,
	     struct err *err);
void dom_close(struct virt_dom *dom); /* NULL is allowed */

/* State, disks as they are now (of a running domain: as they run). */
int dom_describe(struct virt_dom *dom, struct domain *ret, struct err *err);

/* uuid, name, state of all domains; disks are left out.  *ret malloc'd. */
int dom_list(struct virt *virt, struct domain **ret, size_t *ret_n,
	     struct err *err);

/* --- running domains, disk by disk ----------------------------------- */

/* QEMU's node of each disk into disk->node, found by libvirt's alias and
 * checked against the file that QEMU says it has open there. */
int dom_find_nodes(struct virt_dom *dom, const struct domain *domain,
		   struct snapshot_disk *const *disks, size_t n,
		   struct err *err);

/* External: all disks onto their prepared `active` overlays in one QEMU
 * transaction, without libvirt metadata. */
int dom_cut_external(struct virt_dom *dom, const struct domain *domain,
		     const struct snapshot_disk *const *disks, size_t n,
		     struct err *err);
/* Internal: snapshot disk->name in disk->node of all, one transaction. */
int dom_cut_internal(struct virt_dom *dom,
		     const struct snapshot_disk *const *disks, size_t n,
		     struct err *err);

/* Does QEMU's image of disk->node have the internal snapshot disk->name? */
int dom_has_internal(struct virt_dom *dom, const struct snapshot_disk *disk,
		     bool *ret, struct err *err);
int dom_delete_internal(struct virt_dom *dom, const struct snapshot_disk *disk,
			struct err *err); /* absent is success */

/* Merge the active overlay of the target into the file below it and go on
 * there (active commit and pivot); aborts the job at the deadline. */
int dom_commit_active(struct virt_dom *dom, const char *target,
		      int64_t deadline_ms, struct err *err);

/* Edit the persistent definition as xml_edit_disks() says (`sources` NULL: no
 * path changes); nothing happens when it needs no change, or when the domain
 * has none. */
int dom_edit_definition(struct virt_dom *dom, const char *const *targets,
			const char *const *sources, size_t n, struct err *err);

/* Who names the file as a disk or down a disk's chain: the domain as it runs,
 * its persistent definition?  Both false of what is off or has none. */
int dom_names_file(struct virt_dom *dom, const char *path, bool *ret_live,
		   bool *ret_defined, struct err *err);

#endif
