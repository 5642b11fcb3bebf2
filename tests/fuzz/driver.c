/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver.c - runs a fuzzer's inputs without a fuzzing engine
 *
 * The files named as arguments; else those of the corpus: fuzz-X has
 * tests/fuzz/corpus-X.  With an engine, link that instead of this file.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	static uint8_t buf[1 << 20];
	FILE *file = fopen(path, "r");
	uint8_t *data;
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(buf, 1, sizeof(buf), file);
	fclose(file);
	/* A block of that very size, so that reading behind it is noticed. */
	data = malloc(size + (size == 0));
	if (!data)
		return 1;
	memcpy(data, buf, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int run_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[4096];
	int bad = 0, n = 0;

	if (!dir) {
		perror(folder);
		return 1;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		bad |= run_file(path);
		n++;
	}
	closedir(dir);
	printf("%s: %d inputs\n", folder, n);
	return bad || n == 0;
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	const char *name = strrchr(program_invocation_short_name, '-');
	char folder[1024];
	int bad = 0;

	for (int i = 1; i < argc; i++)
		bad |= run_file(argv[i]);
	if (argc > 1 || !name)
		return bad;
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus%s",
		 srcdir ? srcdir : ".", name);
	return run_folder(folder);
}
