/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "one_line.h"

const struct monitor_spec monitor_table[MONITOR_EVENTS] = {
	[MONITOR_LISTENING] = {.name = "listening", .help = "the first line: from here on all is told"},
	[MONITOR_MISSED] = {
		.name = "missed",
		.help = "the listener was slow: so many events between the line before and the next one were not kept",
		.field = {{"count", "number", "of events"}},
	},
	[MONITOR_LINK] = {
		.name = "link",
		.help = "frames can go to the port or come from it, or no longer",
		.has_port = true,
		.field = {{"link", "text", "up or down"}},
	},
	[MONITOR_PEER_CONNECTED] = {
		.name = "peer.connected",
		.help = "a front end has connected",
		.has_port = true,
		.field = {{"pid", "number", "its process; 0: one of another PID namespace"},
			  {"uid", "number", "its user"},
			  {"program", "text", "its process's name; empty: not known"}},
	},
	[MONITOR_PEER_GONE] = {
		.name = "peer.gone",
		.help = "the connection of the front end has ended",
		.has_port = true,
		.field = {{"orderly", "flag", "the front end hung up, between two messages"},
			  {"reason", "text", "why it ended"}},
	},
	[MONITOR_RING_BROKEN] = {
		.name = "ring.broken",
		.help = "a ring of the guest makes no sense, and is left alone until the guest resets it",
		.has_port = true,
		.field = {{"ring", "number", "2i is receive queue i of the guest, 2i + 1 its transmit queue i"},
			  {"reason", "text", "what is wrong with it"}},
	},
	[MONITOR_PORT_HELD_DOWN] = {
		.name = "port.held_down",
		.help = "what the front end handed over has held up threads of the switch for too long: none is let in for "
			"a while",
		.has_port = true,
		.field = {{"seconds", "number", "for how long"}, {"reason", "text", "what took too long"}},
	},
	[MONITOR_PORT_LET_IN] = {
		.name = "port.let_in",
		.help = "after port.held_down: front ends are let in again",
		.has_port = true,
	},
	[MONITOR_PORT_CHANGED] = {
		.name = "port.changed",
		.help = "a request or a reload changes options of the port, or sets its link",
		.has_port = true,
		.field = {{"what", "text", "changed: while it runs; anew: it is made anew"},
			  {"text", "text", "what it was and what it is: \"port vm1: access 10 -> 20: changed while it runs\""},
			  {"by", "text", "who asked, or that the file was read again"}},
	},
	[MONITOR_PORT_CLOSED] = {
		.name = "port.closed",
		.help = "a guard has closed the port: frames go neither way for a while",
		.has_port = true,
		.field = {{"by", "text", "the option that says so"}, {"seconds", "number", "for how long"}},
	},
	[MONITOR_PORT_OPENED] = {
		.name = "port.opened",
		.help = "after port.closed: frames go both ways again",
		.has_port = true,
	},
	[MONITOR_MAC_MOVED] = {
		.name = "mac.moved",
		.help = "an address that was behind another port is behind this one now",
		.has_port = true,
		.field = {{"bridge", "text", "its bridge"},
			  {"mac", "text", "the address"},
			  {"from", "text", "the port where it was"}},
	},
	[MONITOR_MEMORY] = {
		.name = "memory",
		.help = "the front end has set, added or taken away memory of the guest",
		.has_port = true,
		.field = {{"slots", "number", "memory slots in use"}, {"bytes", "number", "of memory in them"}},
	},
	[MONITOR_MIGRATION_BEGUN] = {
		.name = "migration.begun",
		.help = "the guest is about to leave: what is written to its memory is logged",
		.has_port = true,
	},
	[MONITOR_MIGRATION_ENDED] = {
		.name = "migration.ended",
		.help = "it is not logged any more: the guest has left, or stays",
		.has_port = true,
	},
	[MONITOR_POSTCOPY_BEGUN] = {
		.name = "postcopy.begun",
		.help = "the guest is here, and its memory is on its way (postcopy)",
		.has_port = true,
	},
	[MONITOR_POSTCOPY_ENDED] = {
		.name = "postcopy.ended",
		.help = "its memory is here, or the migration broke off",
		.has_port = true,
		.field = {{"complete", "flag", "all of its memory is here"}},
	},
	[MONITOR_PORT_ADDED] = {
		.name = "port.added",
		.help = "a port has been made",
		.has_port = true,
		.field = {{"type", "text", "vhost-user or ethdev"}, {"bridge", "text", "the bridge it is for"}},
	},
	[MONITOR_PORT_FAILED] = {
		.name = "port.failed",
		.help = "a port could not be made",
		.has_port = true,
		.field = {{"reason", "text", "why, and how to mend it"}},
	},
	[MONITOR_PORT_REMOVED] = {.name = "port.removed", .help = "a port is gone", .has_port = true},
	[MONITOR_CONFIG_CHANGE] = {
		.name = "config.change",
		.help = "a request or a reload changes something else than a port",
		.field = {{"kind", "text", "switch, bridge, profile or log"},
			  {"name", "text", "of the bridge or the profile; empty: it has none"},
			  {"what", "text", "comes, goes, changed or anew"},
			  {"text", "text", "what it was and what it is"},
			  {"by", "text", "who asked, or that the file was read again"}},
	},
	[MONITOR_CONFIG_CHANGED] = {
		.name = "config.changed",
		.help = "a configuration has taken effect: nothing of it comes or goes any more",
		.field = {{"ports", "number", "that there are"},
			  {"failed", "number", "ports and bridges of it that could not be made or changed"}},
	},
	[MONITOR_CAPTURE_BEGUN] = {
		.name = "capture.begun",
		.help = "somebody looks at the frames of ports",
		.field = {{"ports", "text", "their names, with commas between"},
			  {"by", "text", "who: user, process and program"}},
	},
	[MONITOR_CAPTURE_ENDED] = {
		.name = "capture.ended",
		.help = "and does no longer",
		.field = {{"ports", "text", "their names, with commas between"},
			  {"frames", "number", "that matched the filter"},
			  {"lost", "number", "of these: for which the reader was too slow"}},
	},
};

struct monitor_listener *monitor_listeners;

void monitor_attach(struct monitor_listener *listener)
{
	listener->next = monitor_listeners;
	monitor_listeners = listener;
}

void monitor_detach(struct monitor_listener *listener)
{
	struct monitor_listener **at = &monitor_listeners;

	while (*at != NULL && *at != listener)
		at = &(*at)->next;
	if (*at != NULL)
		*at = listener->next;
}

/* "2026-11-29T22:50:01.123456Z" */
static json_t *monitor_time(void)
{
	struct timespec now;
	struct tm utc;
	char text[32];
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + n, sizeof(text) - n, ".%06uZ", (unsigned int)((uint64_t)now.tv_nsec / NS_PER_US));
	return json_string(text);
}

static size_t line_of(char *line, enum monitor_event event, const char *port, const char *fields, va_list args)
{
	json_t *object = json_pack("{s:s, s:o}", "event", monitor_table[event].name, "time", monitor_time());
	json_t *rest = fields != NULL ? json_vpack_ex(NULL, 0, fields, args) : NULL;
	size_t len;

	if (port != NULL)
		json_object_set_new(object, "port", json_string(port));
	if (rest != NULL)
		json_object_update(object, rest);
	len = json_dumpb(object, line, MONITOR_LINE_MAX - 1, JSON_COMPACT);
	json_decref(rest);
	json_decref(object);
	if (len == 0 || len > MONITOR_LINE_MAX - 1)
		return 0;
	line[len] = '\n';
	return len + 1;
}

size_t monitor_line(char *line, enum monitor_event event, const char *port, const char *fields, ...)
{
	va_list args;
	size_t len;

	va_start(args, fields);
	len = line_of(line, event, port, fields, args);
	va_end(args);
	return len;
}

void monitor_tell(enum monitor_event event, const char *port, const char *fields, ...)
{
	char line[MONITOR_LINE_MAX];
	size_t len = 0;

	for (struct monitor_listener *listener = monitor_listeners; listener != NULL; listener = listener->next) {
		if (!listener->wants(listener, port))
			continue;
		if (len == 0) {
			va_list args;

			va_start(args, fields);
			len = line_of(line, event, port, fields, args);
			va_end(args);
		}
		if (len == 0)
			return;
		listener->take(listener, line, len);
	}
}

const char *monitor_text(const char *text)
{
	static char ascii[MONITOR_TEXT_MAX];

	mark_cut(ascii, sizeof(ascii), (size_t)snprintf(ascii, sizeof(ascii), "%s", text));
	only_ascii(ascii);
	return ascii;
}
