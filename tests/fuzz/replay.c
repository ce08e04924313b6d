/* SPDX-License-Identifier: BSD-3-Clause */
/* The inputs of files, one after the other, without libFuzzer: a line of a .hex file is an input in hexadecimal digits, and one
 * that begins with # a comment; any other file is one input.
 */
#include "fuzz.h"

#include <signal.h>
#include <unistd.h>

static unsigned int inputs;
static char where[300]; /* the input that is played */

/* A sanitizer's, where there is one: called before it ends the process. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void say_where(void)
{
	if (write(STDERR_FILENO, where, strlen(where)) < 0)
		_exit(2);
}

static void on_signal(int number)
{
	say_where();
	signal(number, SIG_DFL);
	raise(number);
}

/* A copy of its own size, so that a sanitizer sees a byte read beyond it. */
static void play(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		exit(2);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	inputs++;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place: a byte is two digits. */
static void play_line(const char *path, unsigned int number, char *line, size_t length)
{
	uint8_t *bytes = (uint8_t *)line;

	while (length > 0 && line[length - 1] == '\n')
		length--;
	for (size_t i = 0; i < length / 2; i++) {
		int high = digit(line[2 * i]), low = digit(line[2 * i + 1]);

		if (high < 0 || low < 0 || length % 2 != 0) {
			fprintf(stderr, "%s:%u: not pairs of hexadecimal digits\n", path, number);
			exit(2);
		}
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	snprintf(where, sizeof(where), "%s:%u: this input\n", path, number);
	play(bytes, length / 2);
}

static void play_lines(const char *path, FILE *file)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	for (unsigned int number = 1; (length = getline(&line, &room, file)) > 0; number++)
		if (line[0] != '#')
			play_line(path, number, line, (size_t)length);
	free(line);
}

static void play_whole(FILE *file)
{
	static uint8_t bytes[1 << 20];

	play(bytes, fread(bytes, 1, sizeof(bytes), file));
}

int main(int argc, char **argv)
{
	LLVMFuzzerInitialize(&argc, &argv);
	signal(SIGABRT, on_signal);
	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(say_where);
	else
		signal(SIGSEGV, on_signal);
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "re");
		size_t length = strlen(argv[i]);

		if (file == NULL) {
			fprintf(stderr, "%s cannot be read\n", argv[i]);
			return 2;
		}
		if (length > 4 && strcmp(argv[i] + length - 4, ".hex") == 0)
			play_lines(argv[i], file);
		else
			play_whole(file);
		fclose(file);
	}
	printf("%u inputs, no finding\n", inputs);
	return inputs == 0;
}
