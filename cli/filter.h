/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * filter.h - setters of the options that choose rows, shared by verbs
 *
 * Each is a `set` of struct verb_option and writes to the request.
 */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "base/err.h"

struct cli;

int filter_vm(struct cli *cli, const char *value, struct err *err);
int filter_host(struct cli *cli, const char *value, struct err *err);
int filter_label(struct cli *cli, const char *value, struct err *err);
int filter_tag(struct cli *cli, const char *value, struct err *err);
int filter_consistency(struct cli *cli, const char *value, struct err *err);
int filter_origin(struct cli *cli, const char *value, struct err *err);
int filter_since(struct cli *cli, const char *value, struct err *err);
int filter_until(struct cli *cli, const char *value, struct err *err);
int filter_after(struct cli *cli, const char *value, struct err *err);
int filter_limit(struct cli *cli, const char *value, struct err *err);

/* ERR_INVALID when --since is later than --until. */
int filter_check(const struct cli *cli, struct err *err);

#define FILTER_VM                                      \
	{                                              \
		"vm", 0, "VM", "of this VM", filter_vm \
	}
#define FILTER_HOST                                                          \
	{                                                                    \
		"host", 0, "HOST", "of this host: name or UUID", filter_host \
	}
#define FILTER_SINCE                                                    \
	{                                                               \
		"since", 0, "TIME", "not older than that", filter_since \
	}
#define FILTER_LIMIT                                          \
	{                                                     \
		"limit", 0, "N", "the newest N", filter_limit \
	}

#endif
