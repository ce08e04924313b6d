/* SPDX-License-Identifier: BSD-3-Clause */
/* changes_private.h: what the files of changes.h share.
 *
 *	changes.c	  the queue: read and checked, applied, answered, taken back
 *	changes_read.c	  what a request asks for
 *	changes_profile.c ports whose profile it changes
 *	changes_act.c	  requests that change nothing of the configuration
 *	changes_reply.c	  what it is answered
 *
 * Context: control thread.
 */
#ifndef VUS_CHANGES_PRIVATE_H
#define VUS_CHANGES_PRIVATE_H

#include <jansson.h>
#include <sys/queue.h>

#include "changes.h"
#include "config_edit.h"
#include "log.h"

/* A request about what is in no configuration (switch.h, log.h). */
struct change_act {
	int (*run)(struct change *change, struct fail *fail); /* NULL: it is no such request */
	char port[NAME_LEN_MAX + 1], bridge[NAME_LEN_MAX + 1];
	char topic[LOG_TOPIC_BYTES]; /* "": all that have no level of their own */
	bool up;
	int queue, lcore;
	enum log_level level;
};

struct change {
	struct changes *changes;
	struct vus_switch *sw;
	TAILQ_ENTRY(change) link; /* in `queue`, then nowhere, then in `applied` */
	bool reloads;		  /* reads the file; else there is an edit */
	bool signalled;		  /* ... because of a signal: nobody is to be answered */
	bool saves;		  /* changes nothing: */
	char *text;		  /* what is saved */
	size_t text_len;
	bool dry_run;
	struct change_act act;
	struct config_edit edit;
	char what[96], who[96];

	change_answered answered; /* NULL: nobody is told */
	void *arg;
	json_t *told;	 /* what becomes of what */
	char note[256];	 /* what it does not change, and who asked may think that it does; "" */
	char **others; /* ports that it does not edit, but whose profile it does */
	unsigned int others_n;
	unsigned int at; /* items of the edit, and then others, before this one are there, gone or failed */
	struct loop_timer limit;
	bool lingers; /* who asked has been told what it still waits for */
	bool takes_back; /* what another one could not make; what of that cannot be made either stays as it is */
};

/* changes_read.c: fills in what a new change is to do. 0 or -errno with a line in `fail`. */
int change_read(struct change *change, const json_t *request, struct fail *fail);
/* Refuses a member that the command does not have, which may be one that was misspelt: then nothing is done. */
int change_check_members(const json_t *request, const char *command, const char *const *members, unsigned int n,
			 struct fail *fail);

/* changes_act.c: whether a command is such a request; fills in what it asks for; and does it, if it is no dry run, with what it
 * changes told. 0 or -errno with a line in `fail`. */
bool change_is_act(const char *command);
int change_act_read(struct change *change, const json_t *request, struct fail *fail);
int change_act_run(struct change *change, struct fail *fail) RUNS_ON(control_thread);

/* changes_profile.c: fills in the others, of an edit that has been applied to `config`. Context: the loop's helper. 0 or
 * -ENOMEM with a line in `fail`. */
int change_find_others(struct change *change, const struct config *config, struct fail *fail);
void change_free_others(struct change *change);
/* A port whose profile item `i` has changed could not be made or changed. */
bool change_profile_has_failed(const struct change *change, unsigned int i) RUNS_ON(control_thread);

/* changes.c: changes_options.failed(). */
const char *changes_failed(const struct changes *changes, unsigned int i) RUNS_ON(control_thread);

/* changes_reply.c: {"error": ..., "code": ...}. */
json_t *change_reply_error(int error, const struct fail *fail);
/* Of a change that has been checked. */
json_t *change_reply_told(struct change *change);
/* What has become of one that was applied; `undo`, which may be NULL, is an edit that takes back what of it could not be made. */
json_t *change_reply_made(struct change *change, struct config_edit *undo) RUNS_ON(control_thread);
/* A config_tell: adds to change->told. */
void change_add_told(void *arg, const struct config_told *told);
/* What becomes of what, of a change that is made now: lines of the log, but for a reload, and events. */
void change_log_told(const struct change *change) RUNS_ON(control_thread);
/* Nothing is waited for any more. */
bool change_has_come(struct change *change) RUNS_ON(control_thread);

#endif
