/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * option.h - the command line into struct cli
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include "base/err.h"
#include "cli/verb.h"

struct cli;

/* The options every verb takes, before or after it; up to one without name. */
extern const struct verb_option option_global[];

/*
 * [GLOBAL OPTION]... VERB [OPTION|OPERAND]...; fills *cli, whose operands point
 * into argv (which is reordered).  Values are checked as far as they can be
 * without asking anyone.  ERR_INVALID names what is wrong.
 */
int option_parse(struct cli *cli, int argc, char **argv, struct err *err);

/* For setters: `value` must be one of the words, separated by spaces. */
int option_refuse_word(const char *value, const char *words, struct err *err);

/* For setters: clean text, not empty, that fits into dst. */
int option_take_text(char *dst, size_t size, const char *value,
		     struct err *err);

#endif
