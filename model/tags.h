/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tags.h - the tags of a snapshot as a set of words
 *
 * A list is text: words as snapshot_check_tags() allows, separated by one space
 * each, in the order in which they were given.
 */
#ifndef MODEL_TAGS_H
#define MODEL_TAGS_H

#include <stdbool.h>

#include "base/err.h"
#include "model/snapshot.h"

bool tags_have(const char *tags, const char *tag);

/* Add the words of `more` that are not there yet.  ERR_INVALID, and `tags` as it
 * was, when together they are too long. */
int tags_add(char tags[SNAPSHOT_TAGS], const char *more, struct err *err);
/* Take the words of `less` away, as far as they are there. */
void tags_remove(char *tags, const char *less);

#endif
