/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.h - what collector.conf says
 *
 * Other files of this folder include it as "collector/config.h"; autoconf's
 * header of the same name is <config.h>.
 */
#ifndef COLLECTOR_CONFIG_H
#define COLLECTOR_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

struct config {
	char endpoint[256];
	bool insecure_plain_tcp; /* listen beyond loopback without encryption */
	int64_t queue;           /* messages kept for one peer */
	char database[PATH_MAX];
	int64_t batch;
	int64_t flush_ms;
	int log_level; /* enum log_level */
};

void config_presets(struct config *ret);

/* Presets, then the file over them, then config_check(). */
int config_load(struct config *ret, const char *path, struct err *err);

/* Values that are each good but not together, or not safe. */
int config_check(const struct config *config, struct err *err);

#endif
