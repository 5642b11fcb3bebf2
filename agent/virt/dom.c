/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dom.c - find, describe and redefine domains */
#include "agent/virt/dom.h"

#include <stdlib.h>
#include <string.h>

#include "agent/virt/virt_private.h"
#include "agent/virt/xml.h"
#include "base/str.h"

/* A domain may start or stop between two questions about it. */
#define DESCRIBE_TRIES 4

static int look_up(struct virt_dom *dom, const char *name, struct err *err)
{
	char text[ID_TEXT];

	if (!name) {
		dom->handle = virDomainLookupByUUID(dom->conn, dom->uuid.b);
		name = id_format(&dom->uuid, text);
	} else {
		dom->handle = virDomainLookupByName(dom->conn, name);
		if (!dom->handle && id_parse(name, &dom->uuid))
			dom->handle = virDomainLookupByUUID(dom->conn,
							    dom->uuid.b);
	}
	if (!dom->handle)
		return virt_fail(err, "cannot find domain '%s'", name);
	if (virDomainGetUUID(dom->handle, dom->uuid.b) < 0)
		return virt_fail(err, "cannot identify domain '%s'", name);
	str_copy(dom->name, sizeof(dom->name), virDomainGetName(dom->handle));
	return 0;
}

static int open_dom(struct virt *virt, const struct id *uuid, const char *name,
		    struct virt_dom **ret, struct err *err)
{
	struct virt_dom *dom = calloc(1, sizeof(*dom));
	int r;

	if (!dom)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	dom->virt = virt;
	if (uuid)
		dom->uuid = *uuid;
	r = virt_take(virt, &dom->conn, err);
	if (r == 0)
		r = look_up(dom, name, err);
	if (r < 0) {
		dom_close(dom);
		return r;
	}
	*ret = dom;
	return 0;
}

int dom_open(struct virt *virt, const struct id *uuid, struct virt_dom **ret,
	     struct err *err)
{
	return open_dom(virt, uuid, NULL, ret, err);
}

int dom_find(struct virt *virt, const char *name, struct virt_dom **ret,
	     struct err *err)
{
	char shown[DOMAIN_NAME];

	if (!name[0] || strlen(name) >= DOMAIN_NAME || !str_is_clean(name))
		return err_set(err, ERR_INVALID, 0,
			       "'%s' cannot be the name of a domain",
			       str_show(shown, 64, name));
	return open_dom(virt, NULL, name, ret, err);
}

void dom_close(struct virt_dom *dom)
{
	if (!dom)
		return;
	if (dom->handle)
		virDomainFree(dom->handle);
	virt_give(dom->virt, dom->conn);
	free(dom);
}

int dom_reopen(struct virt_dom *dom, struct err *err)
{
	struct virt_dom again = { .virt = dom->virt, .uuid = dom->uuid };
	int r;

	r = virt_take(again.virt, &again.conn, err);
	if (r < 0)
		return r;
	r = look_up(&again, NULL, err);
	if (r < 0) {
		virt_give(again.virt, again.conn);
		return r;
	}
	virDomainFree(dom->handle);
	virt_give(dom->virt, dom->conn);
	*dom = again;
	return 0;
}

static int get_state(virDomainPtr handle, const char *name,
		     enum domain_state *ret, int *ret_reason, struct err *err)
{
	int state, reason, active;

	if (virDomainGetState(handle, &state, &reason, 0) < 0)
		return virt_fail(err, "cannot get the state of '%s'", name);
	*ret = DOMAIN_PAUSED; /* there is a QEMU, but no guest code runs */
	if (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED)
		*ret = DOMAIN_RUNNING;
	else if (state == VIR_DOMAIN_SHUTOFF)
		*ret = DOMAIN_OFF;
	else if (state == VIR_DOMAIN_CRASHED) {
		/* on_crash 'preserve' keeps its QEMU. */
		active = virDomainIsActive(handle);
		if (active < 0)
			return virt_fail(err, "cannot ask whether '%s' runs",
					 name);
		if (!active)
			*ret = DOMAIN_OFF;
	}
	*ret_reason = -1; /* of other states nobody asks */
	if (state == VIR_DOMAIN_PAUSED || state == VIR_DOMAIN_SHUTOFF)
		*ret_reason = reason;
	return 0;
}

int dom_state(struct virt_dom *dom, enum domain_state *ret, struct err *err)
{
	int reason;

	return get_state(dom->handle, dom->name, ret, &reason, err);
}

static int get_xml(struct virt_dom *dom, unsigned flags, char **ret,
		   struct err *err)
{
	*ret = virDomainGetXMLDesc(dom->handle, flags);
	if (!*ret)
		return virt_fail(err, "cannot get the XML of '%s'", dom->name);
	return 0;
}

static int parse_xml(struct virt_dom *dom, unsigned flags, struct domain *ret,
		     struct err *err)
{
	char *xml;
	int r = get_xml(dom, flags, &xml, err);

	if (r < 0)
		return r;
	r = xml_parse_domain(xml, ret, err);
	free(xml);
	return r;
}

/* A migration, in or out, is libvirt's job of a running domain. */
static bool is_migrating(virDomainPtr handle)
{
	virTypedParameterPtr params = NULL;
	int type, n = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;

	if (virDomainGetJobStats(handle, &type, &params, &n, 0) < 0)
		return false; /* this hypervisor has no jobs */
	if (type != VIR_DOMAIN_JOB_NONE)
		virTypedParamsGetInt(params, n, VIR_DOMAIN_JOB_OPERATION,
				     &operation);
	virTypedParamsFree(params, n);
	return operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN ||
	       operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
}

/* The live XML spells out every chain; what counts is whether the definition
 * does. */
static int merge_definition(struct virt_dom *dom, struct domain *domain,
			    struct err *err)
{
	struct domain defined = { 0 };
	int r = 0;

	if (domain->persistent)
		r = parse_xml(dom, VIR_DOMAIN_XML_INACTIVE, &defined, err);
	for (size_t i = 0; i < domain->n_disks && r == 0; i++) {
		struct disk *disk = &domain->disks[i];
		const struct disk *was = domain_disk(&defined, disk->target);

		disk->chain_spelled = was && was->chain_spelled;
	}
	domain_done(&defined);
	return r;
}

static int describe(struct virt_dom *dom, struct domain *ret, int *ret_reason,
		    struct err *err)
{
	int persistent, r;

	r = parse_xml(dom, 0, ret, err);
	if (r == 0)
		r = get_state(dom->handle, dom->name, &ret->state, ret_reason,
			      err);
	if (r < 0)
		return r;
	persistent = virDomainIsPersistent(dom->handle);
	if (persistent < 0)
		return virt_fail(err, "cannot ask whether '%s' is persistent",
				 dom->name);
	ret->persistent = persistent;
	if (ret->state == DOMAIN_OFF) {
		/* It runs elsewhere, perhaps on the same files. */
		ret->migrating = *ret_reason == VIR_DOMAIN_SHUTOFF_MIGRATED;
		return 0;
	}
	/* An incoming one begins as a domain that starts up. */
	ret->migrating = *ret_reason == VIR_DOMAIN_PAUSED_MIGRATION ||
			 *ret_reason == VIR_DOMAIN_PAUSED_STARTING_UP ||
			 is_migrating(dom->handle);
	return merge_definition(dom, ret, err);
}

int dom_describe(struct virt_dom *dom, struct domain *ret, struct err *err)
{
	enum domain_state before;
	int reason, r;

	for (int i = 0; i < DESCRIBE_TRIES; i++) {
		struct domain domain = { 0 };

		r = get_state(dom->handle, dom->name, &before, &reason, err);
		if (r == 0)
			r = describe(dom, &domain, &reason, err);
		if (r == 0 && domain.state == before) {
			*ret = domain;
			return 0;
		}
		domain_done(&domain);
		if (r < 0)
			return r;
	}
	return err_set(err, ERR_BUSY, 0, "domain '%s' keeps changing its state",
		       dom->name);
}

/* False when the domain has gone meanwhile. */
static bool summarize(virDomainPtr handle, struct domain *ret)
{
	int reason;

	return virDomainGetUUID(handle, ret->uuid.b) == 0 &&
	       str_copy(ret->name, sizeof(ret->name),
			virDomainGetName(handle)) &&
	       get_state(handle, ret->name, &ret->state, &reason, NULL) == 0;
}

/* Releases the handles. */
static int summarize_all(virDomainPtr *handles, size_t n, struct domain **ret,
			 size_t *ret_n, struct err *err)
{
	struct domain *list = calloc(n + 1, sizeof(*list));
	size_t made = 0;

	for (size_t i = 0; i < n; i++) {
		if (list && summarize(handles[i], &list[made]))
			made++;
		virDomainFree(handles[i]);
	}
	free(handles);
	if (!list)
		return err_set(err, ERR_NOMEM, 0, "out of memory");
	*ret = list;
	*ret_n = made;
	return 0;
}

int dom_list(struct virt *virt, struct domain **ret, size_t *ret_n,
	     struct err *err)
{
	virDomainPtr *handles = NULL;
	virConnectPtr conn;
	int n, r;

	r = virt_take(virt, &conn, err);
	if (r < 0)
		return r;
	n = virConnectListAllDomains(conn, &handles, 0);
	if (n < 0)
		r = virt_fail(err, "cannot list the domains");
	else
		r = summarize_all(handles, (size_t)n, ret, ret_n, err);
	virt_give(virt, conn);
	return r;
}

static int define(struct virt_dom *dom, const char *xml, struct err *err)
{
	virDomainPtr defined = virDomainDefineXMLFlags(dom->conn, xml, 0);

	if (!defined)
		return virt_fail(err, "cannot change the definition of '%s'",
				 dom->name);
	virDomainFree(defined);
	return 0;
}

int dom_edit_definition(struct virt_dom *dom, const char *const *targets,
			const char *const *sources, size_t n, struct err *err)
{
	char *xml, *edited = NULL;
	int r;

	r = virDomainIsPersistent(dom->handle);
	if (r < 0)
		return virt_fail(err, "cannot ask whether '%s' is persistent",
				 dom->name);
	if (r == 0)
		return 0;
	/* With its passwords, which would else be lost. */
	r = get_xml(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE, &xml,
		    err);
	if (r < 0)
		return r;
	r = xml_edit_disks(xml, targets, sources, n, &edited, err);
	if (r == 0 && edited)
		r = define(dom, edited, err);
	free(edited);
	free(xml);
	return r;
}

static int names_file(struct virt_dom *dom, unsigned flags, const char *path,
		      bool *ret, struct err *err)
{
	char *xml;
	int r = get_xml(dom, flags, &xml, err);

	if (r < 0)
		return r;
	r = xml_names_file(xml, path, ret, err);
	free(xml);
	return r;
}

int dom_names_file(struct virt_dom *dom, const char *path, bool *ret_live,
		   bool *ret_defined, struct err *err)
{
	bool live = false, defined = false;
	enum domain_state state;
	int persistent, r;

	persistent = virDomainIsPersistent(dom->handle);
	if (persistent < 0)
		return virt_fail(err, "cannot ask whether '%s' is persistent",
				 dom->name);
	r = dom_state(dom, &state, err);
	if (r == 0 && state != DOMAIN_OFF)
		r = names_file(dom, 0, path, &live, err);
	if (r == 0 && persistent)
		r = names_file(dom, VIR_DOMAIN_XML_INACTIVE, path, &defined,
			       err);
	if (r < 0)
		return r;
	*ret_live = live;
	*ret_defined = defined;
	return 0;
}
