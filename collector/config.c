/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.c - what collector.conf says */
#include "collector/config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include "base/conf.h"

#define AT(member)                                 \
	.offset = offsetof(struct config, member), \
	.size = sizeof(((struct config *)NULL)->member)

/* In the order of enum log_level. */
static const char *const levels[] = { "error", "warning", "info", "debug",
				      NULL };

static const struct conf_key keys[] = {
	{ .section = "listen",
	  .key = "endpoint",
	  .type = CONF_TEXT,
	  AT(endpoint),
	  .preset = "tcp://127.0.0.1:7711" },
	{ .section = "listen",
	  .key = "insecure-plain-tcp",
	  .type = CONF_BOOL,
	  AT(insecure_plain_tcp),
	  .preset = "no" },
	{ .section = "listen",
	  .key = "queue",
	  .type = CONF_COUNT,
	  AT(queue),
	  .preset = "1000",
	  .min = 10,
	  .max = 100000 },
	{ .section = "database",
	  .key = "path",
	  .type = CONF_PATH,
	  AT(database),
	  .preset = "/var/lib/snaptree/collector.db" },
	{ .section = "ingest",
	  .key = "batch",
	  .type = CONF_COUNT,
	  AT(batch),
	  .preset = "2000",
	  .min = 1,
	  .max = 100000 },
	{ .section = "ingest",
	  .key = "flush",
	  .type = CONF_DURATION,
	  AT(flush_ms),
	  .preset = "5ms",
	  .min = 0,
	  .max = 1000 },
	{ .section = "log",
	  .key = "level",
	  .type = CONF_CHOICE,
	  AT(log_level),
	  .preset = "info",
	  .choices = levels },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

void config_presets(struct config *ret)
{
	memset(ret, 0, sizeof(*ret));
	conf_presets(keys, N_KEYS, ret);
}

int config_load(struct config *ret, const char *path, struct err *err)
{
	int r;

	config_presets(ret);
	r = conf_read(path, keys, N_KEYS, ret, err);
	if (r < 0)
		return r;
	r = config_check(ret, err);
	return r < 0 ? err_wrap(err, r, "%s", path) : 0;
}

/* Of "tcp://HOST:PORT" the host, if it is one that only this machine reaches.
 * A name could mean anything tomorrow, so only numbers do. */
static bool is_loopback(const char *address)
{
	const char *colon = strrchr(address, ':');
	char host[64];
	struct in_addr ip;

	if (!colon || (size_t)(colon - address) >= sizeof(host))
		return false;
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	if (strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &ip) == 1 &&
	       ntohl(ip.s_addr) >> 24 == 127;
}

int config_check(const struct config *config, struct err *err)
{
	const char *at = config->endpoint;

	if (strncmp(at, "ipc:///", 7) == 0)
		return 0;
	if (strncmp(at, "tcp://", 6) != 0)
		return err_set(
			err, ERR_INVALID, 0,
			"'endpoint' in [listen]: '%.80s' is neither tcp://ADDRESS:PORT nor ipc:///PATH",
			at);
	if (config->insecure_plain_tcp || is_loopback(at + 6))
		return 0;
	return err_set(
		err, ERR_INVALID, 0,
		"'endpoint' in [listen]: '%.60s' is reached from other machines and is"
		" not encrypted; use 127.0.0.1 or allow it by"
		" 'insecure-plain-tcp = yes'",
		at);
}
