/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xml_private.h - what xml.c and xml_edit.c share */
#ifndef AGENT_VIRT_XML_PRIVATE_H
#define AGENT_VIRT_XML_PRIVATE_H

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdbool.h>

#include "base/err.h"

/* A <domain> without a document type, or ERR_INVALID. */
int xml_parse(const char *xml, xmlDoc **ret, struct err *err);

const xmlChar *xml_text(const char *s);
/* `from` or the first of its later siblings that is an element `name`. */
xmlNode *xml_first(xmlNode *from, const char *name);
/* NULL of NULL. */
xmlNode *xml_child(const xmlNode *parent, const char *name);
bool xml_attr_is(const xmlNode *node, const char *name, const char *value);

#endif
