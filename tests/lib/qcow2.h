/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qcow2.h - two disks on real files, of a domain that is off, with libvirt out
 * of reach, as at a gate
 *
 * Each disk has 0x11 at its start; the folder's name wants quoting.  Include it
 * once, in a test; everything is static.
 */
#ifndef TESTS_LIB_QCOW2_H
#define TESTS_LIB_QCOW2_H

#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/storage/driver.h"
#include "agent/storage/overlay.h"
#include "agent/storage/qcow2_common.h"
#include "agent/storage/qemuimg.h"
#include "base/clock.h"
#include "base/str.h"

#define FOLDER "odd , a:b'c"
#define EXTERNAL driver_by_name("qcow2-external")
#define INTERNAL driver_by_name("qcow2-internal")

static struct storage_config config;
static struct disk disks[2];
static struct domain domain;
static struct snapshot snap;
static struct snapshot_disk *cut_disks[2];
static struct leg leg;
static struct err err;
static FILE *holder;

TEST_UNUSED static int64_t soon(void)
{
	return clock_ms() + 20000;
}

/* The path of a file of the folder, valid until the eighth call after. */
TEST_UNUSED static const char *at(const char *name)
{
	char in[100];

	snprintf(in, sizeof(in), FOLDER "/%s", name);
	return test_path(in);
}

/* Runs `command`, in which $F is the path. */
TEST_UNUSED static int shell(const char *command, const char *path)
{
	assert_int_equal(setenv("F", path, 1), 0);
	return system(command);
}

TEST_UNUSED static void write_to(const char *path, int pattern)
{
	char command[200];

	snprintf(
		command, sizeof(command),
		"qemu-io -f qcow2 -c 'write -P %d 0 64k' \"$F\" >/dev/null 2>&1",
		pattern);
	assert_int_equal(shell(command, path), 0);
}

TEST_UNUSED static bool holds(const char *path, int pattern)
{
	char command[300];

	snprintf(
		command, sizeof(command),
		"out=$(qemu-io -r -f qcow2 -c 'read -P %d 0 64k' \"$F\" 2>&1)\n"
		"case $out in *ailed*|*rror*) exit 1;; *'read 65536'*) exit 0;; esac; exit 1",
		pattern);
	return shell(command, path) == 0;
}

/* Another process opens the image as QEMU does. */
TEST_UNUSED static void hold(const char *path)
{
	assert_int_equal(setenv("F", path, 1), 0);
	holder = popen("exec qemu-io -f qcow2 \"$F\" >/dev/null 2>&1", "w");
	assert_non_null(holder);
	for (int64_t until = soon(); clock_ms() < until; usleep(1000))
		if (qcow2_check_unlocked(path, NULL) == -ERR_BUSY)
			return;
	fail_msg("qemu-io does not open '%s'", path);
}

TEST_UNUSED static void let_go(void)
{
	if (holder)
		pclose(holder);
	holder = NULL;
}

TEST_UNUSED static void fill_disk(size_t i, const char *target,
				  const char *name)
{
	struct disk *disk = &disks[i];
	struct snapshot_disk *cut;

	memset(disk, 0, sizeof(*disk));
	str_copy(disk->target, sizeof(disk->target), target);
	str_copy(disk->source, sizeof(disk->source), at(name));
	str_copy(disk->format, sizeof(disk->format), "qcow2");
	disk->type = DISK_FILE;
	disk->is_disk = true;
	assert_ok(snapshot_add_disk(&snap, &cut, &err), err);
	str_copy(cut->target, sizeof(cut->target), target);
	str_copy(cut->source, sizeof(cut->source), disk->source);
}

/* A new snapshot of both disks where they are now. */
TEST_UNUSED static void begin(void)
{
	snapshot_done(&snap);
	snap.id = id_new_v7(clock_wall_ms());
	domain.disks = disks;
	domain.n_disks = 2;
	domain.state = DOMAIN_OFF;
	domain.migrating = domain.is_nova = false;
	str_copy(domain.name, sizeof(domain.name), "web");
	config.qcow2_mode = QCOW2_AUTO;
	config.min_free_bytes = 0;
	fill_disk(0, "vda", "a.qcow2");
	fill_disk(1, "vdb", "b.img");
	cut_disks[0] = &snap.disks[0];
	cut_disks[1] = &snap.disks[1];
	leg = (struct leg){ .config = &config,
			    .snap = &snap,
			    .domain = &domain,
			    .disks = cut_disks,
			    .n_disks = 2 };
}

TEST_UNUSED static int set_up(void **state)
{
	if (test_dir_make(state) < 0 || mkdir(test_path(FOLDER), 0755) < 0)
		return -1;
	assert_int_equal(shell("qemu-img create -q -f qcow2 \"$F\" 16M",
			       at("a.qcow2")),
			 0);
	assert_int_equal(
		shell("qemu-img create -q -f qcow2 \"$F\" 8M", at("b.img")), 0);
	write_to(at("a.qcow2"), 0x11);
	write_to(at("b.img"), 0x11);
	begin();
	return 0;
}

TEST_UNUSED static int tear_down(void **state)
{
	let_go();
	snapshot_done(&snap);
	return test_dir_remove(state);
}

TEST_UNUSED static enum leg_presence look(const struct driver *driver)
{
	enum leg_presence p = LEG_ABSENT;

	assert_ok(driver->inspect(&leg, &p, soon(), &err), err);
	return p;
}

TEST_UNUSED static unsigned count_files(void)
{
	unsigned n = 0;
	FILE *f;

	setenv("F", test_path(FOLDER), 1);
	f = popen("ls -A \"$F\" | wc -l", "r");
	assert_int_equal(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

TEST_UNUSED static void cut_all(const struct driver *driver)
{
	assert_ok(driver->plan(&leg, soon(), &err), err);
	assert_ok(driver->prepare(&leg, soon(), &err), err);
	assert_ok(driver->cut(&leg, soon(), &err), err);
}

TEST_UNUSED static void assert_untouched(void)
{
	assert_int_equal(count_files(), 2);
	assert_true(holds(at("a.qcow2"), 0x11));
	assert_true(holds(at("b.img"), 0x11));
	assert_int_equal(
		shell("qemu-img info -f qcow2 \"$F\" | grep -q backing",
		      at("a.qcow2")) != 0,
		1);
}

TEST_UNUSED static void set_source(const char *path)
{
	str_copy(disks[1].source, sizeof(disks[1].source), path);
	str_copy(snap.disks[1].source, sizeof(snap.disks[1].source), path);
}

/* For main(): false and a line when QEMU's tools are missing. */
TEST_UNUSED static bool has_qemu_tools(void)
{
	return system("qemu-img --version >/dev/null 2>&1 && "
		      "qemu-io --version >/dev/null 2>&1") == 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
