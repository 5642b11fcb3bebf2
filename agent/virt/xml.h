/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xml.h - libvirt's domain XML to and from the model
 *
 * Pure functions over libxml2 (no network, no entities, no huge documents);
 * any thread.  XML from outside is not trusted: what does not fit the model is
 * ERR_INVALID and names the element.
 */
#ifndef AGENT_VIRT_XML_H
#define AGENT_VIRT_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/domain.h"
#include "model/snapshot.h"

/* Everything but state, persistent and migrating, which XML does not say. */
int xml_parse_domain(const char *xml, struct domain *ret, struct err *err);

/* A <domainsnapshot> that puts each disk's `active` overlay over it, and says
 * snapshot='no' for every other disk of `domain`.  malloc'd. */
int xml_make_snapshot(const struct domain *domain,
		      const struct snapshot_disk *const *disks, size_t n,
		      char **ret, struct err *err);

/*
 * The definition with, for each disk, <source file> set to `sources[i]` (NULL:
 * left as it is; `sources` NULL: all are) and a <backingStore> that spells out
 * the chain taken away; all else is kept.  A disk that is not in it is skipped.
 * *ret is NULL when nothing had to change; else malloc'd.
 */
int xml_edit_disks(const char *xml, const char *const *targets,
		   const char *const *sources, size_t n, char **ret,
		   struct err *err);

/* Is the file a source anywhere in it: of a disk, or down its chain? */
int xml_names_file(const char *xml, const char *path, bool *ret,
		   struct err *err);

#endif
