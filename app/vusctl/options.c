/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "like.h"
#include "out.h"

#define RUNTIME_DIRECTORY_DEFAULT "/run/vuswitch"

enum { SPECS_MAX = 32, LETTERS = 128, TIMEOUT_DEFAULT = 10 };

struct vusctl_options options;
static bool given[LETTERS];

const struct option_spec option_specs[] = {
	{'c', "control", "SOCKET", .file = true, .always = true,
	 .help = "of the switch (default: control.sock in $RUNTIME_DIRECTORY, or in " RUNTIME_DIRECTORY_DEFAULT ")"},
	{'j', "json", .always = true, .help = "the switch's reply as it is"},
	{'w', "watch", "SECONDS", .help = "shows it again and again; on a terminal with the keys of top"},
	{'n', "count", "N", .help = "so many times; of events, or of captured frames: so many"},
	{'s', "sort", "COLUMN", .help = "rows by this column: numbers from the largest, names from a to z"},
	{'R', "reverse", .help = "the other way round"},
	{'f', "filter", "TEXT", .help = "only rows with this in them"},
	{'l', "names", .help = "only the names, a line each"},
	{'p', "port", "NAME", .port = true, .help = "only what is about this port"},
	{'v', "vlan", "VID", .help = "only what is in this VLAN"},
	{'r', "reset", .help = "forgets the longest round"},
	{'D', "dir", "rx|tx|both", .help = "only frames that come from the ports (rx), or go to them (tx)"},
	{'X', "drops", .help = "only frames that are dropped"},
	{'x', "hex", .help = "the first bytes of frames, too, in hexadecimal digits"},
	{'S', "snap", "BYTES", .help = "so many of each frame, from its beginning"},
	{'W', "write", "FILE", .file = true, .help = "where to; - is standard output"},
	{'o', "offload", "WHAT",
	 .help = "the frame's sender left this to be done: csum, tcp4:SIZE, tcp6:SIZE, udp:SIZE a segment"},
	{'L', "length", "BYTES", .help = "the frame is so long, and given are its first bytes, 128 at least"},
	{'N', "next", .help = "of the next frame that comes from the port"},
	{'T', "timeout", "SECONDS", .help = "so long at most that is waited for (10)"},
	{'d', "dry-run", .help = "says what would be done, and does nothing"},
	{'h', "help", .always = true, .help = "this"},
	{'V', "version", .always = true, .help = "of vusctl"},
	{0},
};

const char *options_default_control(void)
{
	static char path[256];
	const char *folder = getenv("RUNTIME_DIRECTORY");

	if (folder == NULL || folder[0] == '\0')
		folder = RUNTIME_DIRECTORY_DEFAULT;
	snprintf(path, sizeof(path), "%.*s/control.sock", (int)strcspn(folder, ":"), folder);
	return path;
}

/* Those of `vusctl capture`. */
static void take_of_capture(char letter, const char *value)
{
	char *end = NULL;

	switch (letter) {
	case 'D':
		if (strcmp(value, "rx") != 0 && strcmp(value, "tx") != 0 && strcmp(value, "both") != 0)
			die("--dir %s is no direction; use rx, tx or both", value);
		options.direction = value;
		break;
	case 'S':
		options.snap = strtol(value, &end, 10);
		if (*end != '\0' || options.snap < 14 || options.snap > 65535)
			die("--snap %s is not a number of bytes; use 14 to 65535", value);
		break;
	case 'W':
		options.write = value;
		break;
	case 'X':
		options.drops = true;
		break;
	}
}

/* Of `why`. */
static void take_for_why(char letter, const char *value)
{
	char *end = NULL;

	switch (letter) {
	case 'N':
		options.next = true;
		break;
	case 'T':
		options.timeout = strtol(value, &end, 10);
		if (*end != '\0' || options.timeout < 1 || options.timeout > 86400)
			die("--timeout %s is not a number of seconds; use 1 or more", value);
		break;
	case 'o':
		options.offload = value;
		break;
	case 'L':
		options.length = strtol(value, &end, 10);
		if (*end != '\0' || options.length < 14 || options.length > 1000000)
			die("--length %s is not a frame's; use 14 or more", value);
		break;
	}
}

static void take(char letter, const char *value)
{
	char *end = NULL;

	given[(unsigned char)letter] = true;
	take_for_why(letter, value);
	take_of_capture(letter, value);
	switch (letter) {
	case 'c':
		options.control = value;
		break;
	case 'd':
		options.dry_run = true;
		break;
	case 'j':
		options.json = true;
		break;
	case 'l':
		options.names = true;
		break;
	case 'p':
		options.port = value;
		break;
	case 'r':
		options.reset = true;
		break;
	case 'R':
		options.reverse = true;
		break;
	case 's':
		options.sort = value;
		break;
	case 'f':
		options.filter = value;
		break;
	case 'n':
		options.count = strtol(value, &end, 10);
		if (*end != '\0' || options.count < 1)
			die("-n %s is not a number of times; use 1 or more", value);
		break;
	case 'x':
		options.hex = true;
		break;
	case 'v':
		options.vlan = strtol(value, &end, 10);
		if (*end != '\0' || options.vlan < 1 || options.vlan > 4094)
			die("--vlan %s is not a VLAN; use 1 to 4094", value);
		break;
	case 'w':
		options.watch = strtod(value, &end);
		if (*end != '\0' || !(options.watch >= 0.1 && options.watch <= 86400))
			die("--watch %s is not a number of seconds; use 0.1 to 86400", value);
		break;
	}
}

/* What getopt_long() takes, from the table. */
static void make_getopt(struct option *list, char *letters)
{
	*letters++ = ':';
	for (const struct option_spec *spec = option_specs; spec->name != NULL; spec++) {
		*list++ = (struct option){spec->name, spec->value != NULL ? required_argument : no_argument, NULL, spec->letter};
		*letters++ = spec->letter;
		if (spec->value != NULL)
			*letters++ = ':';
	}
	*list = (struct option){0};
	*letters = '\0';
}

static void die_unknown(const char *word)
{
	char name[64];
	struct like like = {.written = name};

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word + strspn(word, "-"));
	for (const struct option_spec *spec = option_specs; spec->name != NULL && strncmp(word, "--", 2) == 0; spec++)
		like_try(&like, spec->name);
	if (like_found(&like) != NULL)
		die("%s is not an option; did you mean --%s?; see --help", word, like_found(&like));
	die("%s is not an option; see --help", word);
}

char options_parse(int argc, char **argv)
{
	struct option list[SPECS_MAX + 1];
	char letters[2 * SPECS_MAX + 2];
	int option;

	_Static_assert(sizeof(option_specs) / sizeof(option_specs[0]) <= SPECS_MAX, "room for getopt");
	options.control = options_default_control();
	options.timeout = TIMEOUT_DEFAULT;
	make_getopt(list, letters);
	opterr = 0;
	while ((option = getopt_long(argc, argv, letters, list, NULL)) != -1) {
		if (option == ':')
			die("%s needs a value; see --help", argv[optind - 1]);
		if (option == '?')
			die_unknown(argv[optind - 1]);
		if (option == 'h' || option == 'V')
			return (char)option;
		take((char)option, optarg);
	}
	for (; optind < argc; optind++) {
		if (options.words == OPTION_WORDS_MAX)
			die("\"%s\" is one word too many; see --help", argv[optind]);
		options.word[options.words++] = argv[optind];
	}
	return '\0';
}

const struct option_spec *option_find(const char *word)
{
	bool is_long = strncmp(word, "--", 2) == 0;
	size_t len = is_long ? strcspn(word + 2, "=") : 0;

	if (word[0] != '-' || word[1] == '\0')
		return NULL;
	for (const struct option_spec *spec = option_specs; spec->name != NULL; spec++) {
		if (is_long && strlen(spec->name) == len && strncmp(spec->name, word + 2, len) == 0)
			return spec;
		if (!is_long && spec->letter == word[1])
			return spec;
	}
	return NULL;
}

bool option_was_given(char letter)
{
	return given[(unsigned char)letter];
}

void options_print(void)
{
	for (const struct option_spec *spec = option_specs; spec->name != NULL; spec++) {
		char usage[64];

		snprintf(usage, sizeof(usage), "-%c, --%s%s%s", spec->letter, spec->name, spec->value != NULL ? " " : "",
			 spec->value != NULL ? spec->value : "");
		put_entry(usage, spec->help);
	}
}
