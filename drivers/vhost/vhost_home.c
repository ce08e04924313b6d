/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhost_rings.h"

/* Pages of the guest's memory, chosen anew each time, beside those of its rings: two for each queue. */
enum { SAMPLES = 64, RING_PAGES = 2 * VHOST_RINGS_MAX, OWN_MAX = 2 + VHU_DEVICE_SPANS };

struct vhost_look {
	struct disposal_job job;
	struct vhost_port *vhost; /* NULL: the port is gone */
	unsigned int n, own_n;
	void *page[RING_PAGES + SAMPLES];
	int node[RING_PAGES + SAMPLES];
	struct node_span own[OWN_MAX];
	int own_node[OWN_MAX];
	int before, home, error;
};

/* --- which node --------------------------------------------------------------------------------------------------- */

int vhost_home_of(const int *node, unsigned int n, int now)
{
	unsigned int pages[NODES_MAX] = {0};
	int most = 0;

	for (unsigned int i = 0; i < n; i++)
		if (node[i] != NODE_UNKNOWN)
			pages[node[i]]++;
	for (int i = 1; i < NODES_MAX; i++)
		if (pages[i] > pages[most])
			most = i;
	if (pages[most] == 0)
		return NODE_UNKNOWN;
	return now != NODE_UNKNOWN && 2 * pages[most] < 3 * pages[now] ? now : most;
}

/* --- a look, on a disposal thread --------------------------------------------------------------------------------- */

static void look_run(struct disposal_job *job)
{
	struct vhost_look *look = container_of(job, struct vhost_look, job);
	void *own[OWN_MAX];

	for (unsigned int i = 0; i < look->own_n; i++)
		own[i] = look->own[i].at;
	look->error = nodes_of_pages(look->page, look->n, look->node);
	if (look->error == 0)
		look->error = nodes_of_pages(own, look->own_n, look->own_node);
	if (look->error != 0)
		return;
	look->home = vhost_home_of(look->node, look->n, look->before);
	if (look->home == NODE_UNKNOWN)
		return;
	for (unsigned int i = 0; i < look->own_n; i++) {
		/* If the port goes meanwhile, what is there by then may be moved: contents and address stay. */
		if (look->own_node[i] != look->home)
			node_move(&look->own[i], look->home);
	}
	nodes_of_pages(own, look->own_n, look->own_node);
}

/* --- what comes of it --------------------------------------------------------------------------------------------- */

static int in_one_place(const int *node, unsigned int n)
{
	for (unsigned int i = 1; i < n; i++)
		if (node[i] != node[0])
			return NODE_UNKNOWN;
	return n > 0 ? node[0] : NODE_UNKNOWN;
}

static int first_known(const int *node, unsigned int n, int otherwise)
{
	for (unsigned int i = 0; i < n; i++)
		if (node[i] != NODE_UNKNOWN)
			return node[i];
	return otherwise;
}

/* The pages of the rings come first, four for each pair. */
static void place_queues(struct vhost_port *vhost, const struct vhost_look *look) RUNS_ON(control_thread)
{
	bool changed = false;

	for (unsigned int i = 0; i < vhost->pairs; i++) {
		struct port_rxq *q = &vhost->rxq[i].q;
		int node = first_known(&look->node[4 * i], 4, look->home);

		changed |= node != q->node;
		q->node = node;
	}
	if (changed && vhost->port.host->queues_placed != NULL)
		vhost->port.host->queues_placed(vhost->port.host, &vhost->port);
}

static void wait_for_next(struct vhost_port *vhost, uint64_t ns) RUNS_ON(control_thread)
{
	vhost->home.next_ns = ns < VHOST_HOME_LAST_NS ? ns : VHOST_HOME_LAST_NS;
	loop_timer_start(vhost->port.host->loop, &vhost->home.timer, vhost->home.next_ns);
}

static void look_done(struct disposal_job *job)
{
	struct vhost_look *look = container_of(job, struct vhost_look, job);
	struct vhost_port *vhost = look->vhost;

	role_assert_control();
	if (vhost != NULL) {
		struct vhost_home *home = &vhost->home;

		home->look = NULL;
		home->error = look->error;
		if (look->home != NODE_UNKNOWN) {
			home->node = look->home;
			home->own = in_one_place(look->own_node, look->own_n);
			home->looked = home->there = 0;
			for (unsigned int i = 0; i < look->n; i++) {
				home->looked += look->node[i] != NODE_UNKNOWN;
				home->there += look->node[i] == look->home;
			}
			place_queues(vhost, look);
		}
		wait_for_next(vhost, 2 * home->next_ns);
	}
	free(look);
}

/* --- and where it looks ------------------------------------------------------------------------------------------- */

/* The parts of a ring that an lcore has read, if it runs. An address without memory is looked at as well, and is not known. */
static void add_ring(struct vhost_look *look, const struct virtq *ring) RUNS_ON(control_thread)
{
	const struct virtq_conf *conf = rcu_own(&ring->conf);

	look->page[look->n++] = conf != NULL ? (void *)conf->avail : NULL;
	look->page[look->n++] = conf != NULL ? (void *)conf->desc : NULL;
}

static void add_samples(struct vhost_look *look, const struct mem_map *map, uint64_t salt)
{
	uint64_t all = 0, step, at, begins = 0;
	uint32_t region = 0;

	for (uint32_t i = 0; i < map->n; i++)
		all += map->region[i].size;
	step = all / SAMPLES;
	if (step == 0)
		return;
	/* A place in each of the parts of equal size: another one with each look. */
	at = salt * UINT64_C(0x9e3779b97f4a7c15) % step;
	for (unsigned int i = 0; i < SAMPLES; i++, at += step) {
		while (at - begins >= map->region[region].size)
			begins += map->region[region++].size;
		look->page[look->n++] = map->region[region].host + (at - begins);
	}
}

static void vhost_home_look(struct loop_timer *timer)
{
	struct vhost_port *vhost = container_of(timer, struct vhost_port, home.timer);
	const struct mem_map *map;
	struct vhost_look *look;

	role_assert_control();
	map = vhu_device_memory(vhost->device);
	/* Without rings nothing is used; the next one to run begins anew. */
	if (vhu_device_rings_ready(vhost->device) == 0 || map == NULL || vhost->home.look != NULL)
		return;
	look = calloc(1, sizeof(*look));
	if (look == NULL) {
		wait_for_next(vhost, 2 * vhost->home.next_ns);
		return;
	}
	look->job = (struct disposal_job){
		.run = look_run,
		.done = look_done,
		.what = "a look at where guest memory lies",
	};
	look->vhost = vhost;
	look->before = vhost->home.node;
	look->home = NODE_UNKNOWN;
	for (unsigned int i = 0; i < 2 * vhost->pairs; i++)
		add_ring(look, vhu_device_virtq(vhost->device, i ^ 1));
	add_samples(look, map, vhost->home.looks++);
	look->own[0] = (struct node_span){.at = vhost, .size = vhost_size(vhost->pairs)};
	look->own[1] = (struct node_span){
		.at = vhost->port.counters,
		.size = port_counters_size(vhost->port.counters_n),
	};
	look->own_n = 2 + vhu_device_own(vhost->device, &look->own[2]);
	vhost->home.look = look;
	disposal_start(vhu_device_account(vhost->device), &look->job);
}

void vhost_home_init(struct vhost_port *vhost)
{
	vhost->home.node = vhost->home.own = NODE_UNKNOWN;
	vhost->home.timer.fire = vhost_home_look;
}

void vhost_home_begin(struct vhost_port *vhost)
{
	if (nodes_several() && !vhost->ending)
		wait_for_next(vhost, VHOST_HOME_FIRST_NS);
}

void vhost_home_end(struct vhost_port *vhost)
{
	struct vhost_look *look = vhost->home.look;

	loop_timer_stop(vhost->port.host->loop, &vhost->home.timer);
	vhost->home.look = NULL;
	if (look == NULL)
		return;
	look->vhost = NULL;
	if (disposal_cancel(&look->job))
		free(look);
}

/* --- in words ----------------------------------------------------------------------------------------------------- */

void vhost_home_describe(const struct vhost_port *vhost, char *text, size_t size)
{
	const struct vhost_home *home = &vhost->home;
	char own[32] = "several nodes";

	if (home->own != NODE_UNKNOWN)
		snprintf(own, sizeof(own), "node %d", home->own);
	if (home->error != 0)
		snprintf(text, size, "not known: move_pages(): %s", strerror(-home->error));
	else if (home->node == NODE_UNKNOWN)
		snprintf(text, size, "not known: no page of it has been used yet");
	else
		snprintf(text, size, "node %d (%u of %u pages that were looked at); the switch's own for it: %s",
			 home->node, home->there, home->looked, own);
}
