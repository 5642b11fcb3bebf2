/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cleanup.h - release on scope exit
 *
 * Only for a release that cannot fail: memory, descriptors, locks, SQLite
 * statements.  A release that can fail (thaw, commit, flush) is written out
 * where the reader can see its error being handled.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* From `void T_free(struct T *)` make `T_freep` for CLEANUP(). */
#define DEFINE_CLEANUP(type, fn)           \
	static inline void fn##p(type **p) \
	{                                  \
		if (*p)                    \
			fn(*p);            \
	}

/* Hand ownership on: yields the pointer and leaves NULL behind. */
#define TAKE(p)                           \
	__extension__({                   \
		__typeof__(p) *p_ = &(p); \
		__typeof__(p) v_ = *p_;   \
		*p_ = NULL;               \
		v_;                       \
	})

#endif
