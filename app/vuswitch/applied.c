/* SPDX-License-Identifier: BSD-3-Clause */
/* applied.c: what becomes of a configuration: it is read, applied, settled and kept, and the service manager hears of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "ctl_metrics.h"
#include "lcore.h"
#include "log.h"
#include "notify.h"
#include "vuswitch.h"

static void vuswitch_tell_state(struct vuswitch *vus) RUNS_ON(control_thread)
{
	const struct config *config = switch_config(vus->sw);
	unsigned int ports = switch_ports_n(vus->sw);
	char failed[48] = "";

	if (vus->failed == SWITCH_NOT_TAKEN)
		snprintf(failed, sizeof(failed), " (no memory for other ones)");
	else if (vus->failed > 0)
		snprintf(failed, sizeof(failed), " (%u could not be made)", vus->failed);
	notify("READY=1\nSTATUS=%u port%s%s%s%.200s%s%.400s", ports, ports == 1 ? "" : "s", failed,
	       config->file != NULL ? ", as in " : "", config->file != NULL ? config->file : "",
	       config->in_place_of != NULL ? ", because: " : "",
	       config->in_place_of != NULL ? config->in_place_of : "");
}

void vuswitch_kept(void *arg)
{
	struct vuswitch *vus = arg;

	role_assert_control();
	/* The file before may have been on its way to the disk still, or another one is being read. */
	if (!vus->settled || changes_reload_is_due(vus->changes))
		return;
	if (vus->reloading)
		vuswitch_tell_state(vus);
	vus->reloading = false;
}

void vuswitch_take_text(struct vuswitch *vus, struct config *config)
{
	free(vus->text);
	vus->text = config != NULL ? config->text : NULL;
	vus->text_len = config != NULL ? config->text_len : 0;
	if (config != NULL)
		config->text = NULL;
}

/* Whether all is there that is no request's: a start that cannot have that is none. */
static bool file_is_made(const struct vuswitch *vus) RUNS_ON(control_thread)
{
	const struct config *config = switch_config(vus->sw);
	bool made = vus->failed != SWITCH_NOT_TAKEN;

	for (unsigned int i = 0; i < config->bridges_n; i++)
		made = made && (config->bridges[i].from == CONFIG_FROM_REQUEST ||
				switch_bridge_progress(vus->sw, config->bridges[i].name) != SWITCH_FAILED);
	for (unsigned int i = 0; i < config->ports_n; i++)
		made = made && (config->ports[i].from == CONFIG_FROM_REQUEST ||
				switch_port_progress(vus->sw, config->ports[i].name, NULL) != SWITCH_FAILED);
	return made;
}

bool vuswitch_has_too_little(const struct vuswitch *vus)
{
	return vus->failed > 0 && switch_config(vus->sw)->in_place_of == NULL && !vus->reloading && !file_is_made(vus);
}

bool vuswitch_begin(struct vuswitch *vus)
{
	bool fall_back = switch_config(vus->sw)->in_place_of != NULL;
	unsigned int ports = switch_ports_n(vus->sw);

	if (vuswitch_has_too_little(vus)) {
		log_error("vuswitch", "ends, because %u of its ports and bridges could not be made", vus->failed);
		return false;
	}
	vus->ready = true;
	for (unsigned int i = 0; i < lcores_n(); i++)
		log_info("vuswitch", "lcore %u polls on CPU %d%s", lcore_id(lcore_at(i)),
			 lcore_cpu(lcore_at(i)),
			 vus->options.busy_poll ? " without rest" : ", and sleeps when idle");
	log_info("vuswitch", "ready: %u port%s%s; vusctl --control %s", ports, ports == 1 ? "" : "s",
		 fall_back ? " of the last good configuration" : "", vus->options.control);
	vuswitch_tell_state(vus);
	return true;
}

/* A file of which all could be made is kept, when the last port has come that waited for another one to go. What of requests
 * could not be made is not the file's. */
void vuswitch_settled(void *arg, unsigned int failed)
{
	struct vuswitch *vus = arg;
	char *text = vus->text;

	role_assert_control();
	vus->text = NULL;
	vus->settled = true;
	vus->failed = failed;
	if (failed == SWITCH_NOT_TAKEN)
		log_error("vuswitch", "no memory for the configuration; nothing was changed");
	else if (vus->reloading && failed > 0)
		log_error("vuswitch", "configuration read again, but %u of its ports and bridges could not be made",
			  failed);
	else if (vus->reloading)
		log_info("vuswitch", "configuration read again");
	if (!file_is_made(vus) || switch_config(vus->sw)->in_place_of != NULL) {
		free(text);
		text = NULL;
	}
	last_good_keep(&vus->last_good, text, vus->text_len);
	if (vus->runs && !vus->ready && !vuswitch_begin(vus)) {
		vus->cannot_begin = true;
		loop_stop(vus->loop);
	}
}

void vuswitch_warn(void *arg, const char *line)
{
	(void)arg;
	log_warn("vuswitch", "%s", line);
}

static void vuswitch_tell_change(void *arg, const struct config_told *told)
{
	(void)arg;
	log_info("vuswitch", "%s", told->line);
}

/* On the loop's helper; the options do not change. */
int vuswitch_read_config(void *arg, struct tree *requests, struct config *config, struct fail *fail)
{
	const struct vuswitch *vus = arg;

	return options_read_config(&vus->options, requests, config, fail);
}

void vuswitch_take_config(void *arg, struct config *config, const struct fail *fail)
{
	struct vuswitch *vus = arg;

	role_assert_control();
	if (config == NULL) {
		log_error("vuswitch", "nothing was changed: %s", fail->text);
		if (!changes_reload_is_due(vus->changes))
			notify("%sSTATUS=nothing was changed: %s", vus->ready ? "READY=1\n" : "", fail->text);
		return;
	}
	config_tell_changes(switch_config(vus->sw), config, vuswitch_tell_change, NULL);
	vus->reloading = true;
	vus->settled = false;
	vuswitch_take_text(vus, config);
	config_tell_idle(config, vuswitch_warn, NULL);
	/* switch_apply() may answer whoever has asked. */
	ctl_metrics_apply(vus->metrics, &config->options);
	switch_apply(vus->sw, config);
}

const char *vuswitch_failed(void *arg, unsigned int i)
{
	const struct vuswitch *vus = arg;

	role_assert_control();
	return ctl_metrics_failed(vus->metrics, i);
}

/* Notifies the service manager when it begins and ends: `systemctl reload` returns when the new configuration is in force,
 * and on the disk as the last good one. */
void vuswitch_reload(void *arg)
{
	struct vuswitch *vus = arg;

	role_assert_control();
	notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_ns() / NS_PER_US);
	changes_reload(vus->changes);
}
