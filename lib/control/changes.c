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
/* That are checked one after the other, and are on the disk together. */
enum { TOGETHER_MAX = 16 };

TAILQ_HEAD(change_list, change);

/* A configuration that has been replaced. */
struct old_config {
	struct config config;
	struct old_config *next;
};

/* A change that is being read and checked, or waits to be taken then. */
struct checked {
	struct change *change; /* NULL: it has been taken */
	struct config config;  /* that it makes of the one before it */
	struct fail fail;
	int error;
};

struct changes {
	struct changes_options options;
	struct change_list queue, applied;
	unsigned int n;		/* that are not answered yet */
	unsigned int lingering; /* that are, and go on */
	bool ended;

	/* From when they are checked until the last of them has been taken, one in a turn of the loop; the helper's while it
	 * `checks`. */
	struct checked together[TOGETHER_MAX];
	unsigned int together_n, together_at; /* the next that is to be taken */
	unsigned int checked_n;		      /* the others wait once more */
	bool busy, checks;
	struct loop_job check;
	struct loop_timer next;
	struct tree *requests; /* for `read` */

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

/* It changes what is kept over a restart. */
static bool is_to_be_kept(const struct checked *checked)
{
	const struct config_edit *edit = &checked->change->edit;
	bool any = false;

	for (unsigned int i = 0; i < edit->n; i++)
		any |= edit->item[i].before != edit->item[i].after;
	return checked->error == 0 && !checked->change->dry_run && any;
}

/* Before they are done: whoever is told that it is finds it there after a restart. All that were checked are written at once.
 * What cannot be written is tried with the first alone, which is told then, and the others wait once more: none of them is
 * refused for what another has asked for. */
static void keep_all(struct changes *changes)
{
	const char *state = changes->options.state;
	struct checked *first = NULL, *last = NULL;
	struct fail why;

	for (unsigned int i = 0; i < changes->checked_n; i++) {
		if (!is_to_be_kept(&changes->together[i]))
			continue;
		last = &changes->together[i];
		first = first != NULL ? first : last;
	}
	if (state == NULL || last == NULL || config_state_write(state, &last->config, &why) == 0)
		return;
	changes->checked_n = (unsigned int)(first - changes->together) + 1;
	if (first == last || config_state_write(state, &first->config, &why) != 0)
		first->error = fail_set(&first->fail, -EIO, "nothing was changed, because that cannot be kept: %s", why.text);
}

static void check_one(struct changes *changes, struct checked *checked)
{
	const struct changes_options *options = &changes->options;
	struct change *change = checked->change;

	if (checked->error != 0 || change->act.run != NULL)
		return;
	if (change->reloads) {
		checked->error = options->read(options->arg, changes->requests, &checked->config, &checked->fail);
		return;
	}
	checked->error = config_edit_apply(&change->edit, &checked->config, &checked->fail);
	if (checked->error == 0)
		checked->error = config_check(&checked->config, &checked->fail);
	if (checked->error == 0 && options->control != NULL)
		checked->error = config_check_control(&checked->config, options->control, &checked->fail);
	if (checked->error == 0)
		checked->error = change_find_others(change, &checked->config, &checked->fail);
	if (checked->error == 0 && change->saves)
		checked->error = config_save(&checked->config, &change->text, &change->text_len, &checked->fail);
}

/* Each begins with what the one before has made: one that is refused is the last. */
static void check_run(struct loop_job *job)
{
	struct changes *changes = container_of(job, struct changes, check);

	for (unsigned int i = 0; i < changes->together_n; i++) {
		struct checked *checked = &changes->together[i];

		if (i > 0)
			checked->error = config_share(&checked->config, &changes->together[i - 1].config, &checked->fail);
		check_one(changes, checked);
		changes->checked_n = i + 1;
		if (checked->error != 0)
			break;
	}
	keep_all(changes);
}

static void tell_costs(struct change *change, const struct config *config) RUNS_ON(control_thread)
{
	const struct config *now = switch_config(change->changes->options.sw);

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
static int apply_edit(struct changes *changes, const struct change *change, struct config *config) RUNS_ON(control_thread)
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
		error = switch_apply_ports(changes->options.sw, config, names, n);
	free(names);
	return error;
}

/* Returns: false: there is no memory, and nothing was changed. */
static bool apply(struct changes *changes, struct change *change, struct checked *checked) RUNS_ON(control_thread)
{
	/* It may be there before this returns: changes_stepped() finds it on the list then. */
	TAILQ_INSERT_TAIL(&changes->applied, change, link);
	loop_timer_start(changes->options.loop, &change->limit, ANSWER_NS);
	if (change->reloads) {
		changes->options.taken(changes->options.arg, &checked->config, &checked->fail);
	} else if (apply_edit(changes, change, &checked->config) != 0) {
		TAILQ_REMOVE(&changes->applied, change, link);
		answer(change, change_reply_error(-ENOMEM, &(struct fail){.text = "no memory for the change"}));
		return false;
	}
	return true;
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
static void warn_of_idle(const struct change *change, const struct config *config)
{
	for (unsigned int i = 0; i < change->edit.n; i++)
		if (change->edit.item[i].list == CONFIG_EDIT_PORTS)
			config_tell_idle_of(config, change->edit.item[i].name, warn, NULL);
}

/* The change has been read and checked. Returns: false: what was checked behind it is about what is not there. */
static bool take(struct changes *changes, struct change *change, struct checked *checked) RUNS_ON(control_thread)
{
	if (checked->error != 0) {
		if (change->reloads && !change->dry_run)
			changes->options.taken(changes->options.arg, NULL, &checked->fail);
		else if (change->answered == NULL)
			log_warn("control", "%s, but: %s", change->what, checked->fail.text);
		answer(change, change_reply_error(checked->error, &checked->fail));
		return true;
	}
	if (change->saves) {
		answer(change, json_pack("{s:s%}", "text", change->text, change->text_len));
		return true;
	}
	if (change->act.run != NULL) {
		take_act(changes, change);
		return true;
	}
	if (!change->signalled || monitor_listeners != NULL)
		tell_costs(change, &checked->config);
	if (change->dry_run) {
		answer(change, change_reply_told(change));
		return true;
	}
	if (!change->signalled && json_array_size(change->told) > 0)
		log_info("control", "%s: %s", change->what, change->who);
	change_log_told(change);
	warn_of_idle(change, &checked->config);
	return apply(changes, change, checked);
}

/* Those from `from` on are checked once more, before all others. */
static void wait_once_more(struct changes *changes, unsigned int from) RUNS_ON(control_thread)
{
	while (changes->together_n > from) {
		struct checked *checked = &changes->together[--changes->together_n];

		change_free_others(checked->change);
		TAILQ_INSERT_HEAD(&changes->queue, checked->change, link);
		drop_config(changes, &checked->config);
	}
}

static void take_next(struct changes *changes) RUNS_ON(control_thread)
{
	struct checked *checked = &changes->together[changes->together_at++];
	struct change *change = checked->change;

	checked->change = NULL;
	if (!take(changes, change, checked))
		wait_once_more(changes, changes->together_at);
	drop_config(changes, &checked->config);
	if (changes->together_at < changes->together_n) {
		loop_timer_start(changes->options.loop, &changes->next, 0);
		return;
	}
	changes->together_n = 0;
	changes->busy = false;
	start_next(changes);
}

static void take_in_turn(struct loop_timer *timer)
{
	role_assert_control();
	take_next(container_of(timer, struct changes, next));
}

/* Nobody hears of them. */
static void free_together(struct changes *changes) RUNS_ON(control_thread)
{
	for (unsigned int i = 0; i < changes->together_n; i++) {
		if (changes->together[i].change != NULL)
			change_free(changes->together[i].change);
		changes->together[i].change = NULL;
	}
}

static void check_done(struct loop_job *job)
{
	struct changes *changes = container_of(job, struct changes, check);

	role_assert_control();
	changes->checks = false;
	if (changes->ended) {
		free_together(changes);
		return;
	}
	wait_once_more(changes, changes->checked_n);
	take_next(changes);
}

/* An edit that is to be made: others can be checked with what it makes of the configuration. */
static bool is_edit(const struct change *change)
{
	return !change->reloads && !change->saves && !change->dry_run && change->act.run == NULL;
}

/* The next change; and those behind it, if all of them are edits. */
static void choose_next(struct changes *changes) RUNS_ON(control_thread)
{
	struct change *change = TAILQ_FIRST(&changes->queue);
	bool more;

	changes->together_n = changes->together_at = changes->checked_n = 0;
	do {
		TAILQ_REMOVE(&changes->queue, change, link);
		if (change->told == NULL)
			change->told = json_array();
		changes->together[changes->together_n++] = (struct checked){
			.change = change, .config.drivers = switch_config(changes->options.sw)->drivers};
		more = is_edit(change);
		change = TAILQ_FIRST(&changes->queue);
	} while (more && change != NULL && is_edit(change) && changes->together_n < TOGETHER_MAX);
}

static void start_next(struct changes *changes)
{
	const struct config *config;
	struct checked *first = &changes->together[0];

	if (changes->busy || changes->ended || TAILQ_EMPTY(&changes->queue))
		return;
	choose_next(changes);
	config = switch_config(changes->options.sw);
	if (first->change->reloads)
		changes->requests = tree_hold(config->requests);
	else if (first->change->act.run == NULL)
		first->error = config_share(&first->config, config, &first->fail);
	changes->busy = changes->checks = true;
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

static bool is_checked(const struct changes *changes, const struct change *change)
{
	for (unsigned int i = 0; i < changes->together_n; i++)
		if (changes->together[i].change == change)
			return true;
	return false;
}

void changes_forget(struct change *change)
{
	struct changes *changes = change->changes;

	change->answered = NULL;
	/* It changes nothing, and whoever may only look does not keep others from changing something. */
	if (change->saves && !is_checked(changes, change)) {
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
	for (unsigned int i = 0; i < changes->together_n; i++) {
		change = changes->together[i].change;
		if (change != NULL && change->reloads && !change->dry_run)
			return true;
	}
	return false;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

struct changes *changes_create(const struct changes_options *options)
{
	struct changes *changes = calloc(1, sizeof(*changes));

	if (changes == NULL)
		return NULL;
	changes->options = *options;
	changes->next.fire = take_in_turn;
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
	loop_timer_stop(changes->options.loop, &changes->next);
	free_list(&changes->queue);
	free_list(&changes->applied);
	if (!changes->checks)
		free_together(changes);
}

void changes_destroy(struct changes *changes)
{
	if (changes == NULL)
		return;
	for (unsigned int i = 0; i < TOGETHER_MAX; i++)
		config_free(&changes->together[i].config);
	old_free(changes->clearing);
	old_free(changes->old);
	free(changes);
}
