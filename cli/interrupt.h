/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interrupt.h - Ctrl-C while the agent works
 *
 * The work is the agent's and goes on without us, so all there is to do is to
 * say so and to leave.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

/* From now on SIGINT prints this line to standard error and ends the
 * program with EXIT_INTERRUPTED. */
void interrupt_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
