/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>

#include "changes_private.h"
#include "clock.h"
#include "config_save.h"
#include "log.h"
#include "monitor.h"

/* vusctl waits for five seconds. */
static const uint64_t ANSWER_NS = 3 * NS_PER_S;
/* Of clients that have gone, too. */
enum { CHANGES_MAX = 64 };

TAILQ_HEAD(change_list, change);

/* A configuration that has been replaced. */
struct old_config {
	struct config config;
	struct old_config *next;
};

struct changes {
	struct changes_options options;
	struct change_list queue, applied;
	unsigned int n;		/* that are not answered yet */
	unsigned int lingering; /* that are, and go on */
	bool ended;

	/* The one that is being read and checked; `config` is in use until it has been taken as well. */
	struct change *now;
	bool busy;
	struct loop_job check;
	struct config config;
	struct tree *requests; /* for `read` */
	struct fail fail;
	int error;

	struct loop_job clear;
	struct old_config *old, *clearing; /* the helper's while `clears` */
	bool clears;
};

static void start_next(struct changes *changes) RUNS_ON(control_thread);

static void limit_over(struct loop_timer *timer);

/* One that is not answered yet; NULL: no memory. */
static struct change *change_create(struct changes *changes) RUNS_ON(control_thread)
{
	struct change *change = calloc(1, sizeof(*change));

	if (change == NULL)
		return NULL;
	change->changes = changes;
	change->sw = changes->options.sw;
	change->limit.fire = limit_over;
	changes->n++;
	return change;
}

static void change_free(struct change *change) RUNS_ON(control_thread)
{
	loop_timer_stop(change->changes->options.loop, &change->limit);
	if (change->lingers)
		change->changes->lingering--;
	else
		change->changes->n--;
	config_edit_free(&change->edit);
	change_free_others(change);
	json_decref(change->told);
	free(change->text);
	free(change);
}

/* The last that who asked hears of the change. */
static void tell(struct change *change, json_t *reply) RUNS_ON(control_thread)
{
	change_answered answered = change->answered;

	change->answered = NULL;
	json_object_set_new(reply, "time_ns", json_integer((json_int_t)clock_ns()));
	if (answered != NULL)
		answered(change->arg, reply);
	else
		json_decref(reply);
}

static void answer(struct change *change, json_t *reply) RUNS_ON(control_thread)
{
	tell(change, reply);
	change_free(change);
}

const char *changes_failed(const struct changes *changes, unsigned int i)
{
	return changes->options.failed != NULL ? changes->options.failed(changes->options.arg, i) : NULL;
}

/* What an edit has failed to make is what it was before it. */
static void take_back(struct changes *changes, struct config_edit *undo) RUNS_ON(control_thread)
{
	struct change *change = change_create(changes);

	if (change == NULL) {
		config_edit_free(undo);
		return;
	}
	change->edit = *undo;
	change->takes_back = true;
	snprintf(change->what, sizeof(change->what), "what of a request could not be made is taken back");
	snprintf(change->who, sizeof(change->who), "not all of it could be made");
	TAILQ_INSERT_HEAD(&changes->queue, change, link);
	start_next(changes);
}

/* It is done, or its time is over. */
static void finish(struct change *change) RUNS_ON(control_thread)
{
	struct changes *changes = change->changes;
	struct config_edit undo = {0};
	json_t *reply = change_reply_made(change, change->takes_back ? NULL : &undo);

	TAILQ_REMOVE(&changes->applied, change, link);
	if (undo.n > 0)
		take_back(changes, &undo);
	answer(change, reply);
}

/* It is answered, and goes on; what of it cannot be made is still taken back. */
static void limit_over(struct loop_timer *timer)
{
	struct change *change = container_of(timer, struct change, limit);
	struct changes *changes = change->changes;

	role_assert_control();
	if (changes->lingering == CHANGES_MAX) {
		finish(change);
		return;
	}
	change->lingers = true;
	changes->lingering++;
	changes->n--;
	tell(change, change_reply_made(change, NULL));
}

static void changes_stepped(void *arg)
{
	struct changes *changes = arg;
	struct change *change, *next;

	role_assert_control();
	for (change = TAILQ_FIRST(&changes->applied); change != NULL; change = next) {
		next = TAILQ_NEXT(change, link);
		if (change_has_come(change))
			finish(change);
	}
}

/* --- configurations that are over ------------------------------------------------------------------------------- */

static void old_free(struct old_config *old)
{
	while (old != NULL) {
		struct old_config *next = old->next;

		config_free(&old->config);
		free(old);
		old = next;
	}
}

static void clear_run(struct loop_job *job)
{
	struct changes *changes = container_of(job, struct changes, clear);

	old_free(changes->clearing);
	changes->clearing = NULL;
}

static void clear_done(struct loop_job *job);

static void clear_start(struct changes *changes) RUNS_ON(control_thread)
{
	if (changes->clears || changes->old == NULL || changes->ended)
		return;
	changes->clears = true;
	changes->clearing = changes->old;
	changes->old = NULL;
	changes->clear = (struct loop_job){.run = clear_run, .done = clear_done};
	loop_job_start(changes->options.loop, &changes->clear);
}

static void clear_done(struct loop_job *job)
{
	struct changes *changes = container_of(job, struct changes, clear);

	role_assert_control();
	changes->clears = false;
	clear_start(changes);
}

/* One of a thousand ports takes a millisecond: beside control. */
static void drop_config(struct changes *changes, struct config *config) RUNS_ON(control_thread)
{
	struct old_config *old = malloc(sizeof(*old));

	if (old == NULL) {
		config_free(config);
		return;
	}
	*old = (struct old_config){.config = *config, .next = changes->old};
	*config = (struct config){.drivers = old->config.drivers};
	changes->old = old;
	clear_start(changes);
}

/* --- one after the other ---------------------------------------------------------------------------------------- */

/* Before it is done: whoever is told that it is finds it there after a restart. */
static int keep_requests(struct changes *changes, const struct change *change)
{
	const char *state = changes->options.state;
	struct fail why;
	bool any = false;

	for (unsigned int i = 0; i < change->edit.n; i++)
		any |= change->edit.item[i].before != change->edit.item[i].after;
	if (state == NULL || change->dry_run || !any || config_state_write(state, &changes->config, &why) == 0)
		return 0;
	return fail_set(&changes->fail, -EIO, "nothing was changed, because that cannot be kept: %s", why.text);
}

static void check_run(struct loop_job *job)
{
	struct changes *changes = container_of(job, struct changes, check);
	const struct changes_options *options = &changes->options;
	struct change *change = changes->now;

	if (changes->error != 0 || change->act.run != NULL)
		return;
	if (change->reloads) {
		changes->error = options->read(options->arg, changes->requests, &changes->config, &changes->fail);
		return;
	}
	changes->error = config_edit_apply(&change->edit, &changes->config, &changes->fail);
	if (changes->error == 0)
		changes->error = config_check(&changes->config, &changes->fail);
	if (changes->error == 0 && options->control != NULL)
		changes->error = config_check_control(&changes->config, options->control, &changes->fail);
	if (changes->error == 0)
		changes->error = change_find_others(change, &changes->config, &changes->fail);
	if (changes->error == 0 && change->saves)
		changes->error = config_save(&changes->config, &change->text, &change->text_len, &changes->fail);
	else if (changes->error == 0)
		changes->error = keep_requests(changes, change);
}

static void tell_costs(struct change *change) RUNS_ON(control_thread)
{
	const struct config *config = &change->changes->config, *now = switch_config(change->changes->options.sw);

	if (change->reloads) {
		config_tell_changes(now, config, change_add_told, change);
		return;
	}
	config_tell_profiles(now, config, change_add_told, change);
	config_tell_bridges(now, config, change_add_told, change);
	for (unsigned int i = 0; i < change->edit.n; i++)
		if (change->edit.item[i].list == CONFIG_EDIT_PORTS)
			config_tell_port(now, config, change->edit.item[i].name, change_add_told, change);
	for (unsigned int i = 0; i < change->others_n; i++)
		config_tell_port(now, config, change->others[i], change_add_told, change);
}

/* 0 or -ENOMEM. */
static int apply_edit(struct changes *changes, const struct change *change) RUNS_ON(control_thread)
{
	const char **names = calloc(change->edit.n + change->others_n + 1, sizeof(*names));
	unsigned int n = 0;
	int error = -ENOMEM;

	for (unsigned int i = 0; names != NULL && i < change->edit.n; i++)
		if (change->edit.item[i].list == CONFIG_EDIT_PORTS)
			names[n++] = change->edit.item[i].name;
	for (unsigned int i = 0; names != NULL && i < change->others_n; i++)
		names[n++] = change->others[i];
	if (names != NULL)
		error = switch_apply_ports(changes->options.sw, &changes->config, names, n);
	free(names);
	return error;
}

static void apply(struct changes *changes, struct change *change) RUNS_ON(control_thread)
{
	/* It may be there before this returns: changes_stepped() finds it on the list then. */
	TAILQ_INSERT_TAIL(&changes->applied, change, link);
	loop_timer_start(changes->options.loop, &change->limit, ANSWER_NS);
	if (change->reloads) {
		changes->options.taken(changes->options.arg, &changes->config, &changes->fail);
	} else if (apply_edit(changes, change) != 0) {
		TAILQ_REMOVE(&changes->applied, change, link);
		answer(change, change_reply_error(-ENOMEM, &(struct fail){.text = "no memory for the change"}));
	}
}

static void take_act(struct changes *changes, struct change *change) RUNS_ON(control_thread)
{
	struct fail fail;
	int error = change_act_run(change, &fail);

	if (error != 0) {
		answer(change, change_reply_error(error, &fail));
		return;
	}
	if (!change->dry_run && json_array_size(change->told) > 0) {
		log_info("control", "%s: %s", change->what, change->who);
		change_log_told(change);
	}
	if (change->dry_run || change_has_come(change)) {
		answer(change, change_reply_told(change));
		return;
	}
	TAILQ_INSERT_TAIL(&changes->applied, change, link);
	loop_timer_start(changes->options.loop, &change->limit, ANSWER_NS);
}

static void warn(void *arg, const char *line)
{
	(void)arg;
	log_warn("control", "%s", line);
}

/* Of ports that an edit is about; those of a reload are the owner's (changes_options.taken()). */
static void warn_of_idle(const struct changes *changes, const struct change *change)
{
	for (unsigned int i = 0; i < change->edit.n; i++)
		if (change->edit.item[i].list == CONFIG_EDIT_PORTS)
			config_tell_idle_of(&changes->config, change->edit.item[i].name, warn, NULL);
}

/* The change has been read and checked. */
static void take(struct changes *changes, struct change *change) RUNS_ON(control_thread)
{
	if (changes->error != 0) {
		if (change->reloads && !change->dry_run)
			changes->options.taken(changes->options.arg, NULL, &changes->fail);
		else if (change->answered == NULL)
			log_warn("control", "%s, but: %s", change->what, changes->fail.text);
		answer(change, change_reply_error(changes->error, &changes->fail));
		return;
	}
	if (change->saves) {
		answer(change, json_pack("{s:s%}", "text", change->text, change->text_len));
		return;
	}
	if (change->act.run != NULL) {
		take_act(changes, change);
		return;
	}
	if (!change->signalled || monitor_listeners != NULL)
		tell_costs(change);
	if (change->dry_run) {
		answer(change, change_reply_told(change));
		return;
	}
	if (!change->signalled && json_array_size(change->told) > 0)
		log_info("control", "%s: %s", change->what, change->who);
	change_log_told(change);
	warn_of_idle(changes, change);
	apply(changes, change);
}

static void check_done(struct loop_job *job)
{
	struct changes *changes = container_of(job, struct changes, check);
	struct change *change = changes->now;

	role_assert_control();
	changes->now = NULL;
	if (changes->ended) {
		change_free(change);
		return;
	}
	take(changes, change);
	drop_config(changes, &changes->config);
	changes->busy = false;
	start_next(changes);
}

static void start_next(struct changes *changes)
{
	struct change *change = TAILQ_FIRST(&changes->queue);
	const struct config *config;

	if (changes->busy || changes->ended || change == NULL)
		return;
	TAILQ_REMOVE(&changes->queue, change, link);
	config = switch_config(changes->options.sw);
	change->told = json_array();
	changes->error = 0;
	if (change->reloads) {
		changes->config = (struct config){.drivers = config->drivers};
		changes->requests = tree_hold(config->requests);
	} else if (change->act.run != NULL) {
		changes->config = (struct config){.drivers = config->drivers};
	} else {
		changes->error = config_share(&changes->config, config, &changes->fail);
	}
	changes->busy = true;
	changes->now = change;
	changes->check = (struct loop_job){.run = check_run, .done = check_done};
	loop_job_start(changes->options.loop, &changes->check);
}

struct change *changes_ask(struct changes *changes, const json_t *request, const char *who, change_answered answered,
			   void *arg, json_t **error)
{
	struct change *change = changes->n < CHANGES_MAX ? change_create(changes) : NULL;
	struct fail fail;
	int failed;

	if (change == NULL) {
		*error = change_reply_error(-EBUSY, &(struct fail){.text = "too many changes are under way; try again"});
		return NULL;
	}
	change->answered = answered;
	change->arg = arg;
	snprintf(change->who, sizeof(change->who), "%s", who);
	failed = change_read(change, request, &fail);
	if (failed != 0) {
		*error = change_reply_error(failed, &fail);
		change_free(change);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&changes->queue, change, link);
	start_next(changes);
	return change;
}

void changes_forget(struct change *change)
{
	struct changes *changes = change->changes;

	change->answered = NULL;
	/* It changes nothing, and whoever may only look does not keep others from changing something. */
	if (change->saves && change != changes->now) {
		TAILQ_REMOVE(&changes->queue, change, link);
		change_free(change);
	}
}

void changes_reload(struct changes *changes)
{
	struct change *change;

	TAILQ_FOREACH (change, &changes->queue, link)
		if (change->signalled)
			return;
	change = change_create(changes);
	if (change == NULL) {
		changes->options.taken(changes->options.arg, NULL, &(struct fail){.text = "no memory"});
		return;
	}
	change->reloads = change->signalled = true;
	TAILQ_INSERT_TAIL(&changes->queue, change, link);
	start_next(changes);
}

bool changes_reload_is_due(const struct changes *changes)
{
	const struct change *change;

	TAILQ_FOREACH (change, &changes->queue, link)
		if (change->reloads && !change->dry_run)
			return true;
	return changes->now != NULL && changes->now->reloads && !changes->now->dry_run;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

struct changes *changes_create(const struct changes_options *options)
{
	struct changes *changes = calloc(1, sizeof(*changes));

	if (changes == NULL)
		return NULL;
	changes->options = *options;
	TAILQ_INIT(&changes->queue);
	TAILQ_INIT(&changes->applied);
	switch_on_step(options->sw, changes_stepped, changes);
	return changes;
}

static void free_list(struct change_list *list) RUNS_ON(control_thread)
{
	struct change *change;

	while ((change = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, change, link);
		change_free(change);
	}
}

void changes_end(struct changes *changes)
{
	if (changes == NULL)
		return;
	changes->ended = true;
	switch_on_step(changes->options.sw, NULL, NULL);
	free_list(&changes->queue);
	free_list(&changes->applied);
}

void changes_destroy(struct changes *changes)
{
	if (changes == NULL)
		return;
	config_free(&changes->config);
	old_free(changes->clearing);
	old_free(changes->old);
	free(changes);
}
