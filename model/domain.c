/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain.c - words, copies and look-ups of domains */
#include "model/domain.h"

#include <stdlib.h>
#include <string.h>

WORD_DEFINE(domain_state, DOMAIN_STATES)
WORD_DEFINE(disk_type, DISK_TYPES)
WORD_DEFINE(disk_role, DISK_ROLES)

void domain_done(struct domain *domain)
{
	free(domain->disks);
	memset(domain, 0, sizeof(*domain));
}

int domain_copy(struct domain *ret, const struct domain *from, struct err *err)
{
	struct disk *disks = NULL;

	if (from->n_disks > 0) {
		disks = calloc(from->n_disks, sizeof(*disks));
		if (!disks)
			return err_set(err, ERR_NOMEM, 0, "out of memory");
		memcpy(disks, from->disks, from->n_disks * sizeof(*disks));
	}
	*ret = *from;
	ret->disks = disks;
	return 0;
}

const struct disk *domain_disk(const struct domain *domain, const char *target)
{
	for (size_t i = 0; i < domain->n_disks; i++)
		if (strcmp(domain->disks[i].target, target) == 0)
			return &domain->disks[i];
	return NULL;
}

bool disk_is_wanted(const struct disk *disk)
{
	return disk->is_disk && !disk->readonly && disk->source[0];
}
