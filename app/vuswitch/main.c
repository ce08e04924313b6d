/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c: parse, create, wire, run, stop. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <rte_version.h>

#include "capabilities.h"
#include "clock.h"
#include "complete_line.h"
#include "confine.h"
#include "corpse.h"
#include "ctl_metrics.h"
#include "ctl_telemetry.h"
#include "eal.h"
#include "ethdev_port.h"
#include "lcore.h"
#include "log.h"
#include "mem_arena.h"
#include "notify.h"
#include "poke.h"
#include "predecessor.h"
#include "rcu.h"
#include "rights.h"
#include "running.h"
#include "spare_cpus.h"
#include "thread_kind.h"
#include "vhost_port.h"
#include "vus_version.h"
#include "vuswitch.h"
#include "watchdog.h"

/* SIGTERM to the end: under a second, whatever a device's close may take. With a sanitizer, which tells what stays behind as a
 * leak, ports have longer to close. */
#if defined(__SANITIZE_ADDRESS__)
static const uint64_t STOP_NS = 3 * NS_PER_S;
#else
static const uint64_t STOP_NS = 700 * NS_PER_MS;
#endif
/* Descriptors that the process has room for from the start: 128 KiB of the kernel's memory. */
enum { DESCRIPTORS_ROOM = 16384 };

const struct port_driver *const port_drivers[] = {&vhost_port_driver, &ethdev_port_driver, NULL};

static void vuswitch_stop(void *arg)
{
	struct vuswitch *vus = arg;

	role_assert_control();
	loop_stop(vus->loop);
}

/* Each VM port needs a handful of descriptors a queue, and one for each slot of memory on its way in. The kernel's table of them
 * grows with the highest number, and where a process has several threads whoever needs a larger one waits for an RCU grace
 * period: tens of milliseconds, for 253 descriptors of one message. So it grows now, while there is one thread. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	int last = DESCRIPTORS_ROOM - 1, fd;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		if (limit.rlim_max < DESCRIPTORS_ROOM)
			last = (int)limit.rlim_max - 1;
	}
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, last);
	if (fd >= 0)
		close(fd);
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

static void place_threads(struct vuswitch *vus) RUNS_ON(control_thread)
{
	cpu_set_t cpus;
	char names[64];
	bool spare = spare_cpus_find(&cpus);

	loop_place_threads(vus->loop, &cpus);
	spare_cpus_name(&cpus, names, sizeof(names));
	log_info("vuswitch", "calls on what front ends gave are made on CPU %s%s", names,
		 spare ? "" : ", which is the control thread's: no other is spare");
}

/* A thread of ours has said what it is: what it has no use for is taken from it. */
static void limit_thread(enum thread_kind kind)
{
	int error;

	confine_prepare_thread();
	error = capabilities_keep(capabilities_of_thread(kind));
	if (error != 0)
		log_warn("vuswitch", "the %s thread keeps its capabilities: %s", thread_kind_name(kind), strerror(-error));
	confine_thread(kind);
}

/* While there is one thread. */
static void give_up_rights(const struct options *options, const struct config *config)
{
	capabilities needed = capabilities_needed(config, options->eal, options->eal_n);
	int error;

	if (options->keep_rights)
		needed |= capabilities_of_all_devices();
	error = capabilities_keep(needed);
	if (error != 0)
		log_warn("vuswitch", "capabilities that nothing needs are kept: %s", strerror(-error));
	thread_on_begin(limit_thread);
}

static int vuswitch_create(struct vuswitch *vus, struct fail *fail) RUNS_ON(control_thread)
{
	int error = ctl_socket_probe(vus->options.control, fail);
	cpu_set_t cpus;

	spare_cpus_look();
	if (error == 0)
		error = eal_start(&vus->options, fail);
	if (error != 0)
		return error;
	vus->eal = true;
	corpses_tell();
	error = confine_start(vus->options.confine, fail);
	if (error != 0)
		return error;
	error = mem_arena_guard();
	if (error == 0)
		error = poke_watch();
	if (error == 0)
		error = watchdog_start();
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
	place_threads(vus);
	vus->signals =
		(struct signals){.loop = vus->loop, .stop = vuswitch_stop, .reload = vuswitch_reload, .arg = vus};
	error = signals_start(&vus->signals);
	if (error != 0)
		return fail_set(fail, error, "vuswitch: signals: %s", strerror(-error));
	error = switch_create(vus->loop, port_drivers, &vus->reports_bell, &vus->sw, fail);
	if (error == 0)
		error = ctl_socket_create(vus->loop, vus->options.control, vus->sw, &vus->ctl,
					  fail);
	if (error != 0)
		return error;
	switch_on_settled(vus->sw, vuswitch_settled, vus);
	open_journal(vus);
	vus->changes = changes_create(&(struct changes_options){
		.loop = vus->loop,
		.sw = vus->sw,
		.control = vus->options.control,
		.state = vus->options.state,
		.read = vuswitch_read_config,
		.taken = vuswitch_take_config,
		.failed = vuswitch_failed,
		.arg = vus,
	});
	spare_cpus_find(&cpus);
	vus->metrics = ctl_metrics_create(vus->loop, vus->sw, &cpus);
	if (vus->changes == NULL || vus->metrics == NULL)
		return fail_set(fail, -ENOMEM, "vuswitch: no memory");
	vus->last_good = (struct last_good){
		.loop = vus->loop, .path = vus->options.last_good, .kept = vuswitch_kept, .arg = vus};
	return 0;
}

/* A level that is missing is made, as it is for sockets. */
static void make_state_folder(const struct vuswitch *vus) RUNS_ON(control_thread)
{
	char copy[PATH_MAX];
	const char *folder;
	struct stat st;

	if (vus->options.state == NULL)
		return;
	snprintf(copy, sizeof(copy), "%s", vus->options.state);
	folder = dirname(copy);
	if (stat(folder, &st) != 0 && mkdir(folder, 0755) != 0)
		log_warn("vuswitch", "--state %s: there is no folder %s (%s); make it, or no change by a request can be made",
			 vus->options.state, folder, strerror(errno));
}

/* What requests had added, and is not there, is out of the way of what they will add. One that was set aside before stays. */
static void set_aside_state(struct vuswitch *vus) RUNS_ON(control_thread)
{
	char aside[PATH_MAX];

	if (vus->state.text[0] == '\0')
		return;
	snprintf(aside, sizeof(aside), "%s.broken", vus->options.state);
	for (unsigned int i = 2; i < 10 && access(aside, F_OK) == 0; i++)
		snprintf(aside, sizeof(aside), "%s.broken.%u", vus->options.state, i);
	log_error("vuswitch", "starts without what requests had added: %s", vus->state.text);
	if (rename(vus->options.state, aside) == 0)
		log_error("vuswitch", "that file is %s now; `vusctl ensure` may take it once it is mended", aside);
	else
		log_error("vuswitch", "%s: %s; the next request replaces it", aside, strerror(errno));
}

/* Returns when the switch is to end: 0, or -1 if it cannot begin, which is logged. */
static int run(struct vuswitch *vus, struct config *config) RUNS_ON(control_thread)
{
	bool fall_back = config->in_place_of != NULL;

	if (fall_back)
		log_error("vuswitch", "%s: starts from the last good configuration, %s",
			  config->in_place_of, config->file);
	if (lcores_start() != 0)
		return -1;
	/* Before the first guest comes, and after our threads have opened what of /proc is root's from here on. */
	if (!vus->options.dumpable && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_warn("vuswitch", "a crash may leave a core dump: %s", strerror(errno));
	/* What control may not do its children cannot do either: those that may do more are there by now. */
	if (vus->options.confine != CONFINE_OFF && loop_device_thread(vus->loop) != 0)
		return -1;
	thread_begins(THREAD_CONTROL);
	vuswitch_take_text(vus, config);
	make_state_folder(vus);
	set_aside_state(vus);
	config_tell_idle(config, vuswitch_warn, NULL);
	/* A device that is gone since the last good configuration, or a request, was kept is reported, and leaves the other ports
	 * alone. */
	if (switch_apply(vus->sw, config) < 0)
		return -1;
	vus->failed = switch_catch_up(vus->sw);
	vus->runs = true;
	/* Devices start on a thread of their own, and VMs are served meanwhile. */
	if ((vus->settled || vuswitch_has_too_little(vus)) && !vuswitch_begin(vus))
		return -1;
	ctl_telemetry_start(vus->loop, vus->sw);
	ctl_metrics_apply(vus->metrics, &switch_config(vus->sw)->options);
	ctl_socket_take_changes(vus->ctl, vus->changes);
	heartbeat_start(&vus->heartbeat, vus->loop);
	loop_run(vus->loop);
	heartbeat_stop(&vus->heartbeat);
	if (vus->cannot_begin)
		return -1;
	notify("STOPPING=1");
	log_info("vuswitch", "ends");
	return 0;
}

/* Empties the switch the way a configuration without ports would, and stops waiting when its time is over. */
static void vuswitch_drain(struct vuswitch *vus) RUNS_ON(control_thread)
{
	uint64_t end = clock_ns() + STOP_NS;
	struct config nothing = {.drivers = port_drivers};
	char left[512];

	/* That every port goes needs no line each. */
	log_set_level(LOG_WARN);
	switch_on_settled(vus->sw, NULL, NULL);
	vuswitch_take_text(vus, NULL);
	switch_end(vus->sw);
	switch_apply(vus->sw, &nothing);
	config_free(&nothing);
	while (!switch_is_empty(vus->sw) && clock_ns() < end)
		loop_turn(vus->loop, NS_PER_MS);
	if (switch_is_empty(vus->sw))
		return;
	switch_describe_left(vus->sw, left, sizeof(left));
	log_warn("vuswitch", "ends before every port has closed: %s", left);
}

/* False: DPDK is still in use. */
static bool vuswitch_destroy(struct vuswitch *vus) RUNS_ON(control_thread)
{
	bool devices_lost;

	/* What is on its way to the disk gets there (loop_destroy()), and nothing waits for the result. */
	vus->reloading = false;
	ctl_telemetry_stop();
	ctl_metrics_end(vus->metrics);
	ctl_socket_destroy(vus->ctl);
	changes_end(vus->changes);
	if (vus->sw != NULL)
		vuswitch_drain(vus);
	if (lcores_n() > 0)
		lcores_stop();
	if (vus->sw == NULL || switch_is_empty(vus->sw))
		switch_destroy(vus->sw);
	if (vus->loop != NULL)
		signals_stop(&vus->signals);
	lcores_destroy();
	/* A device whose driver does not come back is left to the kernel. */
	devices_lost = vus->loop != NULL && loop_devices_busy(vus->loop);
	loop_destroy(vus->loop);
	changes_destroy(vus->changes);
	ctl_metrics_destroy(vus->metrics);
	rcu_fini();
	watchdog_stop();
	poke_leave();
	poke_unwatch();
	if (vus->eal) {
		doorbell_fini(&vus->reports_bell);
		if (!devices_lost)
			eal_stop();
	}
	return !devices_lost;
}

/* One line, and the exit status. */
static int vuswitch_fail_out(const struct fail *fail, int status)
{
	if (getenv("JOURNAL_STREAM") != NULL)
		log_error("vuswitch", "%s", fail->text);
	else
		fprintf(stderr, "vuswitch: %s\n", fail->text);
	return status;
}

/* 0, or the exit status. EX_CONFIG: the file has an error, no last good one takes its place, and starting again is in
 * vain until it is mended. */
static int read_config(struct vuswitch *vus, struct config *config)
{
	const struct options *options = &vus->options;
	bool falls_back = options->last_good != NULL && !options->check;
	struct fail fail;
	int error = options_read_first_config(options, config, &vus->state, &fail);

	if (error == 0 && options->check && vus->state.text[0] != '\0') {
		config_free(config);
		return vuswitch_fail_out(&vus->state, EXIT_FAILURE);
	}
	if (error == 0)
		return EXIT_SUCCESS;
	return vuswitch_fail_out(&fail, falls_back ? EX_CONFIG : EXIT_FAILURE);
}

/* Until the process before this one has ended, it takes requests, and keeps them. */
static int follow_predecessor(struct vuswitch *vus, struct config *config)
{
	predecessor_wait(vus->options.control, config);
	if (vus->options.state == NULL)
		return EXIT_SUCCESS;
	config_free(config);
	return read_config(vus, config);
}

/* Our parent may have closed them: then the next descriptors would have their numbers, and get our lines. */
static void keep_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct vuswitch vus = {0};
	struct config config;
	struct fail fail;
	int status = EXIT_SUCCESS;
	bool clean = true;

	role_take(ROLE_CONTROL);
	role_assert_control();
	keep_standard_descriptors();
	rights_ask_files();
	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		complete_line(argc - 2, argv + 2);
		return EXIT_SUCCESS;
	}
	if (options_parse(argc, argv, &vus.options, &fail) != 0) {
		options_free(&vus.options);
		return vuswitch_fail_out(&fail, EXIT_FAILURE);
	}
	if (vus.options.help) {
		options_print_help(stdout);
		return EXIT_SUCCESS;
	}
	if (vus.options.version) {
		printf("vuswitch %s, %s\n", VUS_VERSION, rte_version());
		return EXIT_SUCCESS;
	}
	status = read_config(&vus, &config);
	if (status != EXIT_SUCCESS) {
		options_free(&vus.options);
		return status;
	}
	if (vus.options.check) {
		config_print(&config, stdout);
		config_warn(&config, stderr);
		running_compare(&vus.options, &config, stdout, stderr);
	} else {
		signals_block();
		raise_descriptor_limit();
		status = follow_predecessor(&vus, &config);
		if (status == EXIT_SUCCESS)
			give_up_rights(&vus.options, &config);
		if (status == EXIT_SUCCESS && vuswitch_create(&vus, &fail) != 0)
			status = vuswitch_fail_out(&fail, EXIT_FAILURE);
		else if (status == EXIT_SUCCESS && run(&vus, &config) != 0)
			status = EXIT_FAILURE;
		clean = vuswitch_destroy(&vus);
	}
	config_free(&config);
	options_free(&vus.options);
	/* What runs at exit() would end DPDK below its thread. */
	if (!clean)
		_exit(status);
	return status;
}
