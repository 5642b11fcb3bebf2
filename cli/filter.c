/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* filter.c - options that choose rows */
#include "cli/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/option.h"
#include "cli/when.h"

#define WORD(name, wire, word) " " word

int filter_vm(struct cli *cli, const char *value, struct err *err)
{
	return option_take_text(cli->request.vm, sizeof(cli->request.vm), value,
				err);
}

int filter_host(struct cli *cli, const char *value, struct err *err)
{
	return option_take_text(cli->request.host, sizeof(cli->request.host),
				value, err);
}

int filter_label(struct cli *cli, const char *value, struct err *err)
{
	return option_take_text(cli->request.label_like,
				sizeof(cli->request.label_like), value, err);
}

int filter_tag(struct cli *cli, const char *value, struct err *err)
{
	int r = snapshot_check_tags(value, err);

	if (r < 0)
		return r;
	return option_take_text(cli->request.tag, sizeof(cli->request.tag),
				value, err);
}

int filter_consistency(struct cli *cli, const char *value, struct err *err)
{
	cli->request.consistency = consistency_from_word(value);
	if (cli->request.consistency)
		return 0;
	return option_refuse_word(value, &CONSISTENCIES(WORD)[1], err);
}

int filter_origin(struct cli *cli, const char *value, struct err *err)
{
	cli->request.origin = origin_from_word(value);
	if (cli->request.origin)
		return 0;
	return option_refuse_word(value, &ORIGINS(WORD)[1], err);
}

int filter_since(struct cli *cli, const char *value, struct err *err)
{
	return when_parse(value, clock_wall_ms(), &cli->request.since_ms, err);
}

int filter_until(struct cli *cli, const char *value, struct err *err)
{
	return when_parse(value, clock_wall_ms(), &cli->request.until_ms, err);
}

static int parse_count(const char *value, uint64_t most, uint64_t *ret,
		       struct err *err)
{
	char shown[64], *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end || errno || n > most)
		return err_set(err, ERR_INVALID, 0,
			       "'%s' is not a number up to %llu",
			       str_show(shown, sizeof(shown), value),
			       (unsigned long long)most);
	*ret = n;
	return 0;
}

int filter_after(struct cli *cli, const char *value, struct err *err)
{
	return parse_count(value, INT64_MAX, &cli->request.after, err);
}

int filter_limit(struct cli *cli, const char *value, struct err *err)
{
	uint64_t n;
	int r = parse_count(value, 1000000000, &n, err);

	if (r < 0)
		return r;
	/* On the wire 0 means all, which is not what was asked for. */
	if (n == 0)
		return err_set(err, ERR_INVALID, 0, "it must be at least 1");
	cli->request.limit = (uint32_t)n;
	return 0;
}

int filter_check(const struct cli *cli, struct err *err)
{
	if (cli->request.until_ms &&
	    cli->request.since_ms > cli->request.until_ms)
		return err_set(err, ERR_INVALID, 0,
			       "--since is later than --until");
	return 0;
}
