/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.c - the keys of agent.conf, their presets and bounds */
#include "agent/config.h"

#include <stdio.h>
#include <unistd.h>

static const char *const freezes[] = { "require", "prefer", "never", NULL };
static const char *const modes[] = { "auto", "external", "internal", NULL };
static const char *const failures[] = { "pass", "block", NULL };
static const char *const levels[] = { "error", "warning", "info", "debug",
				      NULL };

#define MS(n) (n)
#define SECONDS(n) (1000LL * (n))
#define DAYS(n) (86400000LL * (n))
#define MIB(n) ((int64_t)(n) << 20)
#define AT(member) offsetof(struct config, member)
#define TEXT(s, k, t, m, p)                                          \
	{                                                            \
		.section = s, .key = k, .type = t, .offset = AT(m),  \
		.preset = p, .size = sizeof(((struct config *)0)->m) \
	}
#define NUMBER(s, k, t, m, p, lo, hi)                               \
	{                                                           \
		.section = s, .key = k, .type = t, .offset = AT(m), \
		.preset = p, .min = lo, .max = hi                   \
	}
#define BOOL(s, k, m, p)                                                    \
	{                                                                   \
		.section = s, .key = k, .type = CONF_BOOL, .offset = AT(m), \
		.preset = p                                                 \
	}
#define CHOICE(s, k, m, p, c)                                                 \
	{                                                                     \
		.section = s, .key = k, .type = CONF_CHOICE, .offset = AT(m), \
		.preset = p, .choices = c                                     \
	}

const struct conf_key config_keys[] = {
	TEXT("agent", "socket", CONF_PATH, socket,
	     RUNSTATEDIR "/snaptree/agent.sock"),
	TEXT("agent", "state-dir", CONF_PATH, state_dir,
	     LOCALSTATEDIR "/lib/snaptree"),
	TEXT("agent", "host-name", CONF_TEXT, host_name, ""),
	NUMBER("agent", "max-running", CONF_COUNT, max_running, "4", 1, 64),
	NUMBER("agent", "step-timeout", CONF_DURATION, step_ms, "60s",
	       SECONDS(1), SECONDS(3600)),
	NUMBER("agent", "keep-operations", CONF_DURATION, keep_ops_ms, "30d",
	       SECONDS(60), DAYS(3650)),
	NUMBER("agent", "keep-events", CONF_COUNT, keep_events, "10000", 0,
	       10000000),
	TEXT("libvirt", "uri", CONF_TEXT, libvirt_uri, "qemu:///system"),
	TEXT("collector", "endpoint", CONF_TEXT, collector, ""),
	CHOICE("freeze", "consistency", freeze, "prefer", freezes),
	NUMBER("freeze", "max-frozen", CONF_DURATION, max_frozen_ms, "5s",
	       SECONDS(1), SECONDS(60)),
	NUMBER("freeze", "ping-timeout", CONF_DURATION, ping_ms, "2s",
	       SECONDS(1), SECONDS(60)),
	NUMBER("freeze", "sync-timeout", CONF_DURATION, sync_ms, "10s", MS(0),
	       SECONDS(300)),
	CHOICE("qcow2", "mode", qcow2_mode, "auto", modes),
	NUMBER("qcow2", "min-free", CONF_SIZE, min_free_bytes, "256MiB", 0,
	       INT64_MAX),
	BOOL("hook", "before-start", before_start, "no"),
	BOOL("hook", "after-stop", after_stop, "no"),
	NUMBER("hook", "gate-timeout", CONF_DURATION, gate_ms, "8s", MS(100),
	       SECONDS(60)),
	CHOICE("hook", "gate-failure", gate_failure, "pass", failures),
	CHOICE("log", "level", log_level, "info", levels),
};
const size_t config_n_keys = sizeof(config_keys) / sizeof(config_keys[0]);

int config_load(struct config *ret, const char *path, struct err *err)
{
	int r;

	conf_presets(config_keys, config_n_keys, ret);
	r = conf_read(path, config_keys, config_n_keys, ret, err);
	if (r < 0)
		return r;
	if (!ret->host_name[0] &&
	    gethostname(ret->host_name, sizeof(ret->host_name) - 1) < 0)
		snprintf(ret->host_name, sizeof(ret->host_name), "localhost");
	return 0;
}
