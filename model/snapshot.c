/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snapshot.c - words, copies and validation of snapshots */
#include "model/snapshot.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

WORD_DEFINE(origin, ORIGINS)
WORD_DEFINE(consistency, CONSISTENCIES)
WORD_DEFINE(freeze, FREEZES)
WORD_DEFINE(snapshot_state, SNAPSHOT_STATES)

void snapshot_init(struct snapshot *snap)
{
	memset(snap, 0, sizeof(*snap));
	snap->sync_ms = snap->freeze_ms = snap->cut_ms = -1;
	snap->thaw_ms = snap->frozen_ms = -1;
}

void snapshot_done(struct snapshot *snap)
{
	free(snap->disks);
	snapshot_init(snap);
}

int snapshot_copy(struct snapshot *ret, const struct snapshot *from,
		  struct err *err)
{
	struct snapshot_disk *disks = NULL;

	if (from->n_disks > 0) {
		disks = calloc(from->n_disks, sizeof(*disks));
		if (!disks)
			return err_set(err, ERR_NOMEM, 0, "out of memory");
		memcpy(disks, from->disks, from->n_disks * sizeof(*disks));
	}
	*ret = *from;
	ret->disks = disks;
	return 0;
}

int snapshot_add_disk(struct snapshot *snap, struct snapshot_disk **ret,
		      struct err *err)
{
	struct snapshot_disk *disks;

	disks = realloc(snap->disks, (snap->n_disks + 1) * sizeof(*disks));
	if (!disks)
		return err_set(err, ERR_NOMEM, 0, "out of memory");

	snap->disks = disks;
	*ret = &disks[snap->n_disks++];
	memset(*ret, 0, sizeof(**ret));
	(*ret)->size_bytes = (*ret)->cut_ms = -1;
	return 0;
}

int snapshot_check_label(const char *label, struct err *err)
{
	char shown[SNAPSHOT_LABEL];
	size_t n = strlen(label);

	str_show(shown, sizeof(shown), label);
	if (n == 0)
		return err_set(err, ERR_INVALID, 0, "label is empty");
	if (n >= SNAPSHOT_LABEL)
		return err_set(err, ERR_INVALID, 0,
			       "label is longer than %d bytes",
			       SNAPSHOT_LABEL - 1);
	if (!str_is_clean(label))
		return err_set(
			err, ERR_INVALID, 0,
			"label '%s' has control characters or is not UTF-8",
			shown);
	if (strpbrk(label, "@/") || label[0] == ' ' || label[n - 1] == ' ')
		return err_set(
			err, ERR_INVALID, 0,
			"label '%s' has '@' or '/', or a space at an end",
			shown);
	if (strcmp(label, "head") == 0)
		return err_set(err, ERR_INVALID, 0,
			       "label 'head' is kept for the head of a tree");
	return 0;
}

int snapshot_check_tags(const char *tags, struct err *err)
{
	char shown[SNAPSHOT_TAGS];
	bool in_word = false;

	str_show(shown, sizeof(shown), tags);
	if (strlen(tags) >= SNAPSHOT_TAGS)
		return err_set(err, ERR_INVALID, 0,
			       "tags are longer than %d bytes together",
			       SNAPSHOT_TAGS - 1);
	for (const char *p = tags; *p; p++) {
		bool good = isalnum((unsigned char)*p) || strchr("._:=-", *p);

		if (!good && (*p != ' ' || !in_word || !p[1]))
			return err_set(
				err, ERR_INVALID, 0,
				"tags '%s' have a character other than letters, digits and . _ : = -",
				shown);
		in_word = good;
	}
	return 0;
}

int snapshot_check_description(const char *text, struct err *err)
{
	if (strlen(text) >= SNAPSHOT_DESCRIPTION)
		return err_set(err, ERR_INVALID, 0,
			       "description is longer than %d bytes",
			       SNAPSHOT_DESCRIPTION - 1);
	if (!str_is_clean(text))
		return err_set(
			err, ERR_INVALID, 0,
			"description has control characters or is not UTF-8");
	return 0;
}
