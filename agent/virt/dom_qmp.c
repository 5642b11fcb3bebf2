/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dom_qmp.c - internal snapshots, through QEMU's own commands
 *
 * libvirt has no call for an internal snapshot of the disks alone.  What goes
 * this way taints the domain, and libvirt does not know of it.
 */
#include <jansson.h>
#include <libvirt/libvirt-qemu.h>
#include <stdlib.h>
#include <string.h>

#include "agent/virt/dom.h"
#include "agent/virt/virt_private.h"
#include "base/str.h"

static const char *string_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static int parse_reply(const char *name, const char *text, json_t **ret,
		       struct err *err)
{
	json_t *reply = json_loads(text, 0, NULL);
	json_t *value = json_object_get(reply, "return");
	const json_t *error = json_object_get(reply, "error");
	char shown[160];
	int r = 0;

	if (value)
		*ret = json_incref(value);
	else if (error)
		r = err_set(err, ERR_STORAGE, 0, "QEMU's '%s': %s", name,
			    str_show(shown, sizeof(shown),
				     string_of(error, "desc")));
	else
		r = err_set(err, ERR_VIRT, 0,
			    "QEMU's answer to '%s' is no JSON", name);
	json_decref(reply);
	return r;
}

/* Takes `arguments`; NULL: it could not be made.  *ret is a new reference. */
static int run(struct virt_dom *dom, const char *name, json_t *arguments,
	       json_t **ret, struct err *err)
{
	json_t *command = json_pack("{s:s, s:o}", "execute", name, "arguments",
				    arguments);
	char *text = command ? json_dumps(command, JSON_COMPACT) : NULL;
	char *reply = NULL;
	int r;

	json_decref(command);
	if (!text)
		return err_set(err, ERR_NOMEM, 0, "cannot make command '%s'",
			       name);
	if (virDomainQemuMonitorCommand(dom->handle, text, &reply, 0) < 0)
		r = virt_fail(err, "QEMU's '%s'", name);
	else
		r = parse_reply(name, reply, ret, err);
	free(reply);
	free(text);
	return r;
}

static int run_only(struct virt_dom *dom, const char *name, json_t *arguments,
		    struct err *err)
{
	json_t *value = NULL;
	int r = run(dom, name, arguments, &value, err);

	json_decref(value);
	return r;
}

/* Is it the alias of the device: "/machine/peripheral/ALIAS/virtio-backend",
 * or ALIAS itself? */
static bool is_device(const char *qdev, const char *alias)
{
	static const char prefix[] = "/machine/peripheral/";
	const size_t n = strlen(alias);

	if (strncmp(qdev, prefix, sizeof(prefix) - 1) == 0)
		qdev += sizeof(prefix) - 1;
	return n > 0 && strncmp(qdev, alias, n) == 0 &&
	       (qdev[n] == '\0' || qdev[n] == '/');
}

static const json_t *find_device(const json_t *devices, const char *alias)
{
	const json_t *device;
	size_t i;

	json_array_foreach(
		devices, i,
		device) if (is_device(string_of(device, "qdev"),
				      alias)) return json_object_get(device,
								     "inserted");
	return NULL;
}

/* QEMU names a node either by its path or, where its options say more than
 * that, by "json:" and all of them. */
static bool has_open(const json_t *node, const char *path)
{
	const char *file = string_of(node, "file");
	json_t *options;
	bool same = false;

	if (strncmp(file, "json:", 5) != 0)
		return strcmp(file, path) == 0;
	options = json_loads(file + 5, 0, NULL);
	same = strcmp(string_of(json_object_get(options, "file"), "filename"),
		      path) == 0;
	json_decref(options);
	return same;
}

static int find_node(const json_t *devices, const struct disk *disk,
		     struct snapshot_disk *ret, struct err *err)
{
	const json_t *node = find_device(devices, disk->alias);

	if (!node)
		return err_set(err, ERR_ABSENT, 0,
			       "QEMU has no disk '%s' (alias '%s')",
			       disk->target, disk->alias);
	if (strcmp(string_of(node, "drv"), "qcow2") != 0)
		return err_set(
			err, ERR_UNSUPPORTED, 0,
			"QEMU has disk '%s' open by its driver '%s', not qcow2",
			disk->target, string_of(node, "drv"));
	if (!has_open(node, disk->source))
		return err_set(
			err, ERR_BUSY, 0,
			"QEMU has another file open for disk '%s' than '%s'",
			disk->target, disk->source);
	if (!str_copy(ret->node, sizeof(ret->node),
		      string_of(node, "node-name")) ||
	    !ret->node[0])
		return err_set(err, ERR_VIRT, 0,
			       "QEMU's node of disk '%s' has no usable name",
			       disk->target);
	return 0;
}

int dom_find_nodes(struct virt_dom *dom, const struct domain *domain,
		   struct snapshot_disk *const *disks, size_t n,
		   struct err *err)
{
	json_t *devices;
	int r = run(dom, "query-block", json_object(), &devices, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct disk *disk = domain_disk(domain, disks[i]->target);

		if (!disk)
			r = err_set(err, ERR_ABSENT, 0,
				    "domain '%s' has no disk '%s'",
				    domain->name, disks[i]->target);
		else
			r = find_node(devices, disk, disks[i], err);
	}
	json_decref(devices);
	return r;
}

static json_t *make_action(const struct snapshot_disk *disk)
{
	return json_pack("{s:s, s:{s:s, s:s}}", "type",
			 "blockdev-snapshot-internal-sync", "data", "device",
			 disk->node, "name", disk->name);
}

int dom_cut_internal(struct virt_dom *dom,
		     const struct snapshot_disk *const *disks, size_t n,
		     struct err *err)
{
	json_t *actions = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(actions, make_action(disks[i])) < 0) {
			json_decref(actions);
			return err_set(err, ERR_NOMEM, 0, "out of memory");
		}
	return run_only(dom, "transaction",
			json_pack("{s:o}", "actions", actions), err);
}

static bool lists_snapshot(const json_t *nodes,
			   const struct snapshot_disk *disk, bool *ret)
{
	const json_t *node, *snapshot;
	size_t i, k;

	json_array_foreach(nodes, i, node)
	{
		if (strcmp(string_of(node, "node-name"), disk->node) != 0)
			continue;
		*ret = false;
		json_array_foreach(
			json_object_get(json_object_get(node, "image"),
					"snapshots"),
			k, snapshot) if (strcmp(string_of(snapshot, "name"),
						disk->name) == 0) *ret = true;
		return true;
	}
	return false;
}

int dom_has_internal(struct virt_dom *dom, const struct snapshot_disk *disk,
		     bool *ret, struct err *err)
{
	json_t *nodes;
	int r = run(dom, "query-named-block-nodes",
		    json_pack("{s:b}", "flat", 1), &nodes, err);

	if (r < 0)
		return r;
	if (!lists_snapshot(nodes, disk, ret))
		r = err_set(err, ERR_ABSENT, 0, "QEMU has no node '%s'",
			    disk->node);
	json_decref(nodes);
	return r;
}

int dom_delete_internal(struct virt_dom *dom, const struct snapshot_disk *disk,
			struct err *err)
{
	bool has = false;
	int r = dom_has_internal(dom, disk, &has, err);

	if (r < 0 || !has)
		return r;
	return run_only(dom, "blockdev-snapshot-delete-internal-sync",
			json_pack("{s:s, s:s}", "device", disk->node, "name",
				  disk->name),
			err);
}
