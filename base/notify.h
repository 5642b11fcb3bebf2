/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * notify.h - what we tell systemd; nothing happens without NOTIFY_SOCKET or
 * in a build without libsystemd.  Loop thread; never blocks.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_stopping(void);
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void notify_watchdog(void);
/* Ask for that much more time to stop or start. */
void notify_extend(int64_t ms);

/* Period of notify_watchdog() calls that systemd wants, 0 for none. */
int64_t notify_watchdog_period_ms(void);

/* The first listening socket passed by systemd, or -1. */
int notify_listen_fd(void);

#endif
