/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* notify.c - what we tell systemd */
#include "base/notify.h"

#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#ifdef HAVE_LIBSYSTEMD

#include <systemd/sd-daemon.h>

static void tell(const char *text)
{
	sd_notify(0, text);
}

int64_t notify_watchdog_period_ms(void)
{
	uint64_t limit_us;

	/* Half the limit, as sd_watchdog_enabled(3) advises. */
	if (sd_watchdog_enabled(0, &limit_us) <= 0)
		return 0;
	return limit_us < 2000 ? 1 : (int64_t)(limit_us / 2000);
}

int notify_listen_fd(void)
{
	int n = sd_listen_fds(0);

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
		if (sd_is_socket(fd, AF_UNSPEC, 0, -1) > 0)
			return fd;
	}
	return -1;
}

#else

static void tell(const char *text)
{
	(void)text;
}

int64_t notify_watchdog_period_ms(void)
{
	return 0;
}

int notify_listen_fd(void)
{
	return -1;
}

#endif

void notify_ready(void)
{
	tell("READY=1");
}

void notify_stopping(void)
{
	tell("STOPPING=1");
}

void notify_status(const char *fmt, ...)
{
	char text[256] = "STATUS=";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + 7, sizeof(text) - 7, fmt, ap);
	va_end(ap);
	tell(text);
}

void notify_watchdog(void)
{
	tell("WATCHDOG=1");
}

void notify_extend(int64_t ms)
{
	char text[64];

	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%lld",
		 (long long)ms * 1000);
	tell(text);
}
