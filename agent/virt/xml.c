/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xml.c - read libvirt's domain XML into the model */
#include "agent/virt/xml.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/virt/xml_private.h"
#include "base/str.h"

#define NOVA_NAMESPACE "http://openstack.org/xmlns/libvirt/nova/"
#define AGENT_CHANNEL "org.qemu.guest_agent.0"

/* libvirtd itself sends no longer strings than this. */
#define XML_MAX (4 << 20)
#define DISKS_MAX 1024

const xmlChar *xml_text(const char *s)
{
	return (const xmlChar *)s;
}

static bool is_element(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE &&
	       xmlStrEqual(node->name, xml_text(name));
}

xmlNode *xml_first(xmlNode *from, const char *name)
{
	while (from && !is_element(from, name))
		from = from->next;
	return from;
}

xmlNode *xml_child(const xmlNode *parent, const char *name)
{
	return parent ? xml_first(parent->children, name) : NULL;
}

bool xml_attr_is(const xmlNode *node, const char *name, const char *value)
{
	xmlChar *is = node ? xmlGetNoNsProp(node, xml_text(name)) : NULL;
	bool same = is && xmlStrEqual(is, xml_text(value));

	xmlFree(is);
	return same;
}

/* A document type is where entities would be defined: libvirt writes none, and
 * nothing of it is looked at. */
static void refuse_doctype(void *arg, const xmlChar *name,
			   const xmlChar *public_id, const xmlChar *system_id)
{
	xmlParserCtxt *parser = arg;

	(void)name;
	(void)public_id;
	(void)system_id;
	*(bool *)parser->_private = true;
	xmlStopParser(parser);
}

static int explain(const xmlParserCtxt *parser, struct err *err)
{
	const char *why = parser->lastError.message;
	char shown[160];

	str_show(shown, sizeof(shown), why ? why : "no document");
	shown[strcspn(shown, "\n")] = '\0';
	return err_set(err, ERR_INVALID, 0, "domain XML, line %d: %s",
		       parser->lastError.line, shown);
}

int xml_parse(const char *xml, xmlDoc **ret, struct err *err)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOERROR |
			    XML_PARSE_NOWARNING;
	const size_t n = strnlen(xml, XML_MAX);
	bool has_doctype = false;
	xmlParserCtxt *parser;
	xmlDoc *doc;
	int r = 0;

	if (n == XML_MAX)
		return err_set(err, ERR_INVALID, 0, "domain XML is too long");
	parser = xmlNewParserCtxt();
	if (!parser)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	parser->_private = &has_doctype;
	parser->sax->internalSubset = refuse_doctype;
	doc = xmlCtxtReadMemory(parser, xml, (int)n, NULL, NULL, options);
	if (has_doctype)
		r = err_set(err, ERR_INVALID, 0,
			    "domain XML has a document type");
	else if (!doc)
		r = explain(parser, err);
	else if (!xmlDocGetRootElement(doc) ||
		 !is_element(xmlDocGetRootElement(doc), "domain"))
		r = err_set(err, ERR_INVALID, 0, "XML is not of a <domain>");
	if (r < 0)
		xmlFreeDoc(doc);
	else
		*ret = doc;
	xmlFreeParserCtxt(parser);
	return r;
}

/* Takes `value`; what is absent is "". */
static int keep(xmlChar *value, const char *what, const char *of, char *dst,
		size_t size, struct err *err)
{
	const char *text = value ? (const char *)value : "";
	int r = 0;

	if (!str_copy(dst, size, text))
		r = err_set(err, ERR_INVALID, 0,
			    "<%s> of '%s' is longer than %zu bytes", what, of,
			    size - 1);
	else if (!str_is_clean(text))
		r = err_set(
			err, ERR_INVALID, 0,
			"<%s> of '%s' has control characters or is not UTF-8",
			what, of);
	xmlFree(value);
	return r;
}

static int copy_attr(const xmlNode *node, const char *name, const char *what,
		     const char *of, char *dst, size_t size, struct err *err)
{
	return keep(node ? xmlGetNoNsProp(node, xml_text(name)) : NULL, what,
		    of, dst, size, err);
}

static int copy_content(const xmlNode *node, const char *what, const char *of,
			char *dst, size_t size, struct err *err)
{
	return keep(node ? xmlNodeGetContent(node) : NULL, what, of, dst, size,
		    err);
}

static enum disk_type type_of(const xmlNode *disk, const xmlNode *source)
{
	/* An optional file may be left out of the running domain. */
	if (source && xmlHasProp(source, xml_text("startupPolicy")) &&
	    !xml_attr_is(source, "startupPolicy", "mandatory"))
		return DISK_OTHER;
	if (!xmlHasProp(disk, xml_text("type")) ||
	    xml_attr_is(disk, "type", "file"))
		return DISK_FILE;
	if (xml_attr_is(disk, "type", "block"))
		return DISK_BLOCK;
	if (xml_attr_is(disk, "type", "network"))
		return DISK_NETWORK;
	return DISK_OTHER;
}

/* What has no path gets the word of its type, so that it does not look like an
 * empty drive. */
static int copy_other(const xmlNode *node, const xmlNode *source,
		      struct disk *disk, struct err *err)
{
	static const char *const names[] = { "file", "dev",  "volume",
					     "dir",  "path", "socket" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (xmlHasProp(source, xml_text(names[i])))
			return copy_attr(source, names[i], "source",
					 disk->target, disk->source,
					 sizeof(disk->source), err);
	return copy_attr(node, "type", "disk type", disk->target, disk->source,
			 sizeof(disk->source), err);
}

static int parse_source(const xmlNode *node, const xmlNode *source,
			struct disk *disk, struct err *err)
{
	const char *name = "file";
	int r;

	disk->type = type_of(node, source);
	if (!source)
		return 0;
	if (disk->type == DISK_OTHER)
		return copy_other(node, source, disk, err);
	if (disk->type == DISK_BLOCK)
		name = "dev";
	if (disk->type == DISK_NETWORK)
		name = "name";
	r = copy_attr(source, name, "source", disk->target, disk->source,
		      sizeof(disk->source), err);
	if (r == 0 && disk->type == DISK_NETWORK)
		r = copy_attr(source, "protocol", "source protocol",
			      disk->target, disk->protocol,
			      sizeof(disk->protocol), err);
	return r;
}

static bool is_encrypted(const xmlNode *disk, const xmlNode *source)
{
	const xmlNode *driver = xml_child(disk, "driver");

	return xml_child(disk, "encryption") ||
	       xml_child(source, "encryption") ||
	       xml_attr_is(driver, "type", "luks");
}

static int parse_words(const xmlNode *node, struct disk *disk, struct err *err)
{
	int r;

	r = copy_attr(xml_child(node, "driver"), "type", "driver type",
		      disk->target, disk->format, sizeof(disk->format), err);
	if (r == 0)
		r = copy_attr(xml_child(node, "alias"), "name", "alias",
			      disk->target, disk->alias, sizeof(disk->alias),
			      err);
	if (r == 0)
		r = copy_content(xml_child(node, "serial"), "serial",
				 disk->target, disk->serial,
				 sizeof(disk->serial), err);
	return r;
}

static int parse_disk(const xmlNode *node, struct disk *disk, struct err *err)
{
	const xmlNode *source = xml_child(node, "source");
	int r;

	r = copy_attr(xml_child(node, "target"), "dev", "target", "disk",
		      disk->target, sizeof(disk->target), err);
	if (r == 0 && !disk->target[0])
		return err_set(err, ERR_INVALID, 0,
			       "a <disk> has no <target dev>");
	if (r == 0)
		r = parse_source(node, source, disk, err);
	if (r == 0)
		r = parse_words(node, disk, err);
	disk->role = ROLE_DATA;
	disk->is_disk = !xmlHasProp(node, xml_text("device")) ||
			xml_attr_is(node, "device", "disk");
	disk->readonly = xml_child(node, "readonly");
	disk->shareable = xml_child(node, "shareable");
	disk->transient = xml_child(node, "transient");
	disk->encrypted = is_encrypted(node, source);
	/* An empty one spells it out too: that there is nothing below. */
	disk->chain_spelled = xml_child(node, "backingStore");
	return r;
}

static long boot_order(const xmlNode *disk)
{
	const xmlNode *boot = xml_child(disk, "boot");
	xmlChar *text = boot ? xmlGetNoNsProp(boot, xml_text("order")) : NULL;
	long order = text ? strtol((const char *)text, NULL, 10) : 0;

	xmlFree(text);
	return order > 0 ? order : LONG_MAX;
}

static int parse_disks(const xmlNode *devices, struct domain *domain,
		       struct err *err)
{
	xmlNode *node = xml_child(devices, "disk");
	struct disk *system = NULL;
	long first = LONG_MAX;
	size_t max = 0;

	for (xmlNode *n = node; n; n = xml_first(n->next, "disk"))
		max++;
	if (max > DISKS_MAX)
		return err_set(err, ERR_INVALID, 0, "domain has %zu disks",
			       max);
	domain->disks = calloc(max ? max : 1, sizeof(*domain->disks));
	if (!domain->disks)
		return err_set(err, ERR_NOMEM, 0, "out of memory");

	for (; node; node = xml_first(node->next, "disk")) {
		struct disk *disk = &domain->disks[domain->n_disks];
		int r = parse_disk(node, disk, err);

		if (r < 0)
			return r;
		if (domain_disk(domain, disk->target))
			return err_set(err, ERR_INVALID, 0,
				       "two disks have the <target> '%s'",
				       disk->target);
		domain->n_disks++;
		if (disk_is_wanted(disk) &&
		    (!system || boot_order(node) < first)) {
			system = disk;
			first = boot_order(node);
		}
	}
	if (system)
		system->role = ROLE_SYSTEM;
	return 0;
}

static void parse_agent(const xmlNode *devices, struct domain *domain)
{
	xmlNode *node = xml_child(devices, "channel");

	for (; node; node = xml_first(node->next, "channel")) {
		if (!xml_attr_is(xml_child(node, "target"), "name",
				 AGENT_CHANNEL))
			continue;
		domain->has_agent = true;
		/* A path that does not fit is one way less to thaw: no error. */
		if (copy_attr(xml_child(node, "source"), "path", "channel",
			      AGENT_CHANNEL, domain->agent_path,
			      sizeof(domain->agent_path), NULL) < 0)
			domain->agent_path[0] = '\0';
		return;
	}
}

static bool has_nova_metadata(const xmlNode *root)
{
	const xmlNode *metadata = xml_child(root, "metadata");
	const xmlNode *node = metadata ? metadata->children : NULL;

	for (; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE && node->ns &&
		    node->ns->href &&
		    xmlStrncmp(node->ns->href, xml_text(NOVA_NAMESPACE),
			       sizeof(NOVA_NAMESPACE) - 1) == 0)
			return true;
	return false;
}

static int parse_identity(const xmlNode *root, struct domain *domain,
			  struct err *err)
{
	char uuid[64];
	int r;

	r = copy_content(xml_child(root, "name"), "name", "domain",
			 domain->name, sizeof(domain->name), err);
	if (r == 0 && !domain->name[0])
		return err_set(err, ERR_INVALID, 0, "domain XML has no <name>");
	if (r == 0)
		r = copy_content(xml_child(root, "uuid"), "uuid", domain->name,
				 uuid, sizeof(uuid), err);
	if (r == 0 && !id_parse(uuid, &domain->uuid))
		return err_set(err, ERR_INVALID, 0,
			       "<uuid> of '%s' is not a UUID: '%s'",
			       domain->name, uuid);
	return r;
}

int xml_parse_domain(const char *xml, struct domain *ret, struct err *err)
{
	struct domain domain = { 0 };
	const xmlNode *root, *devices;
	xmlDoc *doc;
	int r;

	r = xml_parse(xml, &doc, err);
	if (r < 0)
		return r;
	root = xmlDocGetRootElement(doc);
	devices = xml_child(root, "devices");
	r = parse_identity(root, &domain, err);
	if (r == 0) {
		parse_agent(devices, &domain);
		domain.is_nova = has_nova_metadata(root);
		r = parse_disks(devices, &domain, err);
	}
	xmlFreeDoc(doc);
	if (r < 0) {
		domain_done(&domain);
		return r;
	}
	*ret = domain;
	return 0;
}
