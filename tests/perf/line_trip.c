/* SPDX-License-Identifier: BSD-3-Clause */
/* line_trip CPU CPU: what it costs to hand a cache line from one CPU to another and back, in ns.
 *
 * A switch and its guests do little else than hand lines to one another, so every figure of
 * scripts/bench depends on this one, and on a virtual machine it can change from minute to minute:
 * two virtual CPUs may be two threads of one core now and two cores a moment later. Prints the
 * median of many short trials.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TRIALS = 51, TRIPS = 200 };

/* The line that travels, alone in its pair of lines: odd is the partner's turn. */
static _Alignas(128) _Atomic uint32_t line;
static _Alignas(128) int partner_cpu;

static int pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Hands back what it gets, TRIALS * TRIPS times. */
static void *partner(void *arg)
{
	(void)arg;
	if (pin(partner_cpu) != 0) {
		perror("line_trip: cannot run on the second CPU");
		exit(1);
	}
	for (uint32_t turn = 1; turn < 2 * TRIALS * TRIPS; turn += 2) {
		while (atomic_load_explicit(&line, memory_order_acquire) != turn)
			;
		atomic_store_explicit(&line, turn + 1, memory_order_release);
	}
	return NULL;
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static double trial[TRIALS];
	uint32_t turn = 0;
	pthread_t thread;

	if (argc != 3) {
		fprintf(stderr, "usage: line_trip CPU CPU\n");
		return 1;
	}
	partner_cpu = atoi(argv[2]);
	if (pin(atoi(argv[1])) != 0) {
		perror("line_trip: cannot run on the first CPU");
		return 1;
	}
	if (pthread_create(&thread, NULL, partner, NULL) != 0) {
		perror("line_trip: no second thread");
		return 1;
	}
	for (int i = 0; i < TRIALS; i++) {
		double since = now_ns();

		for (int trip = 0; trip < TRIPS; trip++) {
			atomic_store_explicit(&line, turn + 1, memory_order_release);
			turn += 2;
			while (atomic_load_explicit(&line, memory_order_acquire) != turn)
				;
		}
		trial[i] = (now_ns() - since) / TRIPS;
	}
	pthread_join(thread, NULL);
	qsort(trial, TRIALS, sizeof(trial[0]), by_value);
	printf("%.1f\n", trial[TRIALS / 2]);
	return 0;
}
