/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verb.c - the table of verbs and look-ups in it */
#include "cli/verb.h"

#include <stddef.h>
#include <string.h>

#include "cli/text.h"

#define X(name) extern const struct verb cmd_##name;
VERBS(X)
#undef X

static const struct verb *const verbs[] = {
#define X(name) &cmd_##name,
	VERBS(X)
#undef X
		NULL,
};

const struct verb *verb_at(unsigned i)
{
	return verbs[i];
}

const struct verb *verb_by_name(const char *name)
{
	for (unsigned i = 0; verbs[i]; i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

const struct verb *verb_near(const char *name)
{
	const struct verb *best = NULL;
	unsigned best_distance = TEXT_NEAR + 1;

	for (unsigned i = 0; verbs[i]; i++) {
		unsigned d = text_distance(name, verbs[i]->name);

		if (d < best_distance && d < strlen(verbs[i]->name)) {
			best_distance = d;
			best = verbs[i];
		}
	}
	return best;
}
