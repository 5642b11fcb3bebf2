/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-xml.c - domain XML as libvirt writes it, and as an enemy would */
#include "tests/lib/test.h"

#include "agent/virt/xml.h"

#define UUID "2b7b7a1e-4f6a-4d9e-9a57-0123456789ab"
#define HEAD "<domain type='kvm' id='3'><name>web</name><uuid>" UUID "</uuid>"
#define DISK_A                                                            \
	"<disk type='file' device='disk'>"                                \
	"<driver name='qemu' type='qcow2' cache='none' discard='unmap'/>" \
	"<source file='/vm/web-a.qcow2' index='2'/><backingStore/>"       \
	"<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/>"    \
	"</disk>"
#define DISK_B                                                                   \
	"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"     \
	"<source file='/vm/web &amp; b.qcow2'/><target dev='vdb' bus='virtio'/>" \
	"<serial>0123</serial><boot order='1'/></disk>"
#define CDROM                                                               \
	"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>" \
	"<source file='/iso/debian.iso'/><target dev='sda' bus='sata'/>"    \
	"<readonly/></disk>"
#define AGENT                                                           \
	"<channel type='unix'><source mode='bind' path='/run/vport0'/>" \
	"<target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
#define ONE(disk) HEAD "<devices>" disk "</devices></domain>"

static struct domain domain;
static struct err err;

static int forget(void **state)
{
	(void)state;
	domain_done(&domain);
	memset(&err, 0, sizeof(err));
	return 0;
}

static const struct disk *parse_one(const char *xml)
{
	domain_done(&domain);
	assert_ok(xml_parse_domain(xml, &domain, &err), err);
	assert_int_equal(domain.n_disks, 1);
	return &domain.disks[0];
}

static void refused(const char *xml, const char *why)
{
	struct domain untouched = { .n_disks = 77 };

	assert_fails(xml_parse_domain(xml, &untouched, &err), ERR_INVALID, err);
	assert_contains(err.text, why);
	assert_int_equal(untouched.n_disks, 77);
}

static void test_plain(void **state)
{
	const struct disk *disk;

	(void)state;
	assert_ok(xml_parse_domain(HEAD "<devices>" CDROM DISK_A DISK_B AGENT
					"</devices></domain>",
				   &domain, &err),
		  err);
	assert_string_equal(domain.name, "web");
	assert_int_equal(domain.uuid.b[0], 0x2b);
	assert_true(domain.has_agent);
	assert_string_equal(domain.agent_path, "/run/vport0");
	assert_false(domain.is_nova);
	assert_int_equal(domain.n_disks, 3);

	disk = domain_disk(&domain, "sda");
	assert_false(disk->is_disk);
	assert_true(disk->readonly);
	disk = domain_disk(&domain, "vda");
	assert_string_equal(disk->source, "/vm/web-a.qcow2");
	assert_string_equal(disk->format, "qcow2");
	assert_string_equal(disk->alias, "virtio-disk0");
	assert_int_equal(disk->type, DISK_FILE);
	assert_int_equal(disk->role, ROLE_DATA);
	disk = domain_disk(&domain, "vdb");
	assert_string_equal(disk->source, "/vm/web & b.qcow2");
	assert_string_equal(disk->serial, "0123");
	assert_int_equal(disk->role, ROLE_SYSTEM); /* by boot order */
	assert_false(disk->chain_spelled);
}

static void test_role_by_place(void **state)
{
	(void)state;
	assert_ok(xml_parse_domain(
			  HEAD "<devices>" CDROM DISK_A
			       "<disk type='file'><source file='/b'/>"
			       "<target dev='vdb'/></disk></devices></domain>",
			  &domain, &err),
		  err);
	assert_int_equal(domain_disk(&domain, "sda")->role, ROLE_DATA);
	assert_int_equal(domain_disk(&domain, "vda")->role, ROLE_SYSTEM);
	assert_int_equal(domain_disk(&domain, "vdb")->role, ROLE_DATA);
	assert_true(domain_disk(&domain, "vdb")->is_disk);
	assert_string_equal(domain_disk(&domain, "vdb")->format, "");
}

static void test_nova(void **state)
{
	(void)state;
	parse_one(HEAD "<metadata><nova:instance xmlns:nova="
		       "'http://openstack.org/xmlns/libvirt/nova/1.1'>"
		       "<nova:name>x</nova:name></nova:instance></metadata>"
		       "<devices>" DISK_A "</devices></domain>");
	assert_true(domain.is_nova);
	parse_one(HEAD "<metadata><a:instance xmlns:a='http://example.org/'/>"
		       "</metadata><devices>" DISK_A "</devices></domain>");
	assert_false(domain.is_nova);
}

static void test_flags(void **state)
{
	const struct disk *disk;

	(void)state;
	disk = parse_one(
		ONE("<disk type='file'><source file='/a'>"
		    "<encryption format='luks'/></source>"
		    "<target dev='vda'/><shareable/><transient/></disk>"));
	assert_true(disk->encrypted && disk->shareable && disk->transient);
	assert_false(disk->readonly);
	disk = parse_one(ONE("<disk type='file'><source file='/a'/>"
			     "<target dev='vda'/><encryption format='qcow'/>"
			     "</disk>"));
	assert_true(disk->encrypted);
}

static void test_chain_spelled(void **state)
{
	(void)state;
	assert_true(
		parse_one(ONE("<disk type='file'><driver type='qcow2'/>"
			      "<source file='/b'/><backingStore type='file'>"
			      "<format type='qcow2'/><source file='/a'/>"
			      "<backingStore/></backingStore>"
			      "<target dev='vda'/></disk>"))
			->chain_spelled);
	/* "Nothing below" is a chain too: QEMU would not look for one. */
	assert_true(parse_one(ONE(DISK_A))->chain_spelled);
}

static void test_types(void **state)
{
	const struct disk *disk;

	(void)state;
	disk = parse_one(
		ONE("<disk type='network' device='disk'>"
		    "<source protocol='rbd' name='vms/web_disk'>"
		    "<host name='m'/></source><target dev='vda'/></disk>"));
	assert_int_equal(disk->type, DISK_NETWORK);
	assert_string_equal(disk->protocol, "rbd");
	assert_string_equal(disk->source, "vms/web_disk");
	disk = parse_one(ONE("<disk type='block'><source dev='/dev/sdx'/>"
			     "<target dev='vda'/></disk>"));
	assert_int_equal(disk->type, DISK_BLOCK);
	assert_string_equal(disk->source, "/dev/sdx");
	disk = parse_one(ONE("<disk type='volume'><source pool='p' volume='v'/>"
			     "<target dev='vda'/></disk>"));
	assert_int_equal(disk->type, DISK_OTHER);
	assert_string_equal(disk->source, "v");
	disk = parse_one(ONE("<disk type='nvme'><source type='pci'/>"
			     "<target dev='vda'/></disk>"));
	assert_int_equal(disk->type, DISK_OTHER);
	assert_true(disk_is_wanted(disk)); /* and is refused by name later */
	disk = parse_one(ONE("<disk type='file'>"
			     "<source file='/a' startupPolicy='optional'/>"
			     "<target dev='vda'/></disk>"));
	assert_int_equal(disk->type, DISK_OTHER);
	disk = parse_one(ONE("<disk type='file' device='cdrom'>"
			     "<target dev='sda'/></disk>"));
	assert_string_equal(disk->source, "");
}

static void test_odd_paths(void **state)
{
	char xml[8192], path[1200];

	(void)state;
	refused(ONE("<disk type='file'><source file='/a&#10;b'/>"
		    "<target dev='vda'/></disk>"),
		"<source> of 'vda'");
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[DISK_SOURCE - 1] = '\0';
	snprintf(xml, sizeof(xml),
		 ONE("<disk type='file'><source file='%s'/>"
		     "<target dev='vda'/></disk>"),
		 path);
	assert_string_equal(parse_one(xml)->source, path);
	path[DISK_SOURCE - 1] = 'x';
	path[DISK_SOURCE] = '\0';
	snprintf(xml, sizeof(xml),
		 ONE("<disk type='file'><source file='%s'/>"
		     "<target dev='vda'/></disk>"),
		 path);
	refused(xml, "<source> of 'vda' is longer than 1023 bytes");
}

static void test_broken(void **state)
{
	static const char whole[] = ONE(DISK_A);
	char part[sizeof(whole)];

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		memcpy(part, whole, n);
		part[n] = '\0';
		refused(part, "XML");
	}
	refused("<volume/>", "not of a <domain>");
	refused("<domain/>", "<name>");
	refused("<domain><name>a</name></domain>", "<uuid>");
	refused("<domain><name>a</name><uuid>1234</uuid></domain>", "'1234'");
	refused(ONE("<disk type='file'><source file='/a'/></disk>"), "target");
	refused(ONE(DISK_A DISK_A), "'vda'");
	refused("<domain><name>a\xff</name></domain>", "domain XML, line 1");
}

static void test_entities(void **state)
{
	(void)state;
	refused("<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
		"<domain><name>&x;</name><uuid>" UUID "</uuid></domain>",
		"document type");
	refused("<!DOCTYPE domain SYSTEM 'http://127.0.0.1:1/x.dtd'>" ONE(
			DISK_A),
		"document type");
	refused("<!DOCTYPE d [<!ENTITY a 'xxxxxxxxxx'>"
		"<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
		"<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
		"<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>"
		"<!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>"
		"<!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'>]>"
		"<domain><name>&f;</name></domain>",
		"document type");
	refused("<domain><name>&f;</name></domain>", "domain XML, line 1");
}

static void test_deep_and_many(void **state)
{
	char *xml = malloc(5 << 20);
	size_t n;

	(void)state;
	memset(xml, ' ', 5 << 20);
	xml[(5 << 20) - 1] = '\0';
	refused(xml, "too long");
	n = (size_t)sprintf(xml, HEAD);
	for (int i = 0; i < 100000; i++)
		n += (size_t)sprintf(xml + n, "<a>");
	refused(xml, "domain XML, line");
	n = (size_t)sprintf(xml, HEAD "<devices>");
	for (int i = 0; i < 2000; i++)
		n += (size_t)sprintf(xml + n,
				     "<disk><target dev='x%d'/></disk>", i);
	sprintf(xml + n, "</devices></domain>");
	refused(xml, "2000 disks");
	free(xml);
}

static void test_make_snapshot(void **state)
{
	struct snapshot_disk cut = { .target = "vda",
				     .active = "/vm/<a & 'b'>.qcow2" };
	const struct snapshot_disk *cuts[] = { &cut };
	char *xml;

	(void)state;
	assert_ok(xml_parse_domain(HEAD "<devices>" DISK_A DISK_B
					"</devices></domain>",
				   &domain, &err),
		  err);
	assert_ok(xml_make_snapshot(&domain, cuts, 1, &xml, &err), err);
	assert_contains(
		xml, "<disk name=\"vda\" snapshot=\"external\" type=\"file\">"
		     "<driver type=\"qcow2\"/>"
		     "<source file=\"/vm/&lt;a &amp; 'b'&gt;.qcow2\"/></disk>");
	assert_contains(xml, "<disk name=\"vdb\" snapshot=\"no\"/>");
	free(xml);
}

static void test_edit(void **state)
{
	const char *targets[] = { "vda", "vdb", "vdx" };
	const char *sources[] = { "/vm/new & odd.qcow2", NULL, "/no" };
	char *xml = NULL, *again = NULL;
	bool names;

	(void)state;
	assert_ok(xml_edit_disks(HEAD "<devices>" DISK_A DISK_B CDROM AGENT
				      "</devices><x a='&lt;'/></domain>",
				 targets, sources, 3, &xml, &err),
		  err);
	assert_non_null(xml);
	assert_null(strstr(xml, "backingStore"));
	assert_contains(xml, "file=\"/vm/new &amp; odd.qcow2\"");
	assert_contains(xml, "/vm/web &amp; b.qcow2");
	assert_contains(xml, "<x a=\"&lt;\"/>");
	assert_contains(xml, "/iso/debian.iso");
	assert_ok(xml_edit_disks(xml, targets, sources, 3, &again, &err), err);
	assert_null(again);

	assert_ok(xml_names_file(xml, "/vm/web & b.qcow2", &names, &err), err);
	assert_true(names);
	assert_ok(xml_names_file(xml, "/vm/web-a.qcow2", &names, &err), err);
	assert_false(names);
	free(xml);

	sources[0] = "/a";
	assert_fails(xml_edit_disks(ONE("<disk type='block'><source dev='/x'/>"
					"<target dev='vda'/></disk>"),
				    targets, sources, 1, &xml, &err),
		     ERR_INVALID, err);
	assert_contains(err.text, "'vda'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_plain, forget),
		cmocka_unit_test_teardown(test_role_by_place, forget),
		cmocka_unit_test_teardown(test_nova, forget),
		cmocka_unit_test_teardown(test_flags, forget),
		cmocka_unit_test_teardown(test_chain_spelled, forget),
		cmocka_unit_test_teardown(test_types, forget),
		cmocka_unit_test_teardown(test_odd_paths, forget),
		cmocka_unit_test_teardown(test_broken, forget),
		cmocka_unit_test_teardown(test_entities, forget),
		cmocka_unit_test_teardown(test_deep_and_many, forget),
		cmocka_unit_test_teardown(test_make_snapshot, forget),
		cmocka_unit_test_teardown(test_edit, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
