/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* driver.c - the list of drivers */
#include "agent/storage/driver.h"

#include <string.h>

/* In claim order: the first driver that claims a disk has it. */
#define DRIVERS(X)   \
	X(qcow2_ext) \
	X(qcow2_int)

#define X(name) extern const struct driver drv_##name;
DRIVERS(X)
#undef X

static const struct driver *const drivers[] = {
#define X(name) &drv_##name,
	DRIVERS(X)
#undef X
};

#define N_DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

const struct driver *driver_by_name(const char *name)
{
	for (size_t i = 0; i < N_DRIVERS; i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

const struct driver *driver_for(const struct disk *disk,
				const struct domain *domain,
				const char *previous,
				const struct storage_config *config)
{
	for (size_t i = 0; i < N_DRIVERS; i++)
		if (drivers[i]->claims(disk, domain, previous, config))
			return drivers[i];
	return NULL;
}
