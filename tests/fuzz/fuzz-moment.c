/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz-moment.c - any bytes as what a hook says; all texts must end in them */
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct moment m;

	if (control_parse_moment(data, size, &m, NULL) < 0)
		return 0;
	if (strlen(m.domain) + strlen(m.operation) + strlen(m.sub) +
			    strlen(m.extra) + strlen(m.xml) >=
		    size ||
	    m.deadline_ms < 0)
		abort();
	return 0;
}
