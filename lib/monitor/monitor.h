/* SPDX-License-Identifier: BSD-3-Clause */
/* monitor.h: what happens to the switch, told to whoever listens: events, a line of JSON each.
 *
 *	{"event":"link","time":"2026-11-29T22:50:01.123456Z","port":"vm1","link":"up"}
 *
 * An event is told where its cause is known. monitor_table has all of them, with their fields: docs/events.md is made of it.
 * While nobody listens an event costs one branch, and its arguments are not looked at.
 *
 * Context: control thread; nothing waits.
 */
#ifndef VUS_MONITOR_H
#define VUS_MONITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "role.h"

enum monitor_event {
	MONITOR_LISTENING,
	MONITOR_MISSED,
	MONITOR_LINK,
	MONITOR_PEER_CONNECTED,
	MONITOR_PEER_GONE,
	MONITOR_RING_BROKEN,
	MONITOR_PORT_HELD_DOWN,
	MONITOR_PORT_LET_IN,
	MONITOR_PORT_CHANGED,
	MONITOR_PORT_CLOSED,
	MONITOR_PORT_OPENED,
	MONITOR_MAC_MOVED,
	MONITOR_MEMORY,
	MONITOR_MIGRATION_BEGUN,
	MONITOR_MIGRATION_ENDED,
	MONITOR_POSTCOPY_BEGUN,
	MONITOR_POSTCOPY_ENDED,
	MONITOR_PORT_ADDED,
	MONITOR_PORT_FAILED,
	MONITOR_PORT_REMOVED,
	MONITOR_CONFIG_CHANGE,
	MONITOR_CONFIG_CHANGED,
	MONITOR_CAPTURE_BEGUN,
	MONITOR_CAPTURE_ENDED,
	MONITOR_EVENTS,
};

enum {
	MONITOR_FIELDS_MAX = 6,
	/* Of a line, with its end. */
	MONITOR_LINE_MAX = 4096,
	/* Of a text in it, which may need two bytes for each of its own. */
	MONITOR_TEXT_MAX = 1536,
};

struct monitor_field {
	const char *key;
	const char *type; /* "text", "number", "flag" */
	const char *help;
};

struct monitor_spec {
	const char *name;
	const char *help;
	bool has_port; /* beside the fields */
	struct monitor_field field[MONITOR_FIELDS_MAX + 1]; /* ended by one without a key */
};

extern const struct monitor_spec monitor_table[MONITOR_EVENTS];

/* Embedded in its owner, which does not change the list of listeners in these. */
struct monitor_listener {
	/* Whether it takes a line of MONITOR_LINE_MAX about this port (NULL: about none). One that it would take but has no room
	 * for is missed, which is its own to count. */
	bool (*wants)(struct monitor_listener *listener, const char *port);
	/* It said so: the line ends in '\n'. */
	void (*take)(struct monitor_listener *listener, const char *line, size_t len);
	struct monitor_listener *next;
};

extern struct monitor_listener *monitor_listeners;

void monitor_attach(struct monitor_listener *listener) RUNS_ON(control_thread);
void monitor_detach(struct monitor_listener *listener) RUNS_ON(control_thread);

/* Writes the line of an event into `line`, of MONITOR_LINE_MAX bytes: its length, 0 if that cannot be (no memory). `fields` is
 * what json_pack() makes an object of, or NULL. */
size_t monitor_line(char *line, enum monitor_event event, const char *port, const char *fields, ...) RUNS_ON(control_thread);

/* monitor_emit(event, port, fields, ...): the same, for all listeners; `port` may be NULL. Texts are ASCII or monitor_text(). */
#define monitor_emit(...)                               \
	do {                                            \
		if (__builtin_expect(monitor_listeners != NULL, 0)) \
			monitor_tell(__VA_ARGS__);      \
	} while (0)
void monitor_tell(enum monitor_event event, const char *port, const char *fields, ...) RUNS_ON(control_thread);

/* A text that may be no UTF-8, because it has a path in it, as ASCII; good until the next call. */
const char *monitor_text(const char *text) RUNS_ON(control_thread);

#endif
