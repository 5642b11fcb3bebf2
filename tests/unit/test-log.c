/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-log.c - levels and the form of lines on standard error */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <regex.h>

#include "base/log.h"

static int saved_stderr;

static int redirect(void **state)
{
	unsetenv("JOURNAL_STREAM");
	if (test_dir_make(state) < 0)
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	return 0;
}

static void capture(void)
{
	int fd = open(test_path("log"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
		      0600);

	assert_true(fd >= 0);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* What was logged since capture(). */
static const char *release(void)
{
	static char text[8192];
	FILE *file = fopen(test_path("log"), "r");
	size_t n;

	dup2(saved_stderr, STDERR_FILENO);
	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	return text;
}

static void test_level_names(void **state)
{
	enum log_level level = LOG_LEVEL_ERROR;

	(void)state;
	assert_true(log_level_parse("debug", &level));
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_true(log_level_parse("warning", &level));
	assert_int_equal(level, LOG_LEVEL_WARNING);
	assert_false(log_level_parse("loud", &level));
	assert_false(log_level_parse("", &level));
	assert_int_equal(level, LOG_LEVEL_WARNING);
}

static void test_line(void **state)
{
	const char *line;
	regex_t re;

	(void)state;
	assert_int_equal(regcomp(&re,
				 "^[0-9]{4}(-[0-9]{2}){2} "
				 "[0-9]{2}(:[0-9]{2}){2}\\.[0-9]{3} "
				 "info: hello 1\n$",
				 REG_EXTENDED | REG_NOSUB),
			 0);
	capture();
	log_init("test", LOG_LEVEL_INFO);
	log_info("hello %d", 1);
	line = release();
	if (regexec(&re, line, 0, NULL, 0) != 0)
		fail_msg("line is '%s'", line);
	regfree(&re);
}

static void test_level_filters(void **state)
{
	const char *text;

	(void)state;
	capture();
	log_init("test", LOG_LEVEL_WARNING);
	log_error("one");
	log_warning("two");
	log_info("three");
	log_debug("four");
	text = release();
	assert_contains(text, " error: one\n");
	assert_contains(text, " warning: two\n");
	assert_null(strstr(text, "three"));
	assert_null(strstr(text, "four"));
}

static void test_one_line_each(void **state)
{
	char longer[3000];
	const char *text;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	capture();
	log_init("test", LOG_LEVEL_INFO);
	log_info("%s", "a\nerror: faked\x1b[31m");
	log_info("%s", longer);
	text = release();
	assert_contains(text, "info: a?error: faked?[31m\n");
	text = strchr(text, '\n') + 1;
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

/* A JOURNAL_STREAM of another descriptor is not ours. */
static void test_foreign_stream(void **state)
{
	struct log_about about = { .state = "CUTTING", .error = "BUSY" };

	(void)state;
	setenv("JOURNAL_STREAM", "1:1", 1);
	capture();
	log_init("test", LOG_LEVEL_INFO);
	log_line(LOG_LEVEL_INFO, &about, "plain");
	assert_contains(release(), "info: plain\n");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	capture();
	log_init("test", LOG_LEVEL_INFO);
	log_info("plain");
	assert_contains(release(), "info: plain\n");
	unsetenv("JOURNAL_STREAM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_level_names),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_level_filters),
		cmocka_unit_test(test_one_line_each),
		cmocka_unit_test(test_foreign_stream),
	};

	return cmocka_run_group_tests(tests, redirect, test_dir_remove);
}
