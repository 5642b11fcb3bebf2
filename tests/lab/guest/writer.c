/*
 * writer.c - write to a guest's disks in a way that shows what a snapshot did
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 *   writer each  FILE MS STAT          one log, a record each MS milliseconds
 *   writer pair  FILE-A FILE-B MS STAT two logs, record n to A, then n to B
 *   writer dirty DIR MS                change many small files, never fsync
 *   writer check FILE...               look at logs; also runs on the host
 *
 * A log is made of records of 512 bytes, each written and fsynced before the
 * next: its number n = 1, 2, 3..., the guest's monotonic time and a CRC.
 * Record n is at place (n - 1) modulo RECORDS, so a log never grows above
 * 16 MiB.  A restart goes on after the last record.  In pair mode, at any
 * instant, last(B) <= last(A) <= last(B) + 1: snapshots of the two disks that
 * break this were not taken at one instant.
 *
 * STAT (on a tmpfs) holds one line of 128 bytes, rewritten after each record:
 *   n=N last_us=N max_us=N max_at_ms=N resets=N pid=N
 * max_us is the longest stalled write (pwrite + fsync) since SIGUSR1 was last
 * received; a write that was under way at that time does not count.
 *
 * check prints "FILE first=N last=N count=N bad=N" for each file and exits 1
 * if a record is damaged or missing between first and last.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RECORD = 512, RECORDS = 32768, STAT_LINE = 128, CRC_AT = RECORD - 10 };

struct log {
	const char *path;
	int fd;
	long long first, last, count, bad;
};

struct stats {
	int fd;
	long long max_us, max_at_us, resets;
};

static volatile sig_atomic_t reset_wanted;

static void on_reset(int sig)
{
	(void)sig;
	reset_wanted = 1;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "writer: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static uint32_t crc32(const char *data, size_t len)
{
	static uint32_t table[256];
	uint32_t crc = 0xffffffff;

	if (!table[1])
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (int k = 0; k < 8; k++)
				c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
			table[i] = c;
		}
	for (size_t i = 0; i < len; i++)
		crc = table[(crc ^ (unsigned char)data[i]) & 0xff] ^ (crc >> 8);
	return ~crc;
}

/* "snaptree NUMBER TIME ....... CRC\n" */
static void record_make(char rec[RECORD + 1], long long n)
{
	int len;

	memset(rec, '.', RECORD);
	len = snprintf(rec, 64, "snaptree %012lld %015lld ", n, now_us());
	rec[len] = '.';
	snprintf(rec + CRC_AT, 11, " %08x\n", crc32(rec, CRC_AT));
}

/* the number of a whole record at this place, 0 if it is none */
static long long record_number(const char rec[RECORD], long long place)
{
	char crc[11];
	long long n;

	snprintf(crc, sizeof(crc), " %08x\n", crc32(rec, CRC_AT));
	if (memcmp(rec + CRC_AT, crc, 10) || memcmp(rec, "snaptree ", 9))
		return 0;
	n = strtoll(rec + 9, NULL, 10);
	return n > 0 && (n - 1) % RECORDS == place ? n : 0;
}

/* read the whole log and fill in first, last, count and bad */
static void log_scan(struct log *log)
{
	char rec[RECORD];
	ssize_t got;

	log->first = log->last = log->count = log->bad = 0;
	for (long long place = 0; place < RECORDS; place++) {
		long long n;

		got = pread(log->fd, rec, RECORD, place * RECORD);
		if (got < 0)
			die(log->path);
		if (got == 0)
			break;
		n = got == RECORD ? record_number(rec, place) : 0;
		if (!n) {
			log->bad++;
			continue;
		}
		log->count++;
		if (n > log->last)
			log->last = n;
		if (!log->first || n < log->first)
			log->first = n;
	}
}

static void log_open(struct log *log, const char *path, int flags)
{
	log->path = path;
	log->fd = open(path, flags | O_CLOEXEC, 0644);
	if (log->fd < 0)
		die(path);
	log_scan(log);
}

static void stats_open(struct stats *st, const char *path)
{
	struct sigaction sa = { .sa_handler = on_reset,
				.sa_flags = SA_RESTART };

	st->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (st->fd < 0)
		die(path);
	sigaction(SIGUSR1, &sa, NULL);
}

static void stats_note(struct stats *st, long long n, long long at,
		       long long took)
{
	char line[STAT_LINE + 1];
	int len;

	if (reset_wanted) {
		reset_wanted = 0;
		st->max_us = st->max_at_us = 0;
		st->resets++;
	} else if (took > st->max_us) {
		st->max_us = took;
		st->max_at_us = at;
	}
	len = snprintf(line, sizeof(line),
		       "n=%lld last_us=%lld max_us=%lld max_at_ms=%lld "
		       "resets=%lld pid=%d",
		       n, took, st->max_us, st->max_at_us / 1000, st->resets,
		       (int)getpid());
	if (len > STAT_LINE - 1)
		len = STAT_LINE - 1;
	memset(line + len, ' ', STAT_LINE - 1 - len);
	line[STAT_LINE - 1] = '\n';
	if (pwrite(st->fd, line, STAT_LINE, 0) != STAT_LINE)
		die("stat file");
}

static void append(struct log *log, struct stats *st, long long n)
{
	char rec[RECORD + 1];
	long long start;

	record_make(rec, n);
	start = now_us();
	if (pwrite(log->fd, rec, RECORD, (n - 1) % RECORDS * RECORD) !=
		    RECORD ||
	    fsync(log->fd))
		die(log->path);
	stats_note(st, n, start, now_us() - start);
}

static _Noreturn void write_logs(int n_logs, char **paths, int period_ms,
				 const char *stat)
{
	struct log logs[2];
	struct stats st = { 0 };
	long long n;

	stats_open(&st, stat);
	for (int i = 0; i < n_logs; i++)
		log_open(&logs[i], paths[i], O_RDWR | O_CREAT);
	/* after a crash A may be one ahead: write that record to both again */
	n = logs[n_logs - 1].last + 1;
	for (;; n++) {
		for (int i = 0; i < n_logs; i++)
			append(&logs[i], &st, n);
		usleep(period_ms * 1000);
	}
}

/* one small change of a directory tree of at most 1000 files */
static void dirty_step(const char *dir, unsigned k)
{
	char path[512], other[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%03u", dir, k * 7 % 1000);
	snprintf(other, sizeof(other), "%s/%03u", dir, k * 13 % 1000);
	if (k % 5 == 3 && !rename(path, other))
		return;
	if (k % 5 == 4 && !unlink(path))
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		die(path);
	if (pwrite(fd, other, sizeof(other), k % 16 * 1024) < 0 ||
	    (k % 3 == 0 && ftruncate(fd, k % 4096)))
		die(path);
	close(fd);
}

static _Noreturn void write_dirty(const char *dir, int period_ms)
{
	for (unsigned k = 0;; k++) {
		dirty_step(dir, k);
		if (k % 10 == 9)
			usleep(period_ms * 1000);
	}
}

static int check(int n, char **paths)
{
	int ret = 0;

	for (int i = 0; i < n; i++) {
		struct log log;

		log_open(&log, paths[i], O_RDONLY);
		printf("%s first=%lld last=%lld count=%lld bad=%lld\n",
		       paths[i], log.first, log.last, log.count, log.bad);
		if (log.bad ||
		    (log.count && log.last - log.first + 1 != log.count))
			ret = 1;
		close(log.fd);
	}
	return ret;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "each"))
		write_logs(1, argv + 2, atoi(argv[3]), argv[4]);
	if (argc == 6 && !strcmp(argv[1], "pair"))
		write_logs(2, argv + 2, atoi(argv[4]), argv[5]);
	if (argc == 4 && !strcmp(argv[1], "dirty"))
		write_dirty(argv[2], atoi(argv[3]));
	if (argc >= 3 && !strcmp(argv[1], "check"))
		return check(argc - 2, argv + 2);
	fprintf(stderr, "usage: writer each FILE MS STAT | pair A B MS STAT | "
			"dirty DIR MS | check FILE...\n");
	return 2;
}
