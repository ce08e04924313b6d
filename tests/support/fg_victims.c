/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_victims.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fg_clock.h"

/* Room for what a test case floods while this process waits for a CPU: far more buffers than frames of
 * their own on the way. */
enum { MEMORY = 16 << 20, RING = 1024, WINDOW = 128, BURST = 16, PAUSE_US = 1000 };

static int open_side(struct fg_victim *v, const char *path, uint32_t number)
{
	const struct fg_options opt = {.ring_size = RING};
	int err;

	fg_memory_init(&v->mem);
	err = fg_memory_add(&v->mem, (uint64_t)(number + 1) << 32, MEMORY);
	if (err < 0)
		return err;
	err = fg_session_open(&v->s, path, &v->mem, &opt);
	if (err == 0)
		err = fg_session_start(&v->s);
	if (err == 0)
		err = fg_nic_init(&v->nic, &v->s, 0, 0xff00 + number, NULL);
	if (err == 0)
		err = fg_nic_fill(&v->nic);
	v->flow = (struct fg_flow){.id = 0xff00 + number};
	return err;
}

/* Lengths from the shortest to a full frame, none a favourite. */
static size_t next_length(const struct fg_flow *f)
{
	return 60 + f->next_tx * 97 % 1455;
}

static int send_burst(struct fg_victim *from, struct fg_victim *to, unsigned int most)
{
	uint8_t frame[1514];
	int err = fg_nic_reap(&from->nic);

	for (unsigned int i = 0; err == 0 && i < most; i++) {
		size_t len = next_length(&from->flow);

		if (from->flow.next_tx - from->flow.received >= WINDOW ||
		    !fg_nic_room(&from->nic, 2))
			break;
		fg_flow_build(&from->flow, to->nic.mac, from->nic.mac, frame, len);
		err = fg_nic_queue(&from->nic, frame, len, NULL);
	}
	fg_nic_flush(&from->nic);
	return err;
}

/* Takes what has arrived at @to. Frames of others (floods) are not counted. */
static int receive_all(struct fg_victim *from, struct fg_victim *to)
{
	static _Thread_local uint8_t frame[FG_FRAME_MAX];

	for (;;) {
		int len = fg_nic_recv(&to->nic, frame, sizeof(frame), 0);

		if (len < 0)
			return len == -ETIMEDOUT ? 0 : len;
		fg_flow_check(&from->flow, frame, (size_t)len);
	}
}

static bool on_the_way(const struct fg_victims *v)
{
	return v->side[0].flow.received < v->side[0].flow.next_tx ||
	       v->side[1].flow.received < v->side[1].flow.next_tx;
}

static int step(struct fg_victims *v, bool send)
{
	int err = 0;

	for (int i = 0; err == 0 && send && i < 2; i++)
		err = send_burst(&v->side[i], &v->side[1 - i], v->rate != 0 ? WINDOW : BURST);
	for (int i = 0; err == 0 && i < 2; i++)
		err = receive_all(&v->side[i], &v->side[1 - i]);
	if (!v->eager)
		fg_sleep_us(PAUSE_US);
	return err;
}

static bool is_ahead(const struct fg_victims *v, uint64_t began)
{
	return v->rate != 0 &&
	       v->side[0].flow.next_tx + v->side[1].flow.next_tx > (fg_now_us() - began) * v->rate / 1000000;
}

/* --- what they wait for without having a CPU --------------------------------------------------------------------- */

/* Ours, and those of the switch's lcores, which are called workers. */
static void waits_open(struct fg_victims *v)
{
	char path[320], name[32];
	struct dirent *entry;
	unsigned int n = 1;
	DIR *tasks;

	v->schedstat[0] = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)v->pid);
	tasks = opendir(path);
	while (tasks != NULL && n <= FG_VICTIMS_LCORES && (entry = readdir(tasks)) != NULL) {
		FILE *comm;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)v->pid, entry->d_name);
		comm = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
		if (comm == NULL)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int)v->pid, entry->d_name);
		if (fgets(name, sizeof(name), comm) != NULL && strstr(name, "worker") != NULL)
			v->schedstat[n++] = open(path, O_RDONLY | O_CLOEXEC);
		fclose(comm);
	}
	if (tasks != NULL)
		closedir(tasks);
	for (; n <= FG_VICTIMS_LCORES; n++)
		v->schedstat[n] = -1;
}

static void waits_close(struct fg_victims *v)
{
	for (unsigned int i = 0; i <= FG_VICTIMS_LCORES; i++)
		if (v->schedstat[i] >= 0)
			close(v->schedstat[i]);
}

static uint64_t waited_us(const struct fg_victims *v)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i <= FG_VICTIMS_LCORES; i++) {
		unsigned long long ran, waited;
		char text[80];
		ssize_t len = v->schedstat[i] >= 0 ? pread(v->schedstat[i], text, sizeof(text) - 1, 0) : -1;

		if (len <= 0)
			continue;
		text[len] = '\0';
		if (sscanf(text, "%llu %llu", &ran, &waited) == 2)
			sum += waited / 1000;
	}
	return sum;
}

/* --- traffic ----------------------------------------------------------------------------------------------------- */

/* They have got nothing since an arrival, when they had waited for so long. Waits are asked for where it makes a difference. */
static void note_gap(struct fg_victims *v, uint64_t gap_us, uint64_t waited_before)
{
	uint64_t waited;

	if (gap_us > v->longest_us)
		v->longest_us = gap_us;
	if (v->eager)
		v->longest_own_us = v->longest_us;
	if (gap_us <= v->longest_own_us)
		return;
	waited = waited_us(v) - waited_before;
	if (gap_us > waited + v->longest_own_us)
		v->longest_own_us = gap_us - waited;
}

static void *traffic(void *arg)
{
	struct fg_victims *v = arg;
	uint64_t arrival = fg_now_us(), began = arrival;
	uint64_t seen = 0, waited;

	waits_open(v);
	waited = waited_us(v);
	while (v->error == 0) {
		bool send = !atomic_load(&v->stop);
		uint64_t received, now;

		if (!send && !on_the_way(v))
			break;
		v->error = step(v, send && !is_ahead(v, began));
		received = v->side[0].flow.received + v->side[1].flow.received;
		now = fg_now_us();
		note_gap(v, now - arrival, waited);
		if (received != seen) {
			arrival = now;
			waited = v->eager ? waited : waited_us(v);
		} else if (now - arrival > FG_WAIT_MS * 1000ull) {
			v->error = -ETIMEDOUT;
		}
		v->frames += received - seen;
		seen = received;
	}
	waits_close(v);
	return NULL;
}

int fg_victims_run(struct fg_victims *v)
{
	for (int i = 0; i < 2; i++)
		v->side[i].flow = (struct fg_flow){.id = v->side[i].flow.id};
	v->frames = 0;
	v->longest_us = v->longest_own_us = 0;
	v->error = 0;
	atomic_store(&v->stop, false);
	v->running = pthread_create(&v->thread, NULL, traffic, v) == 0;
	return v->running ? 0 : -EAGAIN;
}

static void report(const struct fg_victims *v)
{
	fprintf(stderr, "victims: error %d (%s), longest silence %llu us\n", v->error,
		strerror(-v->error), (unsigned long long)v->longest_us);
	for (int i = 0; i < 2; i++) {
		const struct fg_flow *f = &v->side[i].flow;

		fprintf(stderr,
			"  %d: sent %llu received %llu lost %llu twice %llu late %llu bad %llu\n",
			i, (unsigned long long)f->next_tx, (unsigned long long)f->received,
			(unsigned long long)f->lost, (unsigned long long)f->duplicate,
			(unsigned long long)f->reordered, (unsigned long long)f->damaged);
	}
}

int fg_victims_pause(struct fg_victims *v)
{
	int err;

	if (!v->running)
		return 0;
	atomic_store(&v->stop, true);
	pthread_join(v->thread, NULL);
	v->running = false;
	err = v->error;
	for (int i = 0; err == 0 && i < 2; i++) {
		err = fg_nic_drain_tx(&v->side[i].nic, FG_WAIT_MS);
		if (err == 0 && !fg_flow_whole(&v->side[i].flow))
			err = -EIO;
	}
	if (err == 0 && v->longest_us > FG_STALL_MS * 1000ull)
		err = -ETIME;
	if (err < 0)
		report(v);
	return err;
}

/* The first frames also teach the switch where the two live. */
static int introduce(struct fg_victims *v)
{
	int err = fg_victims_run(v);

	fg_sleep_us(20000);
	return err < 0 ? err : fg_victims_pause(v);
}

int fg_victims_start(struct fg_victims *v, const struct fg_switch *sw, const char *a, const char *b)
{
	static uint32_t number; /* no two of them have the same address */
	int err;

	memset(v, 0, sizeof(*v));
	v->pid = sw->pid;
	err = open_side(&v->side[0], fg_switch_socket(sw, a), number++ % 128);
	if (err == 0)
		err = open_side(&v->side[1], fg_switch_socket(sw, b), number++ % 128);
	if (err == 0)
		err = introduce(v);
	if (err < 0)
		fprintf(stderr, "the victims cannot start: %s\n", strerror(-err));
	return err;
}

void fg_victims_stop(struct fg_victims *v)
{
	fg_victims_pause(v);
	for (int i = 0; i < 2; i++) {
		if (v->side[i].s.mem == NULL)
			continue;
		fg_session_stop(&v->side[i].s);
		fg_session_close(&v->side[i].s);
		fg_memory_fini(&v->side[i].mem);
	}
}
