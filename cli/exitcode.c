/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exitcode.c - error code to exit code and advice */
#include "cli/exitcode.h"

/* What is not in the table is EXIT_FAILED without advice. */
static const struct rule {
	enum err_code code;
	enum exitcode exit;
	const char *hint;
} rules[] = {
	{ ERR_INVALID, EXIT_USAGE, "see --help" },
	{ ERR_ABSENT, EXIT_NOT_FOUND, "see 'snaptree tree' for what there is" },
	{ ERR_BUSY, EXIT_BUSY,
	  "try again when it has finished; see 'snaptree events'" },
	{ ERR_TIMEOUT, EXIT_BUSY, "see 'snaptree events'" },
};

enum exitcode exitcode_of(const struct err *err, bool unreachable)
{
	/* An address that is wrong in itself is the caller's mistake. */
	if (unreachable && err->code == ERR_INVALID && err->sys == 0)
		return EXIT_USAGE;
	if (unreachable && err->code != ERR_TIMEOUT && err->code != ERR_NOMEM)
		return EXIT_UNREACHABLE;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].code == err->code)
			return rules[i].exit;
	return EXIT_FAILED;
}

const char *exitcode_hint(const struct err *err, bool unreachable)
{
	if (unreachable && err->code == ERR_PROTO)
		return "are both of the same version?";
	if (unreachable && err->code == ERR_TIMEOUT)
		return "see 'snaptree events'; --timeout waits longer";
	if (unreachable)
		return "is it running? --agent or --collector says where to ask";
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].code == err->code)
			return rules[i].hint;
	return NULL;
}
