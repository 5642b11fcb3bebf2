/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xml_edit.c - libvirt's XML out of the model, and small changes to it */
#include "agent/virt/xml.h"

#include <stdlib.h>
#include <string.h>

#include "agent/virt/xml_private.h"
#include "base/str.h"

static const struct snapshot_disk *
find_disk(const struct snapshot_disk *const *disks, size_t n,
	  const char *target)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(disks[i]->target, target) == 0)
			return disks[i];
	return NULL;
}

/* Both are made, or false: out of memory. */
static bool add_child(xmlNode *parent, const char *name, const char *attr,
		      const char *value, xmlNode **ret)
{
	xmlNode *node = xmlNewChild(parent, NULL, xml_text(name), NULL);

	*ret = node;
	return node && xmlNewProp(node, xml_text(attr), xml_text(value));
}

static bool add_disk(xmlNode *disks, const char *target,
		     const struct snapshot_disk *cut)
{
	xmlNode *node, *child;

	if (!add_child(disks, "disk", "name", target, &node))
		return false;
	if (!cut)
		return xmlNewProp(node, xml_text("snapshot"), xml_text("no"));
	return xmlNewProp(node, xml_text("snapshot"), xml_text("external")) &&
	       xmlNewProp(node, xml_text("type"), xml_text("file")) &&
	       add_child(node, "driver", "type", "qcow2", &child) &&
	       add_child(node, "source", "file", cut->active, &child);
}

static bool fill_snapshot(xmlDoc *doc, const struct domain *domain,
			  const struct snapshot_disk *const *disks, size_t n)
{
	xmlNode *root = xmlNewDocNode(doc, NULL, xml_text("domainsnapshot"),
				      NULL);
	xmlNode *list;

	if (!root)
		return false;
	xmlDocSetRootElement(doc, root);
	list = xmlNewChild(root, NULL, xml_text("disks"), NULL);
	for (size_t i = 0; list && i < domain->n_disks; i++) {
		const char *target = domain->disks[i].target;

		if (!add_disk(list, target, find_disk(disks, n, target)))
			return false;
	}
	return list;
}

static char *print(xmlDoc *doc)
{
	xmlChar *text = NULL;
	char *copy;
	int n = 0;

	xmlDocDumpMemoryEnc(doc, &text, &n, "UTF-8");
	copy = text ? strdup((const char *)text) : NULL;
	xmlFree(text);
	return copy;
}

int xml_make_snapshot(const struct domain *domain,
		      const struct snapshot_disk *const *disks, size_t n,
		      char **ret, struct err *err)
{
	xmlDoc *doc = xmlNewDoc(xml_text("1.0"));
	char *text = NULL;

	if (doc && fill_snapshot(doc, domain, disks, n))
		text = print(doc);
	xmlFreeDoc(doc);
	if (!text)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	*ret = text;
	return 0;
}

static xmlNode *find_target(xmlDoc *doc, const char *target)
{
	const xmlNode *devices = xml_child(xmlDocGetRootElement(doc),
					   "devices");
	xmlNode *disk = xml_child(devices, "disk");

	while (disk && !xml_attr_is(xml_child(disk, "target"), "dev", target))
		disk = xml_first(disk->next, "disk");
	return disk;
}

static bool strip_chain(xmlNode *disk)
{
	xmlNode *chain = xml_child(disk, "backingStore");

	if (!chain)
		return false;
	xmlUnlinkNode(chain);
	xmlFreeNode(chain);
	return true;
}

static int edit_disk(xmlNode *disk, const char *target, const char *path,
		     bool *changed, struct err *err)
{
	xmlNode *source = xml_child(disk, "source");

	if (strip_chain(disk))
		*changed = true;
	if (!path || xml_attr_is(source, "file", path))
		return 0;
	if (!source || !xmlHasProp(source, xml_text("file")))
		return err_set(
			err, ERR_INVALID, 0,
			"disk '%s' has no <source file> in the definition",
			target);
	if (!xmlSetProp(source, xml_text("file"), xml_text(path)))
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	*changed = true;
	return 0;
}

int xml_edit_disks(const char *xml, const char *const *targets,
		   const char *const *sources, size_t n, char **ret,
		   struct err *err)
{
	bool changed = false;
	char *text = NULL;
	xmlDoc *doc;
	int r;

	r = xml_parse(xml, &doc, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++) {
		xmlNode *disk = find_target(doc, targets[i]);

		/* Attached to the running domain only. */
		if (disk)
			r = edit_disk(disk, targets[i],
				      sources ? sources[i] : NULL, &changed,
				      err);
	}
	if (r == 0 && changed) {
		text = print(doc);
		if (!text)
			r = err_set(err, ERR_NOMEM, 0, "out of memory");
	}
	xmlFreeDoc(doc);
	if (r == 0)
		*ret = text;
	return r;
}

/* Only elements and depth that libxml2's own limit allows: it ends. */
static bool names_file(const xmlNode *node, const char *path)
{
	for (; node; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		if (xml_attr_is(node, "file", path) ||
		    names_file(node->children, path))
			return true;
	}
	return false;
}

int xml_names_file(const char *xml, const char *path, bool *ret,
		   struct err *err)
{
	xmlDoc *doc;
	int r = xml_parse(xml, &doc, err);

	if (r < 0)
		return r;
	*ret = names_file(xmlDocGetRootElement(doc), path);
	xmlFreeDoc(doc);
	return 0;
}
