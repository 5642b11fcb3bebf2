/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cut.c - the freeze window */
#include "agent/engine/cut.h"

#include <stdio.h>
#include <string.h>

#include "agent/engine/guard.h"
#include "agent/engine/session.h"
#include "agent/virt/guest.h"
#include "base/clock.h"
#include "base/str.h"

/* A thaw gets this much even when the window is over. */
#define THAW_MS 3000
/* Between a freeze that failed and the crash-consistent cut. */
#define THAW_FAILED_MS 1500

/* At least this is kept for the thaw at the end of the window. */
#define THAW_RESERVE_MS 100

static void note(struct snapshot *snap, const char *what, const char *why)
{
	char text[SNAPSHOT_DESCRIPTION];

	snap->consistency = CONSISTENCY_CRASH;
	snprintf(text, sizeof(text), "%s%s%s", what, why[0] ? ": " : "", why);
	str_copy_cut(snap->note, sizeof(snap->note), text);
}

static int64_t since_ms(int64_t start_us)
{
	return (clock_us() - start_us + 500) / 1000;
}

static int thaw(struct cut *cut, int64_t ms, int *ret_n, struct err *err)
{
	struct session *session = cut->session;
	int r = guest_thaw(session->dom, clock_ms() + ms, ret_n, err);

	if (r == 0) {
		cut->owes_thaw = false;
		guard_paid(cut->guard, &session->domain.uuid);
	}
	return r;
}

/* Ask for the freeze.  From guard_owe() on a thaw is owed, whatever is
 * answered: the guest may have frozen and the reply been lost. */
static int freeze(struct cut *cut, int *ret_n, struct err *err)
{
	struct session *session = cut->session;
	const int64_t deadline = clock_ms() + cut->max_frozen_ms;
	const int64_t start = clock_us();
	int r;

	r = guard_owe(cut->guard, &session->domain.uuid,
		      session->domain.agent_path, deadline, err);
	if (r < 0)
		return r;
	cut->owes_thaw = true;
	r = guest_freeze(session->dom, deadline, ret_n, err);
	session->snap.freeze_ms = since_ms(start);
	if (r == 0 && *ret_n == 0)
		return err_set(
			err, ERR_GUEST, 0,
			"the guest has no file system that can be frozen");
	return r;
}

/* The freeze failed: be sure that the guest is not frozen after all, then fall
 * back to a crash-consistent cut, or fail.  An agent that hangs would only let
 * us wait again, some 5 s in libvirt whatever we ask for: that thaw is left to
 * the guard, whose deadline has come too, and to the engine. */
static int fall_back(struct cut *cut, int r, struct err *why, struct err *err)
{
	struct err thaw_err = { 0 };
	int n;

	if (cut->owes_thaw && r != -ERR_TIMEOUT)
		(void)thaw(cut, THAW_FAILED_MS, &n, &thaw_err);
	if (cut->freeze == FREEZE_REQUIRE) {
		if (err)
			*err = *why;
		return err_wrap(err, r, "cannot freeze '%s'",
				cut->session->domain.name);
	}
	note(&cut->session->snap, "not frozen", why->text);
	return 0;
}

/* After the cut: thaw, and compare with what had been frozen. */
static int end_window(struct cut *cut, int n_frozen, int64_t start_us,
		      struct err *err)
{
	struct snapshot *snap = &cut->session->snap;
	const int64_t thaw_us = clock_us();
	struct err why = { 0 };
	int n = 0, r;

	r = thaw(cut, THAW_MS, &n, &why);
	snap->thaw_ms = since_ms(thaw_us);
	snap->frozen_ms = since_ms(start_us);
	if (r == 0 && n == n_frozen)
		return 0;

	if (r == 0)
		snprintf(
			why.text, sizeof(why.text),
			"the guest was thawed before the cut had ended (%d of %d file systems were still frozen)",
			n, n_frozen);
	if (cut->freeze == FREEZE_REQUIRE)
		return err_set(err, r == 0 ? ERR_GUEST : why.code, 0, "%s",
			       why.text);
	note(snap, "not frozen", why.text);
	return 0;
}

int cut_run(struct cut *cut, struct err *err)
{
	struct session *session = cut->session;
	struct snapshot *snap = &session->snap;
	int64_t deadline = clock_ms() + cut->max_cut_ms;
	const int64_t start_us = clock_us();
	struct err why = { 0 }, late = { 0 };
	int n_frozen = 0, r = 0, thaw_r = 0;
	int64_t cut_us;

	if (snap->consistency == CONSISTENCY_FROZEN) {
		r = freeze(cut, &n_frozen, &why);
		if (r < 0)
			r = fall_back(cut, r, &why, err);
		else
			deadline = start_us / 1000 + cut->max_frozen_ms -
				   THAW_RESERVE_MS;
	}
	/* No journal write from here to the thaw: an fsync would be guest
	 * downtime, and CUTTING already tells a restart all it needs. */
	snap->taken_ms = clock_wall_ms();
	cut_us = clock_us();
	if (r == 0)
		r = session_cut(session, deadline, err);
	snap->cut_ms = since_ms(cut_us);

	if (n_frozen > 0)
		thaw_r = end_window(cut, n_frozen, start_us, &late);
	if (r < 0)
		return r;
	if (thaw_r < 0 && err)
		*err = late;
	return thaw_r;
}
