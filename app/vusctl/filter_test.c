/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_test.c: what a filter's expression says to a frame, by the code that the switch runs. No switch is asked. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "command.h"
#include "filter.h"
#include "frame_arg.h"
#include "options.h"
#include "out.h"
#include "views.h"
#include "vus_limits.h"

static const char *const words[] = {[FILTER_NO_MATCH] = "no match", [FILTER_MATCH] = "match", [FILTER_UNKNOWN] = "unknown"};

static json_t *results;

/* A guest's frame of `len` bytes, of which `n` are there: lcores have its first bytes. */
static bool test_frame(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len)
{
	const struct filter *filter = arg;
	enum filter_verdict verdict = filter_run(filter->insn, bytes, n < FRAME_HEAD ? n : FRAME_HEAD, len);

	json_array_append_new(results, json_string(words[verdict]));
	if (options.json)
		return true;
	if (verdict == FILTER_UNKNOWN)
		put(MARK_WARN "unknown" MARK_PLAIN ": it asks for a byte that is not among the first %u of %u\n",
		    n < FRAME_HEAD ? n : FRAME_HEAD, len);
	else
		put("%s\n", words[verdict]);
	return true;
}

void run_filter_test(void)
{
	struct filter *filter;
	struct fail why;

	if (filter_compile(command_word(0), &filter, &why) != 0)
		die("%s", why.text);
	out_to_terminal(out_terminal_width());
	results = json_array();
	frames_of_word(command_word(1), test_frame, filter);
	if (options.json) {
		json_dumpf(results, stdout, 0);
		putchar('\n');
	}
	json_decref(results);
	free(filter);
}
