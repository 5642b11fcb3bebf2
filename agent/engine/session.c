/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session.c - one domain at work: its handle, its description, its legs */
#include "agent/engine/session.h"

#include <stdlib.h>
#include <string.h>

#include "agent/virt/dom.h"
#include "base/clock.h"
#include "base/str.h"

static int describe(struct session *session, struct virt *virt,
		    bool may_be_gone, struct err *err)
{
	const struct snapshot *snap = &session->snap;
	struct err why = { 0 };
	int r;

	r = dom_open(virt, &snap->domain, &session->dom, &why);
	if (r == -ERR_ABSENT && may_be_gone) {
		session->domain.uuid = snap->domain;
		session->domain.state = DOMAIN_OFF;
		str_copy(session->domain.name, sizeof(session->domain.name),
			 snap->domain_name);
		return 0;
	}
	if (r == 0)
		r = dom_describe(session->dom, &session->domain, &why);
	if (r < 0 && err)
		*err = why;
	return r;
}

int session_new(struct session **ret, struct virt *virt,
		const struct snapshot *snap, const struct domain *given,
		bool may_be_gone, struct err *err)
{
	struct session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return err_set(err, ERR_NOMEM, 0, "out of memory");

	r = snapshot_copy(&session->snap, snap, err);
	if (r == 0 && given)
		r = domain_copy(&session->domain, given, err);
	else if (r == 0)
		r = describe(session, virt, may_be_gone, err);
	if (r < 0) {
		session_free(session);
		return r;
	}
	*ret = session;
	return 0;
}

static void free_legs(struct session *session)
{
	for (size_t i = 0; i < session->n_legs; i++) {
		struct session_leg *l = &session->legs[i];

		if (l->driver->release)
			l->driver->release(&l->leg);
		free(l->leg.disks);
	}
	free(session->legs);
	session->legs = NULL;
	session->n_legs = 0;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	free_legs(session);
	dom_close(session->dom);
	domain_done(&session->domain);
	snapshot_done(&session->snap);
	free(session);
}

static bool spells_chain(const struct session *session)
{
	for (size_t i = 0; i < session->snap.n_disks; i++) {
		const struct disk *disk = domain_disk(
			&session->domain, session->snap.disks[i].target);

		if (disk && disk->chain_spelled)
			return true;
	}
	return false;
}

void session_let_go(struct session *session)
{
	if (session->domain.state != DOMAIN_OFF || spells_chain(session))
		return;
	dom_close(session->dom);
	session->dom = NULL;
	for (size_t i = 0; i < session->n_legs; i++)
		session->legs[i].leg.dom = NULL;
}

static struct session_leg *leg_of(struct session *session,
				  const struct driver *driver)
{
	for (size_t i = 0; i < session->n_legs; i++)
		if (session->legs[i].driver == driver)
			return &session->legs[i];
	return NULL;
}

static int add_disk(struct session *session, struct snapshot_disk *disk,
		    const struct storage_config *config, struct err *err)
{
	const struct driver *driver = driver_by_name(disk->driver);
	struct session_leg *l;

	if (!driver)
		return err_set(err, ERR_UNSUPPORTED, 0,
			       "disk '%s': this build has no driver '%s'",
			       disk->target, disk->driver);
	l = leg_of(session, driver);
	if (!l) {
		l = &session->legs[session->n_legs];
		l->leg.disks = calloc(session->snap.n_disks,
				      sizeof(struct snapshot_disk *));
		if (!l->leg.disks)
			return err_set(err, ERR_NOMEM, 0, "out of memory");
		session->n_legs++;
		l->driver = driver;
		l->leg.config = config;
		l->leg.snap = &session->snap;
		l->leg.domain = &session->domain;
		l->leg.dom = session->dom;
	}
	l->leg.disks[l->leg.n_disks++] = disk;
	return 0;
}

int session_make_legs(struct session *session,
		      const struct storage_config *config, struct err *err)
{
	int r = 0;

	free_legs(session);
	if (session->snap.n_disks == 0)
		return 0;
	session->legs = calloc(session->snap.n_disks, sizeof(*session->legs));
	if (!session->legs)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	for (size_t i = 0; i < session->snap.n_disks && r == 0; i++)
		r = add_disk(session, &session->snap.disks[i], config, err);
	return r;
}

int session_prepare(struct session *session, int64_t deadline_ms,
		    struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->n_legs && r == 0; i++)
		r = session->legs[i].driver->prepare(&session->legs[i].leg,
						     deadline_ms, err);
	return r;
}

int session_cut(struct session *session, int64_t deadline_ms, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->n_legs && r == 0; i++) {
		struct session_leg *l = &session->legs[i];
		int64_t start = clock_ms();

		if (start >= deadline_ms)
			return err_set(
				err, ERR_TIMEOUT, 0,
				"no time left to cut the disks of '%s' (%s)",
				session->domain.name, l->driver->name);
		r = l->driver->cut(&l->leg, deadline_ms, err);
		for (size_t k = 0; k < l->leg.n_disks; k++)
			l->leg.disks[k]->cut_ms = clock_ms() - start;
	}
	return r;
}

int session_settle(struct session *session, int64_t deadline_ms,
		   struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->n_legs && r == 0; i++)
		if (session->legs[i].driver->settle)
			r = session->legs[i].driver->settle(
				&session->legs[i].leg, deadline_ms, err);
	return r;
}

int session_remove(struct session *session, int64_t deadline_ms,
		   struct err *err)
{
	int first = 0;

	for (size_t i = 0; i < session->n_legs; i++) {
		struct err why = { 0 };
		int r = session->legs[i].driver->remove(&session->legs[i].leg,
							deadline_ms, &why);

		if (r < 0 && first == 0) {
			first = r;
			if (err)
				*err = why;
		}
	}
	return first;
}

int session_inspect(struct session *session, enum leg_presence *ret,
		    int64_t deadline_ms, struct err *err)
{
	size_t present = 0, absent = 0;

	for (size_t i = 0; i < session->n_legs; i++) {
		enum leg_presence p = LEG_ABSENT;
		int r = session->legs[i].driver->inspect(&session->legs[i].leg,
							 &p, deadline_ms, err);

		if (r < 0)
			return r;
		present += p == LEG_PRESENT;
		absent += p == LEG_ABSENT;
	}
	*ret = present == session->n_legs  ? LEG_PRESENT
	       : absent == session->n_legs ? LEG_ABSENT
					   : LEG_PARTIAL;
	return 0;
}
