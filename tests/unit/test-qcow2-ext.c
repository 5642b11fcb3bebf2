/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-qcow2-ext.c - external snapshots: any order, any crash, nothing lost */
#include "tests/lib/qcow2.h"

static void test_ext_cycle(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(chmod(at("a.qcow2"), 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(at("a.qcow2"), 12345, 54321), 0);
	stat(at("a.qcow2"), &before);

	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_string_equal(snap.disks[0].active, snap.disks[0].source);
	assert_string_not_equal(snap.disks[0].object, snap.disks[0].source);
	assert_string_equal(snap.disks[0].name, "");
	assert_int_equal(snap.disks[0].size_bytes, 16 << 20);
	assert_int_equal(snap.disks[1].size_bytes, 8 << 20);
	assert_int_equal(count_files(), 2);
	assert_int_equal(look(EXTERNAL), LEG_ABSENT);

	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	assert_int_equal(count_files(), 4);
	assert_int_equal(look(EXTERNAL), LEG_ABSENT);
	stat(snap.disks[0].object, &after);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);

	assert_ok(EXTERNAL->cut(&leg, soon(), &err), err);
	assert_int_equal(look(EXTERNAL), LEG_PRESENT);
	assert_int_equal(count_files(), 4);
	stat(snap.disks[0].object, &after);
	assert_int_equal(after.st_ino,
			 before.st_ino); /* frozen: the old file */
	write_to(at("a.qcow2"), 0x22);
	assert_true(holds(at("a.qcow2"), 0x22));
	assert_true(holds(snap.disks[0].object, 0x11));
	assert_true(holds(at("b.img"), 0x11));
	assert_null(EXTERNAL->release);
	assert_ok(EXTERNAL->settle(&leg, soon(), &err), err);
}

static void test_ext_repeated(void **state)
{
	(void)state;
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_untouched();
	assert_fails(EXTERNAL->cut(&leg, soon(), &err), ERR_STORAGE, err);
	assert_untouched();
	for (int i = 0; i < 2; i++)
		assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	for (int i = 0; i < 2; i++)
		assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_untouched();
	for (int i = 0; i < 2; i++)
		assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	for (int i = 0; i < 2; i++)
		assert_ok(EXTERNAL->cut(&leg, soon(), &err), err);
	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	assert_int_equal(look(EXTERNAL), LEG_PRESENT);
	for (int i = 0; i < 3; i++)
		assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_int_equal(look(EXTERNAL), LEG_ABSENT);
	assert_untouched();
}

/* The process ends between the two exchanges. */
static void test_ext_half(void **state)
{
	(void)state;
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	assert_ok(overlay_exchange(snap.disks[0].source, snap.disks[0].object,
				   &err),
		  err);
	assert_int_equal(look(EXTERNAL), LEG_PARTIAL);
	assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_untouched();

	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	assert_ok(overlay_exchange(snap.disks[1].source, snap.disks[1].object,
				   &err),
		  err);
	assert_ok(EXTERNAL->cut(&leg, soon(), &err), err);
	assert_int_equal(look(EXTERNAL), LEG_PRESENT);
}

/* ... or while an overlay is made. */
static void test_ext_half_made(void **state)
{
	char name[DISK_SOURCE + 8];

	(void)state;
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	snprintf(name, sizeof(name), "%s.new", snap.disks[1].object);
	assert_int_equal(shell(": >\"$F\"", name), 0);
	assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_untouched();
	assert_int_equal(shell(": >\"$F\"", name), 0);
	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	assert_int_equal(count_files(), 4);
}

static void test_ext_written(void **state)
{
	(void)state;
	cut_all(EXTERNAL);
	write_to(at("a.qcow2"), 0x22);
	for (int i = 0; i < 2; i++) {
		assert_fails(EXTERNAL->remove(&leg, soon(), &err), ERR_BUSY,
			     err);
		assert_contains(
			err.text,
			"cannot undo disk 'vda': the guest has written to");
		assert_true(holds(at("a.qcow2"), 0x22));
		assert_true(holds(snap.disks[0].object, 0x11));
		assert_int_equal(count_files(), 3); /* vdb is undone */
	}
	assert_int_equal(look(EXTERNAL), LEG_PARTIAL);
}

/* What the guest trimmed is data of the overlay too. */
static void test_ext_trimmed(void **state)
{
	(void)state;
	cut_all(EXTERNAL);
	assert_int_equal(
		shell("qemu-io -f qcow2 -c 'write -z 0 64k' \"$F\" >/dev/null",
		      at("b.img")),
		0);
	assert_fails(EXTERNAL->remove(&leg, soon(), &err), ERR_BUSY, err);
	assert_true(holds(at("b.img"), 0));
	assert_true(holds(snap.disks[1].object, 0x11));
}

static void test_ext_in_use(void **state)
{
	(void)state;
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	hold(at("b.img"));
	assert_fails(EXTERNAL->cut(&leg, soon(), &err), ERR_BUSY, err);
	assert_contains(err.text, "is in use");
	assert_fails(EXTERNAL->prepare(&leg, soon(), &err), ERR_BUSY, err);
	assert_int_equal(look(EXTERNAL), LEG_PARTIAL);
	assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	let_go();
	assert_untouched();

	cut_all(EXTERNAL);
	hold(at("b.img"));
	assert_fails(EXTERNAL->remove(&leg, soon(), &err), ERR_BUSY, err);
	assert_contains(err.text, "cannot undo disk 'vdb'");
	let_go();
	assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_untouched();
}

/* No QEMU opens a file while its names are exchanged. */
static void test_ext_lock(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 100, .l_len = 200 };
	int fd = open(at("a.qcow2"), O_RDWR | O_CLOEXEC);

	(void)state;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_not_equal(
		shell("qemu-img info -f qcow2 \"$F\" >/dev/null 2>&1",
		      at("a.qcow2")),
		0);
	close(fd);
	assert_int_equal(shell("qemu-img info -f qcow2 \"$F\" >/dev/null 2>&1",
			       at("a.qcow2")),
			 0);
}

static void test_ext_foreign(void **state)
{
	(void)state;
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_int_equal(shell("qemu-img create -q -f qcow2 \"$F\" 1M",
			       snap.disks[1].object),
			 0);
	assert_fails(EXTERNAL->prepare(&leg, soon(), &err), ERR_EXISTS, err);
	assert_fails(EXTERNAL->cut(&leg, soon(), &err), ERR_EXISTS, err);
	assert_fails(EXTERNAL->remove(&leg, soon(), &err), ERR_BUSY, err);
	assert_true(overlay_exists(snap.disks[1].object));
	assert_fails(overlay_unlink(at("a.qcow2"), &snap.id, &err), ERR_INVALID,
		     err);
	assert_true(overlay_exists(at("a.qcow2")));
}

static void test_ext_changed(void **state)
{
	(void)state;
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	domain.state = DOMAIN_RUNNING;
	assert_fails(EXTERNAL->prepare(&leg, soon(), &err), ERR_BUSY, err);
	assert_contains(err.text, "was started meanwhile");
	domain.state = DOMAIN_OFF;
	domain.migrating = true;
	assert_fails(EXTERNAL->prepare(&leg, soon(), &err), ERR_BUSY, err);
	assert_fails(EXTERNAL->remove(&leg, soon(), &err), ERR_BUSY, err);
	assert_contains(err.text, "is migrated away");
}

static void test_ext_tower(void **state)
{
	struct snapshot first;

	(void)state;
	cut_all(EXTERNAL);
	assert_ok(snapshot_copy(&first, &snap, &err), err);
	write_to(at("a.qcow2"), 0x22);
	begin();
	cut_all(EXTERNAL);
	assert_int_equal(look(EXTERNAL), LEG_PRESENT);
	write_to(at("a.qcow2"), 0x33);
	assert_true(holds(snap.disks[0].object, 0x22));

	leg.snap = &first;
	cut_disks[0] = &first.disks[0];
	cut_disks[1] = &first.disks[1];
	assert_int_equal(look(EXTERNAL), LEG_PRESENT);
	assert_fails(EXTERNAL->remove(&leg, soon(), &err), ERR_BUSY, err);
	assert_int_equal(count_files(), 6);
	assert_true(holds(first.disks[0].object, 0x11));
	snapshot_done(&first);
}

/* ---- external, a record of a running domain that libvirt cannot be asked of */

static void plan_running(void)
{
	domain.state = DOMAIN_RUNNING;
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_string_equal(snap.disks[0].object, snap.disks[0].source);
	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	assert_int_equal(count_files(), 4);
	assert_fails(EXTERNAL->cut(&leg, soon(), &err), ERR_BUSY, err);
}

static void test_online_prepared(void **state)
{
	(void)state;
	plan_running();
	assert_int_equal(look(EXTERNAL), LEG_ABSENT);
	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_untouched();
}

static void test_online_cut(void **state)
{
	(void)state;
	plan_running();
	/* As after a cut: the definition names the overlays. */
	for (int i = 0; i < 2; i++)
		str_copy(disks[i].source, sizeof(disks[i].source),
			 snap.disks[i].active);
	assert_int_equal(look(EXTERNAL), LEG_PRESENT);
	domain.state = DOMAIN_OFF;
	assert_fails(EXTERNAL->remove(&leg, soon(), &err), ERR_BUSY, err);
	assert_int_equal(count_files(), 4);

	/* The domain is undefined: only what holds nothing goes. */
	domain.n_disks = 0;
	write_to(snap.disks[0].active, 0x22);
	assert_fails(EXTERNAL->remove(&leg, soon(), &err), ERR_BUSY, err);
	assert_contains(err.text, "the guest has written to");
	assert_int_equal(count_files(), 3);
	assert_true(holds(snap.disks[0].active, 0x22));
}

static void test_online_link(void **state)
{
	(void)state;
	assert_int_equal(symlink("b.img", at("link")), 0);
	domain.state = DOMAIN_RUNNING;
	set_source(at("link"));
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_string_equal(snap.disks[1].object, at("link"));
	assert_ok(EXTERNAL->prepare(&leg, soon(), &err), err);
	assert_true(holds(snap.disks[1].active, 0x11));
}

static void test_late(void **state)
{
	(void)state;
	assert_fails(EXTERNAL->plan(&leg, clock_ms() - 1, &err), ERR_TIMEOUT,
		     err);
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_fails(EXTERNAL->prepare(&leg, clock_ms() - 1, &err), ERR_TIMEOUT,
		     err);
	assert_ok(EXTERNAL->remove(&leg, soon(), &err), err);
	assert_untouched();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_ext_cycle),   CASE(test_ext_repeated),
		CASE(test_ext_half),    CASE(test_ext_half_made),
		CASE(test_ext_written), CASE(test_ext_trimmed),
		CASE(test_ext_in_use),  CASE(test_ext_lock),
		CASE(test_ext_foreign), CASE(test_ext_changed),
		CASE(test_ext_tower),   CASE(test_online_prepared),
		CASE(test_online_cut),  CASE(test_online_link),
		CASE(test_late),
	};

	if (!has_qemu_tools())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
