/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hold.c - stop the agent at one libvirt call, for the tests
 *
 * Preloaded into snaptree-agentd.  A file in the folder $HOLD_DIR asks for one
 * thing, once, and is removed when that happens:
 *
 *	before-CALL  after-CALL   stop the process (SIGSTOP) at this place, and
 *	                          make the file "held" first
 *	skip-CALL                 do not make the call, say that it succeeded
 *
 * $SELF_EXE is what /proc/self/exe stands for when the process starts itself
 * again: under valgrind that is valgrind.
 *
 * CALL is FSFreeze, FSThaw, SnapshotCreateXML or Transaction (a QEMU monitor
 * command with that word in it).  The guard and its children look for
 * guard-before-CALL and so on instead.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int asked(const char *what, const char *call)
{
	const char *dir = getenv("HOLD_DIR");
	char path[512], name[17] = "";

	prctl(PR_GET_NAME, name);
	/* Worker threads have names of their own: only the guard's counts. */
	snprintf(path, sizeof(path), "%s/%s%s-%s", dir ? dir : "/nonexistent",
		 strcmp(name, "snaptree-guard") ? "" : "guard-", what, call);
	return unlink(path) == 0;
}

static void hold(const char *what, const char *call)
{
	char path[512];

	if (!asked(what, call))
		return;
	snprintf(path, sizeof(path), "%s/held", getenv("HOLD_DIR"));
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	/* To this thread: one sent to the process may stop another thread first
	 * and let this one go on for a while. */
	raise(SIGSTOP);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int posix_spawn(pid_t *pid, const char *path,
		const posix_spawn_file_actions_t *files,
		const posix_spawnattr_t *attr, char *const argv[],
		char *const env[])
{
	const char *self = getenv("SELF_EXE");

	if (self && strcmp(path, "/proc/self/exe") == 0)
		path = self;
	return REAL(posix_spawn)(pid, path, files, attr, argv, env);
}

int virDomainFSFreeze(void *dom, const char **points, unsigned n,
		      unsigned flags);
int virDomainFSThaw(void *dom, const char **points, unsigned n, unsigned flags);
void *virDomainSnapshotCreateXML(void *dom, const char *xml, unsigned flags);
int virDomainQemuMonitorCommand(void *dom, const char *cmd, char **ret,
				unsigned flags);

int virDomainFSFreeze(void *dom, const char **points, unsigned n,
		      unsigned flags)
{
	int r = 1;

	hold("before", "FSFreeze");
	if (!asked("skip", "FSFreeze"))
		r = REAL(virDomainFSFreeze)(dom, points, n, flags);
	hold("after", "FSFreeze");
	return r;
}

int virDomainFSThaw(void *dom, const char **points, unsigned n, unsigned flags)
{
	int r = 2;

	hold("before", "FSThaw");
	if (!asked("skip", "FSThaw"))
		r = REAL(virDomainFSThaw)(dom, points, n, flags);
	hold("after", "FSThaw");
	return r;
}

void *virDomainSnapshotCreateXML(void *dom, const char *xml, unsigned flags)
{
	void *r;

	hold("before", "SnapshotCreateXML");
	r = REAL(virDomainSnapshotCreateXML)(dom, xml, flags);
	hold("after", "SnapshotCreateXML");
	return r;
}

int virDomainQemuMonitorCommand(void *dom, const char *cmd, char **ret,
				unsigned flags)
{
	const int watched = cmd && strstr(cmd, "transaction");
	int r;

	if (watched)
		hold("before", "Transaction");
	r = REAL(virDomainQemuMonitorCommand)(dom, cmd, ret, flags);
	if (watched)
		hold("after", "Transaction");
	return r;
}
