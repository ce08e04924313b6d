/* SPDX-License-Identifier: BSD-3-Clause */
/* changes.h: what changes a running switch: requests, and that its file is read again. Nothing else does.
 *
 * What the switch is to be is one configuration: the file, the command line, and the tree of requests (config_edit.h). A change
 * makes another one of it, which is checked as a whole as at a start, and applied (switch.h). The loop's helper reads and checks,
 * one change after the other, while control goes on; what a change costs control grows with what it changes only. One that
 * cannot be checked changes nothing.
 *
 * A request is answered when what it asked for is there, or gone; after ANSWER_NS with what it still waits for. What of it could
 * not be made is taken back: then the tree of requests has again what it had, unless somebody else has changed that since.
 *
 *	port.add, port.set, port.ensure {port: {name, ...}}	port.remove {name}
 *	bridge.add, bridge.set, bridge.ensure {bridge: {...}}	bridge.remove {name}
 *	profile.add, profile.set, profile.ensure {profile: {...}}	profile.remove {name}
 *	ensure {config: {profiles, bridges, ports}}		reload
 *	port.link {name, link}		macs.flush {port} or {bridge}	queue.pin {port, queue, lcore}, queue.unpin {port, queue}
 *	log.level {topic, level}
 *
 * and with {dry-run: true} each says what it would do. docs/api.md has them, and the replies. What is kept over a restart is on
 * the disk before it is done; changes that come while that is written are checked and written together. `save` changes nothing,
 * and is answered by the text of a file that says all of it.
 *
 * Context: control thread, but for what `read` says.
 * Ownership: a struct change is the module's; who has asked keeps a pointer to it until it is answered or forgotten.
 */
#ifndef VUS_CHANGES_H
#define VUS_CHANGES_H

#include <stdbool.h>

#include "config.h"
#include "fail.h"
#include "loop.h"
#include "role.h"
#include "switch.h"

struct changes;
struct change;
struct json_t;

struct changes_options {
	struct loop *loop;
	struct vus_switch *sw;
	const char *control; /* the control socket's path, which is no port's; NULL: there is none */
	const char *state;   /* the file in which requests are kept over a restart (config_save.h); NULL: they are not */
	/* Reads and checks the file and the command line, with `requests`, which becomes the configuration's own.
	 * Context: the loop's helper. */
	int (*read)(void *arg, struct tree *requests, struct config *config, struct fail *fail);
	/* The file has been read: `config`, which is to be applied, or NULL and why not. */
	void (*taken)(void *arg, struct config *config, const struct fail *fail);
	/* Of what is the switch's own in the file and could not be done when it was applied last, the line about the i-th; NULL:
	 * there are no more. May be NULL itself. */
	const char *(*failed)(void *arg, unsigned int i);
	void *arg;
};

/* NULL: no memory. */
struct changes *changes_create(const struct changes_options *options) RUNS_ON(control_thread);
/* Nothing is begun, told or answered any more. NULL is fine. */
void changes_end(struct changes *changes) RUNS_ON(control_thread);
/* After loop_destroy(). NULL is fine. */
void changes_destroy(struct changes *changes) RUNS_ON(control_thread);

/* The file is read again; taken() follows. What is asked for while it is being read is read once more behind it. */
void changes_reload(struct changes *changes) RUNS_ON(control_thread);
/* taken() is still to come. */
bool changes_reload_is_due(const struct changes *changes) RUNS_ON(control_thread);

#define CHANGES_COMMANDS                                                                                          \
	"port.add, port.set, port.remove, port.ensure, bridge.add, bridge.set, bridge.remove, bridge.ensure, profile.add, "   \
	"profile.set, profile.remove, profile.ensure, port.link, macs.flush, queue.pin, queue.unpin, log.level, ensure and "   \
	"reload"
/* Whether this is one of them, or `save`. */
bool changes_has(const char *command);
/* Whether it may change something. */
bool changes_changes(const char *command);
/* `reply` is the callee's; NULL: no memory. */
typedef void (*change_answered)(void *arg, struct json_t *reply);
/* Begins what `request` asks for; `who` is for the log. answered() follows, never from within. NULL: it makes no sense, and
 * `*error` is the reply. */
struct change *changes_ask(struct changes *changes, const struct json_t *request, const char *who, change_answered answered,
			   void *arg, struct json_t **error) RUNS_ON(control_thread);
/* Who has asked is gone; the change is made all the same. Not for whoever has been answered. */
void changes_forget(struct change *change) RUNS_ON(control_thread);

#endif
