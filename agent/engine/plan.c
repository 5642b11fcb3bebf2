/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan.c - which disks, which drivers, which names */
#include "agent/engine/plan.h"

#include <stdio.h>
#include <string.h>

#include "agent/engine/session.h"
#include "base/str.h"

static bool is_listed(const char *list, const char *target)
{
	const size_t n = strlen(target);

	for (const char *p = list; (p = strstr(p, target)); p += n)
		if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

/* Every disk that was asked for must be there. */
static int check_list(const struct domain *domain, const char *list,
		      struct err *err)
{
	char word[DISK_TARGET], shown[DISK_TARGET];

	for (const char *p = list; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n >= sizeof(word))
			n = sizeof(word) - 1;
		memcpy(word, p, n);
		word[n] = '\0';
		if (!domain_disk(domain, word))
			return err_set(err, ERR_INVALID, 0,
				       "domain '%s' has no disk '%s'",
				       domain->name,
				       str_show(shown, sizeof(shown), word));
		p += strcspn(p, " ");
	}
	return 0;
}

static const struct snapshot_disk *disk_in(const struct snapshot *snap,
					   const char *target)
{
	for (size_t i = 0; snap && i < snap->n_disks; i++)
		if (strcmp(snap->disks[i].target, target) == 0)
			return &snap->disks[i];
	return NULL;
}

static int refuse(const struct disk *disk, struct err *err)
{
	const char *what = disk_type_word(disk->type);

	if (!disk->is_disk)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"disk '%s' is a removable or passed-through device",
			disk->target);
	if (!disk->source[0])
		return err_set(err, ERR_UNSUPPORTED, 0, "disk '%s' is empty",
			       disk->target);
	return err_set(
		err, ERR_UNSUPPORTED, 0,
		"disk '%s' is of type '%s'%s%s, for which there is no driver; leave it out with --disk",
		disk->target, what, disk->protocol[0] ? " " : "",
		disk->protocol);
}

static int add_disk(struct session *session, const struct disk *disk,
		    const struct plan_request *request, struct err *err)
{
	const struct snapshot_disk *last = disk_in(request->head, disk->target);
	const struct driver *driver;
	struct snapshot_disk *made;
	int r;

	driver = driver_for(disk, &session->domain, last ? last->driver : NULL,
			    request->storage);
	if (!driver)
		return refuse(disk, err);
	r = snapshot_add_disk(&session->snap, &made, err);
	if (r < 0)
		return r;
	str_copy(made->target, sizeof(made->target), disk->target);
	str_copy(made->driver, sizeof(made->driver), driver->name);
	str_copy(made->source, sizeof(made->source), disk->source);
	made->role = disk->role;
	return 0;
}

static int choose_disks(struct session *session,
			const struct plan_request *request, struct err *err)
{
	const struct domain *domain = &session->domain;
	int r = check_list(domain, request->disks, err);

	for (size_t i = 0; i < domain->n_disks && r == 0; i++) {
		const struct disk *disk = &domain->disks[i];
		bool take = request->disks[0]
				    ? is_listed(request->disks, disk->target)
				    : disk_is_wanted(disk);

		if (take)
			r = add_disk(session, disk, request, err);
	}
	if (r == 0 && session->snap.n_disks == 0)
		return err_set(err, ERR_INVALID, 0,
			       "domain '%s' has no disk to snapshot",
			       domain->name);
	return r;
}

/* What was written since the head belongs to it only if the guest still writes
 * where the head's cut left it; else somebody moved the disk, and a link would
 * be a lie. */
static void link_parent(struct snapshot *snap, const struct domain *domain,
			const struct snapshot *head)
{
	for (size_t i = 0; head && i < head->n_disks; i++) {
		const struct snapshot_disk *was = &head->disks[i];
		const struct disk *is = domain_disk(domain, was->target);

		if (is && strcmp(is->source, was->active) != 0) {
			snprintf(
				snap->note, sizeof(snap->note),
				"a new root: disk '%s' is not where the snapshot before left it",
				was->target);
			return;
		}
	}
	if (head)
		snap->parent = head->id;
}

static int choose_consistency(struct session *session,
			      const struct plan_request *request,
			      struct err *err)
{
	struct snapshot *snap = &session->snap;
	const char *why = NULL;

	if (session->domain.state == DOMAIN_OFF) {
		snap->consistency = CONSISTENCY_OFFLINE;
		return 0;
	}
	snap->consistency = CONSISTENCY_CRASH;
	if (request->freeze == FREEZE_NEVER)
		return 0;
	if (session->domain.state == DOMAIN_PAUSED)
		why = "the domain is paused";
	else if (!session->domain.has_agent)
		why = "the domain has no guest agent channel";
	if (!why) {
		snap->consistency = CONSISTENCY_FROZEN;
		return 0;
	}
	if (request->freeze == FREEZE_REQUIRE)
		return err_set(
			err, ERR_GUEST, 0,
			"cannot freeze '%s': %s (freeze 'prefer' takes a crash-consistent snapshot)",
			session->domain.name, why);
	if (!snap->note[0])
		snprintf(snap->note, sizeof(snap->note), "not frozen: %s", why);
	return 0;
}

int plan_make(struct session *session, const struct plan_request *request,
	      struct err *err)
{
	int r;

	str_copy(session->snap.domain_name, sizeof(session->snap.domain_name),
		 session->domain.name);
	r = choose_disks(session, request, err);
	if (r == 0) {
		link_parent(&session->snap, &session->domain, request->head);
		r = choose_consistency(session, request, err);
	}
	if (r == 0)
		r = session_make_legs(session, request->storage, err);
	for (size_t i = 0; i < session->n_legs && r == 0; i++)
		r = session->legs[i].driver->plan(&session->legs[i].leg,
						  request->deadline_ms, err);
	return r;
}

int plan_check(const struct session *session, const struct domain *now,
	       struct err *err)
{
	if (now->state != session->domain.state)
		return err_set(err, ERR_BUSY, 0,
			       "domain '%s' was %s and is %s now", now->name,
			       domain_state_word(session->domain.state),
			       domain_state_word(now->state));
	for (size_t i = 0; i < session->snap.n_disks; i++) {
		const struct snapshot_disk *disk = &session->snap.disks[i];
		const struct disk *is = domain_disk(now, disk->target);

		if (!is || strcmp(is->source, disk->source) != 0)
			return err_set(
				err, ERR_BUSY, 0,
				"disk '%s' of '%s' has changed meanwhile",
				disk->target, now->name);
	}
	return 0;
}
