/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tags.c - the tags of a snapshot as a set of words */
#include "model/tags.h"

#include <string.h>

#include "base/str.h"

static const char *find(const char *tags, const char *tag, size_t n)
{
	while (n > 0 && *tags) {
		const size_t length = strcspn(tags, " ");

		if (length == n && memcmp(tags, tag, n) == 0)
			return tags;
		tags += length + (tags[length] == ' ');
	}
	return NULL;
}

bool tags_have(const char *tags, const char *tag)
{
	return find(tags, tag, strlen(tag)) != NULL;
}

/* The words of `from` that are not in `without` go to the end of `to`, which
 * has room for SNAPSHOT_TAGS bytes; false: it is full. */
static bool append(char *to, const char *from, const char *without)
{
	size_t used = strlen(to);

	while (*from) {
		const size_t n = strcspn(from, " ");

		if (n > 0 && !find(without, from, n)) {
			if (used + 1 + n + 1 > SNAPSHOT_TAGS)
				return false;
			if (used > 0)
				to[used++] = ' ';
			memcpy(to + used, from, n);
			used += n;
			to[used] = '\0';
		}
		from += n + (from[n] == ' ');
	}
	return true;
}

int tags_add(char tags[SNAPSHOT_TAGS], const char *more, struct err *err)
{
	char all[SNAPSHOT_TAGS];

	str_copy(all, sizeof(all), tags);
	/* One that is in `more` twice is found in `all` the second time. */
	if (!append(all, more, all))
		return err_set(err, ERR_INVALID, 0,
			       "tags are longer than %d bytes together",
			       SNAPSHOT_TAGS - 1);
	str_copy(tags, SNAPSHOT_TAGS, all);
	return 0;
}

void tags_remove(char *tags, const char *less)
{
	char rest[SNAPSHOT_TAGS] = "";

	(void)append(rest, tags, less);
	str_copy(tags, strlen(tags) + 1, rest);
}
