/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-cut.c - a guest that was asked to freeze is always asked to thaw */
#include "tests/lib/test.h"

#include <string.h>

#include "agent/engine/cut.h"
#include "agent/engine/guard.h"
#include "agent/engine/session.h"
#include "agent/virt/guest.h"
#include "base/clock.h"

/* A guest, a guard and a driver that do as told and write down what they were
 * asked, in order: o guard owe, f freeze, c cut, t thaw, p guard paid. */
static struct fake {
	char said[32];
	int freeze_r, n_freeze; /* answer of the freeze */
	int thaw_r, n_thaw;     /* answer of the thaw */
	int thaw_ok_after;      /* thaws that fail before */
	int owe_r;
	int cut_r;
	int64_t deadline_ms; /* of the cut */
} fake;

static void say(char c)
{
	size_t n = strlen(fake.said);

	assert_true(n + 1 < sizeof(fake.said));
	fake.said[n] = c;
}

int guest_ping(struct virt_dom *dom, int64_t deadline_ms, struct err *err)
{
	(void)dom, (void)deadline_ms, (void)err;
	return 0;
}

int guest_sync(struct virt_dom *dom, int64_t deadline_ms, struct err *err)
{
	(void)dom, (void)deadline_ms, (void)err;
	return 0;
}

int guest_is_frozen(struct virt_dom *dom, int64_t deadline_ms, bool *ret,
		    struct err *err)
{
	(void)dom, (void)deadline_ms, (void)ret;
	return err_set(err, ERR_GUEST, 0, "not asked for here");
}

int guest_thaw_channel(const char *path, int64_t deadline_ms, struct err *err)
{
	(void)path, (void)deadline_ms;
	return err_set(err, ERR_GUEST, 0, "not asked for here");
}

int guest_freeze(struct virt_dom *dom, int64_t deadline_ms, int *ret_n,
		 struct err *err)
{
	(void)dom, (void)deadline_ms;
	say('f');
	if (fake.freeze_r < 0)
		return err_set(err, (enum err_code) - fake.freeze_r, 0,
			       "no answer to the freeze");
	*ret_n = fake.n_freeze;
	return 0;
}

int guest_thaw(struct virt_dom *dom, int64_t deadline_ms, int *ret_n,
	       struct err *err)
{
	(void)dom;
	say('t');
	assert_true(deadline_ms > clock_ms());
	if (fake.thaw_r < 0 && fake.thaw_ok_after-- != 0)
		return err_set(err, ERR_TIMEOUT, 0, "no answer to the thaw");
	*ret_n = fake.n_thaw;
	return 0;
}

int guard_owe(struct guard *guard, const struct id *domain, const char *channel,
	      int64_t deadline_ms, struct err *err)
{
	(void)guard, (void)domain, (void)channel, (void)deadline_ms;
	say('o');
	return fake.owe_r < 0 ? err_set(err, ERR_GUEST, 0, "no guard") : 0;
}

void guard_paid(struct guard *guard, const struct id *domain)
{
	(void)guard, (void)domain;
	say('p');
}

static int fake_cut(struct leg *leg, int64_t deadline_ms, struct err *err)
{
	(void)leg;
	say('c');
	fake.deadline_ms = deadline_ms;
	return fake.cut_r < 0 ? err_set(err, ERR_STORAGE, 0, "no cut") : 0;
}

static const struct driver driver = { .name = "fake", .cut = fake_cut };

struct result {
	int r;
	struct err err;
	bool owes_thaw;
	enum consistency consistency;
	char note[SNAPSHOT_DESCRIPTION];
	int64_t frozen_ms;
};

static struct result run(enum freeze freeze, enum consistency wanted)
{
	struct session_leg leg = { .driver = &driver };
	struct session session = { .legs = &leg, .n_legs = 1 };
	struct cut cut = { .session = &session,
			   .freeze = freeze,
			   .max_frozen_ms = 1000,
			   .max_cut_ms = 1000 };
	struct result result = { 0 };

	snapshot_init(&session.snap);
	session.snap.consistency = wanted;
	strcpy(session.domain.name, "web-1");
	memset(fake.said, 0, sizeof(fake.said));
	result.r = cut_run(&cut, &result.err);
	result.owes_thaw = cut.owes_thaw;
	result.consistency = session.snap.consistency;
	result.frozen_ms = session.snap.frozen_ms;
	strcpy(result.note, session.snap.note);
	return result;
}

static void all_goes_well(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ .n_freeze = 2, .n_thaw = 2 };
	x = run(FREEZE_REQUIRE, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, 0);
	assert_string_equal(fake.said, "ofctp");
	assert_false(x.owes_thaw);
	assert_int_equal(x.consistency, CONSISTENCY_FROZEN);
	assert_string_equal(x.note, "");
	assert_true(x.frozen_ms >= 0);
	/* Something is left of the window for the thaw. */
	assert_true(fake.deadline_ms < clock_ms() + 1000);
}

static void an_off_domain_is_not_asked(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ 0 };
	x = run(FREEZE_REQUIRE, CONSISTENCY_OFFLINE);
	assert_int_equal(x.r, 0);
	assert_string_equal(fake.said, "c");
	assert_int_equal(x.consistency, CONSISTENCY_OFFLINE);
	assert_int_equal(x.frozen_ms, -1);
}

static void no_guard_no_freeze(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ .owe_r = -1, .n_freeze = 2, .n_thaw = 2 };
	x = run(FREEZE_REQUIRE, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, -ERR_GUEST);
	assert_string_equal(fake.said, "o");
	x = run(FREEZE_PREFER, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, 0);
	assert_string_equal(fake.said, "oc");
	assert_int_equal(x.consistency, CONSISTENCY_CRASH);
	assert_string_equal(x.note, "not frozen: no guard");
}

/* A failed freeze may have frozen the guest. */
static void a_failed_freeze_is_thawed(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ .freeze_r = -ERR_GUEST };
	x = run(FREEZE_REQUIRE, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, -ERR_GUEST);
	assert_string_equal(fake.said, "oftp");
	assert_false(x.owes_thaw);

	x = run(FREEZE_PREFER, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, 0);
	assert_string_equal(fake.said, "oftpc");
	assert_int_equal(x.consistency, CONSISTENCY_CRASH);
	assert_string_equal(x.note, "not frozen: no answer to the freeze");
}

/* An agent that hangs may freeze the guest yet: the debt stays, and nobody
 * waits for it here. */
static void a_freeze_timed_out_stays_owed(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ .freeze_r = -ERR_TIMEOUT };
	x = run(FREEZE_REQUIRE, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, -ERR_TIMEOUT);
	assert_true(x.owes_thaw);
	assert_string_equal(fake.said, "of");

	x = run(FREEZE_PREFER, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, 0);
	assert_string_equal(fake.said, "ofc");
	assert_true(x.owes_thaw);
	assert_int_equal(x.consistency, CONSISTENCY_CRASH);
}

static void a_thaw_that_fails_stays_owed(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ .n_freeze = 1,
			      .thaw_r = -1,
			      .thaw_ok_after = -1 };
	x = run(FREEZE_REQUIRE, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, -ERR_TIMEOUT);
	assert_true(x.owes_thaw);
	assert_null(strchr(fake.said, 'p'));
	x = run(FREEZE_PREFER, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, 0);
	assert_true(x.owes_thaw);
	assert_int_equal(x.consistency, CONSISTENCY_CRASH);
}

static void a_failed_cut_is_thawed(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ .n_freeze = 2, .n_thaw = 2, .cut_r = -1 };
	x = run(FREEZE_PREFER, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, -ERR_STORAGE);
	assert_string_equal(fake.said, "ofctp");
	assert_false(x.owes_thaw);
}

/* Windows after 10 s, a reboot, the guard: then it was not frozen for all we
 * know. */
static void thawed_by_itself_is_not_frozen(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ .n_freeze = 2, .n_thaw = 0 };
	x = run(FREEZE_PREFER, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, 0);
	assert_int_equal(x.consistency, CONSISTENCY_CRASH);
	assert_non_null(strstr(x.note, "0 of 2"));
	x = run(FREEZE_REQUIRE, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, -ERR_GUEST);
	assert_false(x.owes_thaw);
}

/* A mistaken mount point is "success" with nothing frozen. */
static void frozen_nothing_is_not_frozen(void **state)
{
	struct result x;

	(void)state;
	fake = (struct fake){ .n_freeze = 0 };
	x = run(FREEZE_REQUIRE, CONSISTENCY_FROZEN);
	assert_int_equal(x.r, -ERR_GUEST);
	assert_string_equal(fake.said, "oftp");
	x = run(FREEZE_PREFER, CONSISTENCY_FROZEN);
	assert_int_equal(x.consistency, CONSISTENCY_CRASH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_goes_well),
		cmocka_unit_test(an_off_domain_is_not_asked),
		cmocka_unit_test(no_guard_no_freeze),
		cmocka_unit_test(a_failed_freeze_is_thawed),
		cmocka_unit_test(a_freeze_timed_out_stays_owed),
		cmocka_unit_test(a_thaw_that_fails_stays_owed),
		cmocka_unit_test(a_failed_cut_is_thawed),
		cmocka_unit_test(thawed_by_itself_is_not_frozen),
		cmocka_unit_test(frozen_nothing_is_not_frozen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
