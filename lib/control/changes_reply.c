/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "changes_private.h"
#include "clock.h"
#include "ctl_commands.h"
#include "monitor.h"

/* --- replies ---------------------------------------------------------------------------------------------------- */

static const char *code_of(int error)
{
	switch (-error) {
	case EEXIST:
		return "exists";
	case ENOENT:
		return "not-found";
	case EPERM:
		return "from-file";
	case EIO:
		return "failed";
	case EBUSY:
		return "busy";
	case ENOMEM:
		return "no-memory";
	default:
		return "invalid";
	}
}

json_t *change_reply_error(int error, const struct fail *fail)
{
	json_t *reply = ctl_error("%s", fail->text);

	json_object_set_new(reply, "code", json_string(code_of(error)));
	json_object_set_new(reply, "time_ns", json_integer((json_int_t)clock_ns()));
	return reply;
}

static json_t *entry_of(const char *kind, const char *name)
{
	return json_pack("{s:s, s:s*}", "kind", kind, "name", name);
}

void change_add_told(void *arg, const struct config_told *told)
{
	struct change *change = arg;
	json_t *entry = entry_of(told->kind, told->name), *text = json_string(told->line);

	/* A path in it may be no UTF-8, which jansson refuses. */
	json_object_set_new(entry, "what", json_string(told->what));
	if (told->cost != NULL)
		json_object_set_new(entry, "cost", json_string(told->cost));
	json_object_set_new(entry, "text", text != NULL ? text : json_string("(not UTF-8)"));
	json_array_append_new(change->told, entry);
}

/* That a port comes or goes is told when it has. */
static void emit_told(const struct change *change, const json_t *entry) RUNS_ON(control_thread)
{
	const char *kind = json_string_value(json_object_get(entry, "kind"));
	const char *what = json_string_value(json_object_get(entry, "what"));
	const char *name = json_string_value(json_object_get(entry, "name"));
	const char *by = change->signalled ? "the file was read again" : monitor_text(change->who);
	char who[sizeof(change->who)], text[MONITOR_TEXT_MAX];

	snprintf(who, sizeof(who), "%s", by);
	snprintf(text, sizeof(text), "%s", monitor_text(json_string_value(json_object_get(entry, "text"))));
	if (strcmp(kind, "port") != 0)
		monitor_emit(MONITOR_CONFIG_CHANGE, NULL, "{s:s, s:s, s:s, s:s, s:s}", "kind", kind, "name",
			     name != NULL ? name : "", "what", what, "text", text, "by", who);
	else if (strcmp(what, "comes") != 0 && strcmp(what, "goes") != 0)
		monitor_emit(MONITOR_PORT_CHANGED, name, "{s:s, s:s, s:s}", "what", what, "text", text, "by", who);
}

void change_log_told(const struct change *change)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(change->told, i, entry)
	{
		/* The lines of a reload are the owner's (changes_options.taken()). */
		if (!change->reloads)
			log_info("control", "%s", json_string_value(json_object_get(entry, "text")));
		if (monitor_listeners != NULL)
			emit_told(change, entry);
	}
}

json_t *change_reply_told(struct change *change)
{
	json_t *reply = json_pack("{s:b, s:O}", "changed", json_array_size(change->told) > 0, "changes", change->told);

	if (change->dry_run)
		json_object_set_new(reply, "dry-run", json_true());
	if (change->note[0] != '\0')
		json_object_set_new(reply, "note", json_string(change->note));
	return reply;
}

/* --- what has become of it -------------------------------------------------------------------------------------- */

/* Of an item of the edit, and then of another port. A profile is there at once; it is the ports that may wait. */
static enum switch_progress progress_of(const struct change *change, unsigned int i, const char **why)
	RUNS_ON(control_thread)
{
	const struct config_edit_item *item = &change->edit.item[i];
	const struct vus_switch *sw = change->sw;

	*why = "the log says why";
	if (i >= change->edit.n)
		return switch_port_progress(sw, change->others[i - change->edit.n], why);
	if (item->list == CONFIG_EDIT_PROFILES)
		return SWITCH_DONE;
	return item->list == CONFIG_EDIT_PORTS ? switch_port_progress(sw, item->name, why)
					       : switch_bridge_progress(sw, item->name);
}

bool change_has_come(struct change *change)
{
	const char *why;

	if (change->reloads)
		return switch_has_settled(change->sw);
	while (change->at < change->edit.n + change->others_n && progress_of(change, change->at, &why) != SWITCH_WAITS)
		change->at++;
	return change->at == change->edit.n + change->others_n;
}

struct outcome {
	json_t *failed, *waits;
	char error[1200]; /* of the first that failed; "" */
};

static void add_outcome(struct outcome *outcome, const char *kind, const char *name, enum switch_progress progress,
			const char *why)
{
	json_t *entry, *text;

	if (progress == SWITCH_DONE)
		return;
	entry = entry_of(kind, name);
	if (progress == SWITCH_WAITS) {
		json_array_append_new(outcome->waits, entry);
		return;
	}
	text = json_string(why);
	json_object_set_new(entry, "error", text != NULL ? text : json_string("(not UTF-8)"));
	json_array_append_new(outcome->failed, entry);
	if (outcome->error[0] != '\0')
		return;
	if (name != NULL)
		snprintf(outcome->error, sizeof(outcome->error), "%s %s cannot be made or changed: %s", kind, name, why);
	else
		snprintf(outcome->error, sizeof(outcome->error), "%s", why);
}

static void look_at_edit(const struct change *change, struct outcome *outcome, struct config_edit *undo)
	RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < change->edit.n; i++) {
		const struct config_edit_item *item = &change->edit.item[i];
		const char *why;
		enum switch_progress progress = progress_of(change, i, &why);

		add_outcome(outcome, config_edit_kinds[item->list], item->name, progress, why);
		if (undo != NULL && item->after != NULL && item->after != item->before &&
		    (progress == SWITCH_FAILED || change_profile_has_failed(change, i)))
			config_edit_add_restore(undo, &change->edit, i);
	}
	for (unsigned int i = 0; i < change->others_n; i++) {
		const char *why;
		enum switch_progress progress = progress_of(change, change->edit.n + i, &why);

		add_outcome(outcome, "port", change->others[i], progress, why);
	}
}

/* What is nobody's but the switch's: it has no name. */
static void add_failed(const struct change *change, struct outcome *outcome) RUNS_ON(control_thread)
{
	const char *why;

	for (unsigned int i = 0; (why = changes_failed(change->changes, i)) != NULL; i++)
		add_outcome(outcome, "switch", NULL, SWITCH_FAILED, why);
}

static void look_at_all(const struct change *change, struct outcome *outcome) RUNS_ON(control_thread)
{
	const struct vus_switch *sw = change->sw;
	const struct config *config = switch_config(sw);

	for (unsigned int i = 0; i < config->bridges_n; i++)
		add_outcome(outcome, "bridge", config->bridges[i].name, switch_bridge_progress(sw, config->bridges[i].name),
			    "the log says why");
	for (unsigned int i = 0; i < config->ports_n; i++) {
		const char *why = NULL;
		enum switch_progress progress = switch_port_progress(sw, config->ports[i].name, &why);

		add_outcome(outcome, "port", config->ports[i].name, progress, why);
	}
	add_failed(change, outcome);
}

json_t *change_reply_made(struct change *change, struct config_edit *undo)
{
	struct outcome outcome = {.failed = json_array(), .waits = json_array()};
	json_t *reply = change_reply_told(change);

	if (change->reloads)
		look_at_all(change, &outcome);
	else
		look_at_edit(change, &outcome, undo);
	if (json_array_size(outcome.waits) > 0)
		json_object_set(reply, "waits", outcome.waits);
	if (outcome.error[0] != '\0') {
		json_t *error = ctl_error("%s", outcome.error);

		json_object_update(reply, error);
		json_decref(error);
		json_object_set(reply, "failed", outcome.failed);
		json_object_set_new(reply, "code", json_string("failed"));
	}
	json_decref(outcome.failed);
	json_decref(outcome.waits);
	return reply;
}
