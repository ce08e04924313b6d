/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c: vuswitch on one screen: parse, create, wire, run, stop. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_version.h>

#include "clock.h"
#include "ctl_socket.h"
#include "ctl_telemetry.h"
#include "doorbell.h"
#include "eal.h"
#include "ethdev_port.h"
#include "lcore.h"
#include "log.h"
#include "loop.h"
#include "mem_arena.h"
#include "notify.h"
#include "options.h"
#include "poke.h"
#include "rcu.h"
#include "signals.h"
#include "switch.h"
#include "vhost_port.h"
#include "vus_version.h"

/* SIGTERM to the end: under a second, whatever a device's close may take. */
static const uint64_t STOP_NS = 700 * NS_PER_MS;

static const struct port_driver *const drivers[] = {&vhost_port_driver, &ethdev_port_driver, NULL};

struct vuswitch {
	struct options options;
	bool eal; /* started */
	struct doorbell reports_bell;
	struct loop *loop;
	struct signals signals;
	struct vus_switch *sw;
	struct ctl_socket *ctl;
};

static void stop(void *arg)
{
	struct vuswitch *vus = arg;

	role_assert_control();
	loop_stop(vus->loop);
}

static void reload(void *arg)
{
	struct vuswitch *vus = arg;
	struct config config;
	struct fail fail;

	role_assert_control();
	if (options_read_config(&vus->options, &config, &fail) != 0) {
		log_error("vuswitch", "%s (nothing was changed)", fail.text);
		return;
	}
	switch_apply(vus->sw, &config);
	config_free(&config);
	log_info("vuswitch", "configuration read again");
}

/* Each VM port needs a handful of descriptors a queue, and one for each slot of memory on its way in. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* A switch without a journal is better than none. */
static void open_journal(struct vuswitch *vus) RUNS_ON(control_thread)
{
	const char *folder = vus->options.journal;

	if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || access(folder, W_OK | X_OK) != 0)
		log_warn("vuswitch",
			 "no journal: %s: %s; if the switch is killed, frames in hand may be "
			 "delivered twice. --journal names another folder",
			 folder, strerror(errno));
	else
		switch_set_journal(vus->sw, folder);
}

static int create(struct vuswitch *vus, struct fail *fail) RUNS_ON(control_thread)
{
	int error = ctl_socket_probe(vus->options.control, fail);

	if (error == 0)
		error = eal_start(&vus->options, fail);
	if (error != 0)
		return error;
	vus->eal = true;
	error = mem_arena_guard();
	if (error == 0)
		error = poke_watch();
	poke_join();
	if (error == 0)
		error = doorbell_init(&vus->reports_bell);
	if (error != 0)
		return fail_set(fail, error, "vuswitch: %s", strerror(-error));
	error = lcores_create(vus->options.busy_poll, &vus->reports_bell, fail);
	if (error != 0)
		return error;
	vus->loop = loop_create();
	if (vus->loop == NULL)
		return fail_set(fail, -ENOMEM, "vuswitch: the event loop cannot be made");
	vus->signals =
		(struct signals){.loop = vus->loop, .stop = stop, .reload = reload, .arg = vus};
	error = signals_start(&vus->signals);
	if (error != 0)
		return fail_set(fail, error, "vuswitch: signals: %s", strerror(-error));
	error = switch_create(vus->loop, drivers, &vus->reports_bell, &vus->sw, fail);
	if (error == 0)
		error = ctl_socket_create(vus->loop, vus->options.control, vus->sw, &vus->ctl,
					  fail);
	if (error == 0)
		open_journal(vus);
	return error;
}

/* Returns when the switch is to end: 0, or -1 if it cannot begin, which was told. */
static int run(struct vuswitch *vus, struct config *config) RUNS_ON(control_thread)
{
	unsigned int ports;

	if (lcores_start() != 0 || switch_apply(vus->sw, config) > 0)
		return -1;
	for (unsigned int i = 0; i < lcores_n(); i++)
		log_info("vuswitch", "lcore %u polls on CPU %d%s", lcore_id(lcore_at(i)),
			 lcore_cpu(lcore_at(i)),
			 vus->options.busy_poll ? " without rest" : ", and sleeps when idle");
	ctl_telemetry_start(vus->loop, vus->sw);
	ports = switch_ports_n(vus->sw);
	log_info("vuswitch", "ready: %u port%s; vusctl --control %s", ports, ports == 1 ? "" : "s",
		 vus->options.control);
	notify("READY=1");
	loop_run(vus->loop);
	notify("STOPPING=1");
	log_info("vuswitch", "ends");
	return 0;
}

/* Empties the switch the way a configuration without ports would, and stops waiting when its time is over. */
static void drain(struct vuswitch *vus) RUNS_ON(control_thread)
{
	uint64_t end = clock_ns() + STOP_NS;
	struct config nothing = {0};

	/* That every port goes needs no line each. */
	log_set_level(LOG_WARN);
	switch_end(vus->sw);
	switch_apply(vus->sw, &nothing);
	while (!switch_is_empty(vus->sw) && clock_ns() < end)
		loop_turn(vus->loop, NS_PER_MS);
	if (!switch_is_empty(vus->sw))
		log_warn("vuswitch", "ends before every port has closed");
}

static void destroy(struct vuswitch *vus) RUNS_ON(control_thread)
{
	ctl_telemetry_stop();
	ctl_socket_destroy(vus->ctl);
	if (vus->sw != NULL)
		drain(vus);
	if (lcores_n() > 0)
		lcores_stop();
	if (vus->sw == NULL || switch_is_empty(vus->sw))
		switch_destroy(vus->sw);
	if (vus->loop != NULL)
		signals_stop(&vus->signals);
	lcores_destroy();
	loop_destroy(vus->loop);
	poke_leave();
	poke_unwatch();
	if (vus->eal) {
		doorbell_fini(&vus->reports_bell);
		eal_stop();
	}
}

static int fail_out(const struct fail *fail)
{
	fprintf(stderr, "vuswitch: %s\n", fail->text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct vuswitch vus = {0};
	struct config config;
	struct fail fail;
	int status = EXIT_SUCCESS;

	role_take(ROLE_CONTROL);
	role_assert_control();
	if (options_parse(argc, argv, &vus.options, &fail) != 0)
		return fail_out(&fail);
	if (vus.options.help) {
		options_print_help();
		return EXIT_SUCCESS;
	}
	if (vus.options.version) {
		printf("vuswitch %s, %s\n", VUS_VERSION, rte_version());
		return EXIT_SUCCESS;
	}
	if (options_read_config(&vus.options, &config, &fail) != 0)
		return fail_out(&fail);
	if (vus.options.check) {
		config_print(&config, stdout);
	} else {
		signals_block();
		raise_descriptor_limit();
		if (create(&vus, &fail) != 0)
			status = fail_out(&fail);
		else if (run(&vus, &config) != 0)
			status = EXIT_FAILURE;
		destroy(&vus);
	}
	config_free(&config);
	options_free(&vus.options);
	return status;
}
