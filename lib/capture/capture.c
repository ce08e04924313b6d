/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_private.h"
#include "container_of.h"
#include "port_counters.h"

static void capture_free(struct capture *capture)
{
	for (unsigned int i = 0; capture->lcore != NULL && i < capture->options.lcores; i++)
		capture_ring_fini(&capture->lcore[i].ring);
	free(capture->lcore);
	free(capture->filter);
	free(capture->filter_text);
	free(capture->line);
	free(capture->out);
	doorbell_fini(&capture->bell);
	pthread_mutex_destroy(&capture->lock);
	free(capture);
}

void capture_release(struct capture *capture)
{
	/* Pairs with the other holder's capture_release(): what it has written comes before the capture is freed. */
	if (atomic_fetch_sub_explicit(&capture->holders, 1, memory_order_acq_rel) == 1)
		capture_free(capture);
}

/* --- what the thread tells control ------------------------------------------------------------------------------ */

static void capture_opened(struct loop_call *call)
{
	struct capture *capture = container_of(call, struct capture, opened);

	role_assert_control();
	if (capture->loop != NULL)
		capture->options.opened(capture->options.arg, capture, capture->fail.text[0] != '\0' ? &capture->fail : NULL);
}

static void capture_ends(struct loop_call *call)
{
	struct capture *capture = container_of(call, struct capture, ends);

	role_assert_control();
	if (capture->loop != NULL)
		capture->options.ends(capture->options.arg, capture);
}

static void capture_gone(struct loop_call *call)
{
	struct capture *capture = container_of(call, struct capture, gone);

	role_assert_control();
	if (capture->loop != NULL)
		capture->options.gone(capture->options.arg, capture);
	/* The share that the thread left to this call. */
	capture_release(capture);
}

/* --- making ------------------------------------------------------------------------------------------------------ */

static int take_options(struct capture *capture, const struct capture_options *options)
{
	capture->options = *options;
	for (unsigned int i = 0; i < options->ports_n; i++)
		snprintf(capture->name[i], sizeof(capture->name[i]), "%s", options->port[i]);
	capture->filter_text = strdup(options->filter);
	capture->out = malloc(CAPTURE_OUT_BYTES);
	capture->lcore = aligned_alloc(LINE_BYTES, options->lcores * sizeof(*capture->lcore));
	if (capture->filter_text == NULL || capture->out == NULL || capture->lcore == NULL)
		return -ENOMEM;
	memset(capture->lcore, 0, options->lcores * sizeof(*capture->lcore));
	for (unsigned int i = 0; i < options->lcores; i++)
		if (capture_ring_init(&capture->lcore[i].ring) != 0)
			return -ENOMEM;
	return 0;
}

static int start_thread(struct capture *capture) RUNS_ON(control_thread)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	cpu_set_t cpus;
	int error;

	pthread_attr_init(&attributes);
	if (loop_thread_cpus(capture->loop, &cpus))
		pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
	/* A signal is the control thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = -pthread_create(&thread, &attributes, capture_main, capture);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0) {
		pthread_setname_np(thread, "vus-capture");
		pthread_detach(thread);
	}
	return error;
}

int capture_create(const struct capture_options *options, int fd, struct capture **result, struct fail *fail)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int error;

	if (capture == NULL)
		return fail_set(fail, -ENOMEM, "no memory for a capture");
	error = doorbell_init(&capture->bell);
	if (error != 0) {
		free(capture);
		return fail_set(fail, error, "no capture: %s", strerror(-error));
	}
	pthread_mutex_init(&capture->lock, NULL);
	capture->loop = options->loop;
	capture->fd = fd;
	capture->opened.run = capture_opened;
	capture->ends.run = capture_ends;
	capture->gone.run = capture_gone;
	atomic_store(&capture->holders, 2);
	error = take_options(capture, options);
	if (error == 0)
		error = start_thread(capture);
	if (error != 0) {
		capture_free(capture);
		return fail_set(fail, error, "no capture: %s", strerror(-error));
	}
	*result = capture;
	return 0;
}

/* --- its life ---------------------------------------------------------------------------------------------------- */

static void set_state(struct capture *capture, enum capture_state state, char *line)
{
	if (line != NULL) {
		free(capture->line);
		capture->line = line;
	}
	/* Pairs with state_of(): the line; and what lcores have done, of which control knows that they have passed. */
	atomic_store_explicit(&capture->state, state, memory_order_release);
	doorbell_ring(&capture->bell);
}

void capture_begin(struct capture *capture, char *line)
{
	capture->begun = true;
	set_state(capture, CAPTURE_RUNS, line);
}

void capture_close(struct capture *capture, char *line)
{
	set_state(capture, CAPTURE_CLOSED, line);
}

void capture_put(struct capture *capture, bool unused)
{
	pthread_mutex_lock(&capture->lock);
	capture->loop = NULL;
	pthread_mutex_unlock(&capture->lock);
	capture_close(capture, NULL);
	if (unused)
		capture_release(capture);
}

/* --- to look at -------------------------------------------------------------------------------------------------- */

const char *capture_port(const struct capture *capture, unsigned int interface)
{
	return capture->name[interface];
}

unsigned int capture_ports_n(const struct capture *capture)
{
	return capture->options.ports_n;
}

void capture_sum(const struct capture *capture, unsigned int interface, struct capture_sum *sum)
{
	*sum = (struct capture_sum){0};
	for (unsigned int i = 0; i < capture->options.lcores; i++) {
		const struct capture_counts *counts = &capture->lcore[i].count[interface];

		sum->seen += counted(&counts->seen);
		sum->accepted += counted(&counts->accepted);
		sum->unknown += counted(&counts->unknown);
		sum->lost += counted(&counts->lost);
	}
}
