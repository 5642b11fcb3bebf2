/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.h - agent.conf as a struct
 *
 * The table in config.c has every key with its preset and bounds; the shipped
 * conf/agent.conf.in explains each, which a test compares.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"

struct config {
	char socket[108]; /* [agent] */
	char state_dir[512];
	char host_name[256]; /* "": the kernel's */
	int64_t max_running;
	int64_t step_ms;
	int64_t keep_ops_ms;
	int64_t keep_events;
	char libvirt_uri[256]; /* [libvirt] */
	char collector[256];   /* [collector]; "": none */
	int freeze;            /* [freeze]; enum freeze - 1 */
	int64_t max_frozen_ms;
	int64_t ping_ms;
	int64_t sync_ms;
	int qcow2_mode; /* [qcow2]; enum qcow2_mode - 1 */
	int64_t min_free_bytes;
	bool before_start; /* [hook] */
	bool after_stop;
	int64_t gate_ms;
	int gate_failure; /* 0: pass, 1: block */
	int log_level;    /* [log]; enum log_level */
};

extern const struct conf_key config_keys[];
extern const size_t config_n_keys;

/* Presets, then the file over them. */
int config_load(struct config *ret, const char *path, struct err *err);

#endif
