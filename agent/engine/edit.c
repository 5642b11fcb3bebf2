/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * edit.c - pin, label, tags and description of a snapshot
 *
 * The normal course: change a copy, compare, write record and event in one
 * transaction.  What can fail: the journal; then nothing has changed, and who
 * asked is told.  A restart finds both or neither.
 */
#include "agent/engine/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/engine_private.h"
#include "base/clock.h"
#include "base/str.h"
#include "model/tags.h"

/* --- labels -------------------------------------------------------------- */

struct same_label {
	const char *label;
	const struct id *except;
	struct id found; /* nil: no other one has it */
};

static int compare_label(void *arg, struct snapshot *snap, struct err *err)
{
	struct same_label *same = arg;

	(void)err;
	if (strcmp(snap->label, same->label) == 0 &&
	    !(same->except && id_equal(&snap->id, same->except)))
		same->found = snap->id;
	return 0;
}

/* One that will be there soon, if nothing goes wrong. */
static void search_runs(const struct engine *engine, const struct id *domain,
			struct same_label *same, struct err *err)
{
	for (struct run *run = engine->runs; run; run = run->next) {
		const struct op *op = &run->op;

		if (op->kind == OP_CREATE && op->state < OP_UNDOING &&
		    id_equal(&op->snap.domain, domain))
			(void)compare_label(same, &run->op.snap, err);
	}
}

static bool is_known_op(struct engine *engine, const struct id *id)
{
	struct op op;

	if (id_is_null(id))
		return false;
	if (engine_find(engine, id))
		return true;
	if (journal_get_op(engine->journal, id, &op, NULL) < 0)
		return false;
	op_done(&op);
	return true;
}

int engine_check_label(struct engine *engine, const struct id *domain,
		       const char *label, const struct id *snapshot,
		       const struct id *op, struct err *err)
{
	struct same_label same = { .label = label, .except = snapshot };
	char id[ID_TEXT], shown[SNAPSHOT_LABEL];
	int r;

	if (!label[0] || (op && is_known_op(engine, op)))
		return 0;
	r = journal_each_snapshot(engine->journal, domain, compare_label, &same,
				  err);
	if (r < 0)
		return r;
	search_runs(engine, domain, &same, err);
	if (id_is_null(&same.found))
		return 0;
	return err_set(err, ERR_EXISTS, 0,
		       "snapshot '%s' of this VM has the label '%s' already "
		       "(give another, or take it from that one first)",
		       id_format(&same.found, id),
		       str_show(shown, sizeof(shown), label));
}

/* --- the change ---------------------------------------------------------- */

static int check(const struct edit *edit, struct err *err)
{
	int r = 0;

	if (edit->pin && edit->unpin)
		r = err_set(err, ERR_INVALID, 0,
			    "a snapshot cannot be pinned and unpinned at once");
	if (r == 0 && edit->label && edit->label[0])
		r = snapshot_check_label(edit->label, err);
	if (r == 0 && edit->description)
		r = snapshot_check_description(edit->description, err);
	if (r == 0 && edit->tags_add)
		r = snapshot_check_tags(edit->tags_add, err);
	if (r == 0 && edit->tags_remove)
		r = snapshot_check_tags(edit->tags_remove, err);
	return r;
}

/* `snap` shares its disks with the one that it is a copy of. */
static int change(struct engine *engine, struct snapshot *snap,
		  const struct edit *edit, struct err *err)
{
	int r = 0;

	if (edit->pin || edit->unpin)
		snap->pinned = edit->pin;
	if (edit->description)
		str_copy(snap->description, sizeof(snap->description),
			 edit->description);
	if (edit->tags_remove)
		tags_remove(snap->tags, edit->tags_remove);
	if (edit->tags_add)
		r = tags_add(snap->tags, edit->tags_add, err);
	if (r < 0 || !edit->label)
		return r;
	str_copy(snap->label, sizeof(snap->label), edit->label);
	return engine_check_label(engine, &snap->domain, snap->label, &snap->id,
				  NULL, err);
}

/* Add "what", or "what 'value'", to a list in event->text. */
static void tell(struct event *event, const char *what, const char *value)
{
	const size_t used = strlen(event->text);
	char shown[160], part[sizeof(shown) + 32];

	str_copy_cut(shown, sizeof(shown), value);
	snprintf(part, sizeof(part), "%s%s%s%s%s", used ? ", " : "", what,
		 value ? " '" : "", shown, value ? "'" : "");
	str_copy_cut(event->text + used, sizeof(event->text) - used, part);
}

static void describe(struct event *event, const struct snapshot *old,
		     const struct snapshot *new)
{
	if (old->pinned != new->pinned)
		tell(event, new->pinned ? "pinned" : "unpinned", NULL);
	if (strcmp(old->label, new->label) != 0)
		tell(event, "label", new->label);
	if (strcmp(old->tags, new->tags) != 0)
		tell(event, "tags", new->tags);
	if (strcmp(old->description, new->description) != 0)
		tell(event, "description", new->description);
}

/* A domain's name may be another one since the snapshot was taken. */
static void name_domain(struct journal *journal, struct event *event,
			const struct snapshot *snap)
{
	struct journal_domain *known = NULL;
	size_t n = 0;

	(void)journal_get_domains(journal, &snap->domain, &known, &n, NULL);
	str_copy(event->domain_name, sizeof(event->domain_name),
		 n == 1 && known->name[0] ? known->name : snap->domain_name);
	free(known);
}

static int commit(struct engine *engine, struct snapshot *snap,
		  struct event *event, struct err *err)
{
	int r = journal_begin(engine->journal, err);

	if (r < 0)
		return r;
	r = journal_put_snapshot(engine->journal, snap, err);
	if (r == 0)
		r = journal_put_event(engine->journal, event, err);
	if (r < 0) {
		journal_rollback(engine->journal);
		return r;
	}
	return journal_commit(engine->journal, err);
}

int engine_edit(struct engine *engine, struct snapshot *snap,
		const struct edit *edit, bool *ret_changed, struct err *err)
{
	struct snapshot new = *snap;
	struct event event = {
		.kind = EVENT_CHANGED,
		.time_ms = clock_wall_ms(),
		.domain = snap->domain,
		.snapshot = snap->id,
		.record = &new, /* lent: the event is not released */
	};
	int r = check(edit, err);

	if (r == 0 && snap->state == SNAPSHOT_RETIRING)
		r = err_set(err, ERR_BUSY, 0, "it is being removed");
	if (r == 0)
		r = change(engine, &new, edit, err);
	if (r < 0)
		return r;
	/* Nothing to tell of: nothing has changed. */
	describe(&event, snap, &new);
	*ret_changed = event.text[0] != '\0';
	if (!*ret_changed)
		return 0;
	name_domain(engine->journal, &event, snap);
	r = commit(engine, &new, &event, err);
	if (r < 0)
		return r;
	*snap = new;
	engine->ops->committed(engine->owner);
	return 0;
}
