/* SPDX-License-Identifier: BSD-3-Clause */
/* why.c: what would become of a frame: the question, and the switch's answer, a line each. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "client.h"
#include "command.h"
#include "frame_arg.h"
#include "options.h"
#include "out.h"
#include "views.h"
#include "vus_limits.h"

/* What the switch decides by is in the head: more bytes are not sent, so that who may only look can ask. A NIC's heads are
 * longer. */
enum { SENT_MAX = 384 };

/* The first frame. */
static bool take_frame(void *arg, const uint8_t *bytes, uint32_t n, uint32_t len)
{
	char text[2 * SENT_MAX + 1];
	json_t *question = arg;

	n = n < SENT_MAX ? n : SENT_MAX;
	for (uint32_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[2 * n] = '\0';
	json_object_set_new(question, "frame", json_string(text));
	json_object_set_new(question, "length", json_integer(len));
	return false;
}

/* The words behind the port. */
static json_t *next_filter(void)
{
	char text[4096] = "";
	size_t n = 0;

	for (int i = 1; command_word(i) != NULL && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 1 ? " " : "", command_word(i));
	if (n >= sizeof(text))
		die("the filter is longer than %zu characters", sizeof(text) - 1);
	return json_string(text);
}

/* A capture of one frame, and a connection for the question. */
static void take_next(json_t *question)
{
	const struct timeval patience = {.tv_sec = options.timeout};
	json_t *request = json_pack("{s:s, s:[s], s:s, s:o, s:i}", "command", "capture", "ports", command_word(0), "direction",
				    "from", "filter", next_filter(), "count", 1);
	int fd;

	if (request == NULL)
		die("the words of this command are no UTF-8");
	fd = client_ask_stream(request);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	frames_of_stream(fd, take_frame, question);
	if (json_object_get(question, "frame") == NULL)
		die("%s has sent no such frame for %ld s; --timeout SECONDS waits longer", command_word(0), options.timeout);
	client_connect(options.control);
}

json_t *ask_why(void)
{
	json_t *question = json_pack("{s:s, s:s}", "command", "why", "name", command_word(0));

	if (question == NULL)
		die("the words of this command are no UTF-8");
	if (!options.next && (command_word(1) == NULL || command_word(2) != NULL))
		die("of which frame? as in `vusctl why vm1 capture.pcap`, or --next [FILTER]: of the next one");
	if (options.next)
		take_next(question);
	else
		frames_of_word(command_word(1), take_frame, question);
	if (json_object_get(question, "frame") == NULL)
		die("%s: there is no frame in it", command_word(1));
	if (options.length != 0)
		json_object_set_new(question, "length", json_integer(options.length));
	if (options.offload != NULL)
		json_object_set_new(question, "offload", json_string(options.offload));
	return question;
}

static void put_line(const char *what, const char *name, const char *mark, const char *text)
{
	put_hang((unsigned int)(strlen(what) + strlen(name)) + 2);
	put("%s%s: %s%s" MARK_PLAIN "\n", what, name, mark, text);
}

void view_why(const struct replies *replies)
{
	const json_t *why = json_object_get(replies->now[0], "why"), *entry;
	const char *dropped = json_string_value(json_object_get(why, "dropped"));
	size_t i;

	json_array_foreach(json_object_get(why, "steps"), i, entry)
		put_line("", text_of(entry, "step"), json_object_get(entry, "dropped") != NULL ? MARK_BAD : "",
			 text_of(entry, "text"));
	json_array_foreach(json_object_get(why, "receivers"), i, entry)
		put_line("to ", text_of(entry, "port"), json_is_true(json_object_get(entry, "delivered")) ? MARK_GOOD : MARK_WARN,
			 text_of(entry, "text"));
	json_array_foreach(json_object_get(why, "mirrors"), i, entry)
		put_line("mirror ", text_of(entry, "mirror"), "", text_of(entry, "text"));
	put_hang(0);
	if (dropped != NULL)
		put("dropped, counted as " MARK_BAD "%s" MARK_PLAIN " of %s\n", dropped, text_of(why, "port"));
}
