/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-qcow2.c - which qcow2 disks are refused and why; internal snapshots */
#include "tests/lib/qcow2.h"

static void test_names(void **state)
{
	static const struct {
		const char *source, *stem;
	} names[] = {
		{ "/v/a.qcow2", "/v/a" },
		{ "/v/disk", "/v/disk" },
		{ "/v/a.img", "/v/a.img" },
		{ "/v/a.018f3c1e-0000-7000-8000-000000000001.qcow2", "/v/a" },
		{ "/v/a.018f3c1e-0000-7000-8000-000000000001", "/v/a" },
		{ "/v/018f3c1e-0000-7000-8000-000000000001.qcow2",
		  "/v/018f3c1e-0000-7000-8000-000000000001" },
		{ "/v.qcow2/.qcow2", "/v.qcow2/.qcow2" },
	};
	char name[DISK_SOURCE], want[DISK_SOURCE], id[ID_TEXT], source[400];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(want, sizeof(want), "%s.%s.qcow2", names[i].stem,
			 id_format(&snap.id, id));
		assert_ok(overlay_name(names[i].source, &snap.id, name, &err),
			  err);
		assert_string_equal(name, want);
	}
	memset(source, 'x', sizeof(source));
	source[0] = '/';
	source[255 - 47 + 2] = '\0';
	assert_fails(overlay_name(source, &snap.id, name, &err),
		     ERR_UNSUPPORTED, err);
	assert_contains(err.text, "too long");
	source[255 - 47 + 1] = '\0';
	assert_ok(overlay_name(source, &snap.id, name, &err), err);
}

static void test_claims(void **state)
{
	const struct driver *driver;

	(void)state;
	assert_ptr_equal(driver_for(&disks[0], &domain, NULL, &config),
			 EXTERNAL);
	domain.is_nova = true;
	assert_ptr_equal(driver_for(&disks[0], &domain, NULL, &config),
			 INTERNAL);
	driver = driver_for(&disks[0], &domain, "qcow2-external", &config);
	assert_ptr_equal(driver, EXTERNAL);
	domain.is_nova = false;
	config.qcow2_mode = QCOW2_INTERNAL;
	assert_ptr_equal(driver_for(&disks[0], &domain, NULL, &config),
			 INTERNAL);
	assert_ptr_equal(driver_for(&disks[0], &domain, "rbd", &config),
			 INTERNAL);
	disks[0].type = DISK_BLOCK;
	assert_null(driver_for(&disks[0], &domain, NULL, &config));
	disks[0].type = DISK_FILE;
	disks[0].is_disk = false;
	assert_null(driver_for(&disks[0], &domain, NULL, &config));
	assert_null(driver_by_name("none"));
}

static void refused_by(const struct driver *driver, enum err_code code,
		       const char *text)
{
	const unsigned files = count_files();

	assert_fails(driver->plan(&leg, soon(), &err), code, err);
	assert_contains(err.text, text);
	assert_int_equal(count_files(), files);
}

static void refused(enum err_code code, const char *text)
{
	refused_by(EXTERNAL, code, text);
	refused_by(INTERNAL, code, text);
	begin();
}

static void test_refuse_definition(void **state)
{
	(void)state;
	str_copy(disks[1].format, sizeof(disks[1].format), "raw");
	refused(ERR_UNSUPPORTED,
		"disk 'vdb' is raw: only qcow2 files can be snapshotted in place; convert it with qemu-img convert, or leave it out with --disk");
	disks[1].format[0] = '\0';
	refused(ERR_UNSUPPORTED, "disk 'vdb' has no format in its definition");
	disks[1].readonly = true;
	refused(ERR_UNSUPPORTED, "disk 'vdb' is read-only");
	disks[1].shareable = true;
	refused(ERR_UNSUPPORTED, "disk 'vdb' is shareable");
	disks[1].transient = true;
	refused(ERR_UNSUPPORTED, "disk 'vdb' is transient");
	disks[1].encrypted = true;
	refused(ERR_UNSUPPORTED, "disk 'vdb' is encrypted");
	domain.migrating = true;
	refused(ERR_BUSY, "domain 'web' is migrated away");
	domain.migrating = true;
	domain.state = DOMAIN_RUNNING;
	refused(ERR_BUSY, "domain 'web' is being migrated");
	set_source("b.img");
	refused(ERR_UNSUPPORTED, "'b.img' is not an absolute path");
	set_source("json:{}");
	refused(ERR_UNSUPPORTED, "not an absolute path");
	set_source("/tmp/a\nb");
	refused(ERR_UNSUPPORTED,
		"'/tmp/a?b' is not an absolute path without control characters");
	str_copy(disks[1].source, sizeof(disks[1].source), "/other");
	refused(ERR_BUSY, "disk 'vdb' of 'web' has changed");
	set_source(disks[0].source);
	refused(ERR_UNSUPPORTED, "have the same file");
}

static void test_refuse_external(void **state)
{
	(void)state;
	disks[1].chain_spelled = true;
	refused_by(
		EXTERNAL, ERR_UNSUPPORTED,
		"disk 'vdb': its definition spells out the backing chain (<backingStore>)");
	assert_ok(INTERNAL->plan(&leg, soon(), &err), err);
	begin();
	domain.is_nova = true;
	refused_by(EXTERNAL, ERR_UNSUPPORTED, "belongs to Nova");
	begin();
	assert_int_equal(symlink("a.qcow2", at("link")), 0);
	set_source(at("link"));
	refused_by(EXTERNAL, ERR_UNSUPPORTED, "is a symbolic link");
	begin();
	assert_int_equal(rename(at("b.img"), at("a")), 0);
	set_source(at("a"));
	refused_by(
		EXTERNAL, ERR_UNSUPPORTED,
		"'vda' and 'vdb' have the same file, or names that differ only in their ending");
}

static void test_refuse_file(void **state)
{
	(void)state;
	set_source(at("missing"));
	refused(ERR_ABSENT, "disk 'vdb': cannot look at its file");
	set_source(test_path(FOLDER));
	refused(ERR_UNSUPPORTED, "is not a regular file");
	assert_int_equal(
		shell("dd if=/dev/zero of=\"$F\" bs=64k count=1 2>/dev/null",
		      at("zero")),
		0);
	set_source(at("zero"));
	refused(ERR_STORAGE,
		"disk 'vdb' cannot be read as the qcow2 file it is defined as");
	config.min_free_bytes = INT64_C(1) << 60;
	refused(ERR_STORAGE, "MiB free, 1099511627778 MiB needed");
	/* incompatible feature 1: corrupt */
	assert_int_equal(
		shell("printf '\\002' | dd of=\"$F\" bs=1 seek=79 conv=notrunc 2>/dev/null",
		      at("b.img")),
		0);
	refused(ERR_STORAGE, "is marked corrupt");
	assert_int_equal(
		shell("printf '\\000' | dd of=\"$F\" bs=1 seek=79 conv=notrunc 2>/dev/null",
		      at("b.img")),
		0);
	hold(at("b.img"));
	refused(ERR_BUSY, "is in use by another process");
	let_go();
	assert_ok(EXTERNAL->plan(&leg, soon(), &err), err);
	assert_int_equal(shell(": >\"$F\"", snap.disks[0].object), 0);
	refused_by(EXTERNAL, ERR_EXISTS, "exists already");
}

/* ---- internal, off ---- */

static void test_int_cycle(void **state)
{
	(void)state;
	assert_ok(INTERNAL->plan(&leg, soon(), &err), err);
	assert_string_equal(snap.disks[0].object, snap.disks[0].source);
	assert_string_equal(snap.disks[0].active, snap.disks[0].source);
	assert_memory_equal(snap.disks[0].name, "snaptree.", 9);
	assert_int_equal(snap.disks[1].size_bytes, 8 << 20);
	assert_int_equal(look(INTERNAL), LEG_ABSENT);
	assert_ok(INTERNAL->remove(&leg, soon(), &err), err);
	for (int i = 0; i < 2; i++)
		assert_ok(INTERNAL->prepare(&leg, soon(), &err), err);
	for (int i = 0; i < 2; i++)
		assert_ok(INTERNAL->cut(&leg, soon(), &err), err);
	assert_int_equal(look(INTERNAL), LEG_PRESENT);
	assert_int_equal(
		shell("[ $(qemu-img snapshot -l \"$F\" | grep -c snaptree) = 1 ]",
		      at("a.qcow2")),
		0);
	write_to(at("a.qcow2"), 0x22);
	for (int i = 0; i < 2; i++)
		assert_ok(INTERNAL->remove(&leg, soon(), &err), err);
	assert_int_equal(look(INTERNAL), LEG_ABSENT);
	assert_true(holds(at("a.qcow2"), 0x22));
	assert_int_equal(count_files(), 2);
}

static void test_int_half(void **state)
{
	(void)state;
	assert_ok(INTERNAL->plan(&leg, soon(), &err), err);
	assert_ok(INTERNAL->prepare(&leg, soon(), &err), err);
	hold(at("b.img"));
	assert_fails(INTERNAL->cut(&leg, soon(), &err), ERR_BUSY, err);
	assert_contains(err.text, "disk 'vdb'");
	assert_int_equal(look(INTERNAL), LEG_PARTIAL);
	assert_ok(INTERNAL->remove(&leg, soon(), &err), err);
	assert_int_equal(look(INTERNAL), LEG_ABSENT);
	let_go();
	assert_untouched();

	cut_all(INTERNAL);
	hold(at("b.img"));
	assert_fails(INTERNAL->remove(&leg, soon(), &err), ERR_BUSY, err);
	assert_contains(err.text, "cannot undo disk 'vdb'");
	assert_int_equal(look(INTERNAL), LEG_PARTIAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_names),
		CASE(test_claims),
		CASE(test_refuse_definition),
		CASE(test_refuse_external),
		CASE(test_refuse_file),
		CASE(test_int_cycle),
		CASE(test_int_half),
	};

	if (!has_qemu_tools())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
