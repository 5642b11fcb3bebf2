/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * help.h - --help and --version, made from the tables of verbs and options
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

struct verb;

/* NULL: the general help.  To standard output. */
void help_print(const struct verb *verb);
void help_version(void);

#endif
