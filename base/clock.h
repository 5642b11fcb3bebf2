/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock.h - the two clocks, in milliseconds
 *
 * Deadlines and durations are of clock_ms() (CLOCK_MONOTONIC, the same in all
 * processes of one boot: the hook's deadline can be compared with ours).
 * Times that are stored or shown are of clock_wall_ms() (Unix time).  Both may
 * be called from any thread and never block.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);
int64_t clock_us(void); /* CLOCK_MONOTONIC too, for short spans */
int64_t clock_wall_ms(void);

/* Milliseconds left until `deadline_ms`, never negative, as poll() wants it. */
int clock_left_ms(int64_t deadline_ms);

#endif
