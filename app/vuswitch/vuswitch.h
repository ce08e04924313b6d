/* SPDX-License-Identifier: BSD-3-Clause */
/* vuswitch.h: the program: what it is made of (main.c), and what becomes of a configuration (applied.c).
 *
 * Context: the control thread, but for what is marked.
 */
#ifndef VUS_VUSWITCH_H
#define VUS_VUSWITCH_H

#include <stdbool.h>
#include <stddef.h>

#include "changes.h"
#include "ctl_socket.h"
#include "doorbell.h"
#include "fail.h"
#include "heartbeat.h"
#include "last_good.h"
#include "loop.h"
#include "options.h"
#include "role.h"
#include "signals.h"
#include "switch.h"

struct ctl_metrics;

struct vuswitch {
	struct options options;
	bool eal; /* started */
	struct doorbell reports_bell;
	struct loop *loop;
	struct signals signals;
	struct vus_switch *sw;
	struct ctl_socket *ctl;
	struct changes *changes;
	struct ctl_metrics *metrics;
	struct last_good last_good;
	struct heartbeat heartbeat;
	unsigned int failed; /* bridges and ports that could not be made of what was applied last */
	char *text;	     /* of the file that was applied, until it is known whether all of it could be made */
	size_t text_len;
	struct fail state; /* why what requests had added is not there, or "" */
	bool reloading;	     /* the service manager waits for the end of it */
	bool settled;	     /* vuswitch_settled() was told of what was applied last */
	bool runs;	     /* the loop is about to run */
	bool ready;	     /* all of the first configuration has come, and the service manager was told */
	bool cannot_begin;   /* ... or not all of it could be made */
};

/* --- applied.c ---------------------------------------------------------------------------------------------------- */

/* Takes the text of a file from `config`, or nothing; the one before is dropped. */
void vuswitch_take_text(struct vuswitch *vus, struct config *config) RUNS_ON(control_thread);
/* Whether a start cannot have what was applied: some of what is no request's could not be made. A reload that replaces the first
 * configuration before all of it has come ends nothing, whatever can be made of it. */
bool vuswitch_has_too_little(const struct vuswitch *vus) RUNS_ON(control_thread);
/* All of the first configuration is there, or as much of it as can be. False, logged: it is too little, and the switch is to
 * end. */
bool vuswitch_begin(struct vuswitch *vus) RUNS_ON(control_thread);
/* For config_tell_idle(). */
void vuswitch_warn(void *arg, const char *line);

/* changes_options.read, .taken and .failed. */
int vuswitch_read_config(void *arg, struct tree *requests, struct config *config, struct fail *fail);
void vuswitch_take_config(void *arg, struct config *config, const struct fail *fail);
const char *vuswitch_failed(void *arg, unsigned int i);
/* signals.reload. */
void vuswitch_reload(void *arg);
/* switch_on_settled(): `failed` bridges and ports could not be made. */
void vuswitch_settled(void *arg, unsigned int failed);
/* last_good.kept: last_good_keep() is done. */
void vuswitch_kept(void *arg);

#endif
